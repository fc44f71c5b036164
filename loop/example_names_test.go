package loop_test

import (
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"github.com/proactor-go/proactor/internal/dns"
	"github.com/proactor-go/proactor/loop"
)

func ExampleLoop_LookupHost() {
	l := newLoop()
	defer l.Close()

	l.LookupHost("::ffff:127.0.0.1", func(addrs []netip.Addr, err error) { fmt.Println(addrs, err) })
	l.LookupHost("", func(addrs []netip.Addr, err error) { fmt.Println(addrs, err) }).Timeout(5 * time.Second)
	_ = l.Run()
	// Output:
	// [127.0.0.1] <nil>
	// [] lookup : no such host
}

// A Dialer tries all the addresses that its resolver gives, here one after another, since each is refused at once.
func ExampleDialer() {
	l := newLoop()
	defer l.Close()

	ln, err := l.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	d := loop.Dialer{
		Timeout:  5 * time.Second, // of look-up and connection together
		Resolver: l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{exampleNameServer()}}),
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	d.Dial(l, "tcp", "www.example.org:"+port, func(c *loop.Conn, err error) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(c.RemoteAddr().(*net.TCPAddr).IP)
		c.Close(nil)
	})
	_ = l.Run()
	// Output:
	// 127.0.0.1
}

// Many questions may be under way; each answer comes to its own callback.
func ExampleResolver() {
	l := newLoop()
	defer l.Close()

	r := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{exampleNameServer()}})
	r.LookupHost("www.example.org", func(addrs []netip.Addr, err error) {
		fmt.Println(addrs, err)
		r.LookupMX("example.org", func(mx []*net.MX, err error) { fmt.Println(mx, err) })
	})
	_ = l.Run()
	// Output:
	// [127.0.0.9 127.0.0.1] <nil>
	// [] lookup example.org: no such host
}

// exampleNameServer starts a name server that knows the IPv4 addresses of every name, and nothing else.
func exampleNameServer() netip.AddrPort {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	time.AfterFunc(time.Minute, func() { conn.Close() })
	go func() {
		b := make([]byte, dns.MaxUDP)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			m, err := dns.Parse(b[:n])
			if err != nil {
				continue
			}
			m.Response, m.RecursionAvailable = true, true
			if m.Question.Type == dns.A {
				for _, addr := range []string{"127.0.0.9", "127.0.0.1"} {
					m.Answers = append(m.Answers, dns.Record{Name: m.Question.Name, Type: dns.A, Addr: netip.MustParseAddr(addr)})
				}
			}
			response, err := m.Append(nil)
			if err != nil {
				log.Fatal(err)
			}
			_, _ = conn.WriteTo(response, from)
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}
