//go:build unix

package queuetest

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// pages returns n bytes of Go memory that begin at a page.
func pages(n int) []byte {
	size := os.Getpagesize()
	mem := make([]byte, n+size)
	skip := -int(uintptr(unsafe.Pointer(&mem[0]))) & (size - 1)
	return mem[skip:][:n:n]
}

// A group is what its user knows of a buffer group: which buffers he has and the queue has not.
type group struct {
	h    *harness
	id   uint16
	mem  []byte
	size int
	held map[uint16]bool
}

func (h *harness) provide(id uint16, count, size int) *group {
	h.t.Helper()
	g := &group{h: h, id: id, mem: pages(count * size), size: size, held: map[uint16]bool{}}
	h.NoError(h.q.Provide(id, g.mem, size))
	for buffer := range count {
		h.q.Recycle(id, uint16(buffer))
	}
	return g
}

// take returns the data of a completion and the number of the buffer that holds it.
func (g *group) take(c ring.CQE) (data []byte, id uint16) {
	g.h.t.Helper()
	g.h.Positive(c.Res, "%v", unix.Errno(-c.Res))
	id, ok := c.Buffer()
	g.h.True(ok, "no buffer: %+v", c)
	g.h.Less(int(id), len(g.mem)/g.size)
	g.h.False(g.held[id], "buffer %d is in use", id)
	g.held[id] = true
	return g.mem[int(id)*g.size:][:g.size][:c.Res], id
}

func (g *group) recycle(id uint16) {
	g.h.True(g.held[id])
	delete(g.held, id)
	g.h.q.Recycle(g.id, id)
}

// bare requires a completion without a buffer.
func (h *harness) bare(c ring.CQE) {
	h.t.Helper()
	_, ok := c.Buffer()
	h.False(ok, "a buffer comes with result %d", c.Res)
}

// stream is a receiving multishot that is pushed again whenever it ended without need.
type stream struct {
	g  *group
	fd int
	m  *ring.Msghdr // of a stream of datagrams
	ud uint64
}

func (g *group) stream(fd int) *stream {
	s := &stream{g: g, fd: fd}
	s.arm()
	return s
}

func (s *stream) arm() {
	e := selecting(s.fd, s.g.id)
	if s.m != nil {
		e.Opcode, e.Addr = ring.OpRecvmsg, unsafe.Pointer(s.m)
	}
	s.ud = s.g.h.push(multishot(e))
}

// next returns the next completion, which carries data.
func (s *stream) next() (data []byte, id uint16) {
	s.g.h.t.Helper()
	c := s.g.h.next(s.ud)
	data, id = s.g.take(c)
	if !c.More() {
		s.g.h.done(s.ud)
		s.arm()
	}
	return data, id
}

// stop cancels the multishot.
func (s *stream) stop() {
	s.g.h.t.Helper()
	s.g.h.gives(0, cancel(s.g.h.live[s.ud]))
	c := s.g.h.wait(s.ud)
	s.g.h.failed(unix.ECANCELED, c)
	s.g.h.bare(c)
}

// end cancels a multishot that has given all that there is. It may just have run out of buffers, too: kernels before
// 6.8 look for the next one before they look for data.
func (h *harness) end(ud uint64) {
	h.t.Helper()
	if s := h.live[ud]; s != nil {
		h.result(cancel(s))
	}
	if h.live[ud] == nil && len(h.got[ud]) == 0 {
		return
	}
	c := h.wait(ud)
	h.Contains([]unix.Errno{unix.ECANCELED, unix.ENOBUFS}, unix.Errno(-c.Res))
	h.bare(c)
}
