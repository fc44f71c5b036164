package loop_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

func TestPacketsAllocateNothing(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a, b := packets(t, l, "udp", "127.0.0.1:0"), packets(t, l, "udp", "127.0.0.1:0")
		toA, toB := addrOf(a), addrOf(b)
		buf, message := make([]byte, 64), patternOf(1, 64)
		s := newSteady(l)
		received := loop.PacketFunc(func(p loop.Packet, err error) {
			if p.From != toB {
				err = errors.New("from somebody else")
			}
			s.done(err)
		})
		requireAllocs(t, 0, func() {
			s.run(3, func() {
				a.Recv(buf, received)
				b.Send(message[:32], toA, s.io)
				b.Send(message, toA, s.io)
			})
			s.run(1, func() { a.Recv(buf, received) })
		})
		require.NoError(t, s.failed)

		echo := loop.PacketFunc(func(p loop.Packet, err error) {
			if err == nil {
				a.SendBuffer(p.Buffer, p.From, s.done)
			}
		})
		back := loop.PacketFunc(func(p loop.Packet, err error) {
			if err == nil {
				s.done(nil)
			}
		})
		a.RecvMultishot(echo)
		b.RecvMultishot(back)
		requireAllocs(t, 0, func() {
			s.run(6, func() {
				b.Send(message, toA, s.io)
				b.Send(message, toA, s.io)
			})
		})
		require.NoError(t, s.failed)
	})
}

// A queue without room for what must not wait: from some send on it refuses all that are there, as a socket's buffer does that
// somebody else has filled.
type crowded struct {
	loop.Queue
	random  *rand.Rand
	refused []ring.CQE
	count   int
}

func (q *crowded) Push(s *ring.SQE) bool {
	full := len(q.refused) > 0 || q.random.IntN(5) == 0
	if s.Opcode == ring.OpSendmsg && s.OpFlags&unix.MSG_DONTWAIT != 0 && full {
		q.refused = append(q.refused, ring.CQE{UserData: s.UserData, Res: -int32(unix.EAGAIN)})
		q.count++
		return true
	}
	return q.Queue.Push(s)
}

func (q *crowded) Enter(timeout time.Duration) error {
	if len(q.refused) > 0 {
		timeout = 0
	}
	return q.Queue.Enter(timeout)
}

func (q *crowded) Reap(dst []ring.CQE) int {
	n := copy(dst, q.refused)
	q.refused = q.refused[n:]
	return n + q.Queue.Reap(dst[n:])
}

func TestU06OrderWithoutRoom(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		for _, c := range columns {
			t.Run(network+"/"+c.name, func(t *testing.T) {
				seed := rand.Uint64()
				q := &crowded{random: rand.New(rand.NewPCG(seed, 0))}
				open := c.open
				c.open = func() (loop.Queue, error) {
					inner, err := open()
					q.Queue = inner
					return q, err
				}
				runCase(t, c, loop.Options{}, func(t *testing.T, l *loop.Loop) {
					orderWithoutRoom(t, l, network)
					require.Positive(t, q.count)
				})
				if t.Failed() {
					t.Log("seed", seed)
				}
			})
		}
	}
}

func orderWithoutRoom(t *testing.T, l *loop.Loop, network string) {
	address := ""
	if network == "udp" {
		address = "127.0.0.1:0"
	}
	a := packets(t, l, network, address)
	b, err := l.DialPacket(network, a.LocalAddr().String())
	require.NoError(t, err)
	const count = 100
	var sent, got []int
	a.RecvMultishot(func(p loop.Packet, err error) {
		if err != nil {
			require.ErrorIs(t, err, loop.ErrClosed)
			return
		}
		if got = append(got, int(p.Data[0])); len(got) == count {
			a.Close(nil)
		}
	})
	for i := range count {
		b.Send([]byte{byte(i), 0, 0}[:1+i%3], toPeer, func(data []byte, err error) {
			require.NoError(t, err)
			sent = append(sent, int(data[0]))
		})
	}
	require.NoError(t, l.Run())
	require.Len(t, sent, count)
	require.IsIncreasing(t, sent)
	require.IsIncreasing(t, got)
	require.Zero(t, b.Queued())
}

// The sends of a turn leave with one Enter.
func TestPacketsLeaveTogether(t *testing.T) {
	l, err := loop.New(loop.Options{Backend: "uring"})
	testenv.Ring(t, err)
	defer l.Close()
	require.True(t, !l.Features().Has(ring.MultishotRecv) || l.Features().Has(ring.MultishotRecvmsg))
	a, b := packets(t, l, "udp", "127.0.0.1:0"), packets(t, l, "udp", "127.0.0.1:0")
	const count = 64
	ended := 0
	for range count {
		b.Send([]byte("x"), addrOf(a), func([]byte, error) { ended++ })
	}
	before := l.Metrics().Enters
	for ended < count {
		require.NoError(t, l.RunOnce())
	}
	require.LessOrEqual(t, l.Metrics().Enters-before, uint64(2))
}

