package ring

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// own is the UserData of the entries that a ring pushes for itself.
const own = ^uint64(0)

// A waker is an eventfd with a read of it in the ring whenever the ring is about to sleep. A read, not a
// multishot poll: it empties the counter as it completes, and no overflow of the completion queue can end it unseen.
type waker struct {
	fd    int
	file  *os.File                // writes hold a reference, so that none can reach a descriptor that was closed and used again
	doze  atomic.Pointer[os.File] // what Doze returns, if it was ever called
	woken atomic.Bool             // a write was made since Enter last returned, another would add nothing
	armed bool                    // the read is in the ring
	owed  bool                    // Reap took the read's completion before an Enter returned for it
	sweep *SQE                    // in flight, a CancelAny, which finds the read too
}

var (
	one = binary.NativeEndian.AppendUint64(nil, 1)
	// counter is where the reads of all rings go. Nobody looks at it. It is no part of any ring because the kernel may
	// finish a read after the ring is closed and its memory used for something else.
	counter [8]byte
)

func (w *waker) open() error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("ring: eventfd: %w", err)
	}
	w.fd, w.file = fd, os.NewFile(uintptr(fd), "eventfd")
	return nil
}

// arm makes sure that a wake ends the next wait. It reports false if there is no free entry for that.
func (w *waker) arm(q *submission) bool {
	if w.armed {
		return true
	}
	e := q.slot()
	if e == nil {
		return false
	}
	*e = entry{
		opcode:   OpRead,
		fd:       int32(w.fd),
		addr:     address(unsafe.Pointer(&counter)),
		len:      uint32(len(counter)),
		userData: own,
	}
	w.armed = true
	return true
}

// fired takes the completion of the read. Without DEFER_TASKRUN it can come up at any time, also between two calls of Enter: then
// the counter is empty again, while woken keeps the wakes that follow from writing to it.
func (w *waker) fired(c *CQE) {
	w.armed = false
	w.owed = w.owed || w.woken.Load()
	if c.Res >= 0 {
		w.sweep = nil // which comes after, and did not find the read any more
	}
}

// pushed looks for a CancelAny while the read is in the ring, and uncount takes the read out of the number that it
// found: what the ring does for itself is not to be seen.
func (w *waker) pushed(s *SQE) {
	if s.Opcode == OpCancel && s.OpFlags&CancelAny != 0 && w.armed && w.sweep == nil {
		w.sweep = s
	}
}

func (w *waker) uncount(c *CQE) {
	if w.sweep != nil && w.sweep.UserData == c.UserData {
		w.sweep = nil
		if c.Res > 0 {
			c.Res--
		}
	}
}

// returned is called when an Enter is about to return, which is all that the wakes so far asked for.
func (w *waker) returned() {
	w.owed = false
	if w.woken.Load() {
		w.woken.Store(false)
	}
}

// Wake makes Enter return: the one that waits, or the next one. It may be called from any goroutine, at any
// time. After Close, or during it, it does nothing and may return an error that matches os.ErrClosed.
func (r *Ring) Wake() error {
	if r.wake.woken.Swap(true) {
		return nil
	}
	_, err := r.wake.file.Write(one)
	if doze := r.wake.doze.Load(); doze != nil {
		_, _ = doze.Write(one) // at once: by way of the read it would take the kernel's RCU some milliseconds
	}
	if err != nil {
		r.wake.woken.Store(false)
		return fmt.Errorf("ring: wake: %w", err)
	}
	return nil
}
