package loop_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// Cases of section G that cannot exist with this API:
//
//	U06  try-send: Send only queues; what is left of the case is the order

var toPeer netip.AddrPort // of a connected socket

// packets makes a socket that is closed at the end of the case.
func packets(t *testing.T, l *loop.Loop, network, address string) *loop.PacketConn {
	t.Helper()
	c, err := l.ListenPacket(network, address)
	require.NoError(t, err)
	return c
}

// addrOf returns the address of a UDP socket.
func addrOf(c *loop.PacketConn) netip.AddrPort {
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// at returns the address of c's port on host.
func at(host string, c *loop.PacketConn) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(host), addrOf(c).Port())
}

// receive returns one datagram.
func receive(t *testing.T, l *loop.Loop, c *loop.PacketConn, size int) (p loop.Packet, err error) {
	t.Helper()
	calls := 0
	c.Recv(make([]byte, size), func(q loop.Packet, e error) { p, err, calls = q, e, calls+1 })
	require.Zero(t, calls, "synchronous")
	for calls == 0 {
		require.NoError(t, l.RunOnce())
	}
	return p, err
}

// sendTo sends a datagram and waits for its callback.
func sendTo(t *testing.T, l *loop.Loop, c *loop.PacketConn, text string, to netip.AddrPort) error {
	t.Helper()
	var result error
	calls := 0
	c.Send([]byte(text), to, func(b []byte, err error) {
		result, calls = err, calls+1
		if err == nil {
			require.Equal(t, text, string(b))
		}
	})
	require.Zero(t, calls, "synchronous")
	for calls == 0 {
		require.NoError(t, l.RunOnce())
	}
	return result
}

func TestU01SendAndReceive(t *testing.T) {
	for _, c := range []struct{ name, network, address, host string }{
		{"v4", "udp4", "127.0.0.1:0", "127.0.0.1"},
		{"v6", "udp6", "[::1]:0", "::1"},
		{"dual4", "udp", ":0", "127.0.0.1"},
		{"dual6", "udp", ":0", "::1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				a := packets(t, l, c.network, c.address)
				b := packets(t, l, c.network, c.address)
				for _, text := range []string{"hello", "", "again"} {
					require.NoError(t, sendTo(t, l, b, text, at(c.host, a)))
					p, err := receive(t, l, a, 64)
					require.NoError(t, err)
					require.Equal(t, text, string(p.Data))
					require.Equal(t, at(c.host, b), p.From)
					require.False(t, p.Truncated)
					require.NoError(t, sendTo(t, l, a, "answer", p.From))
					p, err = receive(t, l, b, 64)
					require.NoError(t, err)
					require.Equal(t, "answer", string(p.Data))
				}
			})
		})
	}
}

// A program of package net on the other side, and an IPv4 address in its mapped form.
func TestU01WithNet(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(t, err)
		defer peer.Close()
		require.NoError(t, peer.SetDeadline(time.Now().Add(caseLimit)))
		c := packets(t, l, "udp", ":0")
		to := peer.LocalAddr().(*net.UDPAddr).AddrPort()
		mapped := netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port())
		require.NoError(t, sendTo(t, l, c, "question", mapped))
		buf := make([]byte, 64)
		n, from, err := peer.ReadFromUDPAddrPort(buf)
		require.NoError(t, err)
		require.Equal(t, "question", string(buf[:n]))
		_, err = peer.WriteToUDPAddrPort([]byte("answer"), from)
		require.NoError(t, err)
		p, err := receive(t, l, c, 64)
		require.NoError(t, err)
		require.Equal(t, "answer", string(p.Data))
		require.Equal(t, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), p.From)
	})
}

func TestU01Connected(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a := packets(t, l, "udp", "127.0.0.1:0")
		b, err := l.DialPacket("udp", addrOf(a).String())
		require.NoError(t, err)
		require.Equal(t, a.LocalAddr(), b.RemoteAddr())
		require.Nil(t, a.RemoteAddr())
		require.NoError(t, sendTo(t, l, b, "x", toPeer))
		p, err := receive(t, l, a, 8)
		require.NoError(t, err)
		require.Equal(t, addrOf(b), p.From)
		require.NoError(t, sendTo(t, l, a, "y", p.From))
		p, err = receive(t, l, b, 8)
		require.NoError(t, err)
		require.Equal(t, "y", string(p.Data))
	})
}

