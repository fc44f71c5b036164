package loop

import (
	"syscall"
	"unsafe"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// Limits of one entry of a stream. More buffers than the first gain nothing, more bytes only hold up
// the callbacks of the sends at its head.
const (
	maxCoalesced = 64
	maxTransmit  = 1 << 20
	maxIO        = 1 << 30 // no system call moves 2 GiB
)

// Send sends all of b. Sends on one Conn go out and call back in the order of their calls; those of one turn leave together.
// An error after some of the bytes moved comes with those bytes, and every later send fails: the stream is broken.
// send(2) or sendmsg(2) with MSG_NOSIGNAL: IORING_OP_SEND, IORING_OP_SENDMSG. On what is no socket, write(2) or writev(2): IORING_OP_WRITE,
// IORING_OP_WRITEV; a pipe without a reader is EPIPE, and the SIGPIPE that comes with it Go ignores, for standard output too.
func (c *Conn) Send(b []byte, fn IOFunc) Op {
	o := c.startSend(fn, len(b))
	o.lend(b)
	return c.l.op(o)
}

// SendVec sends all of bufs, in order, as one send. The outer slice is lent too. A packet may have at most 1024 buffers (EMSGSIZE).
func (c *Conn) SendVec(bufs [][]byte, fn VecFunc) Op {
	size := 0
	for _, b := range bufs {
		size += len(b)
	}
	if c.via.packets && len(bufs) > sys.MaxIov && !c.closing {
		return c.l.settle(c.l.start(kindSend, &c.handle, fn), -int32(syscall.EMSGSIZE))
	}
	o := c.startSend(fn, size)
	o.sqe.Len = uint64(size)
	c.l.slots.more(o).bufs = bufs
	return c.l.op(o)
}

// SendBuffer sends a provided buffer and gives it back to the loop when it has left. It
// consumes b, kept or not, whatever becomes of the send.
func (c *Conn) SendBuffer(b Buffer, fn DoneFunc) Op {
	data := b.Bytes()
	b.claim(c.l)
	o := c.startSend(fn, len(data))
	o.lend(data)
	if b.g != nil { // a send's own entry is never pushed
		o.sqe.Flags, o.sqe.Group, o.sqe.Arg = ring.BufferSelect, bufferGroupID, uint32(b.id)
	}
	return c.l.op(o)
}

// startSend queues an operation of size bytes, unless the stream takes no more.
func (c *Conn) startSend(fn any, size int) *op {
	l := c.l
	if c.closing {
		return l.refused(kindSend, &c.handle, fn)
	}
	o := l.start(kindSend, &c.handle, fn)
	if broken := c.checkSend(); broken < 0 {
		l.settle(o, broken)
		return o
	}
	c.queued += size
	c.enqueue(o)
	return o
}

// checkSend returns why the stream takes no more.
func (c *Conn) checkSend() int32 {
	if c.broken || c.writeClosed {
		return -int32(syscall.EPIPE)
	}
	return 0
}

func (c *Conn) enqueue(o *op) {
	c.sends.push(o)
	if c.tx == nil {
		c.mark()
	}
}

// CloseWrite shuts the sending side down after the sends before it: the peer receives them and then EOF. Later sends
// fail with EPIPE, a second CloseWrite with ENOTCONN. shutdown(2), called by the loop itself: the kernel's opcode
// would pay a thread for it. Of a descriptor that is only for writing, such as a pipe's end, it closes the descriptor, and Close
// the Conn; of another that is no socket, such as a terminal, there is no half to close: ENOTSOCK, as shutdown(2) answers, and sending goes on.
func (c *Conn) CloseWrite(fn DoneFunc) Op {
	l := c.l
	if c.closing {
		return l.refuse(kindShutdown, &c.handle, fn)
	}
	o := l.start(kindShutdown, &c.handle, fn)
	switch {
	case c.writeClosed:
		return l.settle(o, -int32(syscall.ENOTCONN))
	case c.broken:
		return l.settle(o, -int32(syscall.EPIPE))
	case !c.via.shuts && !c.writeOnly:
		return l.settle(o, -int32(syscall.ENOTSOCK))
	}
	c.writeClosed = true
	c.enqueue(o)
	return l.op(o)
}

// transmit makes one entry of the sends that are queued.
func (c *Conn) transmit() {
	if c.tx != nil || c.sends.head == nil {
		return
	}
	l := c.l
	head := c.sends.head
	if head.kind == kindShutdown {
		c.shutdown()
		return
	}
	if head.kind == kindSendFile && !c.refill(head) {
		return
	}
	o := l.internal(kindTransmit, &c.handle)
	o.sqe.FD = c.fd
	o.sqe.Off = c.via.off
	o.sqe.Flags = c.via.sendFlags
	o.sqe.OpFlags = c.via.sendOpFlags
	c.tx = o
	next := head.next
	alone := next == nil || next.kind == kindShutdown || head.kind == kindSendFile || c.via.packets
	if alone && (head.extra == nil || head.extra.bufs == nil && !head.carries()) {
		c.covered = 1
		o.sqe.Opcode = c.via.send
		o.sqe.Addr, o.sqe.Len = head.sqe.Addr, min(head.sqe.Len, maxIO)
		l.submit(o)
		return
	}
	x := l.slots.more(o)
	c.covered = c.gather(x)
	if c.via.send == ring.OpWrite {
		o.sqe.Opcode = ring.OpWritev
		o.sqe.Addr, o.sqe.Len = unsafe.Pointer(unsafe.SliceData(x.iov)), uint64(len(x.iov))
		l.submit(o)
		return
	}
	x.msg = ring.Msghdr{Iov: unsafe.SliceData(x.iov)}
	x.msg.SetIovlen(len(x.iov))
	if head.carries() {
		x.control = sys.AttachRights(&x.msg, head.extra.fds)
		o.sqe.OpFlags = sys.SendOnce
	}
	o.sqe.Opcode = ring.OpSendmsg
	o.sqe.Addr = unsafe.Pointer(&x.msg)
	l.submit(o)
}

// shutdown carries out the CloseWrite at the head.
func (c *Conn) shutdown() {
	o := c.sends.pop()
	if c.via.shuts {
		c.l.settle(o, sys.ShutdownWrite(int(c.fd)))
		return
	}
	o.sqe.Opcode, o.sqe.FD = ring.OpClose, c.fd
	c.fd = -1
	c.l.submit(o)
}

// gather collects the buffers of the sends at the head and returns how many sends it took, the last perhaps in part.
func (c *Conn) gather(x *extra) (covered int) {
	x.iov = x.iov[:0]
	total := 0
	for o := c.sends.head; o != nil && o.kind == kindSend && len(x.iov) < maxCoalesced && total < maxTransmit; o = o.next {
		if covered > 0 && (c.via.packets || o.carries() || c.sends.head.carries()) {
			break
		}
		covered++
		if o.extra == nil || o.extra.bufs == nil {
			if o.sqe.Len > 0 {
				total += int(o.sqe.Len)
				x.iov = append(x.iov, ring.Iovec{Base: (*byte)(o.sqe.Addr)})
				x.iov[len(x.iov)-1].SetLen(int(o.sqe.Len))
			}
			continue
		}
		x.iov = appendVec(x.iov, o.extra.bufs, o.done, sys.MaxIov)
		total += int(o.sqe.Len) - o.done
	}
	return covered
}

// appendVec appends what is left of bufs after skip bytes, up to limit entries altogether.
func appendVec(iov []ring.Iovec, bufs [][]byte, skip, limit int) []ring.Iovec {
	for _, b := range bufs {
		if skip >= len(b) {
			skip -= len(b)
			continue
		}
		if len(iov) == limit {
			break
		}
		b = b[skip:]
		skip = 0
		iov = append(iov, ring.Iovec{Base: unsafe.SliceData(b)})
		iov[len(iov)-1].SetLen(len(b))
	}
	return iov
}

// transmitted hands the bytes that moved to the sends that they were of.
func (c *Conn) transmitted(o *op, res int32) {
	l := c.l
	if res < 0 && l.retry(o, res) {
		return
	}
	c.tx = nil
	covered := c.covered
	c.covered = 0
	stopped := o.cause != causeNone && canceled(res)
	n := max(int(res), 0)
	c.queued -= n
	for ; covered > 0 && res >= 0; covered-- { // else nothing moved, of an empty send neither
		s := c.sends.head
		left := s.left()
		if n < left {
			s.sent(n)
			break
		}
		n -= left
		if s.kind == kindSendFile {
			c.emptied(s)
			break
		}
		c.sends.pop()
		s.res = 0
		l.ready.push(s)
	}
	if res < 0 && !stopped {
		c.failHead(res)
	}
	c.sweep(&l.ready)
	if c.sends.head != nil {
		c.mark()
	}
	l.retire(o)
}

// left returns how many bytes of a send have not moved.
func (o *op) left() int {
	if o.extra != nil && o.extra.bufs != nil {
		return int(o.sqe.Len) - o.done
	}
	return int(o.sqe.Len)
}

// sent records that n bytes moved, fewer than are left.
func (o *op) sent(n int) {
	if o.extra != nil && o.extra.bufs != nil {
		o.done += n
	} else {
		o.advance(n)
	}
}

// failHead ends the send at the head with a result of the system.
func (c *Conn) failHead(res int32) {
	o := c.sends.pop()
	c.queued -= o.left()
	c.broken = c.broken || o.done > 0
	o.res = res
	c.l.ready.push(o)
}

// sweep moves to ended the sends that were asked to stop, and all of them once the stream is broken.
func (c *Conn) sweep(ended *opList) {
	for kept := c.sends; ; {
		c.sends = opList{}
		broke := false
		for o := kept.pop(); o != nil; o = kept.pop() {
			switch {
			case o.cause != causeNone:
				c.broken = c.broken || o.done > 0
				broke = broke || o.done > 0
				o.res = -ecanceled
			case c.broken:
				o.res = -int32(syscall.EPIPE)
			default:
				c.sends.push(o)
				continue
			}
			c.queued -= o.left()
			ended.push(o)
		}
		if !broke || c.sends.head == nil {
			return
		}
		kept = c.sends
	}
}

// cancelSend stops a send or CloseWrite that has its cause set: at once if nothing of it is with the queue, else as soon as the
// entry that carries it has ended.
func (c *Conn) cancelSend(o *op) {
	l := c.l
	at := 0
	for s := c.sends.head; s != o; s = s.next {
		if s == nil {
			return // its callback is on the way
		}
		at++
	}
	if c.tx != nil && at < c.covered {
		l.cancel(c.tx, o.cause)
		return
	}
	if c.tx == nil && o.done > 0 {
		c.sweepLater()
		return
	}
	c.sends.remove(o)
	c.queued -= o.left()
	if o.kind == kindShutdown {
		c.writeClosed = false
	}
	l.settle(o, -ecanceled)
	if at == 0 && c.tx == nil && c.sends.head != nil { // it may have been waiting for a file
		c.mark()
	}
}

// sweepLater does the same for a caller that must not be called back.
func (c *Conn) sweepLater() {
	var ended opList
	c.sweep(&ended)
	for o := ended.pop(); o != nil; o = ended.pop() {
		c.l.settle(o, o.res)
	}
}

// dropSends stops all sends for Close.
func (c *Conn) dropSends() {
	for o := c.sends.head; o != nil; o = o.next {
		if o.cause == causeNone {
			o.cause = causeClose
		}
	}
	if c.tx != nil {
		c.l.cancel(c.tx, causeClose)
		return
	}
	c.sweepLater()
}

// sendDone calls a send or CloseWrite back.
func (c *Conn) sendDone(o *op, res int32) {
	l := c.l
	n, err := 0, error(nil)
	switch {
	case res >= 0:
		n = o.left()
	case o.kind == kindShutdown:
		err = c.wrap("close", "shutdown", o.fault(res))
	default:
		err = c.wrap("write", c.via.sendCall, o.fault(res))
	}
	switch fn := o.fn.(type) {
	case IOFunc:
		b := o.lent(n)
		l.retire(o)
		if fn != nil {
			fn(b, err)
		}
	case CopyFunc:
		c.fileSent(o, fn, err)
	case VecFunc:
		n += o.done
		l.retire(o)
		if fn != nil {
			fn(n, err)
		}
	case DoneFunc:
		if o.sqe.Flags&ring.BufferSelect != 0 {
			l.buffers.recycle(uint16(o.sqe.Arg))
		}
		l.retire(o)
		if fn != nil {
			fn(err)
		}
	}
}
