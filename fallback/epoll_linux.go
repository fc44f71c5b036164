package fallback

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epoll is the poller of Linux.
//
// A descriptor that the queue itself reads or writes is registered once, edge-triggered: in the
// steady state a message costs no epoll_ctl. One that is only polled (OpPollAdd) belongs to somebody
// else, who may close it at any time: it is registered one-shot, and armed anew for each operation.
type epoll struct {
	epfd, eventfd int
	events        [256]unix.EpollEvent
	noPwait2      bool                      // epoll_pwait2 came with 5.11
	brisk         bool                      // the last wait was brief
	alone         bool                      // there is one processor for all goroutines
	napless       int                       // so many waits are still to be made without a nap
	timeout       struct{ sec, nsec int64 } // of the wait; here, because its address goes through a function value
	controls      *uint64
}

func newEpoll(controls *uint64) (poller, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fallback: epoll_create1: %w", err)
	}
	eventfd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epfd)
		return nil, fmt.Errorf("fallback: eventfd: %w", err)
	}
	// Edge-triggered, every write is an event of its own: the counter is never read.
	wake := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: -1}
	if err := unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, eventfd, &wake); err != nil {
		unix.Close(epfd)
		unix.Close(eventfd)
		return nil, fmt.Errorf("fallback: epoll_ctl: %w", err)
	}
	return &epoll{epfd: epfd, eventfd: eventfd, controls: controls, alone: runtime.GOMAXPROCS(0) == 1}, nil
}

func (p *epoll) arm(fd int32, d *descriptor, force bool) error {
	want := d.want()
	if !force && want&^d.armed == 0 {
		return nil
	}
	mode := uint32(unix.EPOLLONESHOT)
	if d.sticky {
		// Reading comes next if it has not come yet: one registration for both.
		mode, want = unix.EPOLLET, want|d.armed|pollIN|pollRDHUP|pollPRI
	}
	if err := p.control(fd, d, want|mode); err != nil {
		return err
	}
	d.armed = want
	return nil
}

// control modifies the registration of fd, or adds one. What is known about fd is a guess when its owner
// closed it (the registration went with it) or holds a duplicate (it stayed); the kernel knows.
func (p *epoll) control(fd int32, d *descriptor, events uint32) error {
	op := unix.EPOLL_CTL_ADD
	if d.known {
		op = unix.EPOLL_CTL_MOD
	}
	errno := p.ctl(op, fd, d.gen, events)
	switch {
	case errno == unix.ENOENT && op == unix.EPOLL_CTL_MOD:
		errno = p.ctl(unix.EPOLL_CTL_ADD, fd, d.gen, events)
	case errno == unix.EEXIST && op == unix.EPOLL_CTL_ADD:
		errno = p.ctl(unix.EPOLL_CTL_MOD, fd, d.gen, events)
	}
	d.known = errno == 0
	if errno != 0 {
		d.armed = 0
		return errno
	}
	return nil
}

func (p *epoll) ctl(op int, fd int32, gen, events uint32) unix.Errno {
	*p.controls++
	e := unix.EpollEvent{Events: events, Fd: fd, Pad: int32(gen)}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.epfd), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&e)), 0, 0)
	return errno
}

// quiet matters for Unix sockets: they report writability whenever the peer receives.
func (p *epoll) quiet(fd int32, d *descriptor) {
	if d.known && d.sticky && d.armed&pollOUT != 0 {
		if p.control(fd, d, d.armed&^pollOUT|unix.EPOLLET) == nil {
			d.armed &^= pollOUT
		}
	}
}

// relax removes a registration that is of no use any more. One that persists stays.
func (p *epoll) relax(fd int32, d *descriptor) {
	if !d.sticky && d.want() == 0 {
		p.drop(fd, d)
	}
}

// drop removes the registration explicitly: it belongs to the open file, which may have duplicates.
func (p *epoll) drop(fd int32, d *descriptor) {
	if d.known {
		p.ctl(unix.EPOLL_CTL_DEL, fd, 0, 0)
	}
	d.known, d.armed = false, 0
}

// Naps are waits that the scheduler is not told about: see the same in package ring.
const (
	brief  = time.Millisecond
	maxNap = 10 * time.Millisecond

	napless = 1000
)

// wait tells the scheduler when it may block for long: a thread that blocks in a raw system call starves its P. It does not
// tell it of a wait that is likely short.
func (p *epoll) wait(timeout time.Duration, needed bool) (int, error) {
	if timeout == 0 {
		return p.waited(unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epfd), uintptr(unsafe.Pointer(&p.events)),
			uintptr(len(p.events)), 0, 0, 0))
	}
	if p.brisk && !needed && p.napless == 0 && !p.noPwait2 {
		nap := maxNap
		if timeout > 0 {
			nap = min(nap, timeout)
		}
		n, _, errno := p.pwait2(unix.RawSyscall6, nap)
		if n > 0 && errno == 0 || nap == timeout && !lacking(errno) {
			return p.waited(n, 0, errno)
		}
		p.noPwait2 = lacking(errno)
		if p.alone {
			p.napless = napless
		}
		if timeout > 0 {
			timeout -= nap
		}
	}
	start := time.Now()
	n, err := p.sleep(timeout)
	p.brisk = time.Since(start) < brief
	if p.napless > 0 {
		p.napless--
	}
	if p.alone && slices.ContainsFunc(p.events[:n], func(e unix.EpollEvent) bool { return e.Fd == -1 }) {
		p.napless = napless // somebody else runs, and woke the loop
	}
	return n, err
}

// sleep waits in a call that the scheduler knows of.
func (p *epoll) sleep(timeout time.Duration) (int, error) {
	var n uintptr
	var errno unix.Errno
	epfd, events, size := uintptr(p.epfd), uintptr(unsafe.Pointer(&p.events)), uintptr(len(p.events))
	switch {
	case timeout > 0 && !p.noPwait2:
		n, _, errno = p.pwait2(unix.Syscall6, timeout)
		if lacking(errno) {
			p.noPwait2 = true
			return p.sleep(timeout)
		}
	default:
		n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT, epfd, events, size, uintptr(milliseconds(timeout)), 0, 0)
	}
	return p.waited(n, 0, errno)
}

// lacking reports whether there is no such call: EPERM is the answer of a seccomp filter that is older.
func lacking(errno unix.Errno) bool { return errno == unix.ENOSYS || errno == unix.EPERM }

type syscall6 = func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err unix.Errno)

func (p *epoll) pwait2(call syscall6, timeout time.Duration) (n, _ uintptr, errno unix.Errno) {
	p.timeout.sec, p.timeout.nsec = int64(timeout/time.Second), int64(timeout%time.Second)
	return call(unix.SYS_EPOLL_PWAIT2, uintptr(p.epfd), uintptr(unsafe.Pointer(&p.events)), uintptr(len(p.events)),
		uintptr(unsafe.Pointer(&p.timeout)), 0, 0)
}

func (p *epoll) waited(n, _ uintptr, errno unix.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	default:
		return 0, fmt.Errorf("fallback: epoll_wait: %w", errno)
	}
}

func (p *epoll) event(i int) event {
	e := &p.events[i]
	return event{fd: e.Fd, gen: uint32(e.Pad), events: e.Events}
}

// wake can only fail when the counter is at its limit, and then there is an event anyway.
func (p *epoll) wake() {
	one := uint64(1)
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(p.eventfd), uintptr(unsafe.Pointer(&one)), 8)
}

func (p *epoll) fd() int { return p.epfd }

func (p *epoll) close() error {
	return errors.Join(unix.Close(p.epfd), unix.Close(p.eventfd))
}
