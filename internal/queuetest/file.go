//go:build unix

package queuetest

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

var fileScenarios = []scenario{
	{name: "read and write at an offset", onFiles: true, run: readWriteAt},
	{name: "read and write at the position", onFiles: true, run: readWriteCurrent},
	{name: "append", onFiles: true, run: appendOnly},
	{name: "short read at the end", onFiles: true, run: shortRead},
	{name: "vectored", onFiles: true, run: vectored},
	{name: "large", onFiles: true, run: largeFile},
	{name: "errors", onFiles: true, run: fileErrors},
	{name: "sync", onFiles: true, run: syncing},
	{name: "ftruncate", onFiles: true, run: ftruncate},
	{name: "many at once", onFiles: true, run: manyReads},
}

func readWriteAt(h *harness) {
	fd := h.file("")
	h.gives(5, onFile(write(fd, []byte("hello"), 3)))
	b := make([]byte, 8)
	h.gives(8, onFile(read(fd, b, 0)))
	h.Equal("\x00\x00\x00hello", string(b))
	// Without the hint, too: the hint is one.
	h.gives(2, write(fd, []byte("HE"), 3))
	h.gives(5, read(fd, b[:5], 3))
	h.Equal("HEllo", string(b[:5]))
	h.gives(0, onFile(write(fd, nil, 100)))
	h.gives(0, onFile(read(fd, nil, 0)))
	h.Equal(0, h.position(fd))
}

func (h *harness) position(fd int) int {
	pos, err := unix.Seek(fd, 0, io.SeekCurrent)
	h.NoError(err)
	return int(pos)
}

func readWriteCurrent(h *harness) {
	fd := h.file("0123456789")
	b := make([]byte, 4)
	h.gives(4, onFile(read(fd, b, current)))
	h.Equal("0123", string(b))
	h.gives(2, onFile(write(fd, []byte("ab"), current)))
	h.Equal(6, h.position(fd))
	h.gives(4, onFile(read(fd, b, 0)))
	h.Equal(6, h.position(fd))
	h.gives(4, onFile(read(fd, b, current)))
	h.Equal("6789", string(b))
	h.gives(0, onFile(read(fd, b, current)))
	h.gives(10, onFile(vector(ring.OpReadv, fd, [][]byte{make([]byte, 9), make([]byte, 9)}, 0)))
	h.Equal(10, h.position(fd))
	h.gives(3, onFile(vector(ring.OpWritev, fd, [][]byte{[]byte("x"), []byte("yz")}, current)))
	h.Equal(13, h.position(fd))
}

func appendOnly(h *harness) {
	name := h.path("append")
	h.NoError(os.WriteFile(name, []byte("one"), 0o600))
	fd := h.own(h.result(openat(name, unix.O_RDWR|unix.O_APPEND, 0)))
	h.gives(3, onFile(write(fd, []byte("two"), current)))
	h.gives(5, onFile(write(fd, []byte("three"), 0)))
	b, err := os.ReadFile(name)
	h.NoError(err)
	h.Equal("onetwothree", string(b))
}

func shortRead(h *harness) {
	fd := h.file("0123456789")
	b := make([]byte, 100)
	h.gives(10, onFile(read(fd, b, 0)))
	h.gives(3, onFile(read(fd, b, 7)))
	h.gives(0, onFile(read(fd, b, 10)))
	h.gives(0, onFile(read(fd, b, 1<<40)))
}

func vectored(h *harness) {
	fd := h.file("")
	data := pattern(10_000, 1)
	h.gives(len(data), onFile(vector(ring.OpWritev, fd, [][]byte{data[:1], data[1:5000], nil, data[5000:]}, 7)))
	a, b := make([]byte, 6000), make([]byte, 6000)
	h.gives(len(data), onFile(vector(ring.OpReadv, fd, [][]byte{a, b}, 7)))
	h.Equal(data, append(a, b...)[:len(data)])
	h.gives(0, onFile(vector(ring.OpReadv, fd, nil, 0)))
	// IOV_MAX is 1024 everywhere.
	h.fails(unix.EINVAL, onFile(vector(ring.OpReadv, fd, make([][]byte, 1025), 0)))
	h.fails(unix.EINVAL, onFile(vector(ring.OpWritev, fd, make([][]byte, 1025), 0)))
}

