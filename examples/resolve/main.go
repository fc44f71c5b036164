// Resolve asks name servers for records, of many names at the same time, on one loop and without a goroutine.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/proactor-go/proactor/loop"
)

func main() {
	c := config{out: os.Stdout}
	flag.StringVar(&c.kind, "type", "host", "what to ask for: "+strings.Join(kinds(), ", "))
	flag.StringVar(&c.server, "server", "", "IP address and port of a name server (default: those of /etc/resolv.conf)")
	flag.DurationVar(&c.timeout, "timeout", 10*time.Second, "for each name")
	flag.StringVar(&c.backend, "backend", "auto", "auto, uring, epoll or poll")
	flag.Parse()
	c.names = flag.Args()
	if err := c.run(); err != nil {
		fmt.Fprintln(os.Stderr, "resolve:", err)
		os.Exit(1)
	}
}

type config struct {
	kind, server, backend string
	timeout               time.Duration
	names                 []string
	out                   io.Writer
}

// run starts a look-up for each name and runs the loop until the last has its answer.
func (c config) run() error {
	ask, known := questions[c.kind]
	if !known {
		return fmt.Errorf("-type %s is none of %s", c.kind, strings.Join(kinds(), ", "))
	}
	if len(c.names) == 0 {
		return errors.New("no names: resolve [flags] name")
	}
	l, err := loop.New(loop.Options{Backend: c.backend})
	if err != nil {
		return err
	}
	defer l.Close()
	var rc loop.ResolverConfig
	if c.server != "" {
		server, err := netip.ParseAddrPort(c.server)
		if err != nil {
			return fmt.Errorf("-server: %w", err)
		}
		rc.Servers = []netip.AddrPort{server}
	}
	r := l.NewResolver(rc)
	errs := make([]error, len(c.names))
	for i, name := range c.names {
		ask(r, name, func(records []string, err error) {
			for _, record := range records {
				_, werr := fmt.Fprintf(c.out, "%s %s %s\n", name, c.kind, record)
				err = errors.Join(err, werr)
			}
			errs[i] = err
		}).Timeout(c.timeout)
	}
	return errors.Join(append(errs, l.Run())...)
}

// A question is a method of the Resolver that gives its result as text.
type question func(r *loop.Resolver, name string, fn func(records []string, err error)) loop.Op

var questions = map[string]question{
	"host": func(r *loop.Resolver, name string, fn func([]string, error)) loop.Op {
		return r.LookupHost(name, func(addrs []netip.Addr, err error) { fn(texts(addrs, netip.Addr.String), err) })
	},
	"a": func(r *loop.Resolver, name string, fn func([]string, error)) loop.Op {
		return r.LookupIP4(name, func(addrs []netip.Addr, err error) { fn(texts(addrs, netip.Addr.String), err) })
	},
	"aaaa": func(r *loop.Resolver, name string, fn func([]string, error)) loop.Op {
		return r.LookupIP6(name, func(addrs []netip.Addr, err error) { fn(texts(addrs, netip.Addr.String), err) })
	},
	"cname": func(r *loop.Resolver, name string, fn func([]string, error)) loop.Op {
		return r.LookupCNAME(name, func(cname string, err error) {
			if err != nil {
				fn(nil, err)
				return
			}
			fn([]string{cname}, nil)
		})
	},
	"mx": func(r *loop.Resolver, name string, fn func([]string, error)) loop.Op {
		return r.LookupMX(name, func(list []*net.MX, err error) {
			fn(texts(list, func(mx *net.MX) string { return fmt.Sprintf("%d %s", mx.Pref, mx.Host) }), err)
		})
	},
	"ns": func(r *loop.Resolver, name string, fn func([]string, error)) loop.Op {
		return r.LookupNS(name, func(list []*net.NS, err error) { fn(texts(list, func(ns *net.NS) string { return ns.Host }), err) })
	},
	"ptr": func(r *loop.Resolver, name string, fn func([]string, error)) loop.Op {
		addr, _ := netip.ParseAddr(name) // the zero address has no names
		return r.LookupAddr(addr, fn)
	},
	"srv": func(r *loop.Resolver, name string, fn func([]string, error)) loop.Op {
		return r.LookupSRV("", "", name, func(_ string, list []*net.SRV, err error) {
			fn(texts(list, func(s *net.SRV) string { return fmt.Sprintf("%d %d %d %s", s.Priority, s.Weight, s.Port, s.Target) }), err)
		})
	},
	"txt": func(r *loop.Resolver, name string, fn func([]string, error)) loop.Op {
		return r.LookupTXT(name, func(list []string, err error) {
			fn(texts(list, func(s string) string { return fmt.Sprintf("%q", s) }), err)
		})
	},
}

func kinds() (list []string) {
	for kind := range questions {
		list = append(list, kind)
	}
	sort.Strings(list)
	return list
}

func texts[T any](list []T, text func(T) string) (out []string) {
	for _, v := range list {
		out = append(out, text(v))
	}
	return out
}
