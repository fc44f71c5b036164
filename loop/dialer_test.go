package loop_test

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/loop"
)

// names is a resolver with answers of its own. It leaves a name that it does not know without an answer, until it is canceled.
type names struct {
	l        *loop.Loop
	hosts    map[string][]string
	err      error
	asked    int
	canceled int
}

func (n *names) LookupHost(host string, fn loop.LookupFunc) loop.Op {
	n.asked++
	var addrs []netip.Addr
	var p *loop.Pending
	p = n.l.NewOp(func() {
		n.canceled++
		p.Finish(loop.ErrCanceled)
	}, func(err error) {
		if err != nil {
			addrs = nil
		}
		fn(addrs, err)
	})
	for _, a := range n.hosts[host] {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	if addrs != nil || n.err != nil {
		p.Finish(n.err)
	}
	return p.Op()
}

// host makes a resolver that knows one name, "host".
func host(l *loop.Loop, addrs ...string) *names {
	return &names{l: l, hosts: map[string][]string{"host": addrs}}
}

// recorder makes a Control that records the addresses of the attempts.
func recorder(list *[]string) func(string, string, syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		h, _, err := net.SplitHostPort(address)
		*list = append(*list, h)
		return err
	}
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// holeAndListener returns a port that drops SYNs at 127.0.0.1 and is listened on at 127.0.0.2.
func holeAndListener(t *testing.T, l *loop.Loop) (port string, ln *loop.Listener) {
	t.Helper()
	port = portOf(blackHole(t, l))
	return port, listenOn(t, l, "127.0.0.2:"+port)
}

func TestW08SecondAddressAfterTheDelay(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		port, _ := holeAndListener(t, l)
		before := len(openFiles())
		for _, delay := range []time.Duration{30 * time.Millisecond, 0} {
			least := delay
			if delay == 0 {
				least = 250 * time.Millisecond
			}
			var tried []string
			calls, start := 0, time.Now()
			d := loop.Dialer{FallbackDelay: delay, Resolver: host(l, "127.0.0.1", "127.0.0.2"), Control: recorder(&tried)}
			d.Dial(l, "tcp", "host:"+port, func(c *loop.Conn, err error) {
				calls++
				require.NoError(t, err)
				require.GreaterOrEqual(t, time.Since(start), least)
				require.Equal(t, "127.0.0.2:"+port, c.RemoteAddr().String())
				c.Close(nil)
			})
			require.Zero(t, calls, "synchronous")
			require.NoError(t, l.Run())
			require.Equal(t, 1, calls)
			require.Equal(t, []string{"127.0.0.1", "127.0.0.2"}, tried)
			require.Len(t, openFiles(), before, "the loser's descriptor is still open")
		}
	})
}

func TestW08NextAddressAtOnceAfterAFailure(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ln := listenOn(t, l, "127.0.0.3:0")
		for _, delay := range []time.Duration{time.Hour, -1} {
			var tried []string
			calls := 0
			d := loop.Dialer{FallbackDelay: delay, Control: recorder(&tried), Resolver: host(l, "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")}
			d.Dial(l, "tcp", "host:"+portOf(ln.Addr().String()), func(c *loop.Conn, err error) {
				calls++
				require.NoError(t, err)
				require.Equal(t, ln.Addr().String(), c.RemoteAddr().String())
				c.Close(nil)
			})
			require.NoError(t, l.Run())
			require.Equal(t, 1, calls)
			require.Equal(t, []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}, tried, "with delay %v", delay)
		}
	})
}

// The third address is tried while the first two hang; then all attempts end with the timeout.
func TestW08EachAddressHasItsDelay(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		port := portOf(blackHole(t, l))
		for _, delay := range []time.Duration{time.Millisecond, -1} {
			var tried []string
			calls := 0
			d := loop.Dialer{FallbackDelay: delay, Timeout: 100 * time.Millisecond, Control: recorder(&tried),
				Resolver: host(l, "127.0.0.1", "127.0.0.1", "127.0.0.1")}
			d.Dial(l, "tcp", "host:"+port, func(c *loop.Conn, err error) {
				calls++
				require.Nil(t, c)
				require.Equal(t, os.ErrDeadlineExceeded, err)
			})
			require.NoError(t, l.Run())
			require.Equal(t, 1, calls)
			if delay < 0 {
				require.Len(t, tried, 1)
			} else {
				require.Len(t, tried, 3)
			}
		}
	})
}

