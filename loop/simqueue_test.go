//go:build linux

package loop_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// A simQueue is a Queue that misbehaves in every way that a queue may: it reorders, delays and shortens completions, fails
// with what the kernel fails with now and then, ends multishots, ignores cancels for a while, refuses entries, and returns from Enter without
// any reason. It watches the loop at the same time: see fault.
//
// All that it decides follows from its seed. Its time is its own: nothing ever sleeps.
// A connection is a socketpair in place of the socket that Dial made, so that what the loop does to a descriptor by itself has its effect.
type simQueue struct {
	rng      *rand.Rand
	features ring.Features
	capacity int
	setClock func(now time.Duration)
	parked   func() int

	now     time.Duration
	pushed  []*simEntry
	flight  []*simEntry
	ready   []ring.CQE
	ports   map[uint16]int32   // listening sockets
	arrived map[int32][]int32  // connections that wait in one, by its descriptor
	open    map[int32]struct{} // what the queue gave to the loop
	gone    map[int32]struct{} // what the loop gave back
	groups  [2]simGroup
	woken   bool
	closed  bool
	faults  []string
}

// simGroup is a group of provided buffers.
type simGroup struct {
	mem  []byte
	size int
	free []uint16
	back []uint16 // recycled, published by the next Enter
	lent map[uint16]bool
}

func (g *simGroup) buffer(id uint16) []byte { return g.mem[int(id)*g.size : (int(id)+1)*g.size] }

type simEntry struct {
	s        *ring.SQE
	was      ring.SQE // as it was pushed
	content  uint64   // of its buffers
	stubborn int      // how many cancels it outlives
	canceled bool
}

func newSimQueue(seed uint64) *simQueue {
	q := &simQueue{
		rng:     rand.New(rand.NewPCG(seed, 0)),
		ports:   map[uint16]int32{},
		arrived: map[int32][]int32{},
		open:    map[int32]struct{}{},
		gone:    map[int32]struct{}{},
	}
	q.capacity = []int{1, 2, 8, 512}[q.rng.IntN(4)]
	q.features = ring.Features{Set: ring.AllFeatures, Ops: ^ring.OpcodeSet(0)}
	for _, f := range []ring.Feature{ring.MultishotAccept, ring.MultishotRecv, ring.BufferRings} {
		if q.one(4) {
			q.features = q.features.Without(f)
		}
	}
	return q
}

// one is true once in n times.
func (q *simQueue) one(n int) bool { return q.rng.IntN(n) == 0 }

// fault records a breach of the contract between loop and queue.
func (q *simQueue) fault(format string, args ...any) {
	if len(q.faults) < 10 {
		q.faults = append(q.faults, fmt.Sprintf(format, args...))
	}
}

func (q *simQueue) Features() ring.Features { return q.features }
func (q *simQueue) Bind() error             { return nil }
func (q *simQueue) Wake() error             { q.woken = true; return nil }

func (q *simQueue) Push(s *ring.SQE) bool {
	if q.closed {
		q.fault("%v pushed on the closed queue", s.Opcode)
		return false
	}
	if len(q.pushed) >= q.capacity || q.one(50) {
		return false
	}
	q.inspect(s)
	e := &simEntry{s: s, was: *s, content: contentOf(s)}
	if q.one(4) {
		e.stubborn = q.rng.IntN(3)
	}
	q.pushed = append(q.pushed, e)
	return true
}

