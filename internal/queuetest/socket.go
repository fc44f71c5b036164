//go:build unix

package queuetest

import (
	"encoding/binary"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setup makes a new descriptor what a loop works with: not blocking, closed on exec.
func (h *harness) setup(fd int, err error) int {
	h.t.Helper()
	h.NoError(os.NewSyscallError("socket", err))
	unix.CloseOnExec(fd)
	h.NoError(unix.SetNonblock(fd, true))
	return h.own(fd)
}

func (h *harness) socket(domain, kind int) int {
	h.t.Helper()
	return h.setup(unix.Socket(domain, kind, 0))
}

// pair returns two connected Unix sockets.
func (h *harness) pair(kind int) (a, b int) {
	h.t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind, 0)
	h.NoError(err)
	return h.setup(fds[0], nil), h.setup(fds[1], nil)
}

func (h *harness) pipe() (r, w int) {
	h.t.Helper()
	var fds [2]int
	h.NoError(unix.Pipe(fds[:]))
	return h.setup(fds[0], nil), h.setup(fds[1], nil)
}

// listen returns a listening TCP socket of IPv4 and its address.
func (h *harness) listen(backlog int) (fd int, addr []byte) {
	h.t.Helper()
	fd = h.bound(unix.SOCK_STREAM)
	h.NoError(unix.Listen(fd, backlog))
	return fd, h.address(fd)
}

// bound returns an IPv4 socket bound to a free port of the loopback.
func (h *harness) bound(kind int) int {
	h.t.Helper()
	fd := h.socket(unix.AF_INET, kind)
	h.NoError(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	return fd
}

// tcp returns two connected TCP sockets of IPv4.
func (h *harness) tcp() (a, b int) {
	h.t.Helper()
	ln, _ := h.listen(1)
	a = h.dial(ln)
	h.eventually(func() bool {
		fd, _, err := unix.Accept(ln)
		if err == unix.EAGAIN {
			return false
		}
		b = h.setup(fd, err)
		return true
	}, "no connection to accept")
	h.close(ln)
	return a, b
}

// dial starts to connect a new socket to the listener ln, by system calls.
func (h *harness) dial(ln int) int {
	h.t.Helper()
	sa, err := unix.Getsockname(ln)
	h.NoError(err)
	fd := h.socket(unix.AF_INET, unix.SOCK_STREAM)
	if err := unix.Connect(fd, sa); err != unix.EINPROGRESS {
		h.NoError(err)
	}
	return fd
}

// shortDir returns a directory for Unix sockets, whose paths have about 100 bytes at most: not for one that is named after
// a test.
func (h *harness) shortDir() string {
	dir, err := os.MkdirTemp("", "")
	h.NoError(err)
	h.t.Cleanup(func() { h.NoError(os.RemoveAll(dir)) })
	return dir
}

// address returns the local address of fd in the system's own encoding.
func (h *harness) address(fd int) []byte {
	h.t.Helper()
	sa, err := unix.Getsockname(fd)
	h.NoError(err)
	return h.encode(sa)
}

func (h *harness) encode(sa unix.Sockaddr) []byte {
	h.t.Helper()
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		raw := &unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: sa.Addr, Port: networkOrder(sa.Port)}
		return unsafe.Slice((*byte)(unsafe.Pointer(raw)), unsafe.Sizeof(*raw))
	case *unix.SockaddrInet6:
		raw := &unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: sa.Addr, Port: networkOrder(sa.Port)}
		return unsafe.Slice((*byte)(unsafe.Pointer(raw)), unsafe.Sizeof(*raw))
	case *unix.SockaddrUnix:
		raw := &unix.RawSockaddrUnix{Family: unix.AF_UNIX}
		h.Less(len(sa.Name), len(raw.Path))
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&raw.Path)), len(raw.Path)), sa.Name)
		return unsafe.Slice((*byte)(unsafe.Pointer(raw)), unsafe.Sizeof(*raw))
	}
	h.FailNow("unknown address", "%T", sa)
	return nil
}

func networkOrder(port int) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], uint16(port))
	return binary.NativeEndian.Uint16(b[:])
}
