package queuetest

import (
	"os"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

const (
	acceptFlags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	statMask    = unix.STATX_BASIC_STATS
	// Besides POLLERR and POLLHUP, io_uring reports this event to those who have not asked for it.
	unasked = unix.POLLRDHUP
)

func statSize(st *ring.Statx) int64  { return int64(st.Size) }
func statMode(st *ring.Statx) uint32 { return uint32(st.Mode) }

// directories returns a directory for every kind of file system that the machine offers.
func directories(t *testing.T) map[string]string {
	dirs := map[string]string{"temp": t.TempDir()}
	const shm = "/dev/shm"
	var fs unix.Statfs_t
	if unix.Statfs(shm, &fs) == nil && fs.Type == unix.TMPFS_MAGIC {
		dir, err := os.MkdirTemp(shm, "queuetest")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
		dirs["tmpfs"] = dir
	}
	return dirs
}

// platformScenarios are about what only Linux has.
var platformScenarios = []scenario{
	{name: "fallocate", onFiles: true, run: fallocating},
	{name: "read and write flags", onFiles: true, run: rwFlags},
	{name: "direct", onFiles: true, run: direct},
	{name: "stat of a descriptor", onFiles: true, run: statDescriptor},
	{name: "rename without replacing", onFiles: true, run: renameNoReplace},
	{name: "half-closed by the peer", run: pollHalfClosed},
	{name: "eventfd", run: readEventfd},
}

func fallocating(h *harness) {
	fd := h.file("data")
	fallocate := func(fd int, mode uint32, off int64, length uint64) *ring.SQE {
		s := on(ring.OpFallocate, fd)
		s.Arg, s.Off, s.Len = mode, off, length
		return s
	}
	size := func() int64 {
		var st unix.Stat_t
		h.NoError(unix.Fstat(fd, &st))
		return st.Size
	}
	h.gives(0, fallocate(fd, 0, 0, 8192))
	h.Equal(int64(8192), size())
	h.gives(0, fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, 1<<20))
	h.Equal(int64(8192), size())
	h.gives(0, fallocate(fd, unix.FALLOC_FL_KEEP_SIZE|unix.FALLOC_FL_PUNCH_HOLE, 1, 2))
	b := make([]byte, 4)
	h.gives(4, onFile(read(fd, b, 0)))
	h.Equal("d\x00\x00a", string(b))
	h.gives(0, fallocate(fd, 0, 1<<33, 1))
	h.Equal(int64(1<<33+1), size())

	h.fails(unix.EINVAL, fallocate(fd, 0, 0, 0))
	h.fails(unix.EINVAL, fallocate(fd, 0, -1, 10))
	h.fails(unix.EBADF, fallocate(badFD, 0, 0, 10))
	r, w := h.pipe()
	h.fails(unix.EBADF, fallocate(r, 0, 0, 10)) // not open for writing
	h.fails(unix.ESPIPE, fallocate(w, 0, 0, 10))
}

func rwFlags(h *harness) {
	fd := h.file("0123")
	s := onFile(write(fd, []byte("45"), 0))
	s.OpFlags = unix.RWF_APPEND
	h.gives(2, s)
	s = onFile(write(fd, []byte("ab"), 1))
	s.OpFlags = unix.RWF_DSYNC
	h.gives(2, s)
	v := onFile(vector(ring.OpWritev, fd, [][]byte{[]byte("6"), []byte("7")}, 0))
	v.OpFlags = unix.RWF_APPEND
	h.gives(2, v)
	b := make([]byte, 10)
	h.gives(8, onFile(read(fd, b, 0)))
	h.Equal("0ab34567", string(b[:8]))
	s = onFile(read(fd, b, 0))
	s.OpFlags = 1 << 30
	h.fails(unix.EOPNOTSUPP, s)
}