// inspect checks a new entry against those in flight.
func (q *simQueue) inspect(s *ring.SQE) {
	fd, uses := descriptorOf(s)
	for _, list := range [][]*simEntry{q.flight, q.pushed} {
		for _, e := range list {
			if e.s == s || e.was.UserData == s.UserData {
				q.fault("%v pushed while it was in flight as %v", s.Opcode, e.was.Opcode)
			}
			other, _ := descriptorOf(&e.was)
			if !uses || other != fd {
				continue
			}
			switch {
			case s.Opcode == ring.OpClose:
				q.fault("CLOSE of %d while %v is in flight", fd, e.was.Opcode)
			case e.was.Opcode == ring.OpClose:
				q.fault("%v on %d after its CLOSE was pushed", s.Opcode, fd)
			case lane(s) != 0 && lane(s) == lane(&e.was):
				q.fault("%v on %d while %v is in flight", s.Opcode, fd, e.was.Opcode)
			}
		}
	}
	if !uses {
		return
	}
	switch s.Opcode {
	case ring.OpConnect, ring.OpAccept, ring.OpPollAdd: // the number may be a new socket's, made by the loop itself
		delete(q.gone, fd)
	case ring.OpClose:
	default:
		if _, gone := q.gone[fd]; gone {
			q.fault("%v on %d after it was closed", s.Opcode, fd)
		}
	}
}

// lane tells which entries must not be in flight together on one descriptor; 0 may.
func lane(s *ring.SQE) int {
	switch s.Opcode {
	case ring.OpRecv, ring.OpRecvmsg:
		return 1
	case ring.OpSend, ring.OpSendmsg:
		return 2
	case ring.OpAccept:
		return 3
	case ring.OpFsync:
		return 4
	case ring.OpRead, ring.OpWrite:
		if s.Off == -1 {
			return 5
		}
	}
	return 0
}

func descriptorOf(s *ring.SQE) (fd int32, uses bool) {
	switch s.Opcode {
	case ring.OpNop, ring.OpCancel:
		return -1, false
	}
	return s.FD, s.FD >= 0
}

var simSeed = maphash.MakeSeed()

// contentOf sums up what an entry points to, which nobody may touch while it is in flight.
func contentOf(s *ring.SQE) uint64 {
	var h maphash.Hash
	h.SetSeed(simSeed)
	for _, b := range buffersOf(s) {
		_, _ = h.Write(b)
	}
	return h.Sum64()
}

func buffersOf(s *ring.SQE) [][]byte {
	var vec []unix.Iovec
	switch s.Opcode {
	case ring.OpRecv, ring.OpSend, ring.OpRead, ring.OpWrite:
		if s.Flags&ring.BufferSelect != 0 {
			return nil
		}
		return [][]byte{unsafe.Slice((*byte)(s.Addr), s.Len)}
	case ring.OpReadv, ring.OpWritev:
		vec = unsafe.Slice((*unix.Iovec)(s.Addr), s.Len)
	case ring.OpSendmsg, ring.OpRecvmsg:
		m := (*unix.Msghdr)(s.Addr)
		vec = unsafe.Slice(m.Iov, m.Iovlen)
	}
	var list [][]byte
	for _, v := range vec {
		list = append(list, unsafe.Slice(v.Base, v.Len))
	}
	return list
}

var errStuck = errors.New("simulated queue: the loop waits for ever, and nothing can happen")

func (q *simQueue) Enter(timeout time.Duration) error {
	if q.closed {
		q.fault("Enter on the closed queue")
	}
	defer func() { q.setClock(q.now) }()
	for _, e := range q.pushed {
		if e.was.Opcode == ring.OpCancel {
			q.cancel(e)
		} else {
			q.flight = append(q.flight, e)
		}
	}
	q.pushed = q.pushed[:0]
	for i := range q.groups {
		g := &q.groups[i]
		for _, id := range g.back {
			clear(g.buffer(id)) // from now on it may be overwritten at any time
		}
		g.free, g.back = append(g.free, g.back...), g.back[:0]
	}
	for range q.rng.IntN(2 + len(q.flight)) {
		if len(q.flight) > 0 {
			q.attempt(q.flight[q.rng.IntN(len(q.flight))])
		}
	}
	if timeout == 0 || len(q.ready) > 0 || q.woken || q.one(10) {
		q.woken = false
		return nil
	}
	if free := len(q.groups[0].free); q.parked() > 0 && free > 0 {
		q.fault("the loop sleeps with a receive that waits for a buffer, and %d are free", free)
	}
	todo := append([]*simEntry(nil), q.flight...)
	q.rng.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	for round := 0; round < 3; round++ { // an injected failure may use up an attempt
		for _, e := range todo {
			if q.attempt(e) {
				return nil
			}
		}
	}
	if timeout < 0 {
		return errStuck
	}
	q.now += timeout
	return nil
}