func TestU02TooLong(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a := packets(t, l, "udp", "127.0.0.1:0")
		b := packets(t, l, "udp", "127.0.0.1:0")
		calls := 0
		b.Send(make([]byte, 65508), addrOf(a), func(sent []byte, err error) {
			calls++
			require.ErrorIs(t, err, syscall.EMSGSIZE)
			require.Empty(t, sent)
			var op *net.OpError
			require.ErrorAs(t, err, &op)
			require.Equal(t, "write", op.Op)
			require.Equal(t, a.LocalAddr().String(), op.Addr.String())
		})
		require.NoError(t, sendTo(t, l, b, "next", addrOf(a)))
		p, err := receive(t, l, a, 64)
		require.NoError(t, err)
		require.Equal(t, "next", string(p.Data))
		require.Equal(t, 1, calls)
		require.Zero(t, b.Queued())
	})
}

func TestU03Truncated(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a := packets(t, l, "udp", "127.0.0.1:0")
		b := packets(t, l, "udp", "127.0.0.1:0")
		for _, size := range []int{4, 0, 11} {
			require.NoError(t, sendTo(t, l, b, "too long to", addrOf(a)))
			p, err := receive(t, l, a, size)
			require.NoError(t, err)
			require.Equal(t, "too long to"[:size], string(p.Data))
			require.Equal(t, size < 11, p.Truncated)
			require.Equal(t, addrOf(b), p.From)
		}
	})
}

// refuser returns an address of the loopback interface that nobody listens on.
func refuser(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer c.Close()
	return c.LocalAddr().String()
}

func TestU05Refused(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, err := l.DialPacket("udp", refuser(t))
		require.NoError(t, err)
		require.NoError(t, sendTo(t, l, c, "anybody?", toPeer))
		require.ErrorIs(t, sendTo(t, l, c, "anybody?", toPeer), syscall.ECONNREFUSED)
		require.NoError(t, sendTo(t, l, c, "anybody?", toPeer), "once each")
		_, err = receive(t, l, c, 8)
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		var op *net.OpError
		require.ErrorAs(t, err, &op)
		require.Equal(t, "read", op.Op)
	})
}

// The error ends a receive, repeating or not, that waits; to close the socket in that callback is safe.
func TestU05RefusedWhileReceiving(t *testing.T) {
	for _, name := range []string{"Recv", "RecvMultishot"} {
		t.Run(name, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				c, err := l.DialPacket("udp", refuser(t))
				require.NoError(t, err)
				var events []string
				fn := func(_ loop.Packet, err error) {
					require.ErrorIs(t, err, syscall.ECONNREFUSED)
					events = append(events, "refused")
					c.Close(func(err error) {
						require.NoError(t, err)
						events = append(events, "closed")
					})
				}
				if name == "Recv" {
					c.Recv(make([]byte, 8), fn)
				} else {
					c.RecvMultishot(fn)
				}
				require.NoError(t, l.Poll())
				c.Send([]byte("anybody?"), toPeer, nil)
				require.NoError(t, l.Run())
				require.Equal(t, []string{"refused", "closed"}, events)
			})
		})
	}
}

// Datagrams of all sizes, more than the socket's buffer holds, leave in the order of their calls, and call back in it.
func TestU06Order(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		const count = 400
		a := packets(t, l, "udp", "127.0.0.1:0")
		b := packets(t, l, "udp", "127.0.0.1:0")
		require.NoError(t, a.SetReadBuffer(4<<20))
		require.NoError(t, b.SetWriteBuffer(16<<10))
		var sent, got []int
		next := 0
		recv := a.RecvMultishot(func(p loop.Packet, err error) {
			if err != nil {
				require.ErrorIs(t, err, loop.ErrCanceled)
				return
			}
			got = append(got, int(p.Data[0])<<8|int(p.Data[1]))
		})
		for len(sent) < count {
			for ; next < count && next < len(sent)+80; next++ { // no more than the receiver has room for
				data := make([]byte, []int{2, 9000, 100, 30_000}[next%4])
				data[0], data[1] = byte(next>>8), byte(next)
				b.Send(data, addrOf(a), func(_ []byte, err error) {
					require.NoError(t, err)
					sent = append(sent, int(data[0])<<8|int(data[1]))
				})
			}
			require.NoError(t, l.RunOnce())
		}
		for range 200 { // what was not dropped is in the receiver's buffer
			require.NoError(t, l.Poll())
		}
		recv.Cancel()
		require.NoError(t, l.Run())
		require.IsIncreasing(t, sent)
		require.IsIncreasing(t, got)
		require.Greater(t, len(got), 20, "a receiver that is slow loses some")
		require.Zero(t, b.Queued())
	})
}

