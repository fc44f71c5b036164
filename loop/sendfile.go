package loop

import (
	"io"
	"syscall"
)

// CopyFunc is the callback of SendFile and RecvFile; n bytes moved.
type CopyFunc func(n int64, err error)

// fileChunk is how much SendFile and RecvFile move at once: what ReadAt still takes from the page cache by itself.
const fileChunk = maxHot

// SendFile sends n bytes of f from offset off, or, if n is negative, all up to its end. It is one send of the stream: it keeps its place among the
// others, however long it takes, and what was said of them holds for it. A file that ends before n bytes gives [io.ErrUnexpectedEOF], one that cannot be read its
// [*fs.PathError]. f must stay open meanwhile and be of the same loop; its position is neither used nor moved. On a Conn of packets it ends with EOPNOTSUPP.
//
// It reads 64 KiB while the 64 KiB before are being sent, into two buffers of its own, by the routes of [File.ReadAt] and [Conn.Send]: a peer that does
// not read holds it up with no more than these in memory. Not sendfile(2), which blocks its thread in the disk and would cost a worker for
// as long as the peer likes, nor IORING_OP_SPLICE, which does the same to a kernel thread.
func (c *Conn) SendFile(f *File, off, n int64, fn CopyFunc) Op {
	l := c.l
	c.checkFile("SendFile", f)
	if c.closing {
		return l.refuse(kindSendFile, &c.handle, fn)
	}
	o := l.start(kindSendFile, &c.handle, fn)
	if c.via.packets {
		return l.settle(o, -int32(syscall.EOPNOTSUPP))
	}
	if broken := c.checkSend(); broken < 0 {
		return l.settle(o, broken)
	}
	s := &fileSource{c: c, f: f, off: off, left: n}
	s.onRead = s.got
	l.slots.more(o).source = s
	c.enqueue(o)
	return l.op(o)
}

// checkFile panics unless c can send and receive f.
func (c *Conn) checkFile(method string, f *File) {
	switch {
	case f == nil:
		panic("loop: " + method + ": nil file")
	case f.l != c.l:
		panic("loop: " + method + ": the file belongs to another loop")
	}
}

// A fileSource refills a send from a file. The send's own Addr and Len are what is left of the chunk that the stream has.
type fileSource struct {
	c     *Conn
	f     *File
	off   int64 // of the next read
	left  int64 // what to read from there; negative until the end of the file
	taken int64 // what the stream got

	spare  []byte // the buffer that the stream does not have
	used   []byte // the one that it has
	ready  []byte // what spare holds
	read   Op
	onRead IOFunc
	busy   bool // a read is in flight
	ended  bool // there is no more to read
	err    error
}

// refill gives the send at the head its next chunk, and reports whether it has one. Else it waits for a read.
func (c *Conn) refill(o *op) bool {
	s := o.extra.source
	if o.sqe.Len > 0 {
		return true
	}
	if len(s.ready) == 0 && !s.busy {
		s.start()
	}
	if s.finished() {
		return true // nothing was asked for: an empty send keeps the order
	}
	if len(s.ready) == 0 {
		return false
	}
	o.lend(s.ready)
	o.done = int(min(s.taken, 1)) // that something moved is all that a stream's sends need of it
	s.taken += int64(len(s.ready))
	c.queued += len(s.ready)
	s.spare, s.used, s.ready = s.used, s.spare, nil
	s.start()
	return true
}

// start reads the next chunk, unless there is none.
func (s *fileSource) start() {
	if s.left == 0 {
		s.ended = true
	}
	if s.ended {
		return
	}
	if s.spare == nil {
		s.spare = make([]byte, fileChunk)
	}
	b := s.spare
	if s.left > 0 {
		b = b[:min(int64(len(b)), s.left)]
	}
	s.busy = true
	s.read = s.f.ReadAt(b, s.off, s.onRead)
}

// got takes what was read. The send may have ended meanwhile, which is nothing to s.
func (s *fileSource) got(b []byte, err error) {
	s.busy = false
	s.ready = b
	s.off += int64(len(b))
	if s.left > 0 {
		s.left -= int64(len(b))
	}
	s.ended = err != nil || s.left == 0
	switch {
	case err != io.EOF:
		s.err = err
	case s.left > 0:
		s.err = io.ErrUnexpectedEOF
	}
	c := s.c
	head := c.sends.head
	switch {
	case c.tx != nil || head == nil || head.extra == nil || head.extra.source != s: // it has more to send, or has ended
	case s.finished():
		c.endFile(head)
		c.sweep(&c.l.ready)
		if c.sends.head != nil {
			c.mark()
		}
	default:
		c.mark()
	}
}

// finished reports whether the stream got all there is.
func (s *fileSource) finished() bool { return s.ended && !s.busy && len(s.ready) == 0 }

// emptied records that the chunk of the SendFile at the head has moved, and ends it if that was the last.
func (c *Conn) emptied(o *op) {
	o.sqe.Addr, o.sqe.Len = nil, 0
	o.done = 1
	if o.extra.source.finished() {
		c.endFile(o)
	}
}

// endFile ends the SendFile at the head, of which nothing is with the queue.
func (c *Conn) endFile(o *op) {
	s := o.extra.source
	c.broken = c.broken || s.err != nil && s.taken > 0
	c.sends.pop()
	o.res = 0
	c.l.ready.push(o)
}

// fileSent calls a SendFile back.
func (c *Conn) fileSent(o *op, fn CopyFunc, err error) {
	n, left := int64(0), int64(o.left())
	if x := o.extra; x != nil && x.source != nil {
		n = x.source.taken - left
		if err == nil {
			err = x.source.err
		}
		x.source.read.Cancel()
	}
	c.l.retire(o)
	if fn != nil {
		fn(n, err)
	}
}