func (q *simQueue) Reap(dst []ring.CQE) int {
	n := min(len(dst), len(q.ready))
	if n > 1 && q.one(5) {
		n = 1 + q.rng.IntN(n)
	}
	copy(dst, q.ready[:n])
	q.ready = q.ready[n:]
	return n
}

// post adds a completion, before others that it overtakes, but never before one of the same entry.
func (q *simQueue) post(c ring.CQE) {
	at := len(q.ready)
	for at > 0 && q.ready[at-1].UserData != c.UserData && !q.one(3) {
		at--
	}
	q.ready = append(q.ready, ring.CQE{})
	copy(q.ready[at+1:], q.ready[at:])
	q.ready[at] = c
}

// end posts the terminal completion of e.
func (q *simQueue) end(e *simEntry, res int32, flags uint32) {
	for i := range q.flight {
		if q.flight[i] == e {
			q.flight = append(q.flight[:i], q.flight[i+1:]...)
			break
		}
	}
	q.check(e)
	q.post(ring.CQE{UserData: e.was.UserData, Res: res, Flags: flags})
}

// check tells whether the entry is still what was pushed.
func (q *simQueue) check(e *simEntry) {
	now := *e.s
	now.Link, e.was.Link = ring.Link{}, ring.Link{}
	if now != e.was {
		q.fault("%v was changed while it was in flight", e.was.Opcode)
	}
}

// untouched tells whether the buffers of e are as they were when it was pushed.
func (q *simQueue) untouched(e *simEntry) {
	if contentOf(&e.was) != e.content {
		q.fault("the buffer of %v was touched while it was in flight", e.was.Opcode)
	}
}

func (q *simQueue) cancel(c *simEntry) {
	res := -int32(unix.ENOENT)
	for _, e := range q.flight {
		if unsafe.Pointer(e.s) != c.was.Addr || e.was.UserData != uint64(c.was.Off) {
			continue
		}
		res = 0
		switch {
		case e.stubborn > 0: // between two steps of the kernel, or running
			e.stubborn--
			if res = -int32(unix.EALREADY); q.one(2) {
				res = -int32(unix.ENOENT)
			}
		default:
			e.canceled = true
		}
	}
	q.check(c)
	q.post(ring.CQE{UserData: c.was.UserData, Res: res})
}

// attempt goes on with e and reports whether that gave a completion.
func (q *simQueue) attempt(e *simEntry) bool {
	before := len(q.ready)
	if q.flying(e) {
		q.execute(e)
	}
	return len(q.ready) > before
}

func (q *simQueue) execute(e *simEntry) {
	s := &e.was
	if e.canceled {
		// The operation may still win, and a multishot may have something to deliver before it goes.
		if q.one(2) || s.Opcode == ring.OpPollAdd {
			q.end(e, -int32(unix.ECANCELED), 0)
			return
		}
	}
	switch s.Opcode {
	case ring.OpClose:
		q.close(e)
		return
	case ring.OpNop:
		q.end(e, 0, 0)
		return
	case ring.OpPollAdd:
		q.poll(e)
		return
	}
	if res := q.injected(s); res != 0 {
		q.end(e, res, 0)
		return
	}
	switch s.Opcode {
	case ring.OpAccept:
		q.accept(e)
	case ring.OpConnect:
		q.end(e, q.connect(s), 0)
	case ring.OpRecv:
		q.recv(e)
	case ring.OpSend, ring.OpSendmsg:
		q.send(e)
	default:
		q.untouched(e)
		q.end(e, q.file(s), 0)
	}
	if e.canceled && q.flying(e) && q.one(2) {
		q.end(e, -int32(unix.ECANCELED), 0)
	}
}

func (q *simQueue) flying(e *simEntry) bool {
	for _, other := range q.flight {
		if other == e {
			return true
		}
	}
	return false
}

