package ring

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxRaw is how many entries are submitted at once without telling the scheduler. The thread cannot be stopped for
// the garbage collector meanwhile, which at this number of sends takes some 100 us; between two parts it can.
const maxRaw = 64

// A wait that is likely brief is a nap, which the scheduler is not told about either. Told, it takes the processor away from a thread that has
// been in a system call for 20 us, polls for the next one to do so, and makes the thread win it back: at a wait per turn that is several
// percent of a core.
//
// maxNap is what the scheduler lets any goroutine run for. A stop of the world need not wait that long, its signal ends the nap. Much less than
// a tick of the kernel's clock would cost more: the hardware's timer had to be set each time.
const (
	brief  = time.Millisecond
	maxNap = 10 * time.Millisecond
)

// napless is how many waits are no naps after a wake, or a nap in vain, when there is but one processor (GOMAXPROCS): other goroutines
// may need it to bring about what the loop waits for.
const napless = 1000

var errNotBound = errors.New("ring: Enter or Doze before Bind")

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

// enter first submits without telling the scheduler, and without waiting, or only for a moment if the last waits were short: most turns
// of a busy loop end there, and a call that hardly sleeps need not give its processor away to another goroutine and win it back. Only if
// nothing is ready then, it sleeps in a call that does.
func (r *Ring) enter(timeout time.Duration) error {
	raw := !r.heavy && !r.sqPoll
	if raw {
		if err := r.submitParts(); err != nil {
			return err
		}
	}
	queued, flags := r.toSubmit()
	ready := r.ready()
	wait := timeout != 0 && !ready
	switch {
	case wait && raw && r.brisk && r.napless == 0 && r.wake.arm(&r.sq):
		if timeout < 0 || timeout > maxNap {
			timeout = min(timeout-maxNap, timeout) // what is left of it after the nap
			if err := r.nap(maxNap); err != nil || r.ready() {
				return err
			}
			break
		}
		return r.nap(timeout)
	case wait && (queued == 0 || !raw && r.wake.arm(&r.sq)):
		// A system call that costs the processor anyway may as well wait.
	case queued == 0 && (ready || !r.stalled()):
		return nil
	default:
		r.work, r.heavy = 0, false
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
	r.work, r.heavy = 0, false
	queued, flags = r.toSubmit()
	start := time.Now()
	err := r.wait(unix.Syscall6, timeout, queued, flags|r.waitFlags)
	r.brisk = time.Since(start) < brief
	switch {
	case r.alone && r.wake.woken.Load():
		r.napless = napless
	case r.napless > 0:
		r.napless--
	}
	return err
}

// submitParts submits all but the last part of what is too much at once.
func (r *Ring) submitParts() error {
	queued := r.sq.flush()
	part := uint32(maxRaw)
	if r.work > maxWork {
		part = min(part, uint32(uint64(queued)*maxWork/r.work)+1)
	}
	for queued > part {
		if err := r.submit(true, part, r.submitFlags&^enterGetEvents); err != nil {
			return err
		}
		left := r.sq.flush()
		if left == queued { // the kernel is short of memory, or there are completions to fetch first
			return nil
		}
		queued = left
	}
	return nil
}

// nap submits and waits in a call that the scheduler does not know of.
func (r *Ring) nap(limit time.Duration) error {
	r.work = 0
	queued, flags := r.toSubmit()
	err := r.wait(unix.RawSyscall6, limit, queued, flags|r.waitFlags)
	if r.brisk = r.ready(); !r.brisk && r.alone {
		r.napless = napless
	}
	return err
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

// syscall6 is unix.Syscall6, or unix.RawSyscall6, of which the scheduler does not know.
type syscall6 = func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err unix.Errno)

func (r *Ring) submit(raw bool, queued, flags uint32) error {
	r.count()
	call := unix.Syscall6
	if raw {
		call = unix.RawSyscall6
	}
	n, _, errno := call(unix.SYS_IO_URING_ENTER, uintptr(r.enterFD), uintptr(queued), 0, uintptr(flags), 0, 0)
	return r.entered(n, errno)
}

// wait submits and waits for a completion.
func (r *Ring) wait(call syscall6, timeout time.Duration, queued, flags uint32) error {
	r.count()
	var arg unsafe.Pointer
	var size uintptr
	if timeout > 0 {
		r.timeout = timespec{int64(timeout / time.Second), int64(timeout % time.Second)}
		arg, size = unsafe.Pointer(&r.arg), unsafe.Sizeof(r.arg)
		flags |= enterExtArg
	}
	n, _, errno := call(unix.SYS_IO_URING_ENTER, uintptr(r.enterFD), uintptr(queued), 1,
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