func TestU08Connect(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a := packets(t, l, "udp", "127.0.0.1:0")
		b := packets(t, l, "udp", "127.0.0.1:0")
		c := packets(t, l, "udp", "127.0.0.1:0")
		require.ErrorIs(t, sendTo(t, l, c, "x", toPeer), syscall.EDESTADDRREQ)
		require.NoError(t, c.Connect(addrOf(a)))
		require.Equal(t, addrOf(a).String(), c.RemoteAddr().String())
		require.NoError(t, sendTo(t, l, b, "from another", addrOf(c)))
		require.NoError(t, sendTo(t, l, c, "question", toPeer))
		p, err := receive(t, l, a, 64)
		require.NoError(t, err)
		require.NoError(t, sendTo(t, l, a, "answer", p.From))
		p, err = receive(t, l, c, 64)
		require.NoError(t, err)
		require.Equal(t, "answer", string(p.Data), "that of another is dropped")
		require.NoError(t, c.Connect(addrOf(b)), "connected anew")
		require.NoError(t, c.Disconnect())
		require.Nil(t, c.RemoteAddr())
		require.ErrorIs(t, sendTo(t, l, c, "x", toPeer), syscall.EDESTADDRREQ)
		require.ErrorIs(t, c.Connect(toPeer), syscall.EINVAL)
	})
}

// The kernel spreads senders over sockets of one port; each datagram arrives at one of them.
func TestU08ReusePort(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		shared := loop.PacketConfig{ReusePort: true}
		a, err := shared.ListenPacket(l, "udp", "127.0.0.1:0")
		require.NoError(t, err)
		b, err := shared.ListenPacket(l, "udp", addrOf(a).String())
		require.NoError(t, err)
		_, err = l.ListenPacket("udp", addrOf(a).String())
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		got := map[string]int{}
		total := 0
		const senders = 32
		for name, c := range map[string]*loop.PacketConn{"a": a, "b": b} {
			c.RecvMultishot(func(_ loop.Packet, err error) {
				if err == nil {
					got[name]++
					if total++; total == senders {
						a.Close(nil)
						b.Close(nil)
					}
				}
			})
		}
		for range senders {
			c := packets(t, l, "udp", "127.0.0.1:0")
			c.Send([]byte("x"), addrOf(a), func([]byte, error) { c.Close(nil) })
		}
		require.NoError(t, l.Run())
		require.Len(t, got, 2, "32 senders, all to one of two sockets: one chance in two thousand million")
	})
}

func TestU08Multicast(t *testing.T) {
	loopback := loopbackInterface(t)
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		group := netip.MustParseAddr("239.255.77.77")
		c, err := loop.PacketConfig{ReuseAddr: true}.ListenPacket(l, "udp4", "127.0.0.1:0")
		require.NoError(t, err)
		r, err := loop.PacketConfig{ReuseAddr: true}.ListenPacket(l, "udp4", netip.AddrPortFrom(group, 0).String())
		require.NoError(t, err)
		require.NoError(t, r.JoinGroup(loopback, group))
		require.NoError(t, c.SetMulticastInterface(loopback))
		require.NoError(t, c.SetMulticastLoopback(true))
		require.NoError(t, c.SetMulticastTTL(1))
		to := netip.AddrPortFrom(group, addrOf(r).Port())
		require.NoError(t, sendTo(t, l, c, "to all", to))
		p, err := receive(t, l, r, 64)
		require.NoError(t, err)
		require.Equal(t, "to all", string(p.Data))
		require.NoError(t, r.LeaveGroup(loopback, group))
		require.ErrorIs(t, r.LeaveGroup(loopback, group), syscall.EADDRNOTAVAIL)
		require.ErrorIs(t, r.JoinGroup(nil, netip.MustParseAddr("10.0.0.1")), syscall.EINVAL)
	})
}

