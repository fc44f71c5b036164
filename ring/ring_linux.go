package ring

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Ring is one io_uring: a submission queue, a completion queue, and what belongs to them. See the package
// comment for who may call what. Only Wake may be called from any goroutine.
type Ring struct {
	sq       submission
	cq       completion
	features Features
	stats    Stats

	fd          int // -1 after Close
	enterFD     int // fd, or its index among the descriptors registered by the bound thread
	submitFlags uint32
	waitFlags   uint32
	sqPoll      bool
	brisk       bool   // the last wait was brief
	alone       bool   // there is one processor for all goroutines
	napless     int    // so many waits are still to be made without a nap
	work        uint64 // what was pushed since the last submission, in bytes to move
	heavy       bool   // it may take longer than can be told from that

	refused, lastRefused *SQE // pushed but not supported: completions that Reap makes up

	wake     waker
	dozeFD   int            // what Doze returns, or -1 before the first
	groups   []*bufferGroup // by number
	recycled []*bufferGroup // with buffers to publish
	fixed    []unix.Iovec   // the registered memory, by number; nil before the first

	arg     getEventsArg // of the wait; here, because the kernel reads it and a stack may move
	timeout timespec

	mem     mapping
	bound   int       // the thread's id
	workers [2]uint32 // the limits of bounded and unbounded ones
}

// New creates a ring. Nothing is submitted or completed before [Ring.Bind], but entries can be pushed and
// buffers provided. New may be called from any goroutine.
//
// The first successful New of a process finds out, on a small ring of its own, what the kernel can do. If io_uring
// cannot be used, the error says why, matches [ErrUnsupported] and wraps the errno. (io_uring_setup(2))
func New(o Options) (*Ring, error) {
	f, err := kernelFeatures()
	if err != nil {
		return nil, err
	}
	return open(o, f)
}

// open creates a ring that may use f.
func open(o Options, f Features) (*Ring, error) {
	o = o.withDefaults()
	fd, p, err := setup(o, ioUringSetup)
	if err != nil {
		return nil, err
	}
	r := &Ring{
		fd:          fd,
		enterFD:     fd,
		submitFlags: enterGetEvents,
		waitFlags:   enterGetEvents,
		sqPoll:      p.flags&setupSQPoll != 0,
		workers:     [2]uint32{o.BoundedWorkers, o.UnboundedWorkers},
	}
	r.arg.ts = address(unsafe.Pointer(&r.timeout))
	if p.features&featNoIowait == 0 {
		f = f.Without(NoIowait)
	}
	f.Set &^= SingleIssuer | DeferTaskrun | CoopTaskrun | NoSQArray
	f.Set |= granted(p.flags)
	r.features = f.Without(o.Without)
	if !r.features.Has(BufferRings) {
		r.features = r.features.Without(MultishotRecv) // which has no other place for its data
	}
	if r.features.Has(NoIowait) {
		r.waitFlags |= enterNoIowait
	}
	if r.mem, r.sq, r.cq, err = mapQueues(fd, &p); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	if err := r.wake.open(); err != nil {
		r.mem.unmap()
		_ = unix.Close(fd)
		return nil, err
	}
	return r, nil
}

// Bind enables the ring and makes the calling thread the only one that may use it from now on, up to and
// with Close. The goroutine must be locked to it (runtime.LockOSThread) and stay locked.
// (IORING_REGISTER_ENABLE_RINGS)
func (r *Ring) Bind() error {
	if r.fd < 0 {
		return errClosed("Bind")
	}
	if r.bound != 0 {
		return fmt.Errorf("ring: Bind: already bound to thread %d", r.bound)
	}
	if errno := ioUringRegister(r.fd, registerEnableRings, nil, 0); errno != 0 {
		return fmt.Errorf("ring: IORING_REGISTER_ENABLE_RINGS: %w", errno)
	}
	r.bound = unix.Gettid()
	r.alone = runtime.GOMAXPROCS(0) == 1
	if r.features.Has(RegisteredRing) {
		r.registerFD()
	}
	if r.features.Has(WorkerCap) {
		// The kernel keeps the limits with the thread that submits, so this is the place. They are a precaution:
		// a ring works without.
		limits := r.workers // the kernel writes the former ones back
		ioUringRegister(r.fd, registerIOWQMaxWorkers, unsafe.Pointer(&limits), 2)
	}
	return nil
}

// registerFD saves the kernel the look-up of the descriptor at each enter. A thread has room for 16; a ring that
// finds none goes on without.
func (r *Ring) registerFD() {
	up := rsrcUpdate{offset: ^uint32(0), data: uint64(r.fd)}
	if errno := ioUringRegister(r.fd, registerRingFDs, unsafe.Pointer(&up), 1); errno != 0 {
		r.features = r.features.Without(RegisteredRing)
		return
	}
	r.enterFD = int(up.offset)
	r.submitFlags |= enterRegisteredRing
	r.waitFlags |= enterRegisteredRing
}

