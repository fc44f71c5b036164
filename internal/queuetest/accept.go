//go:build unix

package queuetest

import (
	"net"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

var acceptScenarios = []scenario{
	{name: "pending then connection", run: acceptPending},
	{name: "at once", run: acceptReady},
	{name: "peer address", run: acceptAddress},
	{name: "unix", run: acceptUnix},
	{name: "errors", run: acceptErrors},
	{name: "poll first", run: acceptPollFirst},
	{name: "multishot", run: acceptMultishot},
	{name: "multishot canceled", run: acceptMultishotCancel},
	{name: "out of descriptors", run: acceptOutOfDescriptors},
}

func acceptPending(h *harness) {
	ln, _ := h.listen(10)
	for range 3 {
		ud := h.push(accept(ln))
		h.pending(ud)
		peer := h.dial(ln)
		fd := h.own(int(h.wait(ud).Res))
		h.write(peer, []byte("data"))
		h.gives(4, recv(fd, make([]byte, 10), 0))
	}
}

func acceptReady(h *harness) {
	ln, _ := h.listen(10)
	h.dial(ln)
	h.dial(ln)
	for range 2 {
		fd := h.own(h.result(accept(ln)))
		if acceptFlags == 0 {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		h.NoError(err)
		h.Equal(unix.FD_CLOEXEC, flags)
		flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		h.NoError(err)
		h.NotZero(flags & unix.O_NONBLOCK)
	}
}

func acceptAddress(h *harness) {
	ln, _ := h.listen(10)
	for range 2 {
		addr, length := new(ring.RawSockaddrAny), uint32(unix.SizeofSockaddrAny)
		s := accept(ln)
		s.Addr, s.Addr2 = unsafe.Pointer(addr), unsafe.Pointer(&length)
		ud := h.push(s)
		h.pending(ud)
		peer := h.dial(ln)
		h.own(int(h.wait(ud).Res))
		want := h.address(peer)
		h.Equal(len(want), int(length))
		h.Equal(want, unsafe.Slice((*byte)(unsafe.Pointer(addr)), length))
	}
}

func acceptUnix(h *harness) {
	path := filepath.Join(h.shortDir(), "sock")
	ln := h.socket(unix.AF_UNIX, unix.SOCK_STREAM)
	h.NoError(unix.Bind(ln, &unix.SockaddrUnix{Name: path}))
	h.NoError(unix.Listen(ln, 1))
	ud := h.push(accept(ln))
	h.pending(ud)
	c, err := net.Dial("unix", path)
	h.NoError(err)
	defer c.Close()
	fd := h.own(int(h.wait(ud).Res))
	_, err = c.Write([]byte("data"))
	h.NoError(err)
	h.gives(4, recv(fd, make([]byte, 10), 0))
}

func acceptErrors(h *harness) {
	h.fails(unix.EBADF, accept(badFD))
	h.fails(unix.ENOTSOCK, accept(h.file("")))
	h.fails(unix.EINVAL, accept(h.bound(unix.SOCK_STREAM))) // does not listen
	h.fails(unix.EOPNOTSUPP, accept(h.bound(unix.SOCK_DGRAM)))
}

func acceptPollFirst(h *harness) {
	ln, _ := h.listen(10)
	s := accept(ln)
	s.Flags = ring.PollFirst
	ud := h.push(s)
	h.pending(ud)
	h.dial(ln)
	h.own(int(h.wait(ud).Res))
	h.dial(ln)
	s = accept(ln)
	s.Flags = ring.PollFirst
	h.own(h.result(s))
}

// acceptMultishot takes more connections than a small completion queue holds. When the queue ends the
// entry, which it may do at any time, nothing is lost: the next one goes on. Without the feature the
// entry completes once.
func acceptMultishot(h *harness) {
	ln, _ := h.listen(100)
	if !h.has(ring.MultishotAccept) {
		ud := h.push(multishot(accept(ln)))
		h.dial(ln)
		h.own(int(h.wait(ud).Res))
		h.dial(ln)
		h.own(h.result(accept(ln)))
		return
	}
	const count = 50
	ud := h.push(multishot(accept(ln)))
	h.pending(ud)
	seen := map[int]bool{}
	for range count {
		h.dial(ln)
	}
	for len(seen) < count {
		c := h.next(ud)
		fd := h.own(int(c.Res))
		h.False(seen[fd])
		seen[fd] = true
		if !c.More() {
			h.done(ud)
			ud = h.push(multishot(accept(ln)))
		}
	}
	h.pending(ud)
	h.gives(0, cancel(h.live[ud]))
	h.failed(unix.ECANCELED, h.wait(ud))
}

func acceptMultishotCancel(h *harness) {
	ln, _ := h.listen(10)
	for range 10 {
		s := multishot(accept(ln))
		ud := h.push(s)
		h.dial(ln)
		c := h.next(ud)
		h.own(int(c.Res))
		if c.More() {
			h.gives(0, cancel(s))
			h.failed(unix.ECANCELED, h.wait(ud))
		}
		h.done(ud)
		h.fails(unix.ENOENT, cancel(s))
	}
	h.dial(ln)
	h.own(h.result(accept(ln))) // for the next one, not for those that ended
}

// outOfDescriptors lowers the limit of the process so that run gets no new descriptor.
func (h *harness) outOfDescriptors(run func()) {
	var limit unix.Rlimit
	h.NoError(unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	next, err := unix.FcntlInt(uintptr(h.socket(unix.AF_INET, unix.SOCK_STREAM)), unix.F_DUPFD_CLOEXEC, 0)
	h.NoError(err)
	h.NoError(unix.Close(next))
	low := limit
	assign(&low.Cur, next)
	h.NoError(unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	defer func() { h.NoError(unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)) }()
	run()
}

// assign sets a limit, whose type is not the same everywhere.
func assign[T int64 | uint64](dst *T, n int) { *dst = T(n) }

func acceptOutOfDescriptors(h *harness) {
	ln, _ := h.listen(10)
	for range 3 {
		h.dial(ln)
	}
	h.outOfDescriptors(func() {
		h.fails(unix.EMFILE, accept(ln))
		h.fails(unix.EMFILE, multishot(accept(ln)))
	})
	for range 3 { // the connections have waited
		h.own(h.result(accept(ln)))
	}
}
