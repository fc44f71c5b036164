package loop_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/internal/dns"
	"github.com/proactor-go/proactor/loop"
)

// systemAsks has the system's resolver ask that server until the test ends. What it still asks then, unheard since its look-up was
// canceled, ends with the connections.
func systemAsks(t *testing.T, server netip.AddrPort) {
	before := net.DefaultResolver
	ctx, end := context.WithCancel(context.Background())
	dialer := net.Dialer{Resolver: before}
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(_ context.Context, network, _ string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, server.String())
		if err == nil {
			context.AfterFunc(ctx, func() { c.Close() })
		}
		return c, err
	}}
	t.Cleanup(func() {
		end()
		net.DefaultResolver = before
	})
}

func TestW07LookupHost(t *testing.T) {
	forEachQueueWith(t, loop.Options{NameWorkers: 3}, func(t *testing.T, l *loop.Loop) {
		s := serveNames(t, func(q dns.Message, _ bool) [][]byte {
			var n int
			if _, err := fmt.Sscanf(q.Question.Name, "h%d.test.", &n); err != nil {
				return [][]byte{code(q, dns.NameError)}
			}
			if q.Question.Type != dns.A {
				return [][]byte{with(q)}
			}
			return [][]byte{with(q, ip4(fmt.Sprintf("192.0.2.%d", n)))}
		})
		systemAsks(t, s.addr)
		calls := 0
		for i := range 10 {
			l.LookupHost(fmt.Sprintf("h%d.test.", i), func(addrs []netip.Addr, err error) {
				calls++
				require.NoError(t, err)
				require.Equal(t, addrsOf(fmt.Sprintf("192.0.2.%d", i)), addrs, "not even an IPv4-mapped address is")
			})
		}
		l.LookupHost("none.test.", func(addrs []netip.Addr, err error) {
			calls++
			require.Nil(t, addrs)
			requireDNSError(t, err, notFound)
			require.ErrorContains(t, err, "none.test")
		})
		require.Zero(t, calls, "synchronous")
		require.NoError(t, l.Run())
		require.Equal(t, 11, calls)
		require.PanicsWithValue(t, "loop: LookupHost: nil callback", func() { l.LookupHost("h1.test", nil) })
	})
}

// An address needs no worker, and is still not answered at once.
func TestLookupOfAnAddress(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		systemAsks(t, netip.MustParseAddrPort("127.0.0.1:1"))
		for text, want := range map[string]string{"192.0.2.1": "192.0.2.1", "::1": "::1", "fe80::1%7": "fe80::1%7", "::ffff:192.0.2.1": "192.0.2.1"} {
			addrs, err := askHost(t, l, l, text)
			require.NoError(t, err)
			require.Equal(t, addrsOf(want), addrs)
		}
		calls := 0
		l.LookupHost("192.0.2.1", func(addrs []netip.Addr, err error) {
			calls++
			require.NoError(t, err, "it was answered before")
		}).Cancel()
		l.LookupHost("192.0.2.1", func([]netip.Addr, error) { calls++ })
		require.NoError(t, l.Close())
		require.Equal(t, 2, calls)
	})
}

// Look-ups that hang hold up neither files nor the program's work; whether they wait or run, they can be canceled.
func TestW05SlowLookups(t *testing.T) {
	forEachQueueWith(t, loop.Options{NameWorkers: 2}, func(t *testing.T, l *loop.Loop) {
		s := silent(t)
		systemAsks(t, s.addr)
		var ended []error
		ops := make([]loop.Op, 8)
		for i := range ops {
			ops[i] = l.LookupHost(fmt.Sprintf("h%d.test.", i), func(addrs []netip.Addr, err error) {
				require.Nil(t, addrs)
				ended = append(ended, err)
			})
		}
		require.Equal(t, "LookupHost", l.ActiveResources()[0].Kind)
		for len(s.queries()) < 4 { // A and AAAA of those two that run
			require.NoError(t, l.Poll())
		}
		found, worked := false, false
		l.Stat(".", func(_ os.FileInfo, err error) {
			require.NoError(t, err)
			found = true
		})
		l.Work(func() error { return nil }, func(error) { worked = true })
		for !found || !worked {
			require.NoError(t, l.RunOnce())
		}
		require.Empty(t, ended)
		for _, o := range ops[4:] { // those wait
			o.Cancel()
		}
		for len(ended) < 4 {
			require.NoError(t, l.Poll())
		}
		ops[0].Cancel()
		for _, o := range ops[1:4] {
			o.Timeout(1)
		}
		require.NoError(t, l.Run())
		require.Len(t, ended, 8)
		for i, err := range ended {
			if i < 4 || err != os.ErrDeadlineExceeded {
				require.Equal(t, loop.ErrCanceled, err)
			} else {
				ended[i] = nil
			}
		}
		require.ElementsMatch(t, []error{nil, nil, nil, loop.ErrCanceled}, ended[4:])
	})
}

func TestLookupsEndWithTheirLoop(t *testing.T) {
	forEachQueueWith(t, loop.Options{NameWorkers: 1}, func(t *testing.T, l *loop.Loop) {
		s := silent(t)
		systemAsks(t, s.addr)
		calls := 0
		for range 3 {
			l.LookupHost("host.test.", func(addrs []netip.Addr, err error) {
				calls++
				require.Equal(t, loop.ErrClosed, err)
			})
		}
		l.Dial("tcp", "host.test.:80", func(c *loop.Conn, err error) {
			calls++
			require.Nil(t, c)
			require.Equal(t, loop.ErrClosed, err)
		})
		for len(s.queries()) < 2 {
			require.NoError(t, l.Poll())
		}
		require.NoError(t, l.Close())
		require.Equal(t, 4, calls)
	})
}

// The default is the system's resolver, which knows localhost from a file.
func TestDialLocalhost(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ln := listenOn(t, l, "127.0.0.1:0")
		calls := 0
		l.Dial("tcp4", "localhost:"+portOf(ln.Addr().String()), func(c *loop.Conn, err error) {
			calls++
			require.NoError(t, err)
			require.Equal(t, ln.Addr().String(), c.RemoteAddr().String())
			c.Close(nil)
		})
		require.NoError(t, l.Run())
		require.Equal(t, 1, calls)
	})
}