// Push queues s for the next Enter and reports whether there was room. From here to its terminal [CQE], s and all
// that it points to belong to the ring. UserData must not be ^uint64(0).
//
// An entry that is not supported takes no room and completes with -EOPNOTSUPP, or with -EINVAL if it is BufferSelect
// or a key of OpCancel that is not. Bound thread, or before Bind one goroutine at a time.
func (r *Ring) Push(s *SQE) bool {
	if r.fd < 0 {
		return false
	}
	if errno := r.unsupported(s); errno != 0 {
		r.refuse(s, errno)
		return true
	}
	e := r.sq.slot()
	if e == nil {
		return false
	}
	prep(e, s, r.features.Set)
	if s.Opcode == OpCancel {
		r.wake.pushed(s)
	}
	r.weigh(s)
	return true
}

// unsupported returns what an entry that the kernel shall not see completes with. For a
// modifier it is what a kernel says that does not know it.
func (r *Ring) unsupported(s *SQE) unix.Errno {
	switch {
	case !r.features.Supports(s.Opcode):
		return unix.EOPNOTSUPP
	case s.Flags&BufferSelect != 0 && !r.features.Has(BufferRings):
		return unix.EINVAL
	case s.Opcode == OpCancel && s.OpFlags != 0 && !r.features.Has(CancelByFD):
		return unix.EINVAL
	}
	return 0
}

func (r *Ring) refuse(s *SQE, errno unix.Errno) {
	s.Link.Next, s.Link.Res = nil, -int32(errno)
	if r.refused == nil {
		r.refused = s
	} else {
		r.lastRefused.Link.Next = s
	}
	r.lastRefused = s
}

// Reap copies completions to dst, as many as there are and fit, and returns their number. It makes no system
// call: what has not come up to the queue yet takes another Enter. Bound thread only.
func (r *Ring) Reap(dst []CQE) int {
	if r.fd < 0 {
		return 0
	}
	n := 0
	for ; r.refused != nil && n < len(dst); n++ {
		s := r.refused
		r.refused, s.Link.Next = s.Link.Next, nil
		dst[n] = CQE{UserData: s.UserData, Res: s.Link.Res}
	}
	n += r.reapQueue(dst[n:])
	r.stats.Completed += uint64(n)
	return n
}

// Features returns what this ring can do: what the kernel can, less what Options.Without named.
func (r *Ring) Features() Features { return r.features }

// FD returns the ring's descriptor, for OpMsgRing on another ring. It stays the ring's, and is -1 after Close.
func (r *Ring) FD() int { return r.fd }

// Stats returns the counters. Bound thread only.
func (r *Ring) Stats() Stats { return r.stats }

// Overflows returns Stats.Overflows. Bound thread only.
func (r *Ring) Overflows() uint64 { return r.stats.Overflows }

// Close destroys the ring. It belongs to the bound thread; any thread may do it if there is none, or if it has
// exited. The kernel cancels what is still in flight, but in its own time and without completions, and what one of its
// workers has begun goes on: cancel and reap first, or keep the memory that was lent, for ever. (close(2))
func (r *Ring) Close() error {
	if r.fd < 0 {
		return errClosed("Close")
	}
	self := unix.Gettid()
	if r.bound != 0 && r.bound != self && unix.Tgkill(os.Getpid(), r.bound, 0) == nil {
		return r.wrongThread("Close")
	}
	if r.bound == self && r.submitFlags&enterRegisteredRing != 0 {
		// Or the ring would live on in this thread, and its operations with it.
		up := rsrcUpdate{offset: uint32(r.enterFD)}
		ioUringRegister(r.fd, unregisterRingFDs, unsafe.Pointer(&up), 1)
	}
	_ = r.wake.file.Close()
	if f := r.wake.doze.Load(); f != nil {
		_ = f.Close() // the ring holds the file as well
	}
	err := unix.Close(r.fd)
	r.fd = -1
	r.mem.unmap()
	r.sq, r.cq = submission{}, completion{}
	for _, g := range r.groups {
		if g != nil {
			_ = unix.Munmap(g.header)
		}
	}
	r.groups, r.recycled, r.fixed = nil, nil, nil
	r.refused, r.lastRefused = nil, nil
	if err != nil {
		return fmt.Errorf("ring: close: %w", err)
	}
	return nil
}

func errClosed(op string) error { return fmt.Errorf("ring: %s: %w", op, os.ErrClosed) }

func (r *Ring) wrongThread(op string) error {
	return fmt.Errorf("ring: %s on thread %d, but the ring is bound to thread %d", op, unix.Gettid(), r.bound)
}

// misuse names the one mistake that the kernel's answer leaves in the dark: EEXIST, or EINVAL
// with a registered descriptor, is what it has for the wrong thread.
func (r *Ring) misuse(op string, errno unix.Errno) error {
	if r.bound != 0 && r.bound != unix.Gettid() {
		return fmt.Errorf("%w: %w", r.wrongThread(op), errno)
	}
	return fmt.Errorf("ring: %s: %w", op, errno)
}
