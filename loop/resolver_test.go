package loop_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/internal/dns"
	"github.com/proactor-go/proactor/loop"
)

// answering is one that knows one address for every name.
func answering(t *testing.T, addr string) *nameServer {
	return serveNames(t, func(q dns.Message, _ bool) [][]byte {
		if q.Question.Type != dns.A {
			return [][]byte{with(q)}
		}
		return [][]byte{with(q, ip4(addr))}
	})
}

func timeout(e *net.DNSError) bool { return e.IsTimeout && e.Timeout() && !e.IsNotFound }

func TestResolverAgainstDnsmasq(t *testing.T) {
	var big []string
	for i := range 20 {
		big = append(big, fmt.Sprintf("--txt-record=big.test,%d-%s", i, strings.Repeat("x", 200)))
	}
	server := dnsmasq(t, append(big, "--local=/test/", "--local=/arpa/", "--host-record=host.test,192.0.2.1,2001:db8::1", "--host-record=four.test,192.0.2.4",
		"--host-record=six.test,2001:db8::6", "--cname=alias.test,middle.test", "--cname=middle.test,host.test", "--mx-host=test,mx2.test,20",
		"--mx-host=test,mx1.test,10", "--txt-record=test,one,two", "--txt-record=test,another", "--srv-host=_http._tcp.test,four.test,8080,2,5",
		"--srv-host=_http._tcp.test,host.test,80,1,5", "--ptr-record=9.2.0.192.in-addr.arpa,nine.test")...)
	other := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.String())
	}}
	ctx := context.Background()
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		r := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{server}})
		for host, want := range map[string][]netip.Addr{
			"host.test": addrsOf("2001:db8::1", "192.0.2.1"), "HOST.test.": addrsOf("2001:db8::1", "192.0.2.1"), "four.test": addrsOf("192.0.2.4"),
			"six.test": addrsOf("2001:db8::6"), "alias.test": addrsOf("2001:db8::1", "192.0.2.1"), "192.0.2.77": addrsOf("192.0.2.77"),
		} {
			addrs, err := askHost(t, l, r, host)
			require.NoError(t, err, host)
			require.Equal(t, want, addrs, host)
		}
		addrs, err := ask(t, l, func(fn func([]netip.Addr, error)) loop.Op { return r.LookupIP4("host.test", fn) })
		require.NoError(t, err)
		require.Equal(t, addrsOf("192.0.2.1"), addrs)
		addrs, err = ask(t, l, func(fn func([]netip.Addr, error)) loop.Op { return r.LookupIP6("host.test", fn) })
		require.NoError(t, err)
		require.Equal(t, addrsOf("2001:db8::1"), addrs)
		_, err = ask(t, l, func(fn func([]netip.Addr, error)) loop.Op { return r.LookupIP6("192.0.2.1", fn) })
		requireDNSError(t, err, notFound)

		mx, err := ask(t, l, func(fn func([]*net.MX, error)) loop.Op { return r.LookupMX("test", fn) })
		require.NoError(t, err)
		wantMX, err := other.LookupMX(ctx, "test")
		require.NoError(t, err)
		require.Equal(t, wantMX, mx)
		require.Equal(t, net.MX{Host: "mx1.test.", Pref: 10}, *mx[0])

		texts, err := ask(t, l, func(fn func([]string, error)) loop.Op { return r.LookupTXT("test", fn) })
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"onetwo", "another"}, texts)
		texts, err = ask(t, l, func(fn func([]string, error)) loop.Op { return r.LookupTXT("big.test", fn) })
		require.NoError(t, err)
		wantTexts, err := other.LookupTXT(ctx, "big.test")
		require.NoError(t, err)
		require.ElementsMatch(t, wantTexts, texts)
		require.Len(t, texts, 20, "by TCP")

		for _, parts := range [][3]string{{"http", "tcp", "test"}, {"", "", "_http._tcp.test"}} {
			cname := ""
			srv, err := ask(t, l, func(fn func([]*net.SRV, error)) loop.Op {
				return r.LookupSRV(parts[0], parts[1], parts[2], func(name string, srv []*net.SRV, err error) {
					cname = name
					fn(srv, err)
				})
			})
			require.NoError(t, err)
			wantName, wantSRV, err := other.LookupSRV(ctx, parts[0], parts[1], parts[2])
			require.NoError(t, err)
			require.Equal(t, wantSRV, srv)
			require.Equal(t, wantName, cname)
		}
		names, err := ask(t, l, func(fn func([]string, error)) loop.Op { return r.LookupAddr(netip.MustParseAddr("192.0.2.9"), fn) })
		require.NoError(t, err)
		require.Equal(t, []string{"nine.test."}, names)
		names, err = ask(t, l, func(fn func([]string, error)) loop.Op { return r.LookupAddr(netip.MustParseAddr("2001:db8::6"), fn) })
		require.NoError(t, err)
		require.Equal(t, []string{"six.test."}, names)
		_, err = ask(t, l, func(fn func([]string, error)) loop.Op { return r.LookupAddr(netip.Addr{}, fn) })
		requireDNSError(t, err, notFound)

		for host, want := range map[string]string{"alias.test": "host.test.", "six.test": "six.test."} {
			cname, err := ask(t, l, func(fn func(string, error)) loop.Op { return r.LookupCNAME(host, fn) })
			require.NoError(t, err)
			require.Equal(t, want, cname)
		}
		for _, host := range []string{"no.such.test", "test", "", "a b.test", "ä.test", strings.Repeat("x", 64) + ".test"} {
			addrs, err := askHost(t, l, r, host)
			require.Nil(t, addrs)
			requireDNSError(t, err, notFound)
			require.EqualError(t, err, (&net.DNSError{Err: "no such host", Name: host}).Error())
		}
	})
}

