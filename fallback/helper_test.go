//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/ring"
)

// A harness drives one queue on the test's locked thread and keeps the completions that nobody asked for yet.
type harness struct {
	testing.TB
	*fallback.Queue
	cqes []ring.CQE
	last uint64
}

// The runtime opens the descriptors of its own poller with the first pipe, and keeps them.
func TestMain(m *testing.M) {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	os.Exit(m.Run())
}

// each runs the test on every poller that this system has, and with room for one entry.
func each(t *testing.T, fn func(q *harness)) {
	for _, opts := range []fallback.Options{{Poller: "epoll"}, {Poller: "poll"}, {Entries: 1}} {
		if opts.Poller == "epoll" && runtime.GOOS != "linux" {
			continue
		}
		t.Run(fmt.Sprintf("%s%.0d", opts.Poller, opts.Entries), func(t *testing.T) {
			before := descriptors(t)
			t.Cleanup(func() { require.Equal(t, before, descriptors(t), "descriptors leak") })
			h := open(t, opts)
			fn(h)
			require.NoError(t, h.Close())
		})
	}
}

func open(t testing.TB, opts fallback.Options) *harness {
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	q, err := fallback.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = q.Close() })
	require.NoError(t, q.Bind())
	return &harness{TB: t, Queue: q}
}

// descriptors counts the open descriptors of the process.
func descriptors(t testing.TB) int {
	dir := "/dev/fd"
	if runtime.GOOS == "linux" {
		dir = "/proc/self/fd"
	}
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	return len(names)
}

// push gives s a UserData of its own and pushes it, entering when the list is full.
func (h *harness) push(s *ring.SQE) *ring.SQE {
	h.Helper()
	h.last++
	s.UserData = h.last
	for !h.Push(s) {
		require.NoError(h, h.Enter(0))
		h.reap()
	}
	return s
}

func (h *harness) reap() {
	var buf [8]ring.CQE
	for {
		n := h.Reap(buf[:])
		h.cqes = append(h.cqes, buf[:n]...)
		if n < len(buf) {
			return
		}
	}
}

// patience bounds how long a completion that must come is waited for.
const patience = 20 * time.Second

// next waits for the next completion of s.
func (h *harness) next(s *ring.SQE) ring.CQE {
	h.Helper()
	for deadline := time.Now().Add(patience); ; {
		h.reap()
		for i, c := range h.cqes {
			if c.UserData == s.UserData {
				h.cqes = append(h.cqes[:i], h.cqes[i+1:]...)
				return c
			}
		}
		require.True(h, time.Now().Before(deadline), "%v does not complete", s.Opcode)
		require.NoError(h, h.Enter(time.Second))
	}
}

// do pushes s, waits for its only completion and returns the result.
func (h *harness) do(s *ring.SQE) int32 {
	h.Helper()
	c := h.next(h.push(s))
	require.False(h, c.More())
	require.Zero(h, s.Link, "a completed entry is linked")
	return c.Res
}

// idle requires that s has no completion, after the poller had its say.
func (h *harness) idle(s ...*ring.SQE) {
	h.Helper()
	for range 3 {
		require.NoError(h, h.Enter(time.Millisecond))
		h.reap()
	}
	for _, s := range s {
		for _, c := range h.cqes {
			require.NotEqual(h, s.UserData, c.UserData, "%v completed with %d", s.Opcode, c.Res)
		}
	}
}

func (h *harness) cancel(s *ring.SQE) int32 {
	h.Helper()
	return h.do(&ring.SQE{Opcode: ring.OpCancel, Addr: unsafe.Pointer(s), Off: int64(s.UserData)})
}

func (h *harness) closeFD(fd int) {
	h.Helper()
	require.Zero(h, h.do(&ring.SQE{Opcode: ring.OpClose, FD: int32(fd)}))
}

// pair returns two connected stream sockets.
func (h *harness) pair() (a, b int) {
	h.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(h, err)
	return fds[0], fds[1]
}

func recv(fd int, b []byte) *ring.SQE {
	return &ring.SQE{Opcode: ring.OpRecv, FD: int32(fd), Addr: unsafe.Pointer(unsafe.SliceData(b)), Len: uint64(len(b))}
}

func send(fd int, b []byte) *ring.SQE {
	return &ring.SQE{Opcode: ring.OpSend, FD: int32(fd), Addr: unsafe.Pointer(unsafe.SliceData(b)), Len: uint64(len(b))}
}

func read(fd int, b []byte, off int64) *ring.SQE {
	s := recv(fd, b)
	s.Opcode, s.Off = ring.OpRead, off
	return s
}

func write(fd int, b []byte, off int64) *ring.SQE {
	s := read(fd, b, off)
	s.Opcode = ring.OpWrite
	return s
}

func (h *harness) writeTo(fd int, text string) {
	h.Helper()
	n, err := unix.Write(fd, []byte(text))
	require.NoError(h, err)
	require.Equal(h, len(text), n)
}

func text(n int) []byte { return []byte(strings.Repeat("0123456789abcdef", n/16+1))[:n] }

func fail(code unix.Errno) int32 { return -int32(code) }
