package loop

import (
	"io"
	"io/fs"
	"os"
	"syscall"
	"unsafe"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// FileFunc is the callback of Open.
type FileFunc func(f *File, err error)

// StatFunc is the callback of Stat.
type StatFunc func(info fs.FileInfo, err error)

// A File is an open file. Its operations are unordered, except Read, Write and Append, which take turns. By itself it
// keeps nothing alive; it must be closed. All methods belong to the loop's goroutine.
//
// On io_uring the kernel carries reads, writes, syncs and what else it has an opcode for, in user space a worker does; the rest runs on a lane on both (ROUTES.md).
// A small ReadAt is first tried on what the page cache has. Errors are [*fs.PathError].
type File struct {
	handle
	name       string
	appendMode bool
	hot        hot
	turn       *op    // the operation at the file's own position that is in flight
	line       opList // those that wait for their turn

	syncs    opList // waiting for the next flush
	flushing opList // riding on the flush in flight
	flush    *op
}

// Open opens a file as [os.OpenFile] does. openat(2), close-on-exec: IORING_OP_OPENAT.
func (l *Loop) Open(name string, flag int, perm fs.FileMode, fn FileFunc) Op {
	needCallback("Open", fn == nil)
	o := l.path(kindOpen, "open", name, fn)
	if o.state == statePending {
		return l.op(o)
	}
	o.extra.flag = flag
	o.sqe.Opcode = ring.OpOpenat
	o.sqe.OpFlags = sys.OpenFlags(flag)
	o.sqe.Arg = sys.FileMode(perm)
	l.submit(o)
	return l.op(o)
}

func (l *Loop) opened(o *op, res int32) {
	if res < 0 && l.retry(o, res) {
		return
	}
	fn, x := callback[FileFunc](o), o.extra
	if res >= 0 && !l.shut {
		f := &File{name: x.name, appendMode: x.flag&os.O_APPEND != 0}
		f.hot.never = x.flag&sys.Direct != 0
		f.open(l, f, res)
		l.retire(o)
		fn(f, nil)
		return
	}
	err := ErrClosed
	if res >= 0 {
		l.release(res)
	} else {
		err = x.wrap(o.fault(res))
	}
	l.retire(o)
	fn(nil, err)
}

// Name returns the name that was given to Open.
func (f *File) Name() string { return f.name }

// ReadAt reads len(b) bytes at offset off: as with [io.ReaderAt], fewer come only with an error, [io.EOF] at the end of the file.
// pread(2): IORING_OP_READ, after preadv2(2) with RWF_NOWAIT for up to 64 KiB that may be cached.
func (f *File) ReadAt(b []byte, off int64, fn IOFunc) Op {
	needCallback("ReadAt", fn == nil)
	return f.startIO(kindRead, b, at(off), 0, fn)
}

// WriteAt writes all of b at offset off. It is refused on a file opened with O_APPEND. pwrite(2): IORING_OP_WRITE.
func (f *File) WriteAt(b []byte, off int64, fn IOFunc) Op {
	return f.startIO(kindWrite, b, at(off), 0, fn)
}

// Read reads up to len(b) bytes at the file's position, as [os.File.Read] does, and moves it. Read, Write and Append run one after the other,
// in the order of their calls. read(2).
func (f *File) Read(b []byte, fn IOFunc) Op {
	needCallback("Read", fn == nil)
	return f.startIO(kindRead, b, atPosition, 0, fn)
}

// Write writes all of b at the file's position and moves it. write(2).
func (f *File) Write(b []byte, fn IOFunc) Op { return f.startIO(kindWrite, b, atPosition, 0, fn) }

// Append writes all of b at the end of the file, wherever that is by then. pwritev2(2) with RWF_APPEND.
func (f *File) Append(b []byte, fn IOFunc) Op {
	if sys.AppendFlag == 0 && !f.appendMode && !f.closing {
		return f.l.settle(f.l.start(kindWrite, &f.handle, fn), -int32(syscall.EOPNOTSUPP))
	}
	return f.startIO(kindWrite, b, atPosition, sys.AppendFlag, fn)
}

// atPosition is the offset that means the file's own position.
const atPosition = -1

// at keeps a negative offset of the program's from meaning the position: it is invalid.
func at(off int64) int64 {
	if off < 0 {
		return atPosition - 1
	}
	return off
}

func (f *File) startIO(k kind, b []byte, off int64, flags uint32, fn IOFunc) Op {
	l := f.l
	if f.closing {
		o := l.refused(k, &f.handle, fn)
		o.lend(b)
		return l.op(o)
	}
	o := l.start(k, &f.handle, fn)
	o.lend(b)
	o.sqe.Off = off
	if res := f.checkOffset(k, off); res < 0 {
		return l.settle(o, res)
	}
	if len(b) == 0 {
		return l.settle(o, 0)
	}
	o.sqe.Opcode = ring.OpWrite
	if k == kindRead {
		poisonLent(b)
		o.sqe.Opcode = ring.OpRead
	}
	o.sqe.OpFlags = flags
	if k == kindRead && off != atPosition {
		if res, ok := f.readHot(o); ok {
			o.sqe.FD, o.sqe.Flags = f.fd, ring.MayBlock // for the rest, if that was not all
			return l.settle(o, res)
		}
	}
	f.send(o)
	return l.op(o)
}

func (f *File) checkOffset(k kind, off int64) int32 {
	switch {
	case off < atPosition:
		return -int32(syscall.EINVAL)
	case f.appendMode && off != atPosition && (k == kindWrite || k == kindWriteVec):
		return resAppendMode
	}
	return 0
}

// send submits o, or lets it wait for its turn at the file's position.
func (f *File) send(o *op) {
	o.sqe.FD = f.fd
	o.sqe.Flags = ring.MayBlock
	f.l.useRegistered(o)
	if o.sqe.Off == atPosition {
		if f.turn != nil {
			f.line.push(o)
			return
		}
		f.turn = o
	}
	f.l.submit(o)
}

// leave ends o's turn at the file's position.
func (f *File) leave(o *op) {
	if f.turn != o {
		return
	}
	f.turn = f.line.pop()
	if f.turn != nil {
		f.l.submit(f.turn)
	}
}

// moved ends a read or write of one buffer, or goes on with it.
func (f *File) moved(o *op, res int32) {
	l := f.l
	if res < 0 && l.retry(o, res) {
		return
	}
	n, err := max(int(res), 0), error(nil)
	reads := o.kind == kindRead
	switch {
	case res < 0:
		err = f.wrap(reads, o.fault(res))
	case o.done+int(o.sqe.Len) == 0: // nothing was asked for
	case n == 0 && reads:
		err = io.EOF
	case n == 0:
		err = f.wrap(reads, io.ErrUnexpectedEOF)
	case n < int(o.sqe.Len) && (!reads || o.sqe.Off != atPosition):
		o.advance(n)
		if o.sqe.Off != atPosition {
			o.sqe.Off += int64(n)
		}
		if l.again(o) {
			return
		}
		n, err = 0, o.stopped()
	}
	f.leave(o)
	b, fn := o.lent(n), callback[IOFunc](o)
	l.retire(o)
	if fn != nil {
		fn(b, err)
	}
}

// ReadVecAt reads into bufs, in order, from offset off, until they are full or the file ends ([io.EOF]). The outer slice is lent too.
// preadv(2): IORING_OP_READV.
func (f *File) ReadVecAt(bufs [][]byte, off int64, fn VecFunc) Op {
	needCallback("ReadVecAt", fn == nil)
	return f.startVec(kindReadVec, ring.OpReadv, bufs, off, fn)
}

// WriteVecAt writes all of bufs, in order, at offset off. The outer slice is lent too. pwritev(2): IORING_OP_WRITEV.
func (f *File) WriteVecAt(bufs [][]byte, off int64, fn VecFunc) Op {
	return f.startVec(kindWriteVec, ring.OpWritev, bufs, off, fn)
}

func (f *File) startVec(k kind, opcode ring.Opcode, bufs [][]byte, off int64, fn VecFunc) Op {
	l := f.l
	if f.closing {
		return l.refuse(k, &f.handle, fn)
	}
	o := l.start(k, &f.handle, fn)
	l.slots.more(o).bufs = bufs
	if off < 0 {
		return l.settle(o, -int32(syscall.EINVAL))
	}
	if res := f.checkOffset(k, off); res < 0 {
		return l.settle(o, res)
	}
	o.sqe.Opcode = opcode
	o.sqe.Off = off
	if !o.prepareVec() {
		return l.settle(o, 0)
	}
	f.send(o)
	return l.op(o)
}

// prepareVec points the entry at what is left of the buffers and reports whether that is anything. A system call takes
// IOV_MAX of them.
func (o *op) prepareVec() bool {
	x := o.extra
	clear(x.iov) // fewer may follow, and the pool that x goes back to must not keep the others' buffers alive
	x.iov = appendVec(x.iov[:0], x.bufs, o.done, sys.MaxIov)
	o.sqe.Addr = unsafe.Pointer(unsafe.SliceData(x.iov))
	o.sqe.Len = uint64(len(x.iov))
	return len(x.iov) > 0
}

func (f *File) movedVec(o *op, res int32) {
	l := f.l
	if res < 0 && l.retry(o, res) {
		return
	}
	reads := o.kind == kindReadVec
	var err error
	switch {
	case res < 0:
		err = f.wrap(reads, o.fault(res))
	case o.sqe.Len == 0: // nothing was asked for
	case res == 0 && reads:
		err = io.EOF
	case res == 0:
		err = f.wrap(reads, io.ErrUnexpectedEOF)
	default:
		o.done += int(res)
		o.sqe.Off += int64(res)
		if o.prepareVec() {
			if l.again(o) {
				return
			}
			err = o.stopped()
		}
	}
	n, fn := o.done, callback[VecFunc](o)
	l.retire(o)
	if fn != nil {
		fn(n, err)
	}
}

// Close closes the file: no new operation is accepted, those in flight end with [ErrClosed] or their result, then the descriptor
// is closed, then fn runs, last and from the close phase, with what close(2) reported. fn may be nil. A further Close ends with ErrClosed.
func (f *File) Close(fn DoneFunc) { f.close(fn, f.cancelAll) }

// cancelAll cancels what h has in flight, for a Close. It looks at every operation there is.
func (h *handle) cancelAll() {
	if h.ops == 0 {
		return
	}
	h.l.slots.all(func(o *op) {
		if o.h == h && !o.refused {
			h.l.cancel(o, causeClose)
		}
	})
}

func (f *File) wrap(reads bool, err error) error {
	action := "write"
	if reads {
		action = "read"
	}
	return pathError(action, f.name, err)
}

// pathError makes an error of the system a *fs.PathError and leaves the loop's own alone.
func pathError(action, name string, err error) error {
	if err == nil || bare(err) {
		return err
	}
	return &fs.PathError{Op: action, Path: name, Err: err}
}