func TestU08Multicast6(t *testing.T) {
	loopback := loopbackInterface(t)
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		group := netip.MustParseAddr("ff01::4d4d")
		c := packets(t, l, "udp6", "[::1]:0")
		r := packets(t, l, "udp6", "[::]:0")
		require.NoError(t, r.JoinGroup(loopback, group))
		require.NoError(t, c.SetMulticastInterface(loopback))
		require.NoError(t, c.SetMulticastLoopback(true))
		require.NoError(t, c.SetMulticastTTL(1))
		to := netip.AddrPortFrom(group.WithZone(loopback.Name), addrOf(r).Port())
		err := sendTo(t, l, c, "to all", to)
		require.Equal(t, hasRoute(t, to), err == nil, "%v", err) // not every loopback interface has a route
		if err != nil {
			require.ErrorIs(t, err, syscall.ENETUNREACH)
			require.NoError(t, sendTo(t, l, c, "to all", at("::1", r)))
		}
		p, err := receive(t, l, r, 64)
		require.NoError(t, err)
		require.Equal(t, "to all", string(p.Data))
		require.NoError(t, r.LeaveGroup(loopback, group))
	})
}

// hasRoute reports whether package net can send to an address.
func hasRoute(t *testing.T, to netip.AddrPort) bool {
	t.Helper()
	c, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.WriteToUDPAddrPort([]byte("?"), to)
	return err == nil
}

func loopbackInterface(t *testing.T) *net.Interface {
	t.Helper()
	all, err := net.Interfaces()
	require.NoError(t, err)
	for _, ifi := range all {
		if ifi.Flags&net.FlagLoopback != 0 && ifi.Flags&net.FlagUp != 0 {
			return &ifi
		}
	}
	t.Fatal("no loopback interface")
	return nil
}

func TestX01UnixDatagrams(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		path, abstract := filepath.Join(dir, "socket"), fmt.Sprintf("@proactor-%d", os.Getpid())
		names := []string{path, abstract, ""}
		conns := make([]*loop.PacketConn, len(names))
		for i, name := range names {
			conns[i] = packets(t, l, "unixgram", name)
			got := conns[i].LocalAddr().(*net.UnixAddr)
			require.Equal(t, "unixgram", got.Net)
			if name != "" {
				require.Equal(t, name, got.Name)
			} else {
				require.Regexp(t, "^@[0-9a-f]{5}$", got.Name)
				names[i] = got.Name
			}
		}
		for i, from := range conns {
			for j, to := range conns {
				text := fmt.Sprintf("%d to %d", i, j)
				from.SendName([]byte(text), names[j], nil)
				p, err := receive(t, l, to, 64)
				require.NoError(t, err)
				require.Equal(t, text, string(p.Data))
				require.Equal(t, names[i], p.Name)
				require.False(t, p.From.IsValid())
			}
		}
		connected, err := l.DialPacket("unixgram", path)
		require.NoError(t, err)
		require.NoError(t, sendTo(t, l, connected, "", toPeer))
		p, err := receive(t, l, conns[0], 64)
		require.NoError(t, err)
		require.Empty(t, p.Data)
		require.Empty(t, p.Name, "its sender is not bound")
	})
}

func TestX01BadNames(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		file, missing := filepath.Join(dir, "file"), filepath.Join(dir, "missing")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		long := filepath.Join(dir, strings.Repeat("x", 200))
		for name, want := range map[string]error{
			missing: syscall.ENOENT, file: syscall.ECONNREFUSED, long: syscall.ENAMETOOLONG, "@" + long: syscall.ENAMETOOLONG,
		} {
			_, err := l.DialPacket("unixgram", name)
			require.ErrorIs(t, err, want, name)
			var op *net.OpError
			require.ErrorAs(t, err, &op)
			require.Equal(t, name, op.Addr.String())
		}
		_, err := l.ListenPacket("unixgram", file+"\x00x")
		require.ErrorIs(t, err, syscall.EINVAL)
		_, err = l.ListenPacket("unixgram", long)
		require.ErrorIs(t, err, syscall.ENAMETOOLONG)
		_, err = l.ListenPacket("unixgram", file)
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		c := packets(t, l, "unixgram", "")
		var errs []error
		for _, name := range []string{missing, file, long} {
			c.SendName([]byte("x"), name, func(_ []byte, err error) { errs = append(errs, err) })
		}
		require.NoError(t, l.Run())
		require.Len(t, errs, 3)
		for _, want := range []error{syscall.ENOENT, syscall.ECONNREFUSED, syscall.ENAMETOOLONG} {
			require.Condition(t, func() bool {
				for _, err := range errs {
					if errors.Is(err, want) {
						return true
					}
				}
				return false
			}, "%v in %v", want, errs)
		}
		require.Zero(t, c.Queued())
	})
}

