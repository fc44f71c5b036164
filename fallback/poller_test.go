//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// exhausted is a poller that has no memory for a registration.
type exhausted struct {
	poller
	errno unix.Errno
}

func (p exhausted) arm(_ int32, d *descriptor, _ bool) error {
	if d.want() == 0 {
		return nil
	}
	return p.errno
}

// Exhaustion is the error of the operations that it hits, and the queue goes on.
func TestExhaustion(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	q, err := New(Options{})
	require.NoError(t, err)
	defer q.Close()
	require.NoError(t, q.Bind())
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])

	real := q.poller
	q.poller = exhausted{real, unix.ENOSPC}
	var b [2]byte
	recv := ring.SQE{Opcode: ring.OpRecv, FD: int32(fds[0]), Addr: unsafe.Pointer(&b), Len: 2, UserData: 1}
	poll := ring.SQE{Opcode: ring.OpPollAdd, FD: int32(fds[1]), OpFlags: unix.POLLIN, UserData: 2}
	q.Push(&recv)
	q.Push(&poll)
	require.NoError(t, q.Enter(-1))
	cqes := make([]ring.CQE, 3)
	want := -int32(unix.ENOSPC)
	require.Equal(t, 2, q.Reap(cqes))
	require.Equal(t, []ring.CQE{{UserData: 1, Res: want}, {UserData: 2, Res: want}}, cqes[:2])

	q.poller = real
	q.Push(&recv)
	require.NoError(t, q.Enter(0))
	_, err = unix.Write(fds[1], []byte("ok"))
	require.NoError(t, err)
	require.NoError(t, q.Enter(-1))
	require.Equal(t, 1, q.Reap(cqes))
	require.Equal(t, ring.CQE{UserData: 1, Res: 2}, cqes[0])
}

func TestMilliseconds(t *testing.T) {
	for timeout, want := range map[time.Duration]int{
		-1: -1, 0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, 1<<63 - 1: 1<<31 - 1,
	} {
		require.Equal(t, want, milliseconds(timeout), "%v", timeout)
	}
}

// The completion queue keeps its order while it grows and turns over.
func TestCompletions(t *testing.T) {
	c := newCompletions(1 << 20)
	var in, out uint64
	buf := make([]ring.CQE, 37)
	for round := range 200 {
		for range round {
			c.push(ring.CQE{UserData: in})
			in++
		}
		for _, e := range buf[:c.take(buf)] {
			require.Equal(t, out, e.UserData)
			out++
		}
	}
	for n := c.take(buf); n > 0; n = c.take(buf) {
		for _, e := range buf[:n] {
			require.Equal(t, out, e.UserData)
			out++
		}
	}
	require.Equal(t, in, out)
}

// counting counts the system calls of wake.
type counting struct {
	poller
	wakes int
}

func (p *counting) wake() {
	p.wakes++
	p.poller.wake()
}

// A wake costs a system call only if the loop sleeps, and then only the first one.
func TestWakeCostsNothingWhileAwake(t *testing.T) {
	q, err := New(Options{})
	require.NoError(t, err)
	defer q.Close()
	p := &counting{poller: q.poller}
	q.waker.poller = p
	for range 10 {
		require.NoError(t, q.Wake())
	}
	require.Zero(t, p.wakes)
	require.False(t, q.waker.sleep(), "asleep in spite of a wake")
	require.True(t, q.waker.rise())
	require.True(t, q.waker.sleep())
	for range 10 {
		require.NoError(t, q.Wake())
	}
	require.Equal(t, 1, p.wakes)
	require.True(t, q.waker.rise())
	require.True(t, q.waker.sleep())
	require.False(t, q.waker.rise(), "a wake counted twice")
}
