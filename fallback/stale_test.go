//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// dupTo gives the open file fd the number to, and closes fd.
func (h *harness) dupTo(fd, to int) {
	h.Helper()
	if fd != to {
		require.NoError(h, unix.Dup2(fd, to))
		require.NoError(h, unix.Close(fd))
	}
}

// The event of a closed socket is under way while its number gets a new owner.
func TestStaleEvent(t *testing.T) {
	each(t, func(q *harness) {
		for range 50 {
			a, b := q.pair()
			old := q.push(recv(a, make([]byte, 4)))
			q.idle(old)
			alive, err := unix.Dup(a) // the file outlives its number, and with it what a poller registered
			require.NoError(q, err)
			q.writeTo(b, "old")
			q.closeFD(a) // before the event is fetched
			c, d := q.pair()
			q.dupTo(c, a)

			buf := make([]byte, 8)
			r := q.push(recv(a, buf))
			q.idle(r)
			require.Equal(q, fail(unix.ECANCELED), q.next(old).Res)
			q.writeTo(b, "more of it")
			q.idle(r)
			q.writeTo(d, "new")
			require.EqualValues(q, 3, q.next(r).Res)
			require.Equal(q, "new", string(buf[:3]))
			for _, fd := range []int{a, b, d, alive} {
				q.closeFD(fd)
			}
		}
	})
}

// The owner of a polled descriptor closes it without a word to the queue, again and again.
func TestForeignClose(t *testing.T) {
	each(t, func(q *harness) {
		for i := range 50 {
			a, b := q.pair()
			p := q.push(&ring.SQE{Opcode: ring.OpPollAdd, FD: int32(a), OpFlags: unix.POLLIN})
			q.idle(p)
			if i%2 == 0 {
				require.Zero(q, q.cancel(p))
				require.Equal(q, fail(unix.ECANCELED), q.next(p).Res)
			} else {
				q.writeTo(b, "x")
				require.EqualValues(q, unix.POLLIN, q.next(p).Res)
			}
			require.NoError(q, unix.Close(a))
			require.NoError(q, unix.Close(b))
		}
	})
}

// Even a socket that was used for receives may be closed elsewhere: as long as nothing waits on it, the next owner of its
// number finds a working registration.
func TestForeignCloseOfSocket(t *testing.T) {
	each(t, func(q *harness) {
		for range 50 {
			a, b := q.pair()
			buf := make([]byte, 4)
			r := q.push(recv(a, buf))
			q.idle(r)
			q.writeTo(b, "data")
			require.EqualValues(q, 4, q.next(r).Res)
			require.NoError(q, unix.Close(a))
			require.NoError(q, unix.Close(b))
		}
	})
}

// A number that cannot be a descriptor costs no memory.
func TestAbsurdDescriptor(t *testing.T) {
	each(t, func(q *harness) {
		for _, fd := range []int{-1, 1 << 30, 1<<31 - 1} {
			require.Equal(q, fail(unix.EBADF), q.do(recv(fd, make([]byte, 1))))
			require.Equal(q, fail(unix.EBADF), q.do(&ring.SQE{Opcode: ring.OpPollAdd, FD: int32(fd)}))
			require.Equal(q, fail(unix.EBADF), q.do(&ring.SQE{Opcode: ring.OpClose, FD: int32(fd)}))
		}
	})
}

// A descriptor far up leaves a hole in the table, which a cancel of everything passes over.
func TestCancelAnyOverUnusedNumbers(t *testing.T) {
	each(t, func(q *harness) {
		const high = 900
		a, b := q.pair()
		q.dupTo(a, high)
		r := q.push(recv(high, make([]byte, 4)))
		q.idle(r)
		require.EqualValues(q, 1, q.do(&ring.SQE{Opcode: ring.OpCancel, OpFlags: ring.CancelAny}))
		require.Equal(q, fail(unix.ECANCELED), q.next(r).Res)
		q.closeFD(high)
		q.closeFD(b)
	})
}

// What was found out about a number while it was nobody's does not stick to its next owner: here a pipe, which would be read by a
// worker that nobody can stop.
func TestProbeOfUnusedNumber(t *testing.T) {
	each(t, func(q *harness) {
		buf := make([]byte, 4)
		hinted := func(fd int) *ring.SQE {
			s := read(fd, buf, -1)
			s.Flags = ring.MayBlock
			return s
		}
		a, b := q.pair()
		require.EqualValues(q, 1, q.do(send(a, buf[:1]))) // the table knows its chunk from here on
		require.NoError(q, unix.Close(a))
		require.Equal(q, fail(unix.EBADF), q.do(hinted(a)))
		var pipe [2]int
		require.NoError(q, unix.Pipe(pipe[:]))
		q.dupTo(pipe[0], a)
		r := q.push(hinted(a))
		q.idle(r)
		require.Zero(q, q.cancel(r))
		require.Equal(q, fail(unix.ECANCELED), q.next(r).Res)
		for _, fd := range []int{a, b, pipe[1]} {
			q.closeFD(fd)
		}
	})
}
