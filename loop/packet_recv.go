package loop

import (
	"fmt"
	"math"
	"syscall"
	"unsafe"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// Recv receives one datagram into b, which belongs to the loop until the callback. What does not fit is lost, and Truncated is set. An empty
// datagram is a Packet without data; there is no end as a stream has. One receive may be in flight on a socket; a second ends with
// [ErrBusy]. On a connected socket it may end with what an earlier send met, ECONNREFUSED; that comes once, and the socket can still be used.
// recvmsg(2): IORING_OP_RECVMSG.
func (c *PacketConn) Recv(b []byte, fn PacketFunc) Op {
	needCallback("Recv", fn == nil)
	l := c.l
	if c.closing {
		o := l.refused(kindRecvPacket, &c.handle, fn)
		l.slots.more(o).packet.data = b
		return l.op(o)
	}
	o := l.start(kindRecvPacket, &c.handle, fn)
	x := l.slots.more(o)
	x.packet.data = b
	if c.recv != nil {
		return l.settle(o, resBusy)
	}
	poisonLent(b)
	c.recv = o
	c.receiveInto(o, b)
	o.sqe.FD = c.fd
	l.submit(o)
	return l.op(o)
}

// receiveInto makes o's entry one that receives into b.
func (c *PacketConn) receiveInto(o *op, b []byte) {
	x := c.l.slots.more(o)
	x.iov = append(x.iov[:0], ring.Iovec{Base: unsafe.SliceData(b)})
	x.iov[0].SetLen(min(len(b), maxIO))
	control := unsafe.Pointer(&x.packet.control)
	if !c.gro {
		control = nil
	}
	sys.SetMessage(&x.msg, unsafe.Pointer(&x.addr), int(unsafe.Sizeof(x.addr)), x.iov, control, c.controlSize())
	o.sqe.Opcode = ring.OpRecvmsg
	o.sqe.Addr = unsafe.Pointer(&x.msg)
}

func (c *PacketConn) controlSize() int {
	if c.gro {
		return sys.ControlSize
	}
	return 0
}

// received ends a Recv.
func (c *PacketConn) received(o *op, res int32) {
	l, x := c.l, o.extra
	if res < 0 && c.recv == o && l.retry(o, res) {
		return
	}
	p, err := Packet{Data: x.packet.data[:max(int(res), 0)]}, error(nil)
	if res >= 0 {
		c.describe(&p, x)
	} else {
		err = c.wrap("read", "recvmsg", nil, o.fault(res))
	}
	if c.recv == o {
		c.recv = nil
	}
	fn := callback[PacketFunc](o)
	l.retire(o)
	fn(p, err)
}

// describe adds what the header in x says of a datagram.
func (c *PacketConn) describe(p *Packet, x *extra) {
	name, control, flags := sys.Answer(&x.msg)
	p.Truncated = flags&sys.Truncated != 0
	c.from(p, unsafe.Pointer(&x.addr), min(name, int(unsafe.Sizeof(x.addr))))
	if c.gro {
		p.SegmentSize = segmentSize(p, unsafe.Pointer(&x.packet.control), control)
	}
}

// segmentSize returns the size of the datagrams in p if they are several.
func segmentSize(p *Packet, control unsafe.Pointer, n int) int {
	if size := sys.SegmentSize(control, n); size < len(p.Data) {
		return size
	}
	return 0
}

// from fills in the sender, whose address has n bytes.
func (c *PacketConn) from(p *Packet, name unsafe.Pointer, n int) {
	if c.unix {
		p.Name = sys.TakeName(name, n)
		return
	}
	var scope uint32
	if p.From, scope = sys.TakeAddr(name, n); scope == 0 {
		return
	}
	if scope != c.scope {
		c.scope, c.zone = scope, sys.ZoneName(scope)
	}
	p.From = withZone(p.From, c.zone)
}

// RecvMultishot receives datagrams into the loop's provided buffers, one in each, until an error or Cancel. It is one operation: the final callback is
// the one with an error. When all buffers are in use it pauses until one comes back; what arrives meanwhile waits in the kernel's
// buffer, and is dropped when that is full. A provided buffer also holds the sender's address: from a datagram of more than [Options.BufferSize] less
// 48 bytes (with SetGRO 72, a Unix socket 128) the rest is cut off, and Truncated is set; by default that takes a datagram of more than 65488 bytes. ECONNREFUSED on a connected socket ends it like any other
// error; the socket can still be used, and the program may start it again.
// IORING_OP_RECVMSG with IORING_RECV_MULTISHOT.
func (c *PacketConn) RecvMultishot(fn PacketFunc) Op {
	needCallback("RecvMultishot", fn == nil)
	l := c.l
	if c.closing {
		return l.refuse(kindRecvPackets, &c.handle, fn)
	}
	o := l.start(kindRecvPackets, &c.handle, fn)
	if c.recv != nil {
		return l.settle(o, resBusy)
	}
	if size, least := l.options.BufferSize, c.headSize()+1; size < least {
		l.slots.more(o).err = fmt.Errorf("loop: RecvMultishot: Options.BufferSize is %d, datagrams need at least %d", size, least)
		return l.settle(o, -int32(syscall.EINVAL))
	}
	c.recv = o
	o.sqe.FD = c.fd
	c.armMultishot(o)
	return l.op(o)
}

func (c *PacketConn) nameSize() int {
	if c.unix {
		return sys.UnixNameSize
	}
	return sys.NameSize
}

// headSize is what stands before the payload in a buffer that the queue has filled.
func (c *PacketConn) headSize() int {
	return int(unsafe.Sizeof(ring.RecvmsgOut{})) + c.nameSize() + c.controlSize()
}

// armMultishot starts or restarts the receive. Where the queue cannot repeat it, it waits for a datagram first and takes a buffer then.
func (c *PacketConn) armMultishot(o *op) {
	l := c.l
	if l.group().ring && l.features.Has(ring.MultishotRecvmsg) {
		x := l.slots.more(o)
		sys.SetMessage(&x.msg, nil, c.nameSize(), nil, nil, c.controlSize())
		o.sqe.Opcode = ring.OpRecvmsg
		o.sqe.Addr = unsafe.Pointer(&x.msg)
		o.sqe.Flags = ring.Multishot | ring.BufferSelect
		o.sqe.Group = bufferGroupID
		l.submit(o)
		return
	}
	o.sqe.Opcode = ring.OpRecvmsg
	o.sqe.Flags = 0
	o.sqe.OpFlags = sys.DontWait
	l.pollFirst(o, sys.PollIn)
}

// readable takes the second step where the queue cannot repeat the receive: a datagram is there. It receives behind the place of a head, so
// that a datagram is cut at the same length on all queues.
func (c *PacketConn) readable(o *op) {
	l := c.l
	g := l.group()
	if len(g.free) == 0 {
		l.park(o)
		return
	}
	id := int(g.pop())
	c.receiveInto(o, g.mem[id*g.size+c.headSize():(id+1)*g.size])
	o.extra.packet.buffer = id + 1
	l.submit(o)
}

// receivedMultishot hands one datagram on and keeps the receive going.
func (c *PacketConn) receivedMultishot(o *op, cqe ring.CQE) {
	l := c.l
	if c.recv != o { // refused
		c.endMultishot(o, cqe.Res)
		return
	}
	p, received := c.fill(o, cqe)
	if received {
		fn := callback[PacketFunc](o)
		switch {
		case cqe.More():
		case o.cause == causeNone:
			c.armMultishot(o)
		default:
			l.settle(o, -ecanceled)
		}
		o.called()
		defer p.Buffer.finish()
		fn(p, nil)
		return
	}
	switch errno := syscall.Errno(-cqe.Res); {
	case cqe.More():
	case o.cause != causeNone && errno == syscall.ENOBUFS: // it would have parked
		c.endMultishot(o, -ecanceled)
	case o.cause != causeNone:
		c.endMultishot(o, cqe.Res)
	case errno == syscall.ENOBUFS:
		l.park(o)
	case errno == syscall.EINTR || errno == syscall.EAGAIN:
		c.armMultishot(o)
	default:
		c.endMultishot(o, cqe.Res)
	}
}

// fill makes a Packet of the buffer that a completion brought, or gives it back if there is no datagram in it.
func (c *PacketConn) fill(o *op, cqe ring.CQE) (p Packet, received bool) {
	g, x := c.l.group(), c.l.slots.more(o)
	if own := x.packet.buffer; own > 0 { // the loop chose the buffer
		x.packet.buffer = 0
		id := uint16(own - 1)
		if cqe.Res < 0 {
			g.giveBack(id)
			return p, false
		}
		p.Buffer = g.take(id, int(cqe.Res))
		p.Buffer.off = uint16(c.headSize())
		p.Data = p.Buffer.Bytes()
		c.describe(&p, x)
		return p, true
	}
	id, filled := cqe.Buffer()
	if !filled {
		return p, false
	}
	g.given--
	head := c.headSize()
	if int(cqe.Res) < head {
		g.giveBack(id)
		return p, false
	}
	p.Buffer = g.take(id, int(cqe.Res)-head)
	p.Buffer.off = uint16(head)
	p.Data = p.Buffer.Bytes()
	out := (*ring.RecvmsgOut)(unsafe.Pointer(&g.mem[int(id)*g.size]))
	name := unsafe.Add(unsafe.Pointer(out), unsafe.Sizeof(*out))
	p.Truncated = out.Flags&sys.Truncated != 0
	c.from(&p, name, min(int(out.Namelen), c.nameSize()))
	if c.gro {
		p.SegmentSize = segmentSize(&p, unsafe.Add(name, c.nameSize()), int(min(out.Controllen, math.MaxInt16)))
	}
	return p, true
}

func (c *PacketConn) endMultishot(o *op, res int32) {
	err := o.fault(res)
	if x := o.extra; x != nil && x.err != nil {
		err = x.err
	}
	err = c.wrap("read", "recvmsg", nil, err)
	if c.recv == o {
		c.recv = nil
	}
	fn := callback[PacketFunc](o)
	c.l.retire(o)
	fn(Packet{}, err)
}