// A peer that does not read holds up the sends to it, in order, without loss, until it reads, or until they are canceled.
func TestUnixPeerIsFull(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		const count = 600 // more than net.unix.max_dgram_qlen
		slow := packets(t, l, "unixgram", "")
		c := packets(t, l, "unixgram", "")
		name := slow.LocalAddr().(*net.UnixAddr).Name
		var sent []byte
		for i := range count {
			c.SendName([]byte{byte(i)}, name, func(b []byte, err error) {
				require.NoError(t, err)
				sent = append(sent, b...)
			})
		}
		require.NoError(t, l.Poll())
		require.Positive(t, c.Queued())
		var got []byte
		slow.RecvMultishot(func(p loop.Packet, err error) {
			if err != nil {
				require.ErrorIs(t, err, loop.ErrClosed)
				return
			}
			if got = append(got, p.Data...); len(got) == count {
				slow.Close(nil)
			}
		})
		require.NoError(t, l.Run())
		want := make([]byte, count)
		for i := range want {
			want[i] = byte(i)
		}
		require.Equal(t, want, sent)
		require.Equal(t, want, got)
	})
}

func TestUnixSendsAreCanceled(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		slow := packets(t, l, "unixgram", "")
		name := slow.LocalAddr().(*net.UnixAddr).Name
		c := packets(t, l, "unixgram", "")
		const count = 2000
		ops := make([]loop.Op, 0, count)
		var ended, canceled, timedOut, closed int
		for range count {
			ops = append(ops, c.SendName([]byte("x"), name, func(b []byte, err error) {
				ended++
				switch {
				case errors.Is(err, loop.ErrCanceled):
					canceled++
				case errors.Is(err, os.ErrDeadlineExceeded):
					timedOut++
				case errors.Is(err, loop.ErrClosed):
					closed++
				default:
					require.NoError(t, err)
				}
				require.True(t, (len(b) == 0) == (err != nil))
			}))
		}
		for before := -1; before < ended; { // until the peer is full
			before = ended
			require.NoError(t, l.Poll())
			require.NoError(t, l.Poll())
		}
		require.Less(t, ended, count-3)
		ops[ended].Cancel() // the one that waits
		ops[count-1].Cancel()
		ops[ended+1].Timeout(time.Millisecond)
		for canceled < 2 || timedOut < 1 {
			require.NoError(t, l.RunOnce())
		}
		c.Close(func(err error) {
			require.NoError(t, err)
			require.Equal(t, count, ended, "the close callback is the last")
		})
		require.NoError(t, l.Run())
		require.Equal(t, 2, canceled)
		require.Equal(t, 1, timedOut)
		require.Positive(t, closed)
		require.Zero(t, c.Queued())
	})
}

func TestPacketRecvEnds(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, multishot := range []bool{false, true} {
			c := packets(t, l, "udp", "127.0.0.1:0")
			start := func(fn loop.PacketFunc) loop.Op {
				if multishot {
					return c.RecvMultishot(fn)
				}
				return c.Recv(make([]byte, 8), fn)
			}
			calls := 0
			ends := func(want error) loop.PacketFunc {
				return func(p loop.Packet, err error) {
					calls++
					require.ErrorIs(t, err, want)
					require.Empty(t, p.Data)
				}
			}
			op := start(ends(loop.ErrCanceled))
			require.NoError(t, l.Poll())
			start(ends(loop.ErrBusy))
			c.Recv(nil, ends(loop.ErrBusy))
			op.Cancel()
			require.Zero(t, calls, "synchronous")
			require.NoError(t, l.Run())
			require.Equal(t, 3, calls)
			start(ends(os.ErrDeadlineExceeded)).Timeout(time.Millisecond)
			require.NoError(t, l.Run())
			start(ends(loop.ErrClosed))
			require.NoError(t, l.Poll())
			c.Close(func(err error) {
				require.NoError(t, err)
				require.Equal(t, 8, calls, "the close callback is the last")
			})
			start(ends(loop.ErrClosed))
			c.Recv(make([]byte, 8), ends(loop.ErrClosed))
			c.Send([]byte("x"), toPeer, func(b []byte, err error) {
				calls++
				require.ErrorIs(t, err, loop.ErrClosed)
				require.Empty(t, b)
			})
			require.NoError(t, l.Run())
			require.Equal(t, 8, calls)
			require.ErrorIs(t, c.SetTTL(3), loop.ErrClosed)
			require.Nil(t, c.LocalAddr())
			c.Close(func(err error) { require.ErrorIs(t, err, loop.ErrClosed) })
			require.NoError(t, l.Run())
		}
	})
}

