package loop_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// benchPacket listens on the loopback interface for a benchmark.
func benchPacket(b *testing.B, l *loop.Loop) *loop.PacketConn {
	b.Helper()
	c, err := l.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(b, err)
	return c
}

// BenchmarkPacketEcho has so many datagrams under way between two sockets of one loop; an operation is one there and back.
func BenchmarkPacketEcho(b *testing.B) {
	for _, under := range []int{1, 64} {
		b.Run(fmt.Sprintf("underway=%d", under), func(b *testing.B) {
			forEachBackend(b, func(b *testing.B, l *loop.Loop) {
				server, client := benchPacket(b, l), benchPacket(b, l)
				to, message := addrOf(server), make([]byte, 64)
				more := untilEnd(b, l)
				server.RecvMultishot(func(p loop.Packet, err error) {
					if requireOpen(b, err) {
						server.SendBuffer(p.Buffer, p.From, nil)
					}
				})
				client.RecvMultishot(func(_ loop.Packet, err error) {
					if requireOpen(b, err) && more() {
						client.Send(message, to, nil)
					}
				})
				for range under {
					client.Send(message, to, nil)
				}
				require.NoError(b, l.Run())
			})
		})
	}
}

// BenchmarkPacketSend sends 64 datagrams of 1200 bytes in an operation, one by one and as segments, to a socket that drops most of them. It is the
// cost of a sender; package net does the same for comparison.
func BenchmarkPacketSend(b *testing.B) {
	const count, size = 64, 1200
	data := make([]byte, count*size)
	b.Run("of=net", func(b *testing.B) {
		b.SetBytes(count * size)
		sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(b, err)
		defer sink.Close()
		c, err := net.DialUDP("udp4", nil, sink.LocalAddr().(*net.UDPAddr))
		require.NoError(b, err)
		defer c.Close()
		for b.Loop() {
			for i := range count {
				if _, err := c.Write(data[i*size : (i+1)*size]); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	for _, way := range []string{"send", "segments"} {
		b.Run("of="+way, func(b *testing.B) {
			forEachBackend(b, func(b *testing.B, l *loop.Loop) {
				b.SetBytes(count * size)
				sink := benchPacket(b, l)
				c, err := l.DialPacket("udp4", sink.LocalAddr().String())
				require.NoError(b, err)
				more := untilEnd(b, l)
				left := 0
				var sent loop.IOFunc
				start := func() {
					if way == "segments" {
						left = 1
						c.SendSegments(data[:count*size], size, netip.AddrPort{}, sent)
						return
					}
					left = count
					for i := range count {
						c.Send(data[i*size:(i+1)*size], netip.AddrPort{}, sent)
					}
				}
				sent = func(_ []byte, err error) {
					if left--; requireOpen(b, err) && left == 0 && more() {
						start()
					}
				}
				start()
				require.NoError(b, l.Run())
			})
		})
	}
}
