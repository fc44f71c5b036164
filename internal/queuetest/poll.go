//go:build unix

package queuetest

import (
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

var pollScenarios = []scenario{
	{name: "pending then ready", run: pollPending},
	{name: "ready at once", run: pollReady},
	{name: "regular file", onFiles: true, run: pollRegularFile},
	{name: "hang-up", run: pollHangUp},
	{name: "errors", run: pollErrors},
	{name: "two on one descriptor", run: pollTwo},
	{name: "multishot", run: pollMultishot},
	{name: "listener", run: pollListener},
}

func pollPending(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	for range 3 {
		ud := h.push(poll(a, unix.POLLIN))
		h.pending(ud)
		h.write(b, []byte("x"))
		h.Equal(int32(unix.POLLIN), h.wait(ud).Res)
		h.gives(1, recv(a, make([]byte, 10), 0))
	}
}

func pollReady(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	h.gives(unix.POLLOUT, poll(a, unix.POLLOUT))
	h.gives(unix.POLLOUT, poll(a, unix.POLLIN|unix.POLLOUT))
	h.write(b, []byte("x"))
	h.gives(unix.POLLIN, poll(a, unix.POLLIN))
	h.gives(unix.POLLIN|unix.POLLOUT, poll(a, unix.POLLIN|unix.POLLOUT))
	h.gives(unix.POLLIN, poll(a, unix.POLLIN)) // the byte is still there
}

func pollRegularFile(h *harness) {
	fd := h.file("content")
	h.gives(unix.POLLIN, poll(fd, unix.POLLIN))
	h.gives(unix.POLLIN|unix.POLLOUT, poll(fd, unix.POLLIN|unix.POLLOUT))
}

func pollHangUp(h *harness) {
	r, w := h.pipe()
	ud := h.push(poll(r, unix.POLLIN))
	h.pending(ud)
	h.close(w)
	h.Equal(int32(unix.POLLHUP), h.wait(ud).Res)
	h.gives(unix.POLLHUP, poll(r, unix.POLLIN))

	r, w = h.pipe()
	h.write(w, []byte("x"))
	h.close(w)
	h.gives(unix.POLLIN|unix.POLLHUP, poll(r, unix.POLLIN))

	r, w = h.pipe()
	h.close(r)
	h.gives(unix.POLLOUT|unix.POLLERR, poll(w, unix.POLLOUT))

	a, b := h.pair(unix.SOCK_STREAM)
	ud = h.push(poll(a, unix.POLLIN))
	h.pending(ud)
	h.NoError(unix.Shutdown(b, unix.SHUT_WR))
	h.Equal(int32(unix.POLLIN|unasked), h.wait(ud).Res)
}

func pollErrors(h *harness) {
	h.fails(unix.EBADF, poll(badFD, unix.POLLIN))
	h.fails(unix.EBADF, poll(-1, unix.POLLIN))
}

// pollTwo waits for two directions of one descriptor, along with a receive on it.
func pollTwo(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	in := h.push(poll(a, unix.POLLIN))
	again := h.push(poll(a, unix.POLLIN))
	out := h.push(poll(a, unix.POLLOUT))
	h.Equal(int32(unix.POLLOUT), h.wait(out).Res)
	h.pending(in)
	h.pending(again)
	h.write(b, []byte("x"))
	h.Equal(int32(unix.POLLIN), h.wait(in).Res)
	h.Equal(int32(unix.POLLIN), h.wait(again).Res)

	h.gives(1, recv(a, make([]byte, 1), 0))
	in = h.push(poll(a, unix.POLLIN))
	got := h.push(recv(a, make([]byte, 1), unix.MSG_PEEK))
	h.pending(in)
	h.write(b, []byte("x"))
	h.Equal(int32(unix.POLLIN), h.wait(in).Res)
	h.Equal(int32(1), h.wait(got).Res)
}

func pollMultishot(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	if !h.has(ring.MultishotPoll) {
		ud := h.push(multishot(poll(a, unix.POLLIN)))
		h.pending(ud)
		h.write(b, []byte("x"))
		h.Equal(int32(unix.POLLIN), h.wait(ud).Res)
		return
	}
	s := multishot(poll(a, unix.POLLIN))
	ud := h.push(s)
	h.pending(ud)
	for range 20 {
		h.write(b, []byte("x"))
		c := h.next(ud)
		h.Equal(int32(unix.POLLIN), c.Res)
		h.gives(1, recv(a, make([]byte, 10), 0))
		if !c.More() {
			h.done(ud)
			s.UserData = 0
			ud = h.push(s)
		}
		h.pending(ud)
	}
	h.gives(0, cancel(s))
	h.failed(unix.ECANCELED, h.wait(ud))
	h.write(b, []byte("x"))
	h.Zero(h.turn(0))
}

func pollListener(h *harness) {
	ln, _ := h.listen(10)
	ud := h.push(poll(ln, unix.POLLIN))
	h.pending(ud)
	h.dial(ln)
	h.Equal(int32(unix.POLLIN), h.wait(ud).Res)
	h.own(h.result(accept(ln)))
	fd := h.socket(unix.AF_INET, unix.SOCK_STREAM)
	h.gives(unix.POLLOUT|unix.POLLHUP, poll(fd, unix.POLLOUT)) // not connected
}
