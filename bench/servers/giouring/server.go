package main

import (
	"fmt"
	"unsafe"

	"github.com/pawelgaczynski/giouring"
	"golang.org/x/sys/unix"
)

const (
	entries  = 1024    // giouring makes the completion queue twice as long
	maxSlots = 1 << 16 // of direct descriptors, if RLIMIT_NOFILE allows them

	// setupFlags leave out NO_SQARRAY: giouring writes the array nevertheless, over the head of the ring.
	setupFlags = giouring.SetupClamp | giouring.SetupSubmitAll | giouring.SetupSingleIssuer | giouring.SetupDeferTaskrun
)

// The upper half of the user data is the operation, the lower the slot of its connection.
const (
	opAccept = uint64(iota) << 32
	opReceive
	opSend
	opCancel
	opClose
)

// A server echoes on one ring. Its connections are in the slots of their direct descriptors.
type server struct {
	ring    *giouring.Ring
	buffers *buffers
	conns   []conn
	starved []uint32 // slots of connections that wait for a buffer to receive into
	ln      int32
	open    int
	full    bool // accepting waits for a connection to close
}

func newServer(ln int32) (*server, error) {
	ring := giouring.NewRing()
	if err := ring.QueueInit(entries, setupFlags); err != nil {
		return nil, fmt.Errorf("io_uring_setup: %w", err)
	}
	if _, err := ring.RegisterRingFd(); err != nil {
		return nil, fmt.Errorf("IORING_REGISTER_RING_FDS: %w", err)
	}
	slots, err := registerSlots(ring)
	if err != nil {
		return nil, err
	}
	bufs, err := newBuffers(ring)
	if err != nil {
		return nil, err
	}
	return &server{ring: ring, buffers: bufs, conns: make([]conn, slots), ln: ln}, nil
}

// registerSlots makes an empty table of direct descriptors. giouring's own RegisterFilesSparse loses the error.
func registerSlots(ring *giouring.Ring) (uint32, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("getrlimit: %w", err)
	}
	reg := &giouring.RsrcRegister{Nr: uint32(min(limit.Cur, maxSlots)), Flags: giouring.RsrcRegisterSparse}
	_, errno := ring.Register(ring.RingFd(), giouring.RegisterFiles2, unsafe.Pointer(reg), uint32(unsafe.Sizeof(*reg)))
	if errno != 0 {
		return 0, fmt.Errorf("IORING_REGISTER_FILES2: %w", errno)
	}
	return reg.Nr, nil
}

// run submits, waits and completes, with one system call a turn.
func (s *server) run() error {
	s.accept()
	done := uint32(0)
	complete := func(c *giouring.CompletionQueueEvent) {
		done++
		s.complete(c.UserData, c.Res, c.Flags)
	}
	for {
		if _, err := s.ring.SubmitAndWait(1); !passing(err) {
			return fmt.Errorf("io_uring_enter: %w", err)
		}
		done = 0
		s.ring.ForEachCQE(complete)
		s.ring.CQAdvance(done)
		s.buffers.publish()
		s.feed()
	}
}

func (s *server) complete(data uint64, res int32, flags uint32) {
	slot, more := uint32(data), flags&giouring.CQEFMore != 0
	switch data &^ 0xffff_ffff {
	case opAccept:
		s.accepted(res, more)
	case opReceive:
		s.received(slot, res, flags, more)
	case opSend:
		s.sent(slot, res)
	case opCancel:
		s.conns[slot].stopping = false // if it was too late, the next receive tries again
	case opClose:
		s.conns[slot] = conn{} // frees its memory
		s.open--
		if s.full {
			s.accept()
		}
	}
}

func (s *server) accepted(res int32, more bool) {
	if res >= 0 {
		s.open++
		s.receive(uint32(res))
	}
	if more {
		return
	}
	// While the table is full, the kernel would only accept connections to close them.
	if res == -int32(unix.ENFILE) && s.open > 0 {
		s.full = true
		return
	}
	s.accept()
}

// feed lets starved connections receive again, the longest waiting first, as many as there are buffers.
func (s *server) feed() {
	n := min(len(s.starved), s.buffers.inRing)
	for _, slot := range s.starved[:n] {
		s.conns[slot].starved = false
		s.proceed(slot)
	}
	s.starved = s.starved[:copy(s.starved, s.starved[n:])]
}

// entry returns a submission entry, which may still hold the fields of an older one: it must be written as a whole.
func (s *server) entry() *giouring.SubmissionQueueEntry {
	for {
		if e := s.ring.GetSQE(); e != nil {
			return e
		}
		if _, err := s.ring.Submit(); !passing(err) {
			panic(fmt.Errorf("io_uring_enter: %w", err))
		}
	}
}

// passing reports whether a ring works on after err.
func passing(err error) bool {
	return err == nil || err == unix.EINTR || err == unix.EAGAIN || err == unix.EBUSY
}
