//go:build unix

package queuetest

import (
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

var pipeScenarios = []scenario{
	{name: "read pending then data", run: pipeReadPending},
	{name: "read at once", run: pipeReadReady},
	{name: "end of file", run: pipeEOF},
	{name: "write when full", run: pipeWriteFull},
	{name: "broken", run: pipeBroken},
	{name: "vectored", run: pipeVectored},
	{name: "offset does not apply", run: pipeErrors},
	{name: "read and write on a socket", run: socketReadWrite},
}

func pipeReadPending(h *harness) {
	r, w := h.pipe()
	b := make([]byte, 10)
	for range 3 {
		ud := h.push(read(r, b, current))
		h.pending(ud)
		h.gives(5, write(w, []byte("hello"), current))
		h.Equal(int32(5), h.wait(ud).Res)
		h.Equal("hello", string(b[:5]))
	}
}

func pipeReadReady(h *harness) {
	r, w := h.pipe()
	h.write(w, []byte("hello"))
	b := make([]byte, 3)
	h.gives(3, read(r, b, current))
	h.Equal("hel", string(b))
	h.gives(2, read(r, b, current))
	h.Equal("lol", string(b))
}

func pipeEOF(h *harness) {
	r, w := h.pipe()
	b := make([]byte, 10)
	h.write(w, []byte("end"))
	h.close(w)
	h.gives(3, read(r, b, current))
	h.gives(0, read(r, b, current))
	h.gives(0, read(r, b, current))

	r, w = h.pipe()
	ud := h.push(read(r, b, current))
	h.pending(ud)
	h.close(w)
	h.Zero(h.wait(ud).Res)
}

func pipeWriteFull(h *harness) {
	r, w := h.pipe()
	filled := 0
	for {
		n, err := unix.Write(w, make([]byte, 4096))
		if err != nil {
			h.Equal(unix.EAGAIN, err)
			break
		}
		filled += n
	}
	ud := h.push(write(w, []byte("more"), current))
	h.pending(ud)
	h.readFull(r, make([]byte, filled))
	h.Equal(int32(4), h.wait(ud).Res)
	b := make([]byte, 10)
	h.gives(4, read(r, b, current))
	h.Equal("more", string(b[:4]))
}

func pipeBroken(h *harness) {
	r, w := h.pipe()
	h.close(r)
	h.fails(unix.EPIPE, write(w, []byte("x"), current))
	h.fails(unix.EPIPE, vector(ring.OpWritev, w, [][]byte{[]byte("x")}, current))
}

func pipeVectored(h *harness) {
	r, w := h.pipe()
	a, b := make([]byte, 3), make([]byte, 9)
	ud := h.push(vector(ring.OpReadv, r, [][]byte{a, b}, current))
	h.pending(ud)
	h.gives(8, vector(ring.OpWritev, w, [][]byte{[]byte("one"), []byte("three")}, current))
	h.Equal(int32(8), h.wait(ud).Res)
	h.Equal("one", string(a))
	h.Equal("three", string(b[:5]))
}

func pipeErrors(h *harness) {
	r, w := h.pipe()
	h.fails(unix.EBADF, write(r, []byte("x"), current))
	h.fails(unix.EBADF, read(w, make([]byte, 1), current))
	h.fails(unix.ENOTSOCK, recv(r, make([]byte, 1), 0))
	h.fails(unix.ENOTSOCK, send(w, []byte("x"), 0))
}

func socketReadWrite(h *harness) {
	a, b := h.tcp()
	buf := make([]byte, 10)
	ud := h.push(read(a, buf, current))
	h.pending(ud)
	h.gives(4, write(b, []byte("data"), current))
	h.Equal(int32(4), h.wait(ud).Res)
	h.Equal("data", string(buf[:4]))
	h.gives(6, vector(ring.OpWritev, a, [][]byte{[]byte("ab"), []byte("cdef")}, current))
	h.gives(6, vector(ring.OpReadv, b, [][]byte{buf[:1], buf[1:]}, current))
	h.Equal("abcdef", string(buf[:6]))
}
