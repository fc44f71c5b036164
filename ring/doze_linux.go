package ring

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Doze submits what was pushed and returns a descriptor that is readable, for poll(2) or epoll(7), while there are completions to fetch, and from the
// next Wake on: for a foreign loop that waits in a call of its own, and enters the ring when there is something. It is the ring's, the
// same each time, and for nothing but waiting; what makes it readable is undone by the next Doze. Bound thread only.
//
// It is an eventfd (IORING_REGISTER_EVENTFD). The ring itself can be polled too, but with DEFER_TASKRUN that does not tell of work that an
// enter would have to do first.
func (r *Ring) Doze() (fd int, err error) {
	switch {
	case r.fd < 0:
		return -1, errClosed("Doze")
	case r.bound == 0:
		return -1, errNotBound
	}
	if r.wake.doze.Load() == nil {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			return -1, fmt.Errorf("ring: eventfd: %w", err)
		}
		r.dozeFD = fd
		r.wake.doze.Store(os.NewFile(uintptr(fd), "eventfd"))
	}
	var counter [8]byte
	_, _ = unix.Read(r.dozeFD, counter[:]) // before the look at the queue: what comes later counts anew
	if err := r.registerDoze(); err != nil {
		return -1, err
	}
	if err := r.Enter(0); err != nil { // which forgets the wakes so far
		return -1, err
	}
	if r.wake.arm(&r.sq) {
		r.work, r.heavy = 0, false
		queued, flags := r.toSubmit()
		if err := r.submit(false, queued, flags|r.submitFlags); err != nil {
			return -1, err
		}
	}
	if r.ready() || r.stalled() {
		_, _ = unix.Write(r.dozeFD, one)
	}
	return r.dozeFD, nil
}

// registerDoze registers the eventfd, each time anew: when an eventfd is what completes an operation, Linux 6.18 defers the signal to another one to
// RCU, and does so only once for each registration.
func (r *Ring) registerDoze() error {
	ioUringRegister(r.fd, unregisterEventFD, nil, 0) // ENXIO the first time
	number := int32(r.dozeFD)
	if errno := ioUringRegister(r.fd, registerEventFD, unsafe.Pointer(&number), 1); errno != 0 {
		return fmt.Errorf("ring: IORING_REGISTER_EVENTFD: %w", errno)
	}
	return nil
}