func TestW07ResolverMatchesEachAnswerToItsQuestion(t *testing.T) {
	const n = 100
	var args []string
	for i := range n {
		args = append(args, fmt.Sprintf("--host-record=h%d.test,192.0.2.%d", i, i))
	}
	server := dnsmasq(t, append(args, "--local=/test/")...)
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		// That many queries at once may be more than the server's socket has room for.
		r := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{server}, Timeout: 500 * time.Millisecond, Attempts: 50})
		calls, canceled := 0, 0
		require.NoError(t, l.Poll())
		goroutines := runtime.NumGoroutine()
		for i := range n {
			r.LookupHost(fmt.Sprintf("h%d.test", i), func(addrs []netip.Addr, err error) {
				calls++
				require.NoError(t, err)
				require.Equal(t, addrsOf(fmt.Sprintf("192.0.2.%d", i)), addrs)
				require.LessOrEqual(t, runtime.NumGoroutine(), goroutines, "a look-up takes a goroutine")
			})
			r.LookupHost(fmt.Sprintf("none%d.test", i), func(addrs []netip.Addr, err error) {
				calls++
				require.Nil(t, addrs)
				requireDNSError(t, err, notFound)
			})
			r.LookupHost(fmt.Sprintf("h%d.test", i), func(addrs []netip.Addr, err error) {
				canceled++
				require.Nil(t, addrs)
				require.Equal(t, loop.ErrCanceled, err)
			}).Cancel()
		}
		require.NoError(t, l.Run())
		require.Equal(t, 2*n, calls)
		require.Equal(t, n, canceled)
	})
}

// Whatever arrives that is no answer to the question is let pass; the answer behind it counts.
func TestResolverIgnoresWhatIsNoAnswer(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		s := serveNames(t, func(q dns.Message, _ bool) [][]byte {
			change := func(change func(m *dns.Message)) []byte {
				return reply(q, func(m *dns.Message) {
					m.Answers = []dns.Record{{Name: q.Question.Name, Type: dns.A, Addr: netip.MustParseAddr("6.6.6.6")}}
					change(m)
				})
			}
			loop := append(change(func(*dns.Message) {})[:12], 0xc0, 12, 0, 1, 0, 1)
			return [][]byte{
				{}, []byte("garbage"), change(func(m *dns.Message) { m.ID++ }), change(func(m *dns.Message) { m.Response = false }),
				change(func(m *dns.Message) { m.Question.Name = "other.test." }), change(func(m *dns.Message) { m.Question.Type = dns.AAAA }),
				change(func(m *dns.Message) { m.Asked = false }), change(func(*dns.Message) {})[:40], loop,
				with(q, ip4("192.0.2.1"), dns.Record{Name: "other.test.", Type: dns.A, Addr: netip.MustParseAddr("6.6.6.6")}),
			}
		})
		r := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{s.addr}})
		addrs, err := ask(t, l, func(fn func([]netip.Addr, error)) loop.Op { return r.LookupIP4("host.test", fn) })
		require.NoError(t, err)
		require.Equal(t, addrsOf("192.0.2.1"), addrs)
		require.Len(t, s.queries(), 1, "it was asked again")
	})
}

