package loop

import (
	"syscall"
	"time"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// fileBatch is how many file entries may wait for the end of the turn: a disk idles while the
// loop dispatches. With 8 it has a tenth less to do at depth 8 and 32, with 2 each enter is worth too little.
// Sockets gain nothing from an earlier Enter.
const fileBatch = 4

// start makes an operation on h, or on no handle.
func (l *Loop) start(k kind, h *handle, fn any) *op {
	l.checkThread(kindNames[k])
	o := l.slots.take()
	o.next, o.kind, o.state, o.fn = nil, k, stateHeld, fn
	if h != nil {
		o.h = h
		h.ops++
	}
	l.refs++
	l.count.started[k]++
	if l.observed {
		l.recordStart(o)
	}
	return o
}

// internal makes an operation of the loop's own: it keeps nothing alive and calls nobody back.
func (l *Loop) internal(k kind, h *handle) *op {
	o := l.slots.take()
	o.next, o.kind, o.state, o.unref = nil, k, stateHeld, true
	if h != nil {
		o.h = h
		h.ops++
	}
	l.count.started[k]++
	return o
}

func (l *Loop) op(o *op) Op { return Op{l, o.sqe.UserData} }

// settle gives o its result now and its callback in the next turn.
func (l *Loop) settle(o *op, res int32) Op {
	o.res = res
	o.state = statePending
	l.pending.push(o)
	return l.op(o)
}

// refuse settles an operation on a handle that is closed or closing. The handle does not wait for it to
// close the descriptor, only to call back.
func (l *Loop) refuse(k kind, h *handle, fn any) Op { return l.op(l.refused(k, h, fn)) }

func (l *Loop) refused(k kind, h *handle, fn any) *op {
	o := l.start(k, nil, fn)
	o.h, o.refused = h, true
	h.refused++
	l.settle(o, resClosed)
	return o
}

// retire frees o just before its final callback, which may thereby start the next operation in its place.
func (l *Loop) retire(o *op) {
	if !o.unref {
		l.refs--
	}
	l.count.finished[o.kind]++
	if x := o.extra; x != nil {
		if x.began > 0 {
			l.observer.tracer.operation(o, time.Since(l.origin))
		}
		if x.timeout != nil {
			l.freeTimeout(x.timeout)
		}
		l.slots.putExtra(x)
	}
	h, refused := o.h, o.refused
	l.slots.put(o)
	switch {
	case h == nil:
		return
	case refused:
		h.refused--
		return
	}
	h.ops--
	if h.closing && h.ops == 0 {
		l.closeDescriptor(h)
	}
}

// submit hands o's entry to the queue, at once or as soon as there is room.
func (l *Loop) submit(o *op) {
	o.detoured = false
	if !l.features.Supports(o.sqe.Opcode) {
		l.detour(o)
		return
	}
	if l.backlog.len > 0 || !l.queue.Push(&o.sqe) && !l.pushAgain(o) {
		o.state = stateBacklog
		l.backlog.push(o)
		return
	}
	o.state = stateQueued
	l.count.totals[entries]++
	if o.sqe.Flags&ring.MayBlock != 0 {
		if l.files++; l.files >= fileBatch && l.running {
			l.files = 0
			l.count.totals[enters]++
			_ = l.queue.Enter(0) // a broken queue says so again when the turn enters it
		}
	}
}

// pushAgain makes room in a queue that was full, and pushes o.
func (l *Loop) pushAgain(o *op) bool {
	if !l.running { // not bound yet: there is nothing to enter
		return false
	}
	l.count.totals[enters]++
	l.files = 0
	return l.queue.Enter(0) == nil && l.queue.Push(&o.sqe)
}

// submitAll brings everything that waits into the submission queue: parked receives whose buffers came
// back, what the handles have to flush, and the backlog.
func (l *Loop) submitAll() {
	if l.buffers != nil {
		l.unpark()
		l.buffers.supply()
	}
	for h := l.dirty; h != nil; h = l.dirty {
		l.dirty, h.nextDirty = h.nextDirty, nil
		h.submitMarked()
	}
	if len(l.mail.owed) > 0 {
		l.payMail()
	}
	for o := l.backlog.head; o != nil; o = l.backlog.head {
		if o.cause == causeNone && !l.queue.Push(&o.sqe) && !l.pushAgain(o) {
			return
		}
		l.backlog.pop()
		if o.cause != causeNone {
			l.settle(o, -ecanceled)
		} else {
			o.state = stateQueued
		}
	}
}

// again resubmits o's entry as it stands, unless the operation was asked to stop.
func (l *Loop) again(o *op) bool {
	if o.cause != causeNone {
		return false
	}
	l.submit(o)
	return true
}

// pollFirst waits for events on o's descriptor and then submits o's entry.
func (l *Loop) pollFirst(o *op, events uint32) {
	o.then, o.thenFlags, o.thenOp = o.sqe.Opcode, o.sqe.Flags, o.sqe.OpFlags
	o.sqe.Opcode, o.sqe.Flags, o.sqe.OpFlags = ring.OpPollAdd, 0, events
	l.submit(o)
}

// polled undoes pollFirst.
func (o *op) polled() {
	o.sqe.Opcode, o.sqe.Flags, o.sqe.OpFlags = o.then, o.thenFlags, o.thenOp
	o.then = ring.OpNop
}

// retry resubmits an entry that ended with EINTR or EAGAIN, which only a signal, an old kernel or
// a file system like XFS makes it do. It reports whether the operation goes on.
func (l *Loop) retry(o *op, res int32) bool {
	if o.cause != causeNone {
		return false
	}
	switch syscall.Errno(-res) {
	case syscall.EINTR:
		l.submit(o)
		return true
	case syscall.EAGAIN:
		switch o.sqe.Opcode {
		case ring.OpRecv, ring.OpRecvmsg, ring.OpAccept, ring.OpRead, ring.OpReadv:
			l.pollFirst(o, sys.PollIn)
			return true
		case ring.OpSend, ring.OpSendmsg, ring.OpWrite, ring.OpWritev:
			l.pollFirst(o, sys.PollOut)
			return true
		}
	case syscall.EOPNOTSUPP:
		// A file system without the asynchronous form: the plain system call may do. Once: what that says is final.
		if o.sqe.Flags&ring.MayBlock != 0 && !o.detoured {
			l.detour(o)
			return true
		}
	}
	return false
}

// cancel asks for the end of o. It never calls back and never fails.
func (l *Loop) cancel(o *op, why cause) {
	if o.cause != causeNone || o.kind == kindCancel || o.kind == kindClose || o.kind == kindRelease || o.kind == kindMessage {
		return
	}
	if o.kind == kindShutdown && o.sqe.Opcode == ring.OpClose { // the descriptor is this entry's to close
		return
	}
	switch o.state {
	case statePending:
		if o.kind == kindRead && o.res > 0 { // out of the page cache, perhaps in part: the rest is not to be asked for
			o.cause = why
		}
		return
	case stateBacklog: // found when the backlog is submitted
		o.cause = why
		return
	}
	o.cause = why
	switch o.kind {
	case kindPending:
		if fn := o.extra.cancel; fn != nil {
			o.extra.cancel = nil
			fn()
		}
		return
	case kindSend, kindShutdown, kindSendFile:
		o.h.self.(*Conn).cancelSend(o)
		return
	case kindReader:
		o.extra.reader.recv.Cancel()
		return
	case kindSync:
		o.h.self.(*File).cancelSync(o)
		return
	}
	switch o.state {
	case stateQueued:
		l.cancelEntry(o, 0)
	case stateWorker:
		if l.workers(o).Withdraw(&o.sqe) {
			l.settle(o, -ecanceled)
		} else if o.extra != nil && o.extra.cancel != nil { // it runs, and can be told to end early
			o.extra.cancel()
		}
	case stateHeld:
		if l.parked.remove(o) || l.unqueue(o) || o.kind == kindAccept || o.kind == kindConnect || o.kind == kindExit {
			l.settle(o, -ecanceled)
		}
	}
}

// unqueue takes o out of its file's line for the shared position, or of its socket's queue.
func (l *Loop) unqueue(o *op) bool {
	if o.h == nil {
		return false
	}
	switch h := o.h.self.(type) {
	case *File:
		return h.line.remove(o)
	case *PacketConn:
		return h.unqueue(o)
	}
	return false
}

// cancelEntry pushes an ASYNC_CANCEL for o's entry, after so many that missed it.
func (l *Loop) cancelEntry(o *op, misses int) {
	c := l.internal(kindCancel, nil)
	c.done = misses
	c.sqe.Opcode = ring.OpCancel
	c.sqe.Addr = target(o)
	c.sqe.Off = int64(o.sqe.UserData)
	l.submit(c)
}

// canceled ends a cancel. The queue may have missed an entry that was between two of its own steps, such as a
// multishot receive about to be armed again: as long as the operation is in flight the cancel is repeated, after a pause that grows because it
// may simply be running. An entry that may block does run, or wait for a disk, and ends by itself.
func (l *Loop) canceled(c *op, res int32) {
	id, misses := uint64(c.sqe.Off), c.done
	l.retire(c)
	if res >= 0 {
		return
	}
	if o := l.slots.find(id); o == nil || o.state != stateQueued || o.sqe.Flags&ring.MayBlock != 0 {
		return
	}
	t := l.newTimeout(func() {
		if o := l.slots.find(id); o != nil && o.state == stateQueued {
			l.cancelEntry(o, misses+1)
		}
	})
	t.Reset(time.Millisecond << min(misses, 7))
}