// direct compares unaligned direct reads with what the file system says of them in a system call.
func direct(h *harness) {
	const block = 4096
	name := h.touch("direct", string(pattern(4*block, 1)))
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err == unix.EINVAL {
		h.fails(unix.EINVAL, openat(name, unix.O_RDWR|unix.O_DIRECT, 0))
		return
	}
	h.NoError(err)
	h.own(fd)
	b := pages(2 * block)
	h.gives(block, onFile(read(fd, b[:block], block)))
	h.Equal(pattern(4*block, 1)[block:2*block], b[:block])
	h.gives(2*block, onFile(write(fd, b, 2*block)))
	for _, c := range []struct {
		b   []byte
		off int64
	}{{b[:100], 0}, {b[1 : block+1], 0}, {b[:block], 1}} {
		n, err := unix.Pread(fd, c.b, c.off)
		if err != nil {
			h.fails(err.(unix.Errno), onFile(read(fd, c.b, c.off)))
		} else {
			h.gives(n, onFile(read(fd, c.b, c.off)))
		}
	}
	var fs unix.Statfs_t
	h.NoError(unix.Fstatfs(fd, &fs))
	if fs.Type == unix.EXT4_SUPER_MAGIC {
		h.fails(unix.EINVAL, onFile(read(fd, b[:100], 0)))
		h.fails(unix.EINVAL, onFile(write(fd, b[:100], 0)))
	}
}

func statDescriptor(h *harness) {
	var st ring.Statx
	h.gives(0, statx(h.file("four"), "", unix.AT_EMPTY_PATH, &st))
	h.Equal(uint64(4), st.Size)
	h.fails(unix.ENOENT, statx(h.file("four"), "", 0, &st))
	s := statx(h.file("four"), "", unix.AT_EMPTY_PATH, &st)
	s.Arg = unix.STATX_SIZE | unix.STATX_BTIME
	h.gives(0, s)
	h.NotZero(st.Mask & unix.STATX_SIZE)
	s = statx(unix.AT_FDCWD, h.path("."), 0, &st)
	s.OpFlags = 1 << 30
	h.fails(unix.EINVAL, s)
}

func renameNoReplace(h *harness) {
	from, to := h.touch("from", "new"), h.touch("to", "old")
	h.fails(unix.EEXIST, between(ring.OpRenameat, from, to, unix.RENAME_NOREPLACE))
	h.gives(0, between(ring.OpRenameat, from, to, unix.RENAME_EXCHANGE))
	h.Equal("new", h.content(to))
	h.Equal("old", h.content(from))
	h.NoError(os.Remove(from))
	h.gives(0, between(ring.OpRenameat, to, from, unix.RENAME_NOREPLACE))
}

func pollHalfClosed(h *harness) {
	for range 2 {
		a, b := h.tcp()
		ud := h.push(poll(a, unix.POLLRDHUP))
		h.pending(ud)
		h.write(b, []byte("x"))
		h.pending(ud)
		h.NoError(unix.Shutdown(b, unix.SHUT_WR))
		h.Equal(int32(unix.POLLRDHUP), h.wait(ud).Res)
		h.gives(unix.POLLIN|unix.POLLRDHUP, poll(a, unix.POLLIN|unix.POLLRDHUP))
	}
}

// readEventfd waits on a descriptor that is neither socket nor pipe.
func readEventfd(h *harness) {
	fd, err := unix.Eventfd(0, 0)
	fd = h.setup(fd, err)
	var count uint64
	b := unsafe.Slice((*byte)(unsafe.Pointer(&count)), 8)
	for i := range uint64(3) {
		ud := h.push(read(fd, b, current))
		h.pending(ud)
		h.eventually(func() bool { _, err := unix.Write(fd, []byte{byte(i + 1), 0, 0, 0, 0, 0, 0, 0}); return err == nil }, "full")
		h.Equal(int32(8), h.wait(ud).Res)
		h.NotZero(count)
	}
	h.fails(unix.EINVAL, read(fd, b[:4], current))
}