func TestResolverQueriesAreHardToGuess(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		s := answering(t, "192.0.2.1")
		r := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{s.addr}})
		for range 64 {
			r.LookupIP4("host.test", func(_ []netip.Addr, err error) { require.NoError(t, err) })
		}
		require.NoError(t, l.Run())
		ids, ports := map[uint16]bool{}, map[string]bool{}
		for i, q := range s.queries() {
			ids[q.ID] = true
			ports[s.from[i]] = true
			require.True(t, q.RecursionDesired)
		}
		require.Greater(t, len(ids), 50)
		require.Greater(t, len(ports), 50)
	})
}

func TestResolverGoesOnWithTheNextServer(t *testing.T) {
	for name, bad := range map[string]func(q dns.Message, tcp bool) [][]byte{
		"silence":        func(dns.Message, bool) [][]byte { return nil },
		"SERVFAIL":       func(q dns.Message, _ bool) [][]byte { return [][]byte{code(q, dns.ServerError)} },
		"REFUSED":        func(q dns.Message, _ bool) [][]byte { return [][]byte{code(q, dns.Refused)} },
		"FORMERR always": func(q dns.Message, _ bool) [][]byte { return [][]byte{code(q, dns.FormatError)} },
		"lame": func(q dns.Message, _ bool) [][]byte {
			return [][]byte{reply(q, func(m *dns.Message) { m.RecursionAvailable = false })}
		},
		"truncated, then nothing": func(q dns.Message, tcp bool) [][]byte {
			if tcp {
				return [][]byte{nil}
			}
			return [][]byte{reply(q, func(m *dns.Message) { m.Truncated = true })}
		},
		"truncated, then garbage": func(q dns.Message, tcp bool) [][]byte {
			if tcp {
				return [][]byte{[]byte("garbage")}
			}
			return [][]byte{reply(q, func(m *dns.Message) { m.Truncated = true })}
		},
	} {
		t.Run(name, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				first, second := serveNames(t, bad), answering(t, "192.0.2.1")
				r := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{first.addr, second.addr}, Timeout: time.Second})
				if name == "silence" {
					r = l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{first.addr, second.addr}, Timeout: 20 * time.Millisecond, Attempts: 50})
				}
				addrs, err := ask(t, l, func(fn func([]netip.Addr, error)) loop.Op { return r.LookupIP4("host.test", fn) })
				require.NoError(t, err)
				require.Equal(t, addrsOf("192.0.2.1"), addrs)
				require.NotEmpty(t, first.queries())

				only := serveNames(t, bad)
				r = l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{only.addr}, Timeout: 20 * time.Millisecond, Attempts: 3})
				_, err = ask(t, l, func(fn func([]netip.Addr, error)) loop.Op { return r.LookupIP4("host.test", fn) })
				requireDNSError(t, err, func(e *net.DNSError) bool {
					return !e.IsNotFound && e.Server == only.addr.String() && e.Name == "host.test"
				})
				if name == "silence" {
					requireDNSError(t, err, timeout)
					require.LessOrEqual(t, len(only.queries()), 3)
				}
			})
		})
	}
}

// A server that is not there is known at once, with the timeouts far away.
func TestResolverWithoutAServer(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		udp, tcp := freePort(t)
		nobody := udp.LocalAddr().(*net.UDPAddr).AddrPort()
		udp.Close()
		tcp.Close()
		s := answering(t, "192.0.2.1")
		r := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{nobody, s.addr}, Timeout: time.Hour})
		addrs, err := askHost(t, l, r, "host.test")
		require.NoError(t, err)
		require.Equal(t, addrsOf("192.0.2.1"), addrs)
		r = l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{nobody}, Timeout: time.Hour, Search: []string{"a", "b"}})
		_, err = askHost(t, l, r, "host")
		requireDNSError(t, err, func(e *net.DNSError) bool { return e.IsTemporary && !e.IsNotFound })
		require.ErrorContains(t, err, "refused")
	})
}

// An old server answers a query with EDNS(0) with FORMERR; the same server is asked without.
func TestResolverWithoutEDNS(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		n := 0
		s := serveNames(t, func(q dns.Message, _ bool) [][]byte {
			if n++; n == 1 {
				return [][]byte{reply(q, func(m *dns.Message) { m.RCode, m.Asked = dns.FormatError, false })}
			}
			return [][]byte{with(q, ip4("192.0.2.1"))}
		})
		r := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{s.addr}, Attempts: 1})
		addrs, err := ask(t, l, func(fn func([]netip.Addr, error)) loop.Op { return r.LookupIP4("host.test", fn) })
		require.NoError(t, err)
		require.Equal(t, addrsOf("192.0.2.1"), addrs)
	})
}

