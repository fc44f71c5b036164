package ring

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxRaw is how many light entries are submitted without telling the scheduler. The thread cannot be stopped for
// the garbage collector meanwhile, which at this number is some tens of microseconds.
const maxRaw = 64

var errNotBound = errors.New("ring: Enter before Bind")

// Enter submits everything that was pushed and publishes what was recycled; then, if no completion
// is ready, it waits for one: at most timeout, for ever if it is negative, not at all if it is 0.
// It makes no system call if there is nothing to submit, to fetch or to wait for.
//
// A nil error says nothing about the outcome, and a signal may end the wait early: look at Reap. An error means that
// the ring is broken, or misused (not bound, wrong thread). Bound thread only. (io_uring_enter(2))
func (r *Ring) Enter(timeout time.Duration) error {
	if r.fd < 0 {
		return errClosed("Enter")
	}
	if r.bound == 0 {
		return errNotBound
	}
	r.publishBuffers()
	err := r.enter(timeout)
	r.wake.returned()
	return err
}

// enter first submits without waiting: most turns of a busy loop end there, and a call that cannot
// sleep need not give its processor away to another goroutine and win it back. Only if nothing
// is ready then, it sleeps in a call that does.
func (r *Ring) enter(timeout time.Duration) error {
	queued, flags := r.toSubmit()
	ready := r.ready()
	wait := timeout != 0 && !ready
	raw := queued <= maxRaw && r.work <= maxWork && !r.sqPoll
	switch {
	case queued == 0 && wait:
	case queued == 0 && (ready || !r.stalled()):
		return nil
	case !raw && wait && r.wake.arm(&r.sq):
		// A system call that costs the processor anyway may as well wait.
	default:
		r.work = 0
		if err := r.submit(raw, queued, flags|r.submitFlags); err != nil {
			return err
		}
		wait = wait && !r.ready()
	}
	// Without an entry left for the wake there must be no sleep. The kernel took nothing, so it is short of
	// memory, or there are completions to fetch first.
	if !wait || !r.wake.arm(&r.sq) {
		return nil
	}
	r.work = 0
	queued, flags = r.toSubmit()
	return r.wait(timeout, queued, flags|r.waitFlags)
}

// toSubmit publishes what was pushed and returns how many entries need an enter to get going, with
// the flags for it. A kernel thread that polls the queue needs one only when it sleeps or has no room.
func (r *Ring) toSubmit() (queued, flags uint32) {
	queued = r.sq.flush()
	if !r.sqPoll {
		return queued, 0
	}
	switch {
	case queued == 0:
		return 0, 0
	case atomic.LoadUint32(r.sq.flags)&sqNeedWakeup != 0:
		return queued, enterSQWakeup
	case queued == uint32(len(r.sq.entries)):
		return queued, enterSQWait
	}
	return 0, 0
}

// ready reports whether Enter has a reason to return: something for Reap, or a wake.
func (r *Ring) ready() bool { return r.refused != nil || r.wake.owed || !r.cq.empty() }

// stalled reports whether completions wait for an enter to come up to an empty queue: behind an overflow, or as
// task work, which DEFER_TASKRUN and COOP_TASKRUN leave to us (TASKRUN_FLAG is always set with them).
func (r *Ring) stalled() bool {
	return atomic.LoadUint32(r.sq.flags)&(sqCQOverflow|sqTaskrun) != 0
}

func (r *Ring) submit(raw bool, queued, flags uint32) error {
	r.count()
	call := unix.Syscall6
	if raw {
		call = unix.RawSyscall6
	}
	n, _, errno := call(unix.SYS_IO_URING_ENTER, uintptr(r.enterFD), uintptr(queued), 0, uintptr(flags), 0, 0)
	return r.entered(n, errno)
}

func (r *Ring) wait(timeout time.Duration, queued, flags uint32) error {
	r.count()
	var arg unsafe.Pointer
	var size uintptr
	if timeout > 0 {
		r.timeout = timespec{int64(timeout / time.Second), int64(timeout % time.Second)}
		arg, size = unsafe.Pointer(&r.arg), unsafe.Sizeof(r.arg)
		flags |= enterExtArg
	}
	n, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.enterFD), uintptr(queued), 1,
		uintptr(flags), uintptr(arg), size)
	return r.entered(n, errno)
}

func (r *Ring) count() {
	r.stats.Enters++
	if atomic.LoadUint32(r.sq.flags)&sqCQOverflow != 0 {
		r.stats.Overflows++
	}
}

func (r *Ring) entered(n uintptr, errno unix.Errno) error {
	switch errno {
	case 0:
		r.stats.Submitted += uint64(n)
		return nil
	case unix.EINTR, unix.ETIME: // a signal, the timeout
		return nil
	case unix.EAGAIN, unix.EBUSY: // no memory for a request, too many completions that nobody has reaped
		return nil
	case unix.EBADR:
		return fmt.Errorf("ring: io_uring_enter: %w (completions were lost for want of memory)", errno)
	}
	return r.misuse("io_uring_enter", errno)
}

// reapQueue copies out completions and swallows the ring's own.
func (r *Ring) reapQueue(dst []CQE) int {
	n, next, mask := 0, r.cq.next, uint32(len(r.cq.entries)-1)
	for tail := atomic.LoadUint32(r.cq.tail); next != tail; next++ {
		c := &r.cq.entries[next&mask]
		if c.UserData == own {
			r.wake.fired(c)
			continue
		}
		if n == len(dst) {
			break
		}
		dst[n] = *c
		r.wake.uncount(&dst[n])
		n++
	}
	if next != r.cq.next {
		r.cq.next = next
		atomic.StoreUint32(r.cq.head, next)
	}
	return n
}