func TestW08FamiliesInTurn(t *testing.T) {
	testenv.IPv6(t)
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ln := listenOn(t, l, "[::1]:0")
		port := portOf(ln.Addr().String())
		ln.Close(nil)
		all := []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "::1", "::ffff:127.0.0.4", "::1"}
		for _, c := range []struct {
			network string
			local   string
			want    []string
		}{
			{"tcp", "", []string{"127.0.0.1", "::1", "127.0.0.2", "::1", "127.0.0.3", "127.0.0.4"}},
			{"tcp4", "", []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"}},
			{"tcp6", "", []string{"::1", "::1"}},
			{"tcp", "[::1]:0", []string{"::1", "::1"}},
		} {
			var tried []string
			calls := 0
			d := loop.Dialer{Resolver: host(l, all...), Control: recorder(&tried)}
			if c.local != "" {
				d.LocalAddr = netip.MustParseAddrPort(c.local)
			}
			d.Dial(l, c.network, "host:"+port, func(conn *loop.Conn, err error) {
				calls++
				require.Nil(t, conn)
				requireOpError(t, err, "dial", syscall.ECONNREFUSED)
				require.ErrorContains(t, err, net.JoinHostPort(c.want[0], port), "not the error of the first address")
			})
			require.NoError(t, l.Run())
			require.Equal(t, 1, calls)
			require.Equal(t, c.want, tried, "%+v", c)
		}
		d := loop.Dialer{Resolver: host(l, "127.0.0.1")}
		d.Dial(l, "tcp6", "host:80", func(c *loop.Conn, err error) {
			require.Nil(t, c)
			require.EqualError(t, err, "dial tcp6: address host: no suitable address")
		})
		require.NoError(t, l.Run())
	})
}

func TestDialByNameErrors(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		unknown := &net.DNSError{Err: "no such host", Name: "host", IsNotFound: true}
		d := loop.Dialer{Resolver: &names{l: l, err: unknown}}
		calls := 0
		d.Dial(l, "tcp", "host:80", func(c *loop.Conn, err error) {
			calls++
			require.Nil(t, c)
			var dnsErr *net.DNSError
			require.ErrorAs(t, err, &dnsErr)
			require.True(t, dnsErr.IsNotFound)
			require.EqualError(t, err, "dial tcp: lookup host: no such host")
		})
		failure := errors.New("failure of Control")
		d = loop.Dialer{Resolver: host(l, "127.0.0.1", "127.0.0.2"), Control: func(string, string, syscall.RawConn) error { return failure }}
		d.Dial(l, "tcp", "host:80", func(c *loop.Conn, err error) {
			calls++
			require.Nil(t, c)
			require.ErrorIs(t, err, failure)
		})
		d = loop.Dialer{LocalAddr: netip.MustParseAddrPort("[::1]:0")}
		d.Dial(l, "tcp", "127.0.0.1:80", func(c *loop.Conn, err error) {
			calls++
			require.Nil(t, c)
			require.ErrorContains(t, err, "not of the family of LocalAddr")
		})
		d = loop.Dialer{LocalAddr: netip.MustParseAddrPort("192.0.2.1:0")}
		d.Dial(l, "tcp", "127.0.0.1:80", func(c *loop.Conn, err error) {
			calls++
			require.Nil(t, c)
			requireOpError(t, err, "dial", syscall.EADDRNOTAVAIL)
		})
		require.NoError(t, l.Run())
		require.Equal(t, 4, calls)
		require.PanicsWithValue(t, "loop: Dial: nil callback", func() { d.Dial(l, "tcp", "host:80", nil) })
	})
}

