package loop

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// datagram is what an extra block holds of one, to send or to receive into.
type datagram struct {
	data    []byte
	name    int    // the length of the address to send to, 0 for the peer
	segment int    // data is cut into datagrams of so many bytes, if it is not 0
	buffer  int    // the number of the provided buffer that holds data, plus 1
	train   opList // the sends that leave with this one, behind it
	alone   bool   // it was refused with its train
	control [4]uint64
	pause   time.Duration // the last one before it was tried again
}

// maxDatagram is the longest payload of UDP over IPv4.
const maxDatagram = 65507

// Send sends b as one datagram to an address, or, if to is the zero AddrPort, to where the socket is connected. Sends on one socket leave in the
// order of their calls; those of one turn are handed over together. Successive ones to one address and of one size, the last perhaps shorter, go down
// the kernel's stack as one, which is cut at its end (UDP_SEGMENT, Linux 4.18): a quarter to a half of the CPU time. One that fails stops no
// other: EMSGSIZE for one that is too long, and on a connected socket ECONNREFUSED for what an earlier one met. When the socket's buffer is full,
// sends wait in the loop, see [PacketConn.Queued].
// sendmsg(2) with MSG_NOSIGNAL: IORING_OP_SENDMSG.
func (c *PacketConn) Send(b []byte, to netip.AddrPort, fn IOFunc) Op {
	o := c.startSend(fn, b)
	c.address(o, to)
	return c.enqueue(o)
}

// SendName is Send for a Unix socket: name is a path, or begins with "@". If name is "" it goes to where the socket is connected. A peer that does not
// keep up holds up the sends behind.
func (c *PacketConn) SendName(b []byte, name string, fn IOFunc) Op {
	o := c.startSend(fn, b)
	if name == "" {
		return c.enqueue(o)
	}
	x := o.extra
	x.name = name
	n, err := sys.PutName(&x.addr, name)
	if err != nil {
		return c.reject(o, &net.OpError{Op: "write", Net: c.network, Addr: &net.UnixAddr{Name: name, Net: c.network}, Err: err})
	}
	x.packet.name = n
	return c.enqueue(o)
}

// SendBuffer sends a provided buffer, such as [Packet.Buffer], and gives it back to the loop when it has left. It consumes b, kept or not,
// whatever becomes of the send.
func (c *PacketConn) SendBuffer(b Buffer, to netip.AddrPort, fn DoneFunc) Op {
	data := b.Bytes()
	b.claim(c.l)
	o := c.startSend(fn, data)
	if b.g != nil {
		o.extra.packet.buffer = int(b.id) + 1
	}
	c.address(o, to)
	return c.enqueue(o)
}

// SendSegments sends b as datagrams of size bytes, the last perhaps shorter, as one send. An error comes with the bytes that were sent before. The
// kernel cuts 64 of them out of one call (UDP_SEGMENT, Linux 4.18); without that the loop sends them one by one, a turn for each.
func (c *PacketConn) SendSegments(b []byte, size int, to netip.AddrPort, fn IOFunc) Op {
	o := c.startSend(fn, b)
	if size < 1 || size > maxDatagram {
		return c.reject(o, &net.OpError{Op: "write", Net: c.network, Err: fmt.Errorf("loop: SendSegments: a segment of %d bytes", size)})
	}
	if len(b) > size {
		o.extra.packet.segment = size
	}
	c.address(o, to)
	return c.enqueue(o)
}

// Queued returns how many bytes of started sends have not been called back: what a producer watches for backpressure.
func (c *PacketConn) Queued() int { return c.queued }

// startSend makes the operation. Until it is pushed, its opcode is OpNop.
func (c *PacketConn) startSend(fn any, b []byte) *op {
	l := c.l
	var o *op
	if c.closing {
		o = l.refused(kindSendPacket, &c.handle, fn)
	} else {
		o = l.start(kindSendPacket, &c.handle, fn)
		c.queued += len(b)
	}
	l.slots.more(o).packet.data = b
	return o
}

