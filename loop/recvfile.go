package loop

import (
	"io"
	"syscall"
)

// RecvFile receives n bytes into f from offset off, or, if n is negative, all until the peer's last. It is one receive: another one meanwhile ends with
// [ErrBusy]. A peer that ends before n bytes gives [io.ErrUnexpectedEOF]. What is received is written, also after Cancel; if writing fails, with the
// file's [*fs.PathError], up to 64 KiB are lost; what File.WriteAt would refuse is refused before. f must be of the same loop, and c a stream: packets end with EOPNOTSUPP. fn gets how many bytes were written, which is not to say that they are on the disk: see [File.Sync].
//
// It receives up to 64 KiB into a buffer of its own and writes them before it receives more, by the routes of [Conn.Recv] and [File.WriteAt].
func (c *Conn) RecvFile(f *File, off, n int64, fn CopyFunc) Op {
	l := c.l
	c.checkFile("RecvFile", f)
	if c.closing {
		return l.refuse(kindRecvFile, &c.handle, fn)
	}
	o := l.start(kindRecvFile, &c.handle, fn)
	switch {
	case c.via.packets:
		return l.settle(o, -int32(syscall.EOPNOTSUPP))
	case c.recv != nil:
		return l.settle(o, resBusy)
	case n == 0:
		return l.settle(o, 0)
	case off < 0 || f.appendMode: // WriteAt would refuse it, with bytes in hand
		err := errAppendMode
		if off < 0 {
			err = syscall.EINVAL
		}
		l.slots.more(o).err = pathError("write", f.name, err)
		return l.settle(o, resRefused)
	}
	c.recv = o
	l.slots.more(o).sink = &fileSink{
		f: f, off: off, left: n, buf: make([]byte, fileChunk),
		onWritten: func(b []byte, err error) { c.wroteToFile(o, len(b), err) },
	}
	c.recvForFile(o)
	return l.op(o)
}

// A fileSink takes what a RecvFile receives.
type fileSink struct {
	f         *File
	off       int64 // of the next write
	left      int64 // what to receive; negative until the peer's end
	wrote     int64
	buf       []byte
	onWritten IOFunc
}

// recvForFile receives the next piece.
func (c *Conn) recvForFile(o *op) {
	s := o.extra.sink
	b := s.buf
	if s.left > 0 {
		b = b[:min(int64(len(b)), s.left)]
	}
	poisonLent(b)
	o.lend(b)
	o.sqe.Opcode = c.via.recv
	o.sqe.Flags = c.via.recvFlags
	o.sqe.Off = c.via.off
	o.sqe.FD = c.fd
	c.l.submit(o)
}

// receivedForFile writes a piece, and goes on when it is written. Meanwhile o is in flight, but not with the queue.
func (c *Conn) receivedForFile(o *op, res int32) {
	l := c.l
	if c.recv != o { // refused, or there is nothing to do
		var err error
		if res < 0 {
			err = c.wrap("read", c.via.recvCall, o.fault(res))
		}
		c.endRecvFile(o, err)
		return
	}
	if res < 0 && l.retry(o, res) {
		return
	}
	s := o.extra.sink
	switch {
	case res < 0:
		c.endRecvFile(o, c.wrap("read", c.via.recvCall, o.fault(res)))
	case res == 0 && s.left > 0:
		c.endRecvFile(o, io.ErrUnexpectedEOF)
	case res == 0:
		c.endRecvFile(o, nil)
	default:
		s.f.WriteAt(s.buf[:res], s.off, s.onWritten)
	}
}

func (c *Conn) wroteToFile(o *op, n int, err error) {
	s := o.extra.sink
	s.off += int64(n)
	s.wrote += int64(n)
	if s.left > 0 {
		s.left -= int64(n)
	}
	switch {
	case err != nil, s.left == 0:
		c.endRecvFile(o, err)
	case o.cause != causeNone:
		c.endRecvFile(o, o.stopped())
	default:
		c.recvForFile(o)
	}
}

func (c *Conn) endRecvFile(o *op, err error) {
	n, fn := int64(0), callback[CopyFunc](o)
	if o.extra != nil && o.extra.sink != nil {
		n = o.extra.sink.wrote
	}
	if c.recv == o {
		c.recv = nil
	}
	c.l.retire(o)
	if fn != nil {
		fn(n, err)
	}
}
