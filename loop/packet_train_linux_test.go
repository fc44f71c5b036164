package loop_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/loop"
)

// arrivals has c receive until count datagrams are there and closes it then. Each begins with its number.
func arrivals(t *testing.T, c *loop.PacketConn, count int) *[][]byte {
	t.Helper()
	var list [][]byte
	c.RecvMultishot(func(p loop.Packet, err error) {
		if err != nil {
			require.ErrorIs(t, err, loop.ErrClosed)
			return
		}
		if list = append(list, append([]byte(nil), p.Data...)); len(list) == count {
			c.Close(nil)
		}
	})
	return &list
}

func numbered(i, size int) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(i)), patternOf(i, size)...)[:size]
}

// Whatever leaves in one train arrives as it was sent: in its order, each datagram by itself, also an empty one.
func TestU06Trains(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a, b := packets(t, l, "udp", "127.0.0.1:0"), packets(t, l, "udp", "127.0.0.1:0")
		from := packets(t, l, "udp", "127.0.0.1:0")
		sizes := []int{100, 100, 100, 60, 100, 100, 101, 1452, 1452, 1453, 1453, 9000, 9000, 2, 2, 2, 2}
		toA, toB := addrOf(a), addrOf(b)
		var sent []int
		var wantA, wantB [][]byte
		for i, size := range append(sizes, sizes...) {
			to, want := toA, &wantA
			if i >= len(sizes)/2 && i%5 < 3 {
				to, want = toB, &wantB
			}
			*want = append(*want, numbered(i, size))
			from.Send(numbered(i, size), to, func(data []byte, err error) {
				require.NoError(t, err)
				require.Len(t, data, size)
				sent = append(sent, i)
			})
			if i == len(sizes) {
				*want = append(*want, []byte{})
				from.Send(nil, to, func(data []byte, err error) { require.NoError(t, err) })
			}
		}
		gotA, gotB := arrivals(t, a, len(wantA)), arrivals(t, b, len(wantB))
		require.NoError(t, l.Run())
		require.Equal(t, wantA, notNil(*gotA))
		require.Equal(t, wantB, notNil(*gotB))
		require.IsIncreasing(t, sent)
		require.Len(t, sent, 2*len(sizes))
		require.Zero(t, from.Queued())
	})
}

func notNil(list [][]byte) [][]byte {
	for i := range list {
		list[i] = append([]byte{}, list[i]...)
	}
	return list
}

// Sends of a turn to one address and in one size are one entry.
func TestPacketsLeaveAsTrain(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a, b := packets(t, l, "udp", "127.0.0.1:0"), packets(t, l, "udp", "127.0.0.1:0")
		to, ended := addrOf(a), 0
		const count = 64
		before := l.Metrics().Entries
		for range count {
			b.Send([]byte("x"), to, func(_ []byte, err error) {
				require.NoError(t, err)
				ended++
			})
		}
		require.NoError(t, l.Run())
		require.Equal(t, count, ended)
		require.Equal(t, uint64(1), l.Metrics().Entries-before)
	})
}

// A route may refuse to cut: here it has no checksums, which the kernel makes while it cuts. All leave nevertheless, one by one, then and
// thereafter.
func TestU06TrainsAreRefused(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a := packets(t, l, "udp", "127.0.0.1:0")
		b, err := loop.PacketConfig{Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) {
				require.NoError(t, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1))
			})
		}}.ListenPacket(l, "udp", "127.0.0.1:0")
		require.NoError(t, err)
		const count = 20
		var want [][]byte
		var sent []int
		send := func(first int) {
			for i := first; i < first+count; i++ {
				want = append(want, numbered(i, 40))
				b.Send(numbered(i, 40), addrOf(a), func(_ []byte, err error) {
					require.NoError(t, err)
					sent = append(sent, i)
				})
			}
		}
		got := arrivals(t, a, 2*count)
		send(0)
		for len(sent) < count {
			require.NoError(t, l.RunOnce())
		}
		before := l.Metrics().Entries
		send(count)
		require.NoError(t, l.Run())
		require.GreaterOrEqual(t, l.Metrics().Entries-before, uint64(count))
		require.IsIncreasing(t, sent)
		require.Equal(t, want, *got)
	})
}

// What an earlier datagram met ends one send of a train, and the others leave.
func TestU05TrainMeetsRefusal(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		peer, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		address := peer.LocalAddr().String()
		require.NoError(t, peer.Close())
		c, err := l.DialPacket("udp", address)
		require.NoError(t, err)
		c.Send([]byte("nobody is there"), toPeer, nil)
		require.NoError(t, l.Run())
		var errs []error
		for range 3 {
			c.Send([]byte("x"), toPeer, func(_ []byte, err error) { errs = append(errs, err) })
		}
		require.NoError(t, l.Run())
		require.Len(t, errs, 3)
		require.ErrorIs(t, errs[0], unix.ECONNREFUSED)
		refused := 0
		for _, err := range errs {
			if err != nil {
				require.ErrorIs(t, err, unix.ECONNREFUSED)
				refused++
			}
		}
		require.Less(t, refused, 3)
	})
}

// An address that cannot be sent to is the error of every datagram to it. It says nothing about trains: the next ones leave as such.
func TestU02TrainToNowhere(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a, b := packets(t, l, "udp", "127.0.0.1:0"), packets(t, l, "udp", "127.0.0.1:0")
		failed := 0
		for range 5 {
			b.Send([]byte("x"), netip.AddrPortFrom(addrOf(a).Addr(), 0), func(_ []byte, err error) {
				require.ErrorIs(t, err, unix.EINVAL)
				failed++
			})
		}
		require.NoError(t, l.Run())
		require.Equal(t, 5, failed)
		before := l.Metrics().Entries
		for range 5 {
			b.Send([]byte("x"), addrOf(a), func(_ []byte, err error) { require.NoError(t, err) })
		}
		require.NoError(t, l.Run())
		require.Equal(t, uint64(1), l.Metrics().Entries-before)
	})
}

// A send of a train can be canceled as long as it waits; what surrounds it leaves.
func TestU06TrainLosesOne(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a, b := packets(t, l, "udp", "127.0.0.1:0"), packets(t, l, "udp", "127.0.0.1:0")
		got := arrivals(t, a, 4)
		errs := make([]error, 5)
		for i := range errs {
			op := b.Send(numbered(i, 10), addrOf(a), func(_ []byte, err error) { errs[i] = err })
			if i == 2 {
				op.Cancel()
			}
		}
		require.NoError(t, l.Run())
		require.ErrorIs(t, errs[2], loop.ErrCanceled)
		errs[2] = nil
		require.Equal(t, make([]error, 5), errs)
		require.Equal(t, [][]byte{numbered(0, 10), numbered(1, 10), numbered(3, 10), numbered(4, 10)}, *got)
	})
}

// Close lets go what there is room for.
func TestPacketCloseAfterSend(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a, b := packets(t, l, "udp", "127.0.0.1:0"), packets(t, l, "udp", "127.0.0.1:0")
		got := arrivals(t, a, 3)
		calls := 0
		l.Immediate(func() {
			for i := range 3 {
				b.Send(numbered(i, 10), addrOf(a), func(_ []byte, err error) {
					require.NoError(t, err)
					calls++
				})
			}
			b.Close(func(error) { require.Equal(t, 3, calls) })
		})
		require.NoError(t, l.Run())
		require.Equal(t, [][]byte{numbered(0, 10), numbered(1, 10), numbered(2, 10)}, *got)
	})
}
