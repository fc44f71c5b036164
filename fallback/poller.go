//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"time"

	"golang.org/x/sys/unix"
)

// A poller waits for readiness. The loop's goroutine calls it, except for wake.
//
// What arm promises is level-triggered in meaning: if the events are there when it is called, they are reported.
type poller interface {
	// arm makes the poller report events of d.want() on fd, at least once. force says that the registration
	// cannot be trusted, since the owner of fd may have closed it behind our back.
	arm(fd int32, d *descriptor, force bool) error
	// quiet stops reports of writability: one came, and nobody waits for it, or not any more.
	quiet(fd int32, d *descriptor)
	// relax follows when an entry that waited for fd was canceled.
	relax(fd int32, d *descriptor)
	// drop forgets fd, before it is closed.
	drop(fd int32, d *descriptor)
	// wait waits for events, < 0 for ever, and returns how many [poller.event] has. needed says that somebody else could make
	// use of the processor meanwhile.
	wait(timeout time.Duration, needed bool) (int, error)
	event(i int) event
	// wake makes wait return. Any goroutine; the caller excludes close.
	wake()
	// fd identifies the poller in the process.
	fd() int
	close() error
}

// An event says that fd is ready. fd is negative for a wake.
type event struct {
	fd     int32
	gen    uint32
	events uint32
}

// The events have the values of poll(2), which are those of epoll(7) too.
const (
	pollIN   = uint32(unix.POLLIN)
	pollPRI  = uint32(unix.POLLPRI)
	pollOUT  = uint32(unix.POLLOUT)
	pollERR  = uint32(unix.POLLERR)
	pollHUP  = uint32(unix.POLLHUP)
	pollNVAL = uint32(unix.POLLNVAL)
)

// milliseconds rounds up: a timer must never fire early, and less than one must not become a spin.
func milliseconds(timeout time.Duration) int {
	const most = 1<<31 - 1
	switch {
	case timeout < 0:
		return -1
	case timeout == 0:
		return 0
	}
	return int(min((timeout-1)/time.Millisecond+1, most))
}
