package main

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of the measured time are raw ones: they spare the announcement to the Go scheduler, about 50 ns each and, where a
// call takes longer than 20 us, the thread switches by which the runtime gives the processor to others. There are no others here.

// socket makes a non-blocking TCP socket.
func socket() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("TCP_NODELAY: %w", err)
	}
	return fd, nil
}

// dial returns a connected socket.
func dial(to *unix.RawSockaddrInet4) (int, error) {
	fd, err := socket()
	if err != nil {
		return -1, err
	}
	err = connect(fd, to)
	if err == unix.EINPROGRESS {
		err = connected(fd, 10*time.Second)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// dialDatagram returns a connected UDP socket that cuts what is sent into datagrams of size bytes, if the kernel knows how.
func dialDatagram(to *unix.RawSockaddrInet4, size int) (fd int, cuts bool, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, false, fmt.Errorf("socket: %w", err)
	}
	if err := connect(fd, to); err != nil {
		unix.Close(fd)
		return -1, false, fmt.Errorf("connect: %w", err)
	}
	return fd, unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, size) == nil, nil
}

// connected waits until a connection stands. Where the server's backlog is full, that is when the kernel tries again, after a second.
func connected(fd int, patience time.Duration) error {
	events := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for end := time.Now().Add(patience); ; {
		left := time.Until(end)
		if left < 0 {
			return unix.ETIMEDOUT
		}
		n, err := unix.Poll(events, int(left.Milliseconds())+1)
		if err != nil && err != unix.EINTR {
			return err
		}
		if n > 0 {
			break
		}
	}
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = syscall.Errno(errno)
	}
	return err
}

func sockaddr(a netip.AddrPort) *unix.RawSockaddrInet4 {
	to := &unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.Addr().As4()}
	port := (*[2]byte)(unsafe.Pointer(&to.Port))
	port[0], port[1] = byte(a.Port()>>8), byte(a.Port())
	return to
}

// connect mostly returns EINPROGRESS.
func connect(fd int, to *unix.RawSockaddrInet4) error {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(to)), unsafe.Sizeof(*to))
	if errno != 0 {
		return errno
	}
	return nil
}

func send(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

func recv(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		0, 0, 0)
	return int(n), errno
}

// closeRaw frees the number even where it reports an error.
func closeRaw(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }
