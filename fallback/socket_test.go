//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback_test

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/ring"
)

// A ping-pong message costs what it costs a tuned epoll server in C: a wait, a receive and a send.
func TestEchoSystemCalls(t *testing.T) {
	each(t, func(q *harness) {
		if !q.roomy() {
			return
		}
		peers := newEchoes(q, 1)
		runEchoes(q, peers, 10)
		before := q.Stats()
		runEchoes(q, peers, 1000)
		after := q.Stats()
		require.EqualValues(q, 2000, after.Attempts-before.Attempts)
		require.EqualValues(q, 1000, after.Waits-before.Waits)
		require.Equal(q, before.Controls, after.Controls)
		require.Equal(q, before.Refused, after.Refused)
		require.Zero(q, after.Jobs, "network work needed a worker")
		q.closePeers(peers)
	})
}

// roomy reports whether two entries can be pushed in a row.
func (h *harness) roomy() bool {
	h.Helper()
	var nops [2]ring.SQE
	ok := h.Push(&nops[0]) && h.Push(&nops[1])
	require.NoError(h, h.Enter(0))
	h.reap()
	h.cqes = nil
	return ok
}

func (h *harness) closePeers(peers []echoPeer) {
	h.Helper()
	for i := range peers {
		h.closeFD(peers[i].ends[0])
		h.closeFD(peers[i].ends[1])
	}
}

func TestReadersAreServedInOrder(t *testing.T) {
	each(t, func(q *harness) {
		a, b := q.pair()
		bufs, entries := make([][2]byte, 100), make([]*ring.SQE, 100)
		for i := range entries {
			entries[i] = q.push(recv(a, bufs[i][:]))
		}
		q.idle(entries...)
		q.writeTo(b, string(text(200)))
		for i, s := range entries {
			require.EqualValues(q, 2, q.next(s).Res)
			require.Equal(q, string(text(200)[2*i:][:2]), string(bufs[i][:]))
		}
		q.closeFD(a)
		q.closeFD(b)
	})
}

// A receive and a send wait on one descriptor at the same time, and neither holds up the other.
func TestDirectionsAreIndependent(t *testing.T) {
	each(t, func(q *harness) {
		a, b := q.pair()
		in, out := make([]byte, 8), text(4<<20)
		r := q.push(recv(a, in))
		s := send(a, out)
		s.OpFlags = unix.MSG_WAITALL
		q.push(s)
		q.idle(r, s)
		q.writeTo(b, "x")
		require.EqualValues(q, 1, q.next(r).Res)
		q.idle(s)
		got := make([]byte, 0, len(out))
		for len(got) < len(out) {
			part := make([]byte, 1<<16)
			n := q.do(recv(b, part))
			require.Positive(q, n)
			got = append(got, part[:n]...)
		}
		require.EqualValues(q, len(out), q.next(s).Res)
		require.Equal(q, out, got)
		q.closeFD(a)
		q.closeFD(b)
	})
}

// What a canceled operation has moved is its result, for every kind of operation that can stop half-way.
func TestCancelHalfDone(t *testing.T) {
	each(t, func(q *harness) {
		a, b := q.pair()
		one, two := make([]byte, 10), make([]byte, 10)
		vecs := []ring.Iovec{{Base: &one[0]}, {Base: &two[0]}}
		vecs[0].SetLen(10)
		vecs[1].SetLen(10)
		header := ring.Msghdr{Iov: &vecs[0]}
		header.SetIovlen(2)
		s := &ring.SQE{Opcode: ring.OpRecvmsg, FD: int32(a), Addr: unsafe.Pointer(&header), OpFlags: unix.MSG_WAITALL}
		q.push(s)
		for _, part := range []string{"01234567", "89abc", "def"} {
			q.writeTo(b, part)
			q.idle(s)
		}
		require.Zero(q, q.cancel(s))
		require.EqualValues(q, 16, q.next(s).Res)
		require.Equal(q, "0123456789", string(one))
		require.Equal(q, "abcdef", string(two[:6]))

		s = recv(a, one)
		s.OpFlags = unix.MSG_WAITALL
		q.push(s)
		q.writeTo(b, "xyz")
		q.idle(s)
		require.Zero(q, q.cancel(s))
		require.EqualValues(q, 3, q.next(s).Res)

		s = send(a, text(16<<20))
		s.OpFlags = unix.MSG_WAITALL
		q.push(s)
		q.idle(s)
		require.Zero(q, q.cancel(s))
		moved := q.next(s).Res
		require.Positive(q, moved)
		q.closeFD(a)
		buf := make([]byte, 1<<16)
		for n := int32(1); n > 0; moved -= n {
			n = q.do(recv(b, buf))
			require.GreaterOrEqual(q, n, int32(0))
		}
		require.Zero(q, moved, "the peer got what the cancel reported")
		q.closeFD(b)
	})
}

func TestCloseEndsWhatWaits(t *testing.T) {
	each(t, func(q *harness) {
		a, b := q.pair()
		r, p := q.push(recv(a, make([]byte, 1))), q.push(&ring.SQE{Opcode: ring.OpPollAdd, FD: int32(a), OpFlags: unix.POLLIN})
		q.idle(r, p)
		q.closeFD(a)
		require.Equal(q, fail(unix.ECANCELED), q.next(r).Res)
		require.Equal(q, fail(unix.ECANCELED), q.next(p).Res)
		require.Zero(q, q.do(recv(b, make([]byte, 1))), "the peer sees the end")
		q.closeFD(b)
	})
}

