package loop

import (
	"io"
	"syscall"
	"unsafe"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// BufferFunc is the callback of RecvMultishot. b is valid until it returns, unless it was kept.
type BufferFunc func(b Buffer, err error)

// A Buffer is one of the loop's provided buffers, with received bytes in it. It goes back to the loop by itself when the callback that
// received it returns, unless that called Keep; then it must be released, or sent with [Conn.SendBuffer]. A kept buffer
// that is never released is one that no receive can use. The zero Buffer is empty.
type Buffer struct {
	g    *bufferGroup
	id   uint16
	turn uint32 // of this buffer, to tell a stale Buffer
	n    uint32
}

// Bytes returns the received bytes. It panics on a Buffer that went back to the loop.
func (b Buffer) Bytes() []byte {
	if b.g == nil {
		return nil
	}
	b.check("Bytes")
	start := int(b.id) * b.g.size
	return b.g.mem[start : start+int(b.n) : start+b.g.size]
}

// Len returns the number of received bytes.
func (b Buffer) Len() int { return int(b.n) }

// Keep keeps the buffer beyond the callback, until Release.
func (b Buffer) Keep() {
	if b.g != nil {
		b.check("Keep")
		b.g.uses[b.id].kept = true
	}
}

// Release gives a kept buffer back. A second Release panics. It belongs to the loop's goroutine: from elsewhere, [Loop.Post] it.
func (b Buffer) Release() {
	if b.g == nil {
		return
	}
	b.g.l.checkThread("Buffer")
	b.check("Release")
	if !b.g.uses[b.id].kept {
		panic("loop: Buffer.Release: the buffer was not kept")
	}
	b.g.recycle(b.id)
}

func (b Buffer) check(method string) {
	if u := b.g.uses[b.id]; !u.out || u.turn != b.turn {
		panic("loop: Buffer." + method + ": the buffer went back to the loop before")
	}
}

// claim takes b from the user for a send.
func (b Buffer) claim() {
	if b.g != nil {
		b.g.uses[b.id].kept = true
		b.g.uses[b.id].turn++ // whoever still holds b holds a stale one
	}
}

// bufferGroup is provided buffers of one size. The bytes are Go memory, so that using a stale slice is a bug
// that tests can find and not a crash.
type bufferGroup struct {
	l    *Loop
	id   uint16
	mem  []byte
	size int
	uses []bufferUse
	free []uint16 // without buffer rings: what is not out
	ring bool     // the queue selects the buffers
	out  int
}

type bufferUse struct {
	turn uint32
	out  bool
	kept bool
}

// The numbers of the loop's groups.
const (
	smallBuffers = iota
	largeBuffers
	bufferGroups
)

// group returns the loop's buffers of one of the two sizes, made at the first use.
func (l *Loop) group(id uint16) *bufferGroup {
	if g := l.buffers[id]; g != nil {
		return g
	}
	return l.makeGroup(id)
}

func (l *Loop) makeGroup(id uint16) *bufferGroup {
	count, size := l.options.Buffers, l.options.BufferSize
	if id == largeBuffers {
		count, size = l.options.LargeBuffers, l.options.LargeBufferSize
	}
	g := &bufferGroup{
		l:    l,
		id:   id,
		mem:  AlignedBuffer(count * size),
		size: size,
		uses: make([]bufferUse, count),
		ring: l.features.Has(ring.MultishotRecv | ring.BufferRings),
	}
	if g.ring {
		g.ring = l.queue.Provide(id, g.mem, size) == nil // some back-ports refuse to register
	}
	if !g.ring {
		for id := count - 1; id >= 0; id-- {
			g.free = append(g.free, uint16(id))
		}
	}
	l.buffers[id] = g
	return g
}

// empty reports whether all buffers are out.
func (g *bufferGroup) empty() bool { return g.out == len(g.uses) }

// take returns buffer id as the queue filled it.
func (g *bufferGroup) take(id uint16, n int) Buffer {
	u := &g.uses[id]
	u.turn++
	u.out, u.kept = true, false
	g.out++
	return Buffer{g: g, id: id, turn: u.turn, n: uint32(n)}
}

func (g *bufferGroup) recycle(id uint16) {
	u := &g.uses[id]
	u.out, u.kept = false, false
	u.turn++
	g.out--
	g.giveBack(id)
}

func (g *bufferGroup) giveBack(id uint16) {
	poisonReturned(g.mem[int(id)*g.size : (int(id)+1)*g.size])
	if g.ring {
		g.l.queue.Recycle(g.id, id)
	} else {
		g.free = append(g.free, id)
	}
	g.l.returned = g.l.returned || g.id == smallBuffers
}

// RecvMultishot receives again and again into the loop's provided buffers, until an error, EOF or Cancel. It is one operation: the final
// callback is the one with an error. When all buffers are in use it pauses until one comes back.
// IORING_OP_RECV with IORING_RECV_MULTISHOT.
func (c *Conn) RecvMultishot(fn BufferFunc) Op {
	needCallback("RecvMultishot", fn == nil)
	l := c.l
	if c.closing {
		return l.refuse(kindRecvMultishot, &c.handle, fn)
	}
	o := l.start(kindRecvMultishot, &c.handle, fn)
	if c.recv != nil {
		return l.settle(o, resBusy)
	}
	c.recv = o
	o.sqe.FD = c.fd
	c.armMultishot(o)
	return l.op(o)
}

// armMultishot starts or restarts the receive. Large buffers are few, so it takes them one receive at a time: an entry that
// repeats would fill them all. Without buffer rings it waits for data first and takes a buffer then: an armed plain receive would hold one
// while its peer is silent.
func (c *Conn) armMultishot(o *op) {
	l := c.l
	c.switching = false
	if c.large && l.group(largeBuffers).empty() {
		c.large = false
	}
	o.sqe.Opcode = ring.OpRecv
	o.sqe.Flags, o.sqe.Group = ring.Stream|ring.BufferSelect|ring.Multishot, smallBuffers
	if c.large {
		o.sqe.Flags, o.sqe.Group = ring.Stream|ring.BufferSelect, largeBuffers
	}
	if l.group(o.sqe.Group).ring {
		o.sqe.OpFlags = 0
		l.submit(o)
		return
	}
	o.sqe.Flags = ring.Stream
	o.sqe.OpFlags = sys.DontWait
	l.pollFirst(o, sys.PollIn)
}

// A stream goes over to large buffers after so many receives in a row that filled a small one, and back after so many that would not have.
const (
	growAfter   = 2
	shrinkAfter = 8
)

// gauge chooses the size of the buffers by what the stream receives. Multishot receives into small ones are cheapest for messages, few
// receives into large ones for bulk.
func (c *Conn) gauge(o *op, cqe ring.CQE) {
	l := c.l
	big := int(cqe.Res) >= l.options.BufferSize
	if big == c.large || l.options.LargeBuffers <= 0 {
		c.streak = 0
		return
	}
	c.streak++
	if big && c.streak < growAfter || !big && c.streak < shrinkAfter {
		return
	}
	c.large, c.streak = big, 0
	if cqe.More() && o.cause == causeNone {
		c.switching = true
		l.cancelEntry(o, 0)
	}
}

// receivedMultishot hands one filled buffer on and keeps the receive going.
func (c *Conn) receivedMultishot(o *op, cqe ring.CQE) {
	l := c.l
	if c.recv != o { // refused
		c.endMultishot(o, cqe.Res)
		return
	}
	g := l.group(o.sqe.Group)
	var b Buffer
	id, filled := cqe.Buffer()
	if !g.ring {
		id, filled = g.index(o)
	}
	switch {
	case !filled:
	case cqe.Res > 0:
		b = g.take(id, int(cqe.Res))
	default:
		g.giveBack(id)
	}
	if cqe.Res > 0 {
		fn := callback[BufferFunc](o)
		c.gauge(o, cqe)
		if !cqe.More() {
			c.goOn(o)
		}
		o.called()
		defer b.finish()
		fn(b, nil)
		return
	}
	switch {
	case cqe.More():
	case o.cause != causeNone && cqe.Res == -int32(syscall.ENOBUFS): // it would have parked
		c.endMultishot(o, -ecanceled)
	case o.cause != causeNone || cqe.Res == 0:
		c.endMultishot(o, cqe.Res)
	case cqe.Res == -int32(syscall.ENOBUFS) && o.sqe.Group == largeBuffers:
		c.large = false // a large buffer would do good, a small one is enough
		c.armMultishot(o)
	case cqe.Res == -int32(syscall.ENOBUFS):
		c.park(o)
	case cqe.Res == -ecanceled: // by gauge
		c.armMultishot(o)
	case cqe.Res == -int32(syscall.EINTR) || cqe.Res == -int32(syscall.EAGAIN):
		c.armMultishot(o)
	default:
		c.endMultishot(o, cqe.Res)
	}
}

// park waits for a buffer.
func (c *Conn) park(o *op) {
	c.l.metrics.BuffersExhausted++
	c.l.parked.push(o)
	if g := c.l.group(smallBuffers); g.ring && !g.empty() {
		c.l.returned = true // one came back before this completion was looked at: nobody else may ever return one
	}
}

// finish gives the buffer back after its callback, also when that panicked.
func (b Buffer) finish() {
	if u := b.g.uses[b.id]; u.out && u.turn == b.turn && !u.kept {
		b.g.recycle(b.id)
	}
}

// goOn restarts a receive that the queue has ended with data, or ends it if that was asked for.
func (c *Conn) goOn(o *op) {
	if o.cause == causeNone {
		c.armMultishot(o)
	} else {
		c.l.settle(o, -ecanceled)
	}
}

func (c *Conn) endMultishot(o *op, res int32) {
	err := io.EOF
	if res < 0 {
		err = c.wrap("read", "recv", o.fault(res))
	}
	if c.recv == o {
		c.recv = nil
	}
	fn := callback[BufferFunc](o)
	c.l.retire(o)
	fn(Buffer{}, err)
}

// readable takes the second step without buffer rings: data is there, so it takes a buffer.
func (c *Conn) readable(o *op) {
	g := c.l.group(o.sqe.Group)
	if len(g.free) == 0 && o.sqe.Group == largeBuffers {
		o.sqe.Group = smallBuffers
		g = c.l.group(smallBuffers)
	}
	if len(g.free) == 0 {
		c.park(o)
		return
	}
	id := g.free[len(g.free)-1]
	g.free = g.free[:len(g.free)-1]
	o.sqe.Addr = unsafe.Pointer(&g.mem[int(id)*g.size])
	o.sqe.Len = uint64(g.size)
	c.l.submit(o)
}

// index returns the buffer that o, a receive without buffer rings, was lent, if any, and takes it away.
func (g *bufferGroup) index(o *op) (id uint16, ok bool) {
	if o.sqe.Addr == nil {
		return 0, false
	}
	offset := uintptr(o.sqe.Addr) - uintptr(unsafe.Pointer(&g.mem[0]))
	o.sqe.Addr, o.sqe.Len = nil, 0
	return uint16(offset / uintptr(g.size)), true
}

// unpark restarts the receives that found no buffer, once one came back. A multishot receive without
// buffers fails at once even without data, so to restart it earlier would spin.
func (l *Loop) unpark() {
	if !l.returned {
		return
	}
	l.returned = false
	for n := l.parked.len; n > 0; n-- {
		o := l.parked.pop()
		o.h.self.(*Conn).armMultishot(o)
	}
}