// However a Dial by name is ended, and in whichever state, it ends once, and what it was composed of ends with it.
func TestN03EndOfDialByName(t *testing.T) {
	for _, state := range []string{"look-up", "attempts"} {
		t.Run(state, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				resolver := &names{l: l}
				address := "silent:80"
				if state == "attempts" {
					resolver = host(l, "127.0.0.1", "127.0.0.1")
					address = "host:" + portOf(blackHole(t, l))
				}
				before := len(openFiles())
				calls := 0
				dial := func(want error) loop.Op {
					return loop.Dialer{FallbackDelay: time.Millisecond, Resolver: resolver}.Dial(l, "tcp", address, func(c *loop.Conn, err error) {
						calls++
						require.Nil(t, c)
						require.Equal(t, want, err)
					})
				}
				op := dial(loop.ErrCanceled)
				require.Equal(t, "Dial", l.ActiveResources()[0].Kind)
				l.After(20*time.Millisecond, op.Cancel)
				require.NoError(t, l.Run())
				dial(loop.ErrCanceled).Cancel() // at once
				dial(os.ErrDeadlineExceeded).Timeout(20 * time.Millisecond)
				require.NoError(t, l.Run())
				require.Equal(t, 3, calls)
				require.Len(t, openFiles(), before)

				dial(loop.ErrClosed).Unref()
				require.NoError(t, l.Run(), "an unreferenced Dial holds the loop")
				require.Equal(t, 3, calls)
				l.After(20*time.Millisecond, l.Stop)
				require.NoError(t, l.Run())
				require.NoError(t, l.Close())
				require.Equal(t, 4, calls)
				if state == "look-up" {
					require.Equal(t, 4, resolver.asked)
					require.Equal(t, 4, resolver.canceled)
				}
			})
		})
	}
}

// A connection that is made just when the Dial ends is its result or closed, never both and never neither.
func TestN04NoLateSuccess(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		random := rand.New(rand.NewPCG(8, 4))
		ln := listenOn(t, l, "127.0.0.1:0")
		ln.Accept(func(c *loop.Conn, err error) {
			if err == nil {
				require.NoError(t, c.SetLinger(0))
				c.Close(nil)
			}
		}).Unref()
		address := "host:" + portOf(ln.Addr().String())
		before := len(openFiles())
		outcomes := map[error]int{}
		for range rounds(2000, 300) {
			calls := 0
			op := loop.Dialer{FallbackDelay: time.Microsecond, Resolver: host(l, "127.0.0.1", "127.0.0.2", "127.0.0.1")}.
				Dial(l, "tcp", address, func(c *loop.Conn, err error) {
					calls++
					outcomes[err]++
					require.Equal(t, err == nil, c != nil)
					if c != nil {
						require.NoError(t, c.SetLinger(0))
						c.Close(nil)
					}
				})
			for range random.IntN(5) {
				require.NoError(t, l.Poll())
			}
			switch random.IntN(3) {
			case 0:
				op.Cancel()
			case 1:
				op.Timeout(time.Duration(random.IntN(200)) * time.Microsecond)
			}
			require.NoError(t, l.Run())
			require.Equal(t, 1, calls)
		}
		require.NotZero(t, outcomes[nil])
		require.NotZero(t, outcomes[loop.ErrCanceled])
		delete(outcomes, nil)
		delete(outcomes, loop.ErrCanceled)
		delete(outcomes, os.ErrDeadlineExceeded)
		require.Empty(t, outcomes)
		for wait := 0; len(openFiles()) > before && wait < 1000; wait++ {
			require.NoError(t, l.Poll()) // accepted connections
		}
		require.Len(t, openFiles(), before)
	})
}

func TestDialByNameThatCompletesAsTheLoopCloses(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ln := listenOn(t, l, "127.0.0.1:0")
		calls := 0
		loop.Dialer{Resolver: host(l, "127.0.0.1")}.Dial(l, "tcp", "host:"+portOf(ln.Addr().String()), func(c *loop.Conn, err error) {
			calls++
			require.Equal(t, err == nil, c != nil)
			if err != nil {
				require.Equal(t, loop.ErrClosed, err)
			}
		})
		for range 3 {
			require.NoError(t, l.Poll())
		}
		require.NoError(t, l.Close())
		require.Equal(t, 1, calls)
	})
}
