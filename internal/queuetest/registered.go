//go:build unix

package queuetest

import (
	"runtime"

	"github.com/proactor-go/proactor/ring"
)

var registeredScenarios = []scenario{
	{name: "read and write", onFiles: true, run: registeredFile},
	{name: "pipe", run: registeredPipe},
	{name: "garbage collection", onFiles: true, run: registeredGarbage},
}

// register makes memory known to the queue, if that knows any.
func (h *harness) register(mem []byte) (number uint16) {
	if h.has(ring.FixedBuffers) {
		var err error
		number, err = h.q.(interface{ Register([]byte) (uint16, error) }).Register(mem)
		h.NoError(err)
	}
	return number
}

// fixed marks an entry whose buffer is in registered memory.
func fixed(s *ring.SQE, number uint16) *ring.SQE {
	s.Flags |= ring.FixedBuffer
	s.Group = number
	return s
}

func registeredFile(h *harness) {
	a, b := make([]byte, 3*4096), make([]byte, 1000)
	na, nb := h.register(a), h.register(b)
	fd := h.file("")
	copy(a, pattern(len(a), 1))
	h.gives(len(a), onFile(fixed(write(fd, a, 0), na)))
	h.gives(len(b), onFile(fixed(read(fd, b, 4096), nb)))
	h.Equal(a[4096:][:len(b)], b)
	h.gives(10, onFile(fixed(read(fd, b[100:110], 5000), nb)))
	h.Equal(a[5000:5010], b[100:110])
	h.gives(7, fixed(write(fd, b[93:100], current), nb)) // without the other hint
	h.gives(5, onFile(fixed(read(fd, b[:5], current), nb)))
	h.Equal(a[7:12], b[:5])
	h.gives(20, onFile(fixed(read(fd, a[:50], int64(len(a)-20)), na)))
	h.gives(0, onFile(fixed(read(fd, a[:50], int64(len(a))), na)))
	h.gives(0, onFile(fixed(write(fd, a[:0], 0), na)))
}

func registeredPipe(h *harness) {
	mem := make([]byte, 100)
	n := h.register(mem)
	r, w := h.pipe()
	got := h.push(fixed(read(r, mem[50:], current), n))
	h.pending(got)
	copy(mem, "hello")
	h.gives(5, fixed(write(w, mem[:5], current), n))
	h.EqualValues(5, h.wait(got).Res)
	h.Equal("hello", string(mem[50:55]))
}

// registeredGarbage has nothing but the queue hold the memory between two entries.
func registeredGarbage(h *harness) {
	fd := h.file("")
	content := pattern(8192, 3)
	h.gives(len(content), onFile(write(fd, content, 0)))
	mem := make([]byte, 8192)
	n := h.register(mem)
	for range 20 {
		s := onFile(fixed(read(fd, mem[4096:], 4096), n))
		clear(mem)
		runtime.GC()
		h.gives(4096, s)
		h.Equal(content[4096:], bytesOf(s))
	}
}
