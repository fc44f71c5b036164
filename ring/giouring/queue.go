//go:build giouring && linux

package giouring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/pawelgaczynski/giouring"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// A Queue is a queue on giouring's ring: its set-up, its system calls and its way through both queues, with our own entries,
// because many of its Prepare methods cannot be used. It has the methods of loop.Queue, with the
// rules that are written there; only Wake may be called from any goroutine.
type Queue struct {
	ring     *giouring.Ring
	features ring.Features
	refused  []ring.CQE // of entries that are not supported
	peeked   [64]*giouring.CompletionQueueEvent
	groups   []*bufferGroup // by number
	closed   bool

	// Both the kernel, for a completion, and Wake write to the eventfd; woken tells Wake's writes from the kernel's, of
	// which those for completions that have long been reaped are no reason to return.
	event   *os.File // its writes hold a reference against Close
	eventFD int
	woken   atomic.Bool
}

// setupFlags leave out NO_SQARRAY: giouring writes the array nevertheless, over the head of the ring.
const setupFlags = giouring.SetupClamp | giouring.SetupSubmitAll | giouring.SetupRDisabled |
	giouring.SetupSingleIssuer | giouring.SetupDeferTaskrun | giouring.SetupTaskrunFlag

// New creates a queue of so many entries, a power of two; the completion queue has twice as many. The
// error wraps the errno, and matches [ring.ErrUnsupported] where there is no io_uring at all.
func New(entries uint32) (*Queue, error) {
	// What the kernel can do does not depend on who asks.
	ours, err := ring.New(ring.Options{Entries: 8})
	if err != nil {
		return nil, err
	}
	features := ours.Features().Without(ring.CoopTaskrun | ring.NoSQArray | ring.NoIowait | ring.RegisteredRing | ring.WorkerCap | ring.FixedBuffers)
	if err := ours.Close(); err != nil {
		return nil, err
	}

	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("giouring: eventfd: %w", err)
	}
	q := &Queue{
		ring:     giouring.NewRing(),
		features: features,
		event:    os.NewFile(uintptr(fd), "eventfd"),
		eventFD:  fd,
	}
	if err := q.ring.QueueInit(entries, setupFlags); err != nil {
		_ = q.event.Close()
		return nil, fmt.Errorf("giouring: io_uring_setup: %w", err)
	}
	if _, err := q.ring.RegisterEventFd(fd); err != nil {
		_ = q.Close()
		return nil, fmt.Errorf("giouring: IORING_REGISTER_EVENTFD: %w", err)
	}
	return q, nil
}

// Bind makes the calling thread the one that submits. (IORING_REGISTER_ENABLE_RINGS)
func (q *Queue) Bind() error {
	if q.closed {
		return errClosed("Bind")
	}
	if _, err := q.ring.EnableRings(); err != nil {
		return fmt.Errorf("giouring: IORING_REGISTER_ENABLE_RINGS: %w", err)
	}
	return nil
}

// Push queues s for the next Enter and reports whether there was room.
func (q *Queue) Push(s *ring.SQE) bool {
	if q.closed {
		return false
	}
	if !q.features.Supports(s.Opcode) {
		q.refused = append(q.refused, ring.CQE{UserData: s.UserData, Res: -int32(unix.EOPNOTSUPP)})
		return true
	}
	e := q.ring.GetSQE()
	if e == nil {
		return false
	}
	*(*[64]byte)(unsafe.Pointer(e)) = ring.Encode(s, q.features)
	return true
}

// Enter submits, and waits for a completion or a wake if none is ready. It waits for the eventfd in ppoll(2), so that the ring
// holds no entry of the queue's own that could be canceled, or counted by an OpCancel with CancelAny.
func (q *Queue) Enter(timeout time.Duration) error {
	if q.closed {
		return errClosed("Enter")
	}
	for _, g := range q.groups {
		if g != nil {
			g.publish()
		}
	}
	deadline := time.Now().Add(timeout)
	for left := timeout; ; {
		if err := q.submit(); err != nil {
			return err
		}
		// What the kernel has not taken, for want of memory, would sleep with us.
		ready := len(q.refused) > 0 || q.ring.CQReady() > 0 || q.ring.SQReady() > 0
		if left == 0 || ready || q.woken.Swap(false) {
			return nil
		}
		if err := q.wait(left); err != nil {
			return err
		}
		if timeout > 0 {
			left = max(time.Until(deadline), 0)
		}
	}
}

// wait returns after a write to the eventfd, which it uses up, after a signal, or after the timeout.
func (q *Queue) wait(timeout time.Duration) error {
	var ts *unix.Timespec
	if timeout > 0 {
		t := unix.NsecToTimespec(int64(timeout))
		ts = &t
	}
	n, err := unix.Ppoll([]unix.PollFd{{Fd: int32(q.eventFD), Events: unix.POLLIN}}, ts, nil)
	if n > 0 {
		var count [8]byte
		_, err = unix.Read(q.eventFD, count[:])
	}
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("giouring: wait: %w", err)
	}
	return nil
}

// submit enters in any case: with DEFER_TASKRUN completions come up to the queue in no other way, and
// after an overflow neither.
func (q *Queue) submit() error {
	_, err := q.ring.SubmitAndGetEvents()
	switch {
	case err == nil, errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EBUSY):
		return nil
	}
	return fmt.Errorf("giouring: io_uring_enter: %w", err)
}

// Reap copies completions to dst and returns their number.
func (q *Queue) Reap(dst []ring.CQE) int {
	if q.closed {
		return 0
	}
	n := copy(dst, q.refused)
	q.refused = q.refused[:copy(q.refused, q.refused[n:])]
	for n < len(dst) {
		// PeekBatchCQE fills its slice beyond what it returns, and enters when nothing is ready.
		batch := q.peeked[:min(len(q.peeked), len(dst)-n, int(q.ring.CQReady()))]
		if len(batch) == 0 {
			break
		}
		count := q.ring.PeekBatchCQE(batch)
		for _, c := range batch[:count] {
			dst[n] = ring.CQE{UserData: c.UserData, Res: c.Res, Flags: c.Flags}
			n++
		}
		q.ring.CQAdvance(count)
	}
	return n
}

// Features returns what the kernel can do and this ring uses.
func (q *Queue) Features() ring.Features { return q.features }

// FD returns the descriptor of the ring, for OpMsgRing on another one.
func (q *Queue) FD() int { return q.ring.RingFd() }

// Wake makes Enter return: the one that waits, or the next one.
func (q *Queue) Wake() error {
	q.woken.Store(true)
	if _, err := q.event.Write(binary.NativeEndian.AppendUint64(nil, 1)); err != nil {
		return fmt.Errorf("giouring: wake: %w", err)
	}
	return nil
}

// Close releases the ring. The kernel cancels what is in flight some time later.
func (q *Queue) Close() error {
	if q.closed {
		return errClosed("Close")
	}
	q.closed = true
	q.ring.QueueExit()
	for _, g := range q.groups {
		if g != nil {
			_ = unix.Munmap(g.header)
		}
	}
	if err := q.event.Close(); err != nil {
		return fmt.Errorf("giouring: close of the eventfd: %w", err)
	}
	return nil
}

func errClosed(op string) error { return fmt.Errorf("giouring: %s: %w", op, os.ErrClosed) }