// Loop.Close ends what is in flight and what waits, once each, and gives every buffer back.
func TestPacketLoopClose(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ended := map[string]int{}
		ends := func(name string) loop.PacketFunc {
			return func(_ loop.Packet, err error) {
				require.ErrorIs(t, err, loop.ErrClosed)
				ended[name]++
			}
		}
		packets(t, l, "udp", "127.0.0.1:0").Recv(make([]byte, 8), ends("Recv"))
		packets(t, l, "udp", "127.0.0.1:0").RecvMultishot(ends("RecvMultishot"))
		slow := packets(t, l, "unixgram", "")
		c := packets(t, l, "unixgram", "")
		const count = 2000
		for range count {
			c.SendName([]byte("x"), slow.LocalAddr().(*net.UnixAddr).Name, func([]byte, error) { ended["SendName"]++ })
		}
		require.NoError(t, l.Poll())
		require.NoError(t, l.Close())
		require.Equal(t, map[string]int{"Recv": 1, "RecvMultishot": 1, "SendName": count}, ended)
		_, err := l.ListenPacket("udp", "127.0.0.1:0")
		require.ErrorIs(t, err, loop.ErrClosed)
	})
}

// An idle socket keeps nothing alive; a receive does, unless it is unreferenced.
func TestPacketReferences(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c := packets(t, l, "udp", "127.0.0.1:0")
		require.False(t, l.Alive())
		op := c.RecvMultishot(func(_ loop.Packet, err error) { require.ErrorIs(t, err, loop.ErrClosed) })
		require.True(t, l.Alive())
		op.Unref()
		require.NoError(t, l.Run())
		require.True(t, op.Active())
	})
}

// Empty datagrams are no end, long ones are cut, and each comes with its sender.
func TestPacketMultishot(t *testing.T) {
	const size = 512
	forEachQueueWith(t, loop.Options{Buffers: 4, BufferSize: size}, func(t *testing.T, l *loop.Loop) {
		a := packets(t, l, "udp", "127.0.0.1:0")
		b, c := packets(t, l, "udp", "127.0.0.1:0"), packets(t, l, "udp", "127.0.0.1:0")
		type seen struct {
			length    int
			from      netip.AddrPort
			truncated bool
		}
		var want, got []seen
		const fits = size - 48
		for _, n := range []int{1, 0, fits, fits + 1, 0, 2000, 7} {
			for _, from := range []*loop.PacketConn{b, c} {
				want = append(want, seen{min(n, fits), addrOf(from), n > fits})
			}
		}
		at := 0
		sendNext := func() {
			from := b
			if at%2 == 1 {
				from = c
			}
			data := make([]byte, []int{1, 0, fits, fits + 1, 0, 2000, 7}[at/2])
			for i := range data {
				data[i] = byte(i)
			}
			at++
			from.Send(data, addrOf(a), nil)
		}
		a.RecvMultishot(func(p loop.Packet, err error) {
			if err != nil {
				require.ErrorIs(t, err, loop.ErrClosed)
				return
			}
			for i, v := range p.Data {
				require.Equal(t, byte(i), v)
			}
			require.Equal(t, p.Data, p.Buffer.Bytes())
			got = append(got, seen{len(p.Data), p.From, p.Truncated})
			if at < len(want) {
				sendNext()
			} else {
				a.Close(nil)
			}
		})
		sendNext()
		require.NoError(t, l.Run())
		require.Equal(t, want, got)
	})
}

// Without buffers the receive pauses; the kernel keeps what arrives, and nothing spins.
func TestPacketMultishotParks(t *testing.T) {
	forEachQueueWith(t, loop.Options{Buffers: 2, BufferSize: 256}, func(t *testing.T, l *loop.Loop) {
		a, b := packets(t, l, "udp", "127.0.0.1:0"), packets(t, l, "udp", "127.0.0.1:0")
		var kept []loop.Buffer
		var got string
		a.RecvMultishot(func(p loop.Packet, err error) {
			if err != nil {
				require.ErrorIs(t, err, loop.ErrClosed)
				return
			}
			got += string(p.Data)
			if len(got) == 6 {
				a.Close(nil)
				return
			}
			p.Buffer.Keep()
			kept = append(kept, p.Buffer)
		})
		for _, text := range []string{"1", "2", "3", "4", "5", "6"} {
			b.Send([]byte(text), addrOf(a), nil)
		}
		for len(got) < 2 || l.Parked() == 0 {
			require.NoError(t, l.RunOnce())
		}
		for len(got) < 6 {
			for _, k := range kept {
				k.Release()
			}
			kept = kept[:0]
			require.NoError(t, l.RunOnce())
		}
		require.NoError(t, l.Run())
		require.Equal(t, "123456", got)
		for _, k := range kept {
			k.Release()
		}
	})
}