// One sender never lets its socket run empty; the other socket gets its turn all the same, and so does a NOP.
func TestFloodStarvesNobody(t *testing.T) {
	each(t, func(q *harness) {
		a, b := q.pair()
		c, d := q.pair()
		const buffers = 256
		mem := make([]byte, buffers*16)
		require.NoError(q, q.Provide(3, mem, 16))
		for id := range uint16(buffers) {
			q.Recycle(3, id)
		}
		flood := q.push(&ring.SQE{Opcode: ring.OpRecv, FD: int32(a), Group: 3,
			Flags: ring.BufferSelect | ring.Multishot | ring.Stream})
		other := q.push(recv(c, make([]byte, 1)))
		q.idle(flood, other)
		require.NoError(q, unix.SetNonblock(b, true))
		q.writeTo(d, "x")
		chunk := text(1 << 12)
		var enters, received int
		for found := false; !found; enters++ {
			for {
				if n, err := unix.Write(b, chunk); err != nil || n < len(chunk) {
					break
				}
			}
			require.NoError(q, q.Enter(-1))
			q.reap()
			for _, e := range q.cqes {
				switch e.UserData {
				case other.UserData:
					found = true
				case flood.UserData:
					require.True(q, e.More(), "result %d", e.Res)
					id, ok := e.Buffer()
					require.True(q, ok)
					q.Recycle(3, id)
					received++
				}
			}
			require.LessOrEqual(q, len(q.cqes), 2*32+8, "one turn serves a flood without end")
			q.cqes = q.cqes[:0]
			require.Less(q, enters, 50, "the other socket starves")
		}
		require.Positive(q, received)
		q.closeFD(a)
		q.closeFD(b)
		q.closeFD(c)
		q.closeFD(d)
	})
}

// Operations that complete at once, turn after turn, do not keep the queue from looking at its sockets.
func TestInlineWorkStarvesNobody(t *testing.T) {
	each(t, func(q *harness) {
		a, b := q.pair()
		r := q.push(recv(a, make([]byte, 1)))
		q.idle(r)
		q.writeTo(b, "x")
		nop := &ring.SQE{UserData: 1 << 40}
		for range 20 {
			require.True(q, q.Push(nop))
			require.NoError(q, q.Enter(-1))
			q.reap()
		}
		found := false
		for _, c := range q.cqes {
			found = found || c.UserData == r.UserData
		}
		require.True(q, found)
		q.closeFD(a)
		q.closeFD(b)
	})
}

// A listener that blocks is asked first: the loop must not hang in accept(2).
func TestAcceptOnBlockingListener(t *testing.T) {
	each(t, func(q *harness) {
		ln, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		require.NoError(q, err)
		require.NoError(q, unix.Bind(ln, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		require.NoError(q, unix.Listen(ln, 8))
		addr, err := unix.Getsockname(ln)
		require.NoError(q, err)
		s := q.push(&ring.SQE{Opcode: ring.OpAccept, FD: int32(ln), Flags: ring.Multishot})
		q.idle(s)
		for range 3 {
			peer, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			require.NoError(q, err)
			require.NoError(q, unix.Connect(peer, addr))
			c := q.next(s)
			require.Positive(q, c.Res)
			require.True(q, c.More())
			q.closeFD(int(c.Res))
			q.closeFD(peer)
		}
		require.Zero(q, q.cancel(s))
		require.Equal(q, fail(unix.ECANCELED), q.next(s).Res)
		q.closeFD(ln)
	})
}

// The kernel refuses to block when the backlog of a Unix socket is full, and sends no event when it is not any more.
func TestConnectToFullUnixBacklog(t *testing.T) {
	each(t, func(q *harness) {
		name := q.TempDir() + "/s"
		ln, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		require.NoError(q, err)
		require.NoError(q, unix.Bind(ln, &unix.SockaddrUnix{Name: name}))
		require.NoError(q, unix.Listen(ln, 0))
		var raw unix.RawSockaddrUnix
		raw.Family = unix.AF_UNIX
		for i := range len(name) {
			raw.Path[i] = int8(name[i])
		}
		var res int32
		var fds []int
		for range 20 {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			require.NoError(q, err)
			fds = append(fds, fd)
			res = q.do(&ring.SQE{Opcode: ring.OpConnect, FD: int32(fd), Addr: unsafe.Pointer(&raw), Len: unix.SizeofSockaddrUnix})
			if res != 0 {
				break
			}
		}
		require.Contains(q, []int32{fail(unix.EAGAIN), fail(unix.ECONNREFUSED)}, res)
		for _, fd := range append(fds, ln) {
			q.closeFD(fd)
		}
	})
}

func TestUnknownPoller(t *testing.T) {
	_, err := fallback.New(fallback.Options{Poller: "kqueue"})
	require.ErrorContains(t, err, "kqueue")
}

// A poll for writability that has ended leaves nothing behind that would keep Enter from sleeping.
func TestNoSpinAfterPollForWritability(t *testing.T) {
	each(t, func(q *harness) {
		a, b := q.pair()
		buf := make([]byte, 64<<10)
		for _, fd := range []int{a, b} {
			require.NoError(q, unix.SetNonblock(fd, true))
		}
		for err := error(nil); err == nil; {
			_, err = unix.Write(a, buf)
		}
		p := q.push(&ring.SQE{Opcode: ring.OpPollAdd, FD: int32(a), OpFlags: unix.POLLOUT})
		q.idle(p)
		for err := error(nil); err == nil; {
			_, err = unix.Read(b, buf)
		}
		require.EqualValues(q, unix.POLLOUT, q.next(p).Res)
		before := q.Stats().Waits
		wake := time.AfterFunc(50*time.Millisecond, func() { _ = q.Wake() })
		defer wake.Stop()
		require.NoError(q, q.Enter(-1))
		require.LessOrEqual(q, q.Stats().Waits-before, uint64(3))
		q.closeFD(a)
		q.closeFD(b)
	})
}