func TestResolverFollowsCNAMEs(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		cname := func(name, target string) dns.Record { return dns.Record{Name: name, Type: dns.CNAME, Target: target} }
		s := serveNames(t, func(q dns.Message, _ bool) [][]byte {
			own := func(records ...dns.Record) [][]byte { // a server that asks nobody
				return [][]byte{reply(q, func(m *dns.Message) { m.Authoritative, m.RecursionAvailable, m.Answers = true, false, records })}
			}
			switch q.Question.Name {
			case "chain.test.": // out of order
				end := ip4("192.0.2.1")
				end.Name = "c.test."
				return [][]byte{with(q, end, cname("b.test.", "C.test."), cname("chain.test.", "b.test."))}
			case "step.test.":
				return own(cname("step.test.", "step2.test."))
			case "step2.test.":
				end := ip4("192.0.2.2")
				end.Name = "step2.test."
				return own(end)
			case "circle.test.":
				return own(cname("circle.test.", "circle2.test."), cname("circle2.test.", "circle.test."))
			case "endless.test.", "endless2.test.":
				other := map[string]string{"endless.test.": "endless2.test.", "endless2.test.": "endless.test."}
				return own(cname(q.Question.Name, other[q.Question.Name]))
			default:
				return own(cname(q.Question.Name, "nothing here.test."))
			}
		})
		r := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{s.addr}})
		for host, want := range map[string]string{"chain.test": "192.0.2.1", "step.test": "192.0.2.2"} {
			addrs, err := ask(t, l, func(fn func([]netip.Addr, error)) loop.Op { return r.LookupIP4(host, fn) })
			require.NoError(t, err, host)
			require.Equal(t, addrsOf(want), addrs)
		}
		for _, host := range []string{"circle.test", "endless.test", "bad.test"} {
			_, err := ask(t, l, func(fn func([]netip.Addr, error)) loop.Op { return r.LookupIP4(host, fn) })
			requireDNSError(t, err, notFound)
		}
		require.Less(t, len(s.queries()), 50)
	})
}

func TestResolverSearchAndRotate(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		knows := func(name string) *nameServer {
			return serveNames(t, func(q dns.Message, _ bool) [][]byte {
				if q.Question.Name != name {
					return [][]byte{code(q, dns.NameError)}
				}
				return [][]byte{with(q, ip4("192.0.2.1"))}
			})
		}
		asked := func(s *nameServer) (names []string) {
			for _, q := range s.queries() {
				names = append(names, q.Question.Name)
			}
			return names
		}
		lookup := func(r *loop.Resolver, host string) error {
			_, err := ask(t, l, func(fn func([]netip.Addr, error)) loop.Op { return r.LookupIP4(host, fn) })
			return err
		}
		s := knows("host.b.test.")
		r := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{s.addr}, Search: []string{"a.test", "b.test", "c.test"}})
		require.NoError(t, lookup(r, "host"))
		require.Equal(t, []string{"host.a.test.", "host.b.test."}, asked(s))

		s = knows("x.host.a.test.")
		r = l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{s.addr}, Search: []string{"a.test"}})
		require.NoError(t, lookup(r, "x.host"))
		requireDNSError(t, lookup(r, "x.host."), notFound)
		require.Equal(t, []string{"x.host.", "x.host.a.test.", "x.host."}, asked(s))

		servers := []*nameServer{answering(t, "192.0.2.1"), answering(t, "192.0.2.1")}
		r = l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{servers[0].addr, servers[1].addr}, Rotate: true})
		for range 4 {
			require.NoError(t, lookup(r, "host"))
		}
		require.Len(t, servers[0].queries(), 2)
		require.Len(t, servers[1].queries(), 2)
	})
}

func TestResolverReadsResolvConf(t *testing.T) {
	name := filepath.Join(t.TempDir(), "resolv.conf")
	defer loop.SetResolvConf(name)()
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		require.NoError(t, os.WriteFile(name, []byte("nameserver 127.0.0.1\nsearch one.test\noptions timeout:1 attempts:3 ndots:4 rotate\n"), 0o600))
		require.Equal(t, "[127.0.0.1:53] [one.test] 4 1s 3 true", l.NewResolver(loop.ResolverConfig{}).String())
		c := loop.ResolverConfig{Search: []string{"two.test"}, Ndots: -1, Timeout: time.Minute, Attempts: 1}
		require.Equal(t, "[127.0.0.1:53] [two.test] 0 1m0s 1 true", l.NewResolver(c).String())
		c.Servers = []netip.AddrPort{netip.MustParseAddrPort("[::1]:5353")}
		require.Equal(t, "[[::1]:5353] [two.test] 0 1m0s 1 false", l.NewResolver(c).String())
		require.NoError(t, os.Remove(name))
		require.Equal(t, "[127.0.0.1:53] [] 1 5s 2 false", l.NewResolver(loop.ResolverConfig{}).String())
	})
}

