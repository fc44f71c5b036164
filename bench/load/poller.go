package main

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// edge reports a socket once for whatever arrives, and once for room after a send has found none. It is the cheapest registration:
// nothing is changed after it, and a socket that was read empty is not looked at again.
const edge = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// A poller waits for sockets, each under the number of its connection.
type poller struct {
	fd     int
	events [512]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &poller{fd: fd}, nil
}

func (p *poller) add(fd, id int, events uint32) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, id, events)
}

func (p *poller) modify(fd, id int, events uint32) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, id, events)
}

func (p *poller) control(op, fd, id int, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(id)}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	if errno != 0 {
		return fmt.Errorf("epoll_ctl: %w", errno)
	}
	return nil
}

// wait returns the events there are, after at most ns nanoseconds. epoll_pwait2 is in Linux 5.11.
func (p *poller) wait(ns int64) ([]unix.EpollEvent, error) {
	timeout := unix.NsecToTimespec(max(ns, 0))
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)),
		uintptr(unsafe.Pointer(&timeout)), 0, 0)
	switch errno {
	case 0:
		return p.events[:n], nil
	case unix.EINTR: // the runtime's preemption signal
		return nil, nil
	}
	return nil, fmt.Errorf("epoll_pwait2: %w", errno)
}