// address has o go to an address.
func (c *PacketConn) address(o *op, to netip.AddrPort) {
	if !to.IsValid() {
		return
	}
	var scope uint32
	if zone := to.Addr().Zone(); zone != "" {
		if zone != c.zone {
			c.scope, c.zone = sys.ZoneID(zone), zone
		}
		scope = c.scope
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	o.extra.packet.name = sys.PutAddr(&o.extra.addr, to, scope, c.v6)
}

// reject settles a send that makes no sense.
func (c *PacketConn) reject(o *op, err error) Op {
	o.extra.err = err
	if o.refused {
		return c.l.op(o)
	}
	return c.l.settle(o, -int32(syscall.EINVAL))
}

func (c *PacketConn) enqueue(o *op) Op {
	if !o.refused {
		c.sends.push(o)
		c.mark()
	}
	return c.l.op(o)
}

// pump pushes the sends that may be, before the loop enters the queue. What surely fits the socket's buffer is pushed at once, many in a turn,
// and must not wait: the queue would let a later and shorter one overtake it. Of the others there is one at a time, which may.
func (c *PacketConn) pump() {
	for c.waiter == nil {
		if c.flying == 0 {
			c.sends.prepend(&c.missed)
		}
		o := c.sends.head
		if o == nil {
			return
		}
		fits := o.extra.packet.segment == 0 && c.fits(o)
		if !fits && c.flying > 0 {
			return
		}
		c.sends.pop()
		c.flying++
		if fits {
			c.couple(o)
		} else {
			c.waiter, c.room = o, 0
		}
		c.launch(o)
	}
}

// maxCoupled is the longest datagram in a train. It fits a frame of Ethernet behind a header of IPv6; a longer one may have to leave
// in fragments, which the kernel makes only of what it need not cut.
const maxCoupled = 1452

// couple makes a train of o and the sends behind it that go to the same address and have its size, the last perhaps less: for the kernel one
// send in segments. Nearly all that a datagram costs is its way down the stack, and a train takes that once.
func (c *PacketConn) couple(o *op) {
	x := o.extra
	size := len(x.packet.data)
	if x.packet.alone || size > maxCoupled {
		return
	}
	for total, last := size, size; last == size && x.packet.train.len < sys.MaxSegments-1; total += last {
		next := c.sends.head
		if next == nil || !x.sameAddress(next.extra) || next.extra.packet.segment > 0 {
			return
		}
		last = len(next.extra.packet.data)
		if last == 0 || last > size || total+last > maxDatagram || !c.cuts() || !c.fits(next) {
			return
		}
		x.packet.train.push(c.sends.pop())
	}
}

// sameAddress reports whether two datagrams go to one address.
func (x *extra) sameAddress(y *extra) bool {
	n := x.packet.name
	return n == y.packet.name && string(x.encoded(n)) == string(y.encoded(n))
}

// encoded returns the first n bytes of the address.
func (x *extra) encoded(n int) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(&x.addr)), n) }

// fits takes o's part of the room in the socket's buffer, and asks for how much there is when it knows no more.
func (c *PacketConn) fits(o *op) bool {
	need := 2*len(o.extra.packet.data) + 2048 // the kernel counts its own structures, and rounds up
	if c.room < need && c.flying == 0 && !c.unix {
		c.room = sys.SendRoom(int(c.fd))
	}
	if c.room < need {
		return false
	}
	c.room -= need
	return true
}

// launch pushes o, or its next part.
func (c *PacketConn) launch(o *op) {
	x := o.extra
	part, control, controlLen := x.packet.data[o.done:], unsafe.Pointer(nil), 0
	if x.packet.segment > 0 {
		part, controlLen = c.cut(part, &x.packet)
		if controlLen > 0 {
			control = unsafe.Pointer(&x.packet.control)
		}
	}
	x.iov = append(x.iov[:0], ring.Iovec{Base: unsafe.SliceData(part)})
	x.iov[0].SetLen(len(part))
	if x.packet.train.len > 0 {
		control, controlLen = unsafe.Pointer(&x.packet.control), sys.PutSegmentSize(unsafe.Pointer(&x.packet.control), len(part))
		for f := x.packet.train.head; f != nil; f = f.next {
			v := ring.Iovec{Base: unsafe.SliceData(f.extra.packet.data)}
			v.SetLen(len(f.extra.packet.data))
			x.iov = append(x.iov, v)
		}
	}
	name := unsafe.Pointer(nil)
	if x.packet.name > 0 {
		name = unsafe.Pointer(&x.addr)
	}
	sys.SetMessage(&x.msg, name, x.packet.name, x.iov, control, controlLen)
	o.sqe.Opcode = ring.OpSendmsg
	o.sqe.FD = c.fd
	o.sqe.Addr = unsafe.Pointer(&x.msg)
	o.sqe.OpFlags = sys.NoSignal
	if o != c.waiter || c.unix { // nothing tells when a Unix peer has room
		o.sqe.OpFlags |= sys.DontWait
	}
	c.l.submit(o)
}

// cut returns what of rest the next call sends, and the length of the control data that has the system cut it further.
func (c *PacketConn) cut(rest []byte, p *datagram) (part []byte, control int) {
	count := min(maxDatagram/p.segment, sys.MaxSegments)
	if !c.cuts() || count < 2 || len(rest) <= p.segment {
		return rest[:min(len(rest), p.segment)], 0
	}
	return rest[:min(len(rest), count*p.segment)], sys.PutSegmentSize(unsafe.Pointer(&p.control), p.segment)
}

// cuts reports whether the system cuts one send into datagrams.
func (c *PacketConn) cuts() bool {
	if c.segments == segmentsUnknown {
		c.segments = segmentsLacking
		if !c.unix && sys.HasSegments(int(c.fd)) {
			c.segments = segmentsHere
		}
	}
	return c.segments == segmentsHere
}