// injected makes an operation fail as the kernel does now and then.
func (q *simQueue) injected(s *ring.SQE) int32 {
	if s.Opcode != ring.OpConnect && q.one(40) {
		return -int32(unix.EINTR)
	}
	switch s.Opcode {
	case ring.OpRecv, ring.OpSend, ring.OpSendmsg, ring.OpAccept, ring.OpRead, ring.OpReadv:
		if q.one(40) {
			return -int32(unix.EAGAIN)
		}
	}
	rare := []unix.Errno{}
	switch s.Opcode {
	case ring.OpAccept:
		rare = []unix.Errno{unix.EMFILE, unix.ECONNABORTED, unix.ENFILE, unix.ENOMEM}
	case ring.OpConnect:
		rare = []unix.Errno{unix.ECONNREFUSED, unix.ETIMEDOUT}
	case ring.OpRecv:
		if rare = []unix.Errno{unix.ECONNRESET}; s.Flags&ring.BufferSelect != 0 && q.one(30) {
			return -int32(unix.ENOBUFS)
		}
	case ring.OpSend, ring.OpSendmsg:
		if q.one(150) {
			_ = unix.Shutdown(int(s.FD), unix.SHUT_RDWR)
			return -int32(unix.ECONNRESET)
		}
	case ring.OpWrite, ring.OpWritev:
		rare = []unix.Errno{unix.ENOSPC}
	case ring.OpFsync, ring.OpRead, ring.OpReadv:
		rare = []unix.Errno{unix.EIO}
	case ring.OpOpenat:
		rare = []unix.Errno{unix.EMFILE}
	}
	if len(rare) > 0 && q.one(60) {
		return -int32(rare[q.rng.IntN(len(rare))])
	}
	return 0
}

// give hands a descriptor to the loop.
func (q *simQueue) give(fd int) int32 {
	q.open[int32(fd)] = struct{}{}
	delete(q.gone, int32(fd))
	return int32(fd)
}

func (q *simQueue) close(e *simEntry) {
	fd := e.was.FD
	for port, ln := range q.ports {
		if ln == fd {
			delete(q.ports, port)
		}
	}
	for _, waiting := range q.arrived[fd] {
		_ = unix.Close(int(waiting))
	}
	delete(q.arrived, fd)
	delete(q.open, fd)
	q.gone[fd] = struct{}{}
	res := int32(0)
	if err := unix.Close(int(fd)); err != nil {
		q.fault("CLOSE of %d, which is not open", fd)
		res = -int32(unix.EBADF)
	}
	q.end(e, res, 0)
}

func (q *simQueue) poll(e *simEntry) {
	s := &e.was
	if e.canceled {
		q.end(e, -int32(unix.ECANCELED), 0)
		return
	}
	if waiting, listens := q.arrived[s.FD]; listens {
		if len(waiting) > 0 {
			q.end(e, unix.POLLIN, 0)
		}
		return
	}
	set := [1]unix.PollFd{{Fd: s.FD, Events: int16(s.OpFlags)}}
	if _, err := unix.Poll(set[:], 0); err == nil && set[0].Revents != 0 {
		q.end(e, int32(set[0].Revents), 0)
	}
}

func (q *simQueue) accept(e *simEntry) {
	fd := e.was.FD
	if _, known := q.arrived[fd]; !known {
		sa, err := unix.Getsockname(int(fd))
		if err != nil {
			q.end(e, -int32(unix.EBADF), 0)
			return
		}
		q.ports[uint16(sa.(*unix.SockaddrInet4).Port)] = fd
		q.arrived[fd] = nil
	}
	waiting := q.arrived[fd]
	if len(waiting) == 0 {
		return
	}
	q.arrived[fd] = waiting[1:]
	res := q.give(int(waiting[0]))
	if q.goesOn(e) {
		q.check(e)
		q.post(ring.CQE{UserData: e.was.UserData, Res: res, Flags: ring.CQEMore})
		return
	}
	q.end(e, res, 0)
}

// goesOn decides whether a multishot lives on after a completion.
func (q *simQueue) goesOn(e *simEntry) bool {
	if e.was.Flags&ring.Multishot == 0 {
		return false
	}
	if e.canceled {
		return q.one(2) // and then still ends with -ECANCELED
	}
	return !q.one(5)
}

