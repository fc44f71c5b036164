package main

import (
	"bytes"
	"net"
	"net/netip"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/examples/internal/backends"
	"github.com/proactor-go/proactor/internal/dns"
)

// zone is what the server of the test knows.
var zone = map[dns.Question][]dns.Record{
	{Name: "host.test.", Type: dns.A}:                {{Addr: netip.MustParseAddr("192.0.2.1")}},
	{Name: "host.test.", Type: dns.AAAA}:             {{Addr: netip.MustParseAddr("2001:db8::1")}},
	{Name: "test.", Type: dns.MX}:                    {{Priority: 20, Target: "mx2.test."}, {Priority: 10, Target: "mx1.test."}},
	{Name: "test.", Type: dns.NS}:                    {{Target: "ns.test."}},
	{Name: "test.", Type: dns.TXT}:                   {{Text: []string{"one ", "text"}}},
	{Name: "_http._tcp.test.", Type: dns.SRV}:        {{Priority: 1, Weight: 2, Port: 80, Target: "host.test."}},
	{Name: "1.2.0.192.in-addr.arpa.", Type: dns.PTR}: {{Target: "host.test."}},
}

func serve(t *testing.T) (address string) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, dns.MaxUDP)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			m, err := dns.Parse(b[:n])
			if err != nil || m.Question.Name == "silent.test." {
				continue
			}
			m.Response, m.RecursionAvailable = true, true
			for _, record := range zone[m.Question] {
				record.Name, record.Type = m.Question.Name, m.Question.Type
				m.Answers = append(m.Answers, record)
			}
			if len(m.Answers) == 0 {
				m.RCode = dns.NameError
			}
			response, err := m.Append(nil)
			if err != nil {
				panic(err)
			}
			_, _ = conn.WriteTo(response, from)
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return conn.LocalAddr().String()
}

func TestResolve(t *testing.T) {
	server := serve(t)
	backends.Each(t, func(t *testing.T, backend string) {
		ask := func(kind string, names ...string) (string, error) {
			var out bytes.Buffer
			err := config{kind: kind, server: server, backend: backend, timeout: time.Minute, names: names, out: &out}.run()
			return out.String(), err
		}
		for _, c := range []struct{ kind, name, want string }{
			{"host", "host.test", "host.test host 2001:db8::1\nhost.test host 192.0.2.1\n"},
			{"a", "host.test", "host.test a 192.0.2.1\n"},
			{"aaaa", "host.test", "host.test aaaa 2001:db8::1\n"},
			{"cname", "host.test", "host.test cname host.test.\n"},
			{"mx", "test", "test mx 10 mx1.test.\ntest mx 20 mx2.test.\n"},
			{"ns", "test", "test ns ns.test.\n"},
			{"txt", "test", "test txt \"one text\"\n"},
			{"srv", "_http._tcp.test", "_http._tcp.test srv 1 2 80 host.test.\n"},
			{"ptr", "192.0.2.1", "192.0.2.1 ptr host.test.\n"},
		} {
			out, err := ask(c.kind, c.name)
			require.NoError(t, err, c.kind)
			require.Equal(t, c.want, out)
			_, err = ask(c.kind, "none.test")
			require.ErrorContains(t, err, "no such host", c.kind)
		}
		out, err := ask("a", "host.test", "none.test", "host.test.", "also-none.test")
		require.ErrorContains(t, err, "lookup none.test")
		require.ErrorContains(t, err, "lookup also-none.test")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		sort.Strings(lines)
		require.Equal(t, []string{"host.test a 192.0.2.1", "host.test. a 192.0.2.1"}, lines)
	})
}

func TestResolveFailures(t *testing.T) {
	t.Setenv("LOOP_BACKEND", "") // the flag decides
	server := serve(t)
	for want, c := range map[string]config{
		"-type what is none of a, aaaa, cname, host, mx, ns, ptr, srv, txt": {kind: "what", names: []string{"a"}},
		"no names":          {kind: "a"},
		"-server: ":         {kind: "a", names: []string{"a"}, server: "nonsense"},
		"i/o timeout":       {kind: "a", names: []string{"silent.test"}, server: server, timeout: 20 * time.Millisecond},
		"backend \"libuv\"": {kind: "a", names: []string{"a"}, backend: "libuv"},
	} {
		require.ErrorContains(t, c.run(), want)
	}
}