// sent ends a send, or goes on with it.
func (c *PacketConn) sent(o *op, res int32) {
	if o.sqe.Opcode != ring.OpNop { // it was pushed
		train := o.extra.packet.train
		if o.extra.packet.train = (opList{}); train.len > 0 && res >= 0 {
			res = int32(len(o.extra.packet.data))
			for f := train.pop(); f != nil; f = train.pop() {
				f.done = len(f.extra.packet.data)
				c.l.ready.push(f)
			}
		}
		more := c.goesOn(o, res, train.len > 0)
		c.putBack(&train)
		if more {
			return
		}
		c.flying--
		if c.waiter == o {
			c.waiter = nil
		}
		c.mark()
	}
	l, x := c.l, o.extra
	var err error
	switch {
	case res >= 0 && o.done < len(x.packet.data):
		err = o.stopped()
	case x.err != nil && res == -int32(syscall.EINVAL):
		err = x.err
	case res < 0:
		err = c.wrap("write", "sendmsg", c.destination(x), o.fault(res))
	}
	if !o.refused {
		c.queued -= len(x.packet.data)
	}
	if x.packet.buffer > 0 {
		l.buffers.recycle(uint16(x.packet.buffer - 1))
	}
	b := x.packet.data[:o.done]
	switch fn := o.fn.(type) {
	case IOFunc:
		l.retire(o)
		if fn != nil {
			fn(b, err)
		}
	case DoneFunc:
		l.retire(o)
		if fn != nil {
			fn(err)
		}
	}
}

// putBack has the sends of a train that did not leave go with another.
func (c *PacketConn) putBack(train *opList) {
	for f := train.pop(); f != nil; f = train.pop() {
		if c.closing && f.cause == causeNone {
			f.cause = causeClose
		}
		if f.cause != causeNone {
			c.l.settle(f, -ecanceled)
		} else {
			c.missed.push(f)
		}
	}
}

// goesOn takes the result of a send that was pushed, perhaps with a train, and reports whether it has to be pushed again.
func (c *PacketConn) goesOn(o *op, res int32, train bool) bool {
	l, p := c.l, &o.extra.packet
	if res >= 0 {
		if p.alone { // so it was the cutting that was refused: by the route, or its device
			c.segments = segmentsLacking
		}
		o.done += int(res)
		if o.done < len(p.data) && o.cause == causeNone {
			c.launch(o)
			return true
		}
		return false
	}
	if c.closing && o.cause == causeNone { // of what waited Close knew, but not of this
		o.cause = causeClose
	}
	if o.cause != causeNone {
		return false
	}
	switch errno := syscall.Errno(-res); {
	case errno == syscall.EAGAIN && o != c.waiter:
		o.sqe.Opcode = ring.OpNop
		c.flying--
		c.room = 0
		c.missed.push(o)
		c.mark()
		return true
	case errno == syscall.EAGAIN && c.unix:
		c.retryLater(o)
		return true
	case train && cannotCut(errno):
		p.alone = true
		c.launch(o)
		return true
	case p.segment > 0 && c.segments == segmentsHere && cannotCut(errno):
		c.segments = segmentsLacking // the route, or its device
		c.launch(o)
		return true
	}
	return l.retry(o, res)
}

// cannotCut tells the errors by which a system refuses to cut what it could send uncut.
func cannotCut(errno syscall.Errno) bool {
	switch errno {
	case syscall.EINVAL, syscall.EIO, syscall.EMSGSIZE, syscall.EOPNOTSUPP:
		return true
	}
	return false
}

// How long a send waits for a Unix peer with a full queue before it is tried again. A socket that is not connected tells of no
// change there: poll(2) says writable throughout.
const (
	minPause = 100 * time.Microsecond
	maxPause = 10 * time.Millisecond
)

// retryLater pushes the send that waits for a Unix peer again, after a pause that grows.
func (c *PacketConn) retryLater(o *op) {
	id, p := o.sqe.UserData, &o.extra.packet
	p.pause = max(minPause, min(2*p.pause, maxPause))
	c.l.newTimeout(func() {
		if o := c.l.slots.find(id); o != nil && o.state == stateHeld {
			c.launch(o)
		}
	}).Reset(p.pause)
}

// destination is the address in x, nil for the peer.
func (c *PacketConn) destination(x *extra) net.Addr {
	switch {
	case x.packet.name == 0:
		return nil
	case c.unix:
		return &net.UnixAddr{Name: x.name, Net: c.network}
	}
	to, scope := sys.TakeAddr(unsafe.Pointer(&x.addr), x.packet.name)
	return net.UDPAddrFromAddrPort(withZone(to, sys.ZoneName(scope)))
}

func withZone(a netip.AddrPort, zone string) netip.AddrPort {
	if zone == "" {
		return a
	}
	return netip.AddrPortFrom(a.Addr().WithZone(zone), a.Port())
}