func largeFile(h *harness) {
	fd := h.file("")
	data := pattern(3<<20+17, 2)
	h.gives(len(data), onFile(write(fd, data, 1<<32)))
	back := make([]byte, len(data)+10)
	h.gives(len(data), onFile(read(fd, back, 1<<32)))
	h.True(string(data) == string(back[:len(data)]))
}

func fileErrors(h *harness) {
	b := make([]byte, 10)
	name := h.path("readonly")
	h.NoError(os.WriteFile(name, []byte("content"), 0o600))
	r := h.own(h.result(openat(name, unix.O_RDONLY, 0)))
	w := h.own(h.result(openat(name, unix.O_WRONLY, 0)))
	dir := h.own(h.result(openat(h.path("."), unix.O_RDONLY, 0)))
	for _, op := range []ring.Opcode{ring.OpRead, ring.OpWrite} {
		h.fails(unix.EBADF, onFile(buffer(op, badFD, b, 0, 0)))
		h.fails(unix.EBADF, onFile(buffer(op, -1, b, 0, 0)))
	}
	for _, op := range []ring.Opcode{ring.OpReadv, ring.OpWritev} {
		h.fails(unix.EBADF, onFile(vector(op, badFD, [][]byte{b}, 0)))
	}
	h.fails(unix.EBADF, onFile(write(r, b, 0)))
	h.fails(unix.EBADF, onFile(read(w, b, 0)))
	h.fails(unix.EISDIR, onFile(read(dir, b, 0)))
	h.fails(unix.EINVAL, onFile(read(r, b, -2)))
	h.fails(unix.EINVAL, onFile(write(w, b, -2)))
}

func syncing(h *harness) {
	fd := h.file("")
	h.gives(4, onFile(write(fd, []byte("data"), 0)))
	h.gives(0, fsync(fd, 0))
	h.gives(0, fsync(fd, ring.FsyncData))
	h.fails(unix.EBADF, fsync(badFD, 0))
	r, _ := h.pipe()
	h.fails(unix.EINVAL, fsync(r, 0))
	h.fails(unix.EINVAL, fsync(r, ring.FsyncData))
}

func ftruncate(h *harness) {
	fd := h.file("0123456789")
	truncate := func(fd int, size int64) *ring.SQE {
		s := on(ring.OpFtruncate, fd)
		s.Off = size
		return s
	}
	if !h.q.Features().Supports(ring.OpFtruncate) {
		h.fails(unix.EOPNOTSUPP, truncate(fd, 5))
		return
	}
	h.gives(0, truncate(fd, 5))
	b := make([]byte, 20)
	h.gives(5, onFile(read(fd, b, 0)))
	h.gives(0, truncate(fd, 8))
	h.gives(8, onFile(read(fd, b, 0)))
	h.Equal("01234\x00\x00\x00", string(b[:8]))
	h.fails(unix.EBADF, truncate(badFD, 0))
	readonly := h.own(h.result(openat(h.path("."), unix.O_RDONLY, 0)))
	h.fails(unix.EINVAL, truncate(readonly, 0))
}

// manyReads keeps overlapping reads of one file in flight, of which each must get its own bytes.
func manyReads(h *harness) {
	data := pattern(1<<16, 3)
	fd := h.file(string(data))
	const reads, size = 64, 2048
	uds := make([]uint64, reads)
	bufs := make([][]byte, reads)
	for i := range uds {
		bufs[i] = make([]byte, size)
		uds[i] = h.push(onFile(read(fd, bufs[i], int64(i*700))))
	}
	for i, ud := range uds {
		h.Equal(int32(size), h.wait(ud).Res)
		h.Equal(data[i*700:][:size], bufs[i])
	}
}
