package loop_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/internal/dns"
	"github.com/proactor-go/proactor/loop"
)

// freePort listens on one port with UDP and TCP.
func freePort(t *testing.T) (*net.UDPConn, net.Listener) {
	t.Helper()
	for range 100 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return udp.(*net.UDPConn), tcp
		}
		tcp.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// nameServer is a name server that misbehaves as a test wants it to.
type nameServer struct {
	addr netip.AddrPort

	mu    sync.Mutex
	asked []dns.Message
	from  []string
}

// queries returns what the server was asked so far.
func (s *nameServer) queries() []dns.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]dns.Message(nil), s.asked...)
}

// serveNames runs a server until the test ends. handle returns what is sent back, one message or datagram after another; tcp tells how it was asked. A nil
// message ends a connection.
func serveNames(t *testing.T, handle func(q dns.Message, tcp bool) [][]byte) *nameServer {
	t.Helper()
	udp, tcp := freePort(t)
	s := &nameServer{addr: udp.LocalAddr().(*net.UDPAddr).AddrPort()}
	var running sync.WaitGroup
	start := func(serve func()) {
		running.Add(1)
		go func() {
			defer running.Done()
			serve()
		}()
	}
	take := func(b []byte, from net.Addr, overTCP bool) [][]byte {
		q, err := dns.Parse(b)
		if err != nil {
			t.Errorf("malformed query %x: %v", b, err)
			return nil
		}
		s.mu.Lock()
		s.asked = append(s.asked, q)
		s.from = append(s.from, from.String())
		s.mu.Unlock()
		return handle(q, overTCP)
	}
	start(func() {
		b := make([]byte, 4096)
		for {
			n, from, err := udp.ReadFrom(b)
			if err != nil {
				return
			}
			for _, reply := range take(b[:n], from, false) {
				_, _ = udp.WriteTo(reply, from)
			}
		}
	})
	ctx, stop := context.WithCancel(context.Background())
	start(func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { c.Close() })
			start(func() {
				defer c.Close()
				for {
					size := make([]byte, 2)
					if _, err := io.ReadFull(c, size); err != nil {
						return
					}
					b := make([]byte, binary.BigEndian.Uint16(size))
					if _, err := io.ReadFull(c, b); err != nil {
						return
					}
					for _, reply := range take(b, c.RemoteAddr(), true) {
						if reply == nil {
							return
						}
						_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		stop()
		udp.Close()
		tcp.Close()
		running.Wait()
	})
	return s
}

// reply writes the response to q that change makes of an empty one.
func reply(q dns.Message, change func(m *dns.Message)) []byte {
	m := dns.Message{ID: q.ID, Response: true, RecursionDesired: true, RecursionAvailable: true, Asked: true, Question: q.Question}
	change(&m)
	b, err := m.Append(nil)
	if err != nil {
		panic(err)
	}
	return b
}

// with answers q with records. One without a name has that of the question.
func with(q dns.Message, records ...dns.Record) []byte {
	return reply(q, func(m *dns.Message) {
		for _, r := range records {
			if r.Name == "" {
				r.Name = q.Question.Name
			}
			m.Answers = append(m.Answers, r)
		}
	})
}

func code(q dns.Message, code dns.RCode) []byte {
	return reply(q, func(m *dns.Message) { m.RCode = code })
}

func ip4(s string) dns.Record { return dns.Record{Type: dns.A, Addr: netip.MustParseAddr(s)} }

// silent is a server that never answers.
func silent(t *testing.T) *nameServer {
	return serveNames(t, func(dns.Message, bool) [][]byte { return nil })
}

func addrsOf(list ...string) (addrs []netip.Addr) {
	for _, s := range list {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	return addrs
}

// ask runs one look-up to its end, which must come once and not at once.
func ask[T any](t *testing.T, l *loop.Loop, start func(fn func(T, error)) loop.Op) (v T, err error) {
	t.Helper()
	calls := 0
	start(func(result T, e error) {
		calls++
		v, err = result, e
	})
	require.Zero(t, calls, "synchronous")
	require.NoError(t, l.Run())
	require.Equal(t, 1, calls)
	return v, err
}

func askHost(t *testing.T, l *loop.Loop, r loop.HostResolver, host string) ([]netip.Addr, error) {
	t.Helper()
	return ask(t, l, func(fn func([]netip.Addr, error)) loop.Op { return r.LookupHost(host, fn) })
}

func requireDNSError(t *testing.T, err error, check func(e *net.DNSError) bool) {
	t.Helper()
	var e *net.DNSError
	require.ErrorAs(t, err, &e)
	require.True(t, check(e), "%+v", e)
}

func notFound(e *net.DNSError) bool { return e.IsNotFound && !e.IsTimeout && !e.IsTemporary }