// A look-up that is ended while it waits for a datagram, or for an answer by TCP, ends once and leaves nothing.
func TestEndOfALookup(t *testing.T) {
	for _, state := range []string{"UDP", "TCP"} {
		t.Run(state, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				s := serveNames(t, func(q dns.Message, tcp bool) [][]byte {
					if state == "UDP" || tcp {
						return nil
					}
					return [][]byte{reply(q, func(m *dns.Message) { m.Truncated = true })}
				})
				r := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{s.addr}, Timeout: time.Hour})
				require.NoError(t, l.Poll())
				before := len(openFiles())
				calls, asked := 0, 0
				start := func(want error) loop.Op {
					asked = len(s.queries())
					return r.LookupHost("host.test", func(addrs []netip.Addr, err error) {
						calls++
						require.Nil(t, addrs)
						require.Equal(t, want, err)
					})
				}
				wait := func() { // until it waits for what does not come
					for want := asked + map[string]int{"UDP": 2, "TCP": 4}[state]; len(s.queries()) < want; {
						require.NoError(t, l.Poll())
					}
				}
				op := start(loop.ErrCanceled)
				require.Equal(t, "LookupHost", l.ActiveResources()[0].Kind)
				wait()
				op.Cancel()
				require.NoError(t, l.Run())
				op = start(os.ErrDeadlineExceeded)
				wait()
				op.Timeout(time.Millisecond)
				require.NoError(t, l.Run())
				require.Equal(t, 2, calls)
				start(loop.ErrClosed).Unref()
				require.NoError(t, l.Run(), "an unreferenced look-up holds the loop")
				wait()
				require.NoError(t, l.Close())
				require.Equal(t, 3, calls)
				require.LessOrEqual(t, len(openFiles())-before, 4, "at most the server's")
			})
		})
	}
}

func TestDialWithAResolver(t *testing.T) {
	server := dnsmasq(t, "--local=/test/", "--host-record=host.test,127.0.0.1")
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ln := listenOn(t, l, "127.0.0.1:0")
		d := loop.Dialer{Timeout: time.Minute, Resolver: l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{server}})}
		calls := 0
		d.Dial(l, "tcp", "host.test:"+portOf(ln.Addr().String()), func(c *loop.Conn, err error) {
			calls++
			require.NoError(t, err)
			c.Close(nil)
		})
		d.Dial(l, "tcp", "none.test:80", func(c *loop.Conn, err error) {
			calls++
			require.Nil(t, c)
			require.ErrorContains(t, err, "dial tcp: lookup none.test: no such host")
		})
		require.NoError(t, l.Run())
		require.Equal(t, 2, calls)
	})
}

func TestResolverNeedsCallbacks(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		r := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}})
		for name, call := range map[string]func(){
			"LookupHost": func() { r.LookupHost("a", nil) }, "LookupIP4": func() { r.LookupIP4("a", nil) }, "LookupIP6": func() { r.LookupIP6("a", nil) },
			"LookupMX": func() { r.LookupMX("a", nil) }, "LookupNS": func() { r.LookupNS("a", nil) }, "LookupTXT": func() { r.LookupTXT("a", nil) },
			"LookupSRV": func() { r.LookupSRV("", "", "a", nil) }, "LookupAddr": func() { r.LookupAddr(netip.Addr{}, nil) },
			"LookupCNAME": func() { r.LookupCNAME("a", nil) },
		} {
			require.PanicsWithValue(t, "loop: "+name+": nil callback", call)
		}
	})
}

func TestLookupNS(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		s := serveNames(t, func(q dns.Message, _ bool) [][]byte {
			return [][]byte{with(q, dns.Record{Type: dns.NS, Target: "ns1.test."}, dns.Record{Type: dns.NS, Target: "no host.test."},
				dns.Record{Type: dns.NS, Target: "ns2.test."})}
		})
		r := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{s.addr}})
		ns, err := ask(t, l, func(fn func([]*net.NS, error)) loop.Op { return r.LookupNS("test", fn) })
		require.NoError(t, err)
		require.Equal(t, []*net.NS{{Host: "ns1.test."}, {Host: "ns2.test."}}, ns)
	})
}
