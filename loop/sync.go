package loop

import (
	"github.com/proactor-go/proactor/ring"
)

// Sync makes everything durable that the writes whose callback ran before wrote, data and metadata. Syncs of one turn, and those
// started while one is in flight, share one system call. fsync(2): IORING_OP_FSYNC.
func (f *File) Sync(fn DoneFunc) Op { return f.startSync("Sync", 0, fn) }

// Datasync is Sync without metadata that is not needed to read the data back. fdatasync(2): IORING_OP_FSYNC with
// IORING_FSYNC_DATASYNC.
func (f *File) Datasync(fn DoneFunc) Op { return f.startSync("Datasync", ring.FsyncData, fn) }

func (f *File) startSync(method string, flags uint32, fn DoneFunc) Op {
	needCallback(method, fn == nil)
	l := f.l
	if f.closing {
		return l.refuse(kindSync, &f.handle, fn)
	}
	o := l.start(kindSync, &f.handle, fn)
	o.sqe.OpFlags = flags
	f.syncs.push(o)
	f.mark()
	return l.op(o)
}

// startFlush sends one FSYNC for all that wait.
func (f *File) startFlush() {
	if f.flush != nil || f.syncs.head == nil {
		return
	}
	o := f.l.internal(kindFlush, &f.handle)
	o.sqe.Opcode = ring.OpFsync
	o.sqe.FD = f.fd
	o.sqe.Flags = ring.MayBlock
	o.sqe.OpFlags = ring.FsyncData
	for s := f.syncs.head; s != nil; s = s.next {
		o.sqe.OpFlags &= s.sqe.OpFlags // one full sync makes it full for all
	}
	f.flush, f.flushing, f.syncs = o, f.syncs, opList{}
	f.l.submit(o)
}

func (f *File) flushed(o *op, res int32) {
	l := f.l
	if res < 0 && l.retry(o, res) {
		return
	}
	f.flush = nil
	for s := f.flushing.pop(); s != nil; s = f.flushing.pop() {
		s.res = res
		l.ready.push(s)
	}
	if f.syncs.head != nil {
		f.mark()
	}
	l.retire(o)
}

func (f *File) synced(o *op, res int32) {
	fn := callback[DoneFunc](o)
	var err error
	if res < 0 {
		err = pathError("sync", f.name, o.fault(res))
	}
	f.l.retire(o)
	fn(err)
}

// cancelSync stops a sync that has its cause set: it leaves its group, or, being the last of it, has the flush canceled.
func (f *File) cancelSync(o *op) {
	if f.flushing.len == 1 && f.flushing.head == o {
		f.l.cancel(f.flush, o.cause)
		return
	}
	if f.syncs.remove(o) || f.flushing.remove(o) {
		f.l.settle(o, -ecanceled)
	}
}