func TestPacketBuffersAreTooSmall(t *testing.T) {
	forEachQueueWith(t, loop.Options{Buffers: 2, BufferSize: 32}, func(t *testing.T, l *loop.Loop) {
		c := packets(t, l, "udp", "127.0.0.1:0")
		calls := 0
		c.RecvMultishot(func(_ loop.Packet, err error) {
			calls++
			require.ErrorContains(t, err, "Options.BufferSize is 32")
		})
		require.NoError(t, l.Run())
		require.Equal(t, 1, calls)
	})
}

// An echo without a copy: the buffer goes back to the loop when it has left, whatever becomes of the send.
func TestPacketSendBuffer(t *testing.T) {
	forEachQueueWith(t, loop.Options{Buffers: 4}, func(t *testing.T, l *loop.Loop) {
		a, b := packets(t, l, "udp", "127.0.0.1:0"), packets(t, l, "udp", "127.0.0.1:0")
		const rounds = 20
		echoed := 0
		a.RecvMultishot(func(p loop.Packet, err error) {
			if err != nil {
				return
			}
			a.SendBuffer(p.Buffer, p.From, func(err error) {
				require.NoError(t, err)
				if echoed++; echoed == rounds {
					a.Close(nil)
				}
			})
			require.Panics(t, func() { p.Buffer.Bytes() }, "it was given away")
		})
		for i := range rounds {
			text := fmt.Sprint("datagram ", i)
			require.NoError(t, sendTo(t, l, b, text, addrOf(a)))
			p, err := receive(t, l, b, 64)
			require.NoError(t, err)
			require.Equal(t, text, string(p.Data))
		}
		require.NoError(t, l.Run())
		a, calls := packets(t, l, "udp", "127.0.0.1:0"), 0
		a.RecvMultishot(func(p loop.Packet, err error) {
			if err != nil {
				return
			}
			a.Close(nil)
			a.SendBuffer(p.Buffer, p.From, func(err error) {
				calls++
				require.ErrorIs(t, err, loop.ErrClosed)
			})
		})
		require.NoError(t, sendTo(t, l, b, "x", addrOf(a)))
		require.NoError(t, l.Run())
		require.Equal(t, 1, calls)
	})
}

// A buffer belongs to the loop that received into it.
func TestSendBufferOfAnotherLoop(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		other, err := loop.New(loop.Options{})
		require.NoError(t, err)
		defer other.Close()
		a, b := packets(t, l, "udp", "127.0.0.1:0"), packets(t, other, "udp", "127.0.0.1:0")
		a.RecvMultishot(func(p loop.Packet, err error) {
			if err != nil {
				return
			}
			require.PanicsWithValue(t, "loop: SendBuffer: the buffer is another loop's", func() { b.SendBuffer(p.Buffer, addrOf(a), nil) })
			a.Close(nil)
		})
		require.NoError(t, sendTo(t, l, a, "x", addrOf(a)))
		require.NoError(t, l.Run())
	})
}