// connect puts one end of a socketpair in the place of the loop's socket.
func (q *simQueue) connect(s *ring.SQE) int32 {
	address := unsafe.Slice((*byte)(s.Addr), s.Len)
	ln, listens := q.ports[binary.BigEndian.Uint16(address[2:])]
	if !listens {
		return -int32(unix.ECONNREFUSED)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -int32(unix.ENOMEM)
	}
	for _, fd := range pair {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1)
	}
	if err := unix.Dup3(pair[0], int(s.FD), unix.O_CLOEXEC); err != nil {
		q.fault("CONNECT on %d: %v", s.FD, err)
	}
	_ = unix.Close(pair[0])
	q.open[s.FD] = struct{}{}
	q.arrived[ln] = append(q.arrived[ln], int32(pair[1]))
	return 0
}

func (q *simQueue) recv(e *simEntry) {
	s := &e.was
	var buf []byte
	flags := uint32(0)
	g := &q.groups[s.Group]
	if s.Flags&ring.BufferSelect == 0 {
		q.untouched(e)
		buf = unsafe.Slice((*byte)(s.Addr), s.Len)
	} else {
		if len(g.free) == 0 {
			q.end(e, -int32(unix.ENOBUFS), 0)
			return
		}
		buf = g.buffer(g.free[0])
		flags = ring.BufferFlags(g.free[0])
	}
	if !q.one(3) {
		buf = buf[:1+q.rng.IntN(len(buf))]
	}
	n, err := unix.Read(int(s.FD), buf)
	switch {
	case err == unix.EAGAIN: //nolint:errorlint // package unix returns it bare
		if s.OpFlags&unix.MSG_DONTWAIT != 0 {
			q.end(e, -int32(unix.EAGAIN), 0)
		}
		return
	case err != nil:
		q.end(e, -int32(err.(syscall.Errno)), 0) //nolint:errorlint // package unix returns it bare
		return
	case n == 0:
		q.end(e, 0, 0)
		return
	}
	if flags != 0 {
		g.lent[g.free[0]] = true
		g.free = g.free[1:]
	}
	if q.goesOn(e) {
		q.check(e)
		q.post(ring.CQE{UserData: s.UserData, Res: int32(n), Flags: flags | ring.CQEMore})
		return
	}
	q.end(e, int32(n), flags)
}