// With UDP_GRO several datagrams arrive at once; together with what says their size.
func TestPacketGRO(t *testing.T) {
	for _, multishot := range []bool{false, true} {
		forEachQueue(t, func(t *testing.T, l *loop.Loop) {
			a, b := packets(t, l, "udp", "127.0.0.1:0"), packets(t, l, "udp", "127.0.0.1:0")
			require.NoError(t, a.SetGRO(true))
			const size, total = 1000, 20_300
			var got []byte
			joined := false
			var fn loop.PacketFunc
			buf := make([]byte, 1<<16)
			fn = func(p loop.Packet, err error) {
				if err != nil {
					require.ErrorIs(t, err, loop.ErrClosed)
					return
				}
				require.Equal(t, addrOf(b), p.From)
				if len(p.Data) > size {
					require.Equal(t, size, p.SegmentSize)
					joined = true
				} else {
					require.Zero(t, p.SegmentSize)
				}
				if got = append(got, p.Data...); len(got) == total {
					a.Close(nil)
				} else if !multishot {
					a.Recv(buf, fn)
				}
			}
			if multishot {
				a.RecvMultishot(fn)
			} else {
				a.Recv(buf, fn)
			}
			require.ErrorIs(t, a.SetGRO(false), loop.ErrBusy)
			data := patternOf(1, total)
			b.SendSegments(data, size, addrOf(a), nil)
			require.NoError(t, l.Run())
			require.True(t, joined)
			require.Equal(t, string(data), string(got))
		})
	}
}

// What arrived before the close is delivered or dropped as a whole; the buffers are all there afterwards.
func TestPacketCloseWhileReceiving(t *testing.T) {
	forEachQueueWith(t, loop.Options{Buffers: 16}, func(t *testing.T, l *loop.Loop) {
		for round := range 30 {
			a, b := packets(t, l, "udp", "127.0.0.1:0"), packets(t, l, "udp", "127.0.0.1:0")
			ended := 0
			var last int64 = -1
			a.RecvMultishot(func(p loop.Packet, err error) {
				require.Zero(t, ended)
				if err != nil {
					require.ErrorIs(t, err, loop.ErrClosed)
					ended++
					return
				}
				n := int64(binary.BigEndian.Uint64(p.Data))
				require.Greater(t, n, last)
				last = n
			})
			for i := range 40 {
				b.Send(binary.BigEndian.AppendUint64(nil, uint64(i)), addrOf(a), nil)
				if i == round {
					require.NoError(t, l.Poll())
				}
			}
			a.Close(func(err error) {
				require.NoError(t, err)
				require.Equal(t, 1, ended)
			})
			b.Close(nil)
			require.NoError(t, l.Run())
			require.Equal(t, 1, ended)
		}
	})
}

// Zones come back as they were given.
func TestPacketZone(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c := packets(t, l, "udp6", "[::1]:0")
		lo := loopbackInterface(t)
		err := sendTo(t, l, c, "x", netip.MustParseAddrPort("[fe80::1%"+lo.Name+"]:9"))
		require.ErrorContains(t, err, "[fe80::1%"+lo.Name+"]:9") // nobody is there, or no way
	})
}

// A socket for all addresses carries IPv4 too, with options of its own in the kernel.
func TestU08MulticastOptionsOfBothFamilies(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c := packets(t, l, "udp", ":0")
		require.NoError(t, c.SetMulticastTTL(7))
		require.NoError(t, c.SetMulticastLoopback(false))
		lo, err := net.InterfaceByName("lo")
		require.NoError(t, err)
		require.NoError(t, c.SetMulticastInterface(lo))
		raw, err := c.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) {
			for _, o := range []struct{ level, name, want int }{
				{unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 7},
				{unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0},
				{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 7},
				{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0},
				{unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, lo.Index},
			} {
				got, err := unix.GetsockoptInt(int(fd), o.level, o.name)
				require.NoError(t, err)
				require.Equal(t, o.want, got, "option %d of %d", o.name, o.level)
			}
			addr, err := unix.GetsockoptInet4Addr(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_IF)
			require.NoError(t, err)
			require.Equal(t, [4]byte{127, 0, 0, 1}, addr)
		}))
	})
}
