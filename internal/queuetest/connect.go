//go:build unix

package queuetest

import (
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/ring"
)

var connectScenarios = []scenario{
	{name: "IPv4", run: connectInet4},
	{name: "IPv6", run: connectInet6},
	{name: "unix", run: connectUnix},
	{name: "refused", run: connectRefused},
	{name: "errors", run: connectErrors},
	{name: "cancel", run: connectCancel},
	{name: "many", run: connectMany},
}

func connectInet4(h *harness) {
	ln, addr := h.listen(10)
	fd := h.socket(unix.AF_INET, unix.SOCK_STREAM)
	h.gives(0, connect(fd, addr))
	peer := h.own(h.result(accept(ln)))
	h.gives(2, send(fd, []byte("hi"), 0))
	h.gives(2, recv(peer, make([]byte, 2), 0))
	h.fails(unix.EISCONN, connect(fd, addr))
}

func connectInet6(h *harness) {
	testenv.IPv6(h.t)
	ln, err := net.Listen("tcp6", "[::1]:0")
	h.NoError(err)
	defer ln.Close()
	addr := ln.Addr().(*net.TCPAddr)
	fd := h.socket(unix.AF_INET6, unix.SOCK_STREAM)
	h.gives(0, connect(fd, h.encode(&unix.SockaddrInet6{Port: addr.Port, Addr: [16]byte(addr.IP)})))
	c, err := ln.Accept()
	h.NoError(err)
	h.NoError(c.Close())
	h.gives(0, recv(fd, make([]byte, 1), 0))
}

func connectUnix(h *harness) {
	dir := h.shortDir()
	at := func(name string) []byte { return h.encode(&unix.SockaddrUnix{Name: filepath.Join(dir, name)}) }
	ln, err := net.Listen("unix", filepath.Join(dir, "sock"))
	h.NoError(err)
	defer ln.Close()
	fd := h.socket(unix.AF_UNIX, unix.SOCK_STREAM)
	h.gives(0, connect(fd, at("sock")))
	c, err := ln.Accept()
	h.NoError(err)
	h.gives(4, send(fd, []byte("data"), 0))
	n, err := c.Read(make([]byte, 10))
	h.NoError(err)
	h.Equal(4, n)
	h.NoError(c.Close())

	h.fails(unix.EISCONN, connect(fd, at("sock")))
	fd = h.socket(unix.AF_UNIX, unix.SOCK_STREAM)
	h.fails(unix.ENOENT, connect(fd, at("missing")))
	h.NoError(os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	h.fails(unix.ECONNREFUSED, connect(fd, at("file")))
	h.fails(unix.ENOTDIR, connect(fd, at("file/sock")))
}

func connectRefused(h *harness) {
	addr := h.address(h.bound(unix.SOCK_STREAM)) // bound, and nobody listens
	for range 3 {
		h.fails(unix.ECONNREFUSED, connect(h.socket(unix.AF_INET, unix.SOCK_STREAM), addr))
	}
}

func connectErrors(h *harness) {
	ln, addr := h.listen(10)
	fd := h.socket(unix.AF_INET, unix.SOCK_STREAM)
	h.fails(unix.EBADF, connect(badFD, addr))
	h.fails(unix.ENOTSOCK, connect(h.file(""), addr))
	h.fails(unix.EINVAL, connect(fd, addr[:4]))
	h.fails(unix.EAFNOSUPPORT, connect(fd, h.encode(&unix.SockaddrInet6{Port: 1})))
	h.fails(unix.EISCONN, connect(ln, addr))
	h.gives(0, connect(fd, addr))
}

// crowded returns the address of a listener whose queue is full: the next connection to it stays in
// the making, because the system ignores its SYN.
func (h *harness) crowded() []byte {
	ln, addr := h.listen(0)
	for range 4 {
		h.dial(ln)
	}
	return addr
}

func connectCancel(h *harness) {
	fd := h.socket(unix.AF_INET, unix.SOCK_STREAM)
	s := connect(fd, h.crowded())
	ud := h.push(s)
	h.pending(ud)
	h.gives(0, cancel(s))
	h.failed(unix.ECANCELED, h.wait(ud))
	h.gives(0, on(ring.OpClose, h.disown(fd)))
}

func connectMany(h *harness) {
	const count = 100
	ln, addr := h.listen(count)
	uds := make([]uint64, count)
	for i := range uds {
		uds[i] = h.push(connect(h.socket(unix.AF_INET, unix.SOCK_STREAM), addr))
	}
	for _, ud := range uds {
		h.Zero(h.wait(ud).Res)
	}
	for range uds {
		h.own(h.result(accept(ln)))
	}
}