func (q *simQueue) send(e *simEntry) {
	q.untouched(e)
	var data []byte
	for _, b := range buffersOf(&e.was) {
		data = append(data, b...)
	}
	if len(data) > 0 && q.one(2) {
		data = data[:1+q.rng.IntN(len(data))]
	}
	n, err := unix.SendmsgN(int(e.was.FD), data, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	switch {
	case err == unix.EAGAIN: //nolint:errorlint // package unix returns it bare
	case err != nil:
		q.end(e, -int32(err.(syscall.Errno)), 0) //nolint:errorlint // package unix returns it bare
	default:
		q.end(e, int32(n), 0)
	}
}

// file carries out what needs no readiness, on the real file system.
func (q *simQueue) file(s *ring.SQE) int32 {
	var n int
	var err error
	fd, path := int(s.FD), func(p unsafe.Pointer) string { return unix.BytePtrToString((*byte)(p)) }
	switch s.Opcode {
	case ring.OpRead, ring.OpReadv:
		n, err = unix.Preadv2(fd, q.shorten(buffersOf(s)), s.Off, int(s.OpFlags))
	case ring.OpWrite, ring.OpWritev:
		n, err = unix.Pwritev2(fd, q.shorten(buffersOf(s)), s.Off, int(s.OpFlags))
	case ring.OpFsync: // there is no power to be cut
	case ring.OpFtruncate:
		err = unix.Ftruncate(fd, s.Off)
	case ring.OpFallocate:
		err = unix.Fallocate(fd, s.Arg, s.Off, int64(s.Len))
	case ring.OpOpenat:
		if n, err = unix.Openat(fd, path(s.Addr), int(s.OpFlags), s.Arg); err == nil {
			q.give(n)
		}
	case ring.OpStatx:
		err = unix.Statx(fd, path(s.Addr), int(s.OpFlags), int(s.Arg), (*unix.Statx_t)(s.Addr2))
	case ring.OpUnlinkat:
		err = unix.Unlinkat(fd, path(s.Addr), int(s.OpFlags))
	case ring.OpMkdirat:
		err = unix.Mkdirat(fd, path(s.Addr), s.Arg)
	case ring.OpRenameat:
		err = unix.Renameat(fd, path(s.Addr), int(int32(s.Arg)), path(s.Addr2))
	default:
		err = unix.EOPNOTSUPP
	}
	if err != nil {
		return -int32(err.(syscall.Errno)) //nolint:errorlint // package unix returns it bare
	}
	return int32(n)
}

// shorten takes some of the bytes, at least one.
func (q *simQueue) shorten(bufs [][]byte) [][]byte {
	if q.one(2) {
		return bufs
	}
	bufs = bufs[:1]
	return [][]byte{bufs[0][:1+q.rng.IntN(len(bufs[0]))]}
}

func (q *simQueue) Provide(group uint16, mem []byte, size int) error {
	g := &q.groups[group]
	*g = simGroup{mem: mem, size: size, lent: map[uint16]bool{}}
	for id := range len(mem) / size {
		g.lent[uint16(id)] = true
	}
	return nil
}

func (q *simQueue) Recycle(group, id uint16) {
	g := &q.groups[group]
	if !g.lent[id] {
		q.fault("buffer %d of group %d recycled twice", id, group)
	}
	delete(g.lent, id)
	g.back = append(g.back, id)
}

func (q *simQueue) Close() error {
	for _, e := range q.flight {
		q.fault("closed with %v on %d in flight", e.was.Opcode, e.was.FD)
	}
	q.closed = true
	for fd := range q.open {
		q.fault("descriptor %d left open", fd)
		_ = unix.Close(int(fd))
	}
	for _, waiting := range q.arrived {
		for _, fd := range waiting {
			_ = unix.Close(int(fd))
		}
	}
	return nil
}

// simulate runs the model once over a simulated queue and returns what went wrong.
func simulate(t *testing.T, seed uint64, steps int, choose func(n int) int, dir string) []string {
	q := newSimQueue(seed)
	l, err := loop.New(loop.Options{Queue: q, Buffers: 4, BufferSize: 64, MaxEvents: 1 + q.rng.IntN(8)})
	require.NoError(t, err)
	q.setClock, q.parked = l.SetClock, l.Parked
	m := newModel(l, dir, choose)
	m.clock = func() time.Duration { return q.now }
	m.unit, m.patience = time.Second, 100
	m.slack = time.Second / 2
	m.steps = steps
	m.panics = true
	m.run()
	return append(m.problems, q.faults...)
}

func TestModelOnSimulatedQueue(t *testing.T) {
	probe, err := net.Listen("tcp4", "127.0.0.1:0") // the model's listeners are real sockets, though nobody ever connects to them
	require.NoError(t, err)
	require.NoError(t, probe.Close())
	before := snapshot()
	dir := t.TempDir()
	forEachSeed(t, 2000, func(seed uint64) []string {
		rng := rand.New(rand.NewPCG(seed, 1))
		return simulate(t, seed, 20+rng.IntN(80), rng.IntN, dir)
	})
	before.check(t)
}

// FuzzLoop lets the fuzzer choose the operations and the seed of the queue.
func FuzzLoop(f *testing.F) {
	f.Add([]byte("a loop"))
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 {
			return
		}
		seed, rest := uint64(binary.LittleEndian.Uint16(data)), data[2:]
		choose := func(n int) int {
			if len(rest) == 0 {
				return 0
			}
			b := rest[0]
			rest = rest[1:]
			return int(b) % n
		}
		require.Empty(t, simulate(t, seed, min(len(rest), 500), choose, t.TempDir()))
	})
}
