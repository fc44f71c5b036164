//go:build unix

package queuetest

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

var closeScenarios = []scenario{
	{name: "descriptor", run: closeDescriptor},
	{name: "number used again", run: numberReused},
	{name: "number used again while the file lives on", run: numberReusedFileAlive},
	{name: "queue with entries in flight", run: closeInFlight},
	{name: "queue with file operations in flight", onFiles: true, run: closeWithFiles},
	{name: "queue with completions not reaped", run: closeUnreaped},
	{name: "canceled, then closed: the peer sees the end", run: cancelThenClose},
}

func closeDescriptor(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	h.gives(0, on(ring.OpClose, h.disown(a)))
	h.gives(0, recv(b, make([]byte, 1), 0))
	h.fails(unix.EBADF, on(ring.OpClose, a))
	h.fails(unix.EBADF, on(ring.OpClose, badFD))
	h.fails(unix.EBADF, recv(a, make([]byte, 1), 0))
}

// as gives the descriptor from the number to, which is free.
func (h *harness) as(to, from int) {
	h.NoError(unix.Dup2(from, to))
	unix.CloseOnExec(to)
	h.own(to)
	h.close(from)
}

// numberReused closes a descriptor through the queue, gives its number to another socket, and shows that
// the new owner's operations know nothing of the old one's.
func numberReused(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	for i := range 100 {
		buf := make([]byte, 10)
		s := recv(a, buf, 0)
		ud := h.push(s)
		h.pending(ud)
		if i%2 == 0 {
			h.gives(0, cancel(s))
			h.failed(unix.ECANCELED, h.wait(ud))
		} else {
			h.write(b, []byte("x"))
			h.Equal(int32(1), h.wait(ud).Res)
		}
		h.gives(0, on(ring.OpClose, h.disown(a)))
		c, d := h.pair(unix.SOCK_STREAM)
		if c != a {
			h.as(a, c)
		}
		h.close(b)
		ud = h.push(recv(a, buf, 0))
		h.pending(ud)
		h.write(d, []byte("new"))
		h.Equal(int32(3), h.wait(ud).Res)
		h.Equal("new", string(buf[:3]))
		b = d
	}
}

// numberReusedFileAlive is the same while a duplicate keeps the old file open, which is where pollers go wrong: what was
// registered under the number belongs to the file and outlives the number.
func numberReusedFileAlive(h *harness) {
	for range 50 {
		a, b := h.pair(unix.SOCK_STREAM)
		alive, err := unix.Dup(a)
		alive = h.setup(alive, err)
		s := recv(a, make([]byte, 1), 0)
		ud := h.push(s)
		h.pending(ud)
		h.gives(0, cancel(s))
		h.failed(unix.ECANCELED, h.wait(ud))
		h.gives(0, on(ring.OpClose, h.disown(a)))

		c, d := h.pair(unix.SOCK_STREAM)
		if c != a {
			h.as(a, c)
		}
		buf := make([]byte, 10)
		ud = h.push(recv(a, buf, 0))
		h.pending(ud)
		h.write(b, []byte("old"))
		h.pending(ud)
		h.write(d, []byte("news"))
		h.Equal(int32(4), h.wait(ud).Res)
		h.Equal("news", string(buf[:4]))
		h.gives(3, recv(alive, buf, 0))
		for _, fd := range []int{a, b, d, alive} {
			h.close(fd)
		}
	}
}

// closeInFlight closes the queue over pending entries of every kind. Nothing may be left of them: the sockets
// really close with their descriptors, which their peers can see.
func closeInFlight(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	c, d := h.tcp()
	ln, _ := h.listen(10)
	addr, err := unix.Getsockname(ln)
	h.NoError(err)
	r, w := h.pipe()
	buf := make([]byte, 10)
	if h.has(ring.BufferRings) {
		h.provide(0, 4, 64)
		h.push(multishot(selecting(c, 0)))
	}
	for _, s := range []*ring.SQE{
		recv(a, buf, 0), poll(a, unix.POLLIN), multishot(poll(a, unix.POLLIN)),
		recv(c, buf, unix.MSG_WAITALL), read(r, buf, current),
		multishot(accept(ln)), accept(ln), connect(h.socket(unix.AF_INET, unix.SOCK_STREAM), h.crowded()),
	} {
		h.push(s)
	}
	h.turn(0)
	h.turn(0)
	h.push(on(ring.OpNop, -1)) // never submitted
	h.NotEmpty(h.live)
	h.closeQueue()
	for _, fd := range []int{a, c, ln, r} {
		h.close(fd)
	}
	h.gone(b)
	h.gone(d)
	h.outlasts(func() bool {
		_, err := unix.Write(w, []byte("x"))
		return err == unix.EPIPE
	}, "the pipe has a reader")
	h.outlasts(func() bool {
		fd := h.socket(unix.AF_INET, unix.SOCK_STREAM)
		defer h.close(fd)
		h.NoError(unix.SetNonblock(fd, false))
		return unix.Connect(fd, addr) == unix.ECONNREFUSED
	}, "somebody listens")
	h.abandon()
}

// gone waits until the other end of the connection fd is closed.
func (h *harness) gone(fd int) {
	h.t.Helper()
	h.outlasts(func() bool {
		n, err := unix.Read(fd, make([]byte, 1))
		return n == 0 && err == nil
	}, "the connection stays open")
}

// outlasts waits until cond holds, without the queue.
func (h *harness) outlasts(cond func() bool, msg string) {
	h.t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(100 * time.Microsecond) {
		h.Less(time.Now(), end, msg)
	}
}

func closeWithFiles(h *harness) {
	fd := h.file(string(pattern(1<<20, 1)))
	for i := range 50 {
		h.push(onFile(read(fd, make([]byte, 1<<14), int64(i)<<14)))
		h.push(onFile(write(fd, make([]byte, 1<<14), int64(i)<<14)))
		h.push(fsync(fd, 0))
		h.push(unlink(h.path("missing"), 0))
	}
	h.NoError(h.q.Enter(0))
	h.closeQueue()
	h.abandon()
}

func closeUnreaped(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	h.write(b, []byte("x"))
	h.push(recv(a, make([]byte, 1), 0))
	for range 10 {
		h.push(on(ring.OpNop, -1))
	}
	h.NoError(h.q.Enter(-1))
	h.closeQueue()
	h.abandon()
}

func cancelThenClose(h *harness) {
	for range 20 {
		a, b := h.tcp()
		s := recv(a, make([]byte, 1), 0)
		ud := h.push(s)
		h.pending(ud)
		end := h.push(recv(b, make([]byte, 1), 0))
		h.gives(0, cancel(s))
		h.failed(unix.ECANCELED, h.wait(ud))
		h.gives(0, on(ring.OpClose, h.disown(a)))
		h.Zero(h.wait(end).Res)
		h.close(b)
	}
}
