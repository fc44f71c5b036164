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
// received it returns, unless that called Keep; then it must be released, or sent with [Conn.SendBuffer] or
// [PacketConn.SendBuffer]. A kept buffer
// that is never released is one that no receive can use. The zero Buffer is empty.
type Buffer struct {
	g    *bufferGroup
	id   uint16
	off  uint16 // where the bytes begin: a datagram has its sender's address before them
	turn uint32 // of this buffer, to tell a stale Buffer
	n    uint32
}

// Bytes returns the received bytes. It panics on a Buffer that went back to the loop.
func (b Buffer) Bytes() []byte {
	if b.g == nil {
		return nil
	}
	b.check("Bytes")
	end := (int(b.id) + 1) * b.g.size
	start := end - b.g.size + int(b.off)
	return b.g.mem[start : start+int(b.n) : end]
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

// claim takes b from the user for a send on l.
func (b Buffer) claim(l *Loop) {
	if b.g != nil {
		if b.g.l != l {
			panic("loop: SendBuffer: the buffer is another loop's")
		}
		b.g.uses[b.id].kept = true
		b.g.uses[b.id].turn++ // whoever still holds b holds a stale one
	}
}

// bufferGroup is the loop's provided buffers. The bytes are Go memory, so that using a stale slice is a bug
// that tests can find and not a crash.
type bufferGroup struct {
	l    *Loop
	mem  []byte
	size int
	uses []bufferUse
	free []uint16 // with the loop; the last one that came back is the next to go: the warmest
	out  int      // with the program

	ring   bool // the queue selects the buffers
	given  int  // with the queue
	wanted int  // how many it shall have: the fewer, the warmer
}

// firstGiven is how many buffers the queue gets at first. Whenever they do not suffice, it gets twice as many.
const firstGiven = 64

type bufferUse struct {
	turn uint32
	out  bool
	kept bool
}

const bufferGroupID = 0

// group returns the loop's buffers, made at the first use.
func (l *Loop) group() *bufferGroup {
	if l.buffers != nil {
		return l.buffers
	}
	count, size := l.options.Buffers, l.options.BufferSize
	g := &bufferGroup{
		l:      l,
		mem:    aligned(count*size, pageSize), // huge ones would all be resident
		size:   size,
		uses:   make([]bufferUse, count),
		free:   make([]uint16, count),
		ring:   l.features.Has(ring.MultishotRecv | ring.BufferRings),
		wanted: min(firstGiven, count),
	}
	for i := range g.free {
		g.free[i] = uint16(count - 1 - i)
	}
	if g.ring {
		g.ring = l.queue.Provide(bufferGroupID, g.mem, size) == nil // some back-ports refuse to register
	}
	l.buffers = g
	return g
}

// supply gives the queue the buffers that it lacks.
func (g *bufferGroup) supply() {
	for g.ring && g.given < g.wanted && len(g.free) > 0 {
		g.l.queue.Recycle(bufferGroupID, g.pop())
		g.given++
	}
}

func (g *bufferGroup) pop() uint16 {
	last := len(g.free) - 1
	id := g.free[last]
	g.free = g.free[:last]
	return id
}

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
	g.free = append(g.free, id)
	g.l.returned = true
}

// multishot is what has a receive that repeats: Conn and PacketConn.
type multishot interface {
	armMultishot(o *op) // starts or restarts it
	readable(o *op)     // takes a buffer, for data is there
}

// RecvMultishot receives again and again into the loop's provided buffers, until an error, EOF or Cancel. It is one operation: the final
// callback is the one with an error. When all buffers are in use it pauses until one comes back.
//
// Each callback has a whole buffer, however few bytes are in it. A program that keeps them, or sends them, limits how many, or one peer that does not
// read stops the receives of all. After a Cancel there may come as much as has arrived already, up to all buffers that are free.
// IORING_OP_RECV with IORING_RECV_MULTISHOT; on what is no socket, IORING_OP_READ into a selected buffer, again and again.
func (c *Conn) RecvMultishot(fn BufferFunc) Op {
	needCallback("RecvMultishot", fn == nil)
	l := c.l
	if c.closing {
		return l.refuse(kindRecvMultishot, &c.handle, fn)
	}
	o := l.start(kindRecvMultishot, &c.handle, fn)
	switch {
	case c.recv != nil:
		return l.settle(o, resBusy)
	case c.writeOnly: // a poll would wait for ever
		return l.settle(o, -int32(syscall.EBADF))
	}
	c.recv = o
	o.sqe.FD = c.fd
	c.armMultishot(o)
	return l.op(o)
}

// armMultishot starts or restarts the receive. Without buffer rings it waits for data first and takes a buffer
// then: an armed plain receive would hold one while its peer is silent.
func (c *Conn) armMultishot(o *op) {
	o.sqe.Opcode = c.via.recv
	o.sqe.Off = c.via.off
	if c.selects(o) {
		c.l.submit(o)
		return
	}
	o.sqe.Flags = c.via.recvFlags
	o.sqe.OpFlags = c.via.dontWait
	c.l.pollFirst(o, sys.PollIn)
}

// selects makes o an entry whose buffer the queue selects, if it does that.
func (c *Conn) selects(o *op) bool {
	g := c.l.group()
	if g.ring {
		o.sqe.Flags = c.via.multishot
		o.sqe.Group = bufferGroupID
		if c.via.recv == ring.OpRead { // of a receive 0 means all of the buffer
			o.sqe.Len = uint64(g.size)
		}
	}
	return g.ring
}

// receivedMultishot hands one filled buffer on and keeps the receive going.
func (c *Conn) receivedMultishot(o *op, cqe ring.CQE) {
	l := c.l
	if c.recv != o { // refused
		c.endMultishot(o, cqe.Res)
		return
	}
	g := l.group()
	var b Buffer
	id, filled := cqe.Buffer()
	if !g.ring {
		id, filled = g.index(o)
	} else if filled {
		g.given--
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
	case cqe.Res == -int32(syscall.ENOBUFS):
		c.l.park(o)
	case cqe.Res == -int32(syscall.EAGAIN) && c.via.recv == ring.OpRead:
		c.l.pollFirst(o, sys.PollIn) // the answer of what the kernel cannot wait for by itself, such as a FIFO
	case cqe.Res == -int32(syscall.EINTR) || cqe.Res == -int32(syscall.EAGAIN):
		c.armMultishot(o)
	default:
		c.endMultishot(o, cqe.Res)
	}
}

// park waits for a buffer: for the next turn if the loop has one, else until the program returns one.
func (l *Loop) park(o *op) {
	g := l.buffers
	l.parked.push(o)
	if g.ring && g.given == 0 {
		g.wanted = min(2*g.wanted, len(g.uses))
	}
	if g.out < len(g.uses) {
		l.returned = true // nobody else may ever return one
	} else {
		l.count.totals[buffersExhausted]++
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
		err = c.wrap("read", c.via.recvCall, o.fault(res))
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
	g := c.l.group()
	if g.ring {
		c.l.submit(o)
		return
	}
	if len(g.free) == 0 {
		c.l.park(o)
		return
	}
	id := g.pop()
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
		o.h.self.(multishot).armMultishot(o)
	}
}