// What a send in segments delivers does not depend on who cuts it.
func TestPacketSegments(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a, b := packets(t, l, "udp", "127.0.0.1:0"), packets(t, l, "udp", "127.0.0.1:0")
		require.NoError(t, a.SetReadBuffer(4<<20))
		for _, c := range []struct{ total, size int }{{1000, 300}, {300, 300}, {0, 10}, {64 * 100, 100}, {70 * 100, 100}, {150_000, 1200}} {
			data := patternOf(1, max(c.total, 1))[:c.total]
			calls := 0
			b.SendSegments(data, c.size, addrOf(a), func(sent []byte, err error) {
				calls++
				require.NoError(t, err)
				require.Equal(t, data, sent)
			})
			b.Send([]byte("end"), addrOf(a), nil)
			var got []byte
			for rest := max(c.total, 1); rest > 0; rest -= c.size {
				p, err := receive(t, l, a, 2000)
				require.NoError(t, err)
				require.Len(t, p.Data, min(rest, c.size, c.total))
				got = append(got, p.Data...)
			}
			require.Equal(t, string(data), string(got))
			p, err := receive(t, l, a, 2000)
			require.NoError(t, err)
			require.Equal(t, "end", string(p.Data), "order")
			require.NoError(t, l.Run())
			require.Equal(t, 1, calls)
		}
		calls := 0
		b.SendSegments([]byte("x"), 0, addrOf(a), func(_ []byte, err error) {
			calls++
			require.ErrorContains(t, err, "SendSegments: a segment of 0 bytes")
		})
		b.SendSegments(make([]byte, 140_000), 65507, addrOf(a), func(sent []byte, err error) {
			calls++
			require.NoError(t, err)
			require.Len(t, sent, 140_000)
		})
		require.NoError(t, l.Run())
		require.Equal(t, 2, calls)
		require.Zero(t, b.Queued())
	})
}

func TestAdoptPacketConn(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		theirs, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(t, err)
		c, err := l.AdoptPacketConn(theirs)
		require.NoError(t, err)
		require.Equal(t, theirs.LocalAddr().String(), c.LocalAddr().String())
		require.NoError(t, theirs.Close())
		require.NoError(t, sendTo(t, l, c, "to itself", addrOf(c)))
		p, err := receive(t, l, c, 64)
		require.NoError(t, err)
		require.Equal(t, "to itself", string(p.Data))
		stream, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer stream.Close()
		_, err = l.AdoptPacketConn(stream.(*net.TCPListener))
		require.ErrorIs(t, err, syscall.EPROTOTYPE)
	})
}

func TestPacketOptions(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		called := ""
		c, err := loop.PacketConfig{Broadcast: true, Control: func(network, address string, rc syscall.RawConn) error {
			called = network + " " + address
			return rc.Control(func(fd uintptr) { require.Positive(t, fd) })
		}}.ListenPacket(l, "udp", "127.0.0.1:0")
		require.NoError(t, err)
		require.Equal(t, "udp 127.0.0.1:0", called)
		require.NoError(t, c.SetReadBuffer(1<<16))
		require.NoError(t, c.SetWriteBuffer(1<<16))
		require.NoError(t, c.SetTTL(7))
		require.NoError(t, c.SetBroadcast(false))
		broadcast := netip.MustParseAddrPort("255.255.255.255:9")
		require.ErrorIs(t, sendTo(t, l, c, "x", broadcast), syscall.EACCES)
		rc, err := c.SyscallConn()
		require.NoError(t, err)
		require.ErrorIs(t, rc.Read(nil), loop.ErrUnsupported)
		_, err = loop.PacketConfig{Control: func(string, string, syscall.RawConn) error { return os.ErrPermission }}.
			ListenPacket(l, "udp", "127.0.0.1:0")
		require.ErrorIs(t, err, os.ErrPermission)
	})
}

func TestPacketRefusals(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, c := range []struct{ network, address, reason string }{
			{"tcp", "127.0.0.1:0", "unknown network"},
			{"udp", "localhost:0", "not an IP address"},
			{"udp4", "[::1]:0", "not an address of network udp4"},
			{"udp6", "127.0.0.1:0", "not an address of network udp6"},
			{"udp", "127.0.0.1", "missing port"},
			{"udp", "127.0.0.1:70000", "invalid port"},
			{"udp", "192.0.2.1:0", "cannot assign requested address"},
		} {
			_, err := l.ListenPacket(c.network, c.address)
			require.ErrorContains(t, err, c.reason)
			var op *net.OpError
			require.ErrorAs(t, err, &op)
			require.Equal(t, "listen", op.Op)
		}
		_, err := l.DialPacket("udp", ":9")
		require.ErrorContains(t, err, "missing host")
		c := packets(t, l, "udp4", "127.0.0.1:0")
		require.ErrorIs(t, sendTo(t, l, c, "x", netip.MustParseAddrPort("[::1]:9")), syscall.EAFNOSUPPORT)
		require.PanicsWithValue(t, "loop: Recv: nil callback", func() { c.Recv(nil, nil) })
		require.PanicsWithValue(t, "loop: RecvMultishot: nil callback", func() { c.RecvMultishot(nil) })
	})
}
