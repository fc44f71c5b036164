package loop

import (
	"cmp"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/proactor-go/proactor/internal/dns"
)

// ResolverConfig configures a Resolver. What is zero comes from /etc/resolv.conf if Servers is empty, and else is the default.
type ResolverConfig struct {
	// Servers are recursive name servers, tried in this order. Without any in resolv.conf either: that of this machine, 127.0.0.1:53.
	Servers []netip.AddrPort
	// Search are the domains in which a name is looked for that does not end with a dot.
	Search []string
	// Ndots is with how many dots a name is first looked for as it stands. Default 1; below 0 means 0.
	Ndots int
	// Timeout is how long one server has to answer once. Default 5 seconds.
	Timeout time.Duration
	// Attempts is how often each server is asked. Default 2.
	Attempts int
	// Rotate has each query begin with another server.
	Rotate bool
}

// A Resolver asks name servers (DNS), as Node's dns.resolve does: with the loop's own sockets, without a goroutine or a worker, on every backend.
// Many look-ups may be under way. It holds nothing between them and needs no Close. It belongs to the loop's goroutine.
//
// Each query goes out by UDP from a socket and port of its own with a random id, and only an answer from that server with that id and
// question counts. What was truncated is asked for again by TCP. A server that fails, refuses or stays silent is followed by the next. There is
// no cache, and a look-up takes one or two descriptors while it is under way. Servers are taken to be recursive; DNSSEC is their business.
//
// It is neither the system's resolver nor package net's: it does not read /etc/hosts, where localhost is, and knows no multicast DNS. That is
// [Loop.LookupHost]. Go's own resolver over a dialer of ours would block a goroutine in each query and copy between the two; this one is
// operations of the loop, which Cancel, Timeout and Close end like any other.
//
// Names in results end with a dot. Records with names that no host can have are left out. Errors are of type [*net.DNSError]: IsNotFound
// if there is no such name or it has no such record, IsTimeout if no server answered.
type Resolver struct {
	l        *Loop
	servers  []netip.AddrPort
	search   []string
	ndots    int
	timeout  time.Duration
	attempts int
	rotate   bool
	first    int // the server that the next query begins with
}

// resolvConf is where the system's configuration is.
var resolvConf = "/etc/resolv.conf"

// NewResolver returns a resolver. With no servers in c it reads /etc/resolv.conf, once and at once.
func (l *Loop) NewResolver(c ResolverConfig) *Resolver {
	var system dns.Config
	if len(c.Servers) == 0 {
		text, _ := os.ReadFile(resolvConf) // a system without has the defaults
		system = dns.ParseConfig(string(text))
		c.Servers = system.Servers
	}
	if len(c.Servers) == 0 {
		c.Servers = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}
	}
	if len(c.Search) == 0 {
		c.Search = system.Search
	}
	return &Resolver{
		l:        l,
		servers:  slices.Clone(c.Servers),
		search:   slices.Clone(c.Search),
		ndots:    max(cmp.Or(c.Ndots, system.Ndots, 1), 0),
		timeout:  cmp.Or(max(c.Timeout, 0), system.Timeout, 5*time.Second),
		attempts: cmp.Or(max(c.Attempts, 0), system.Attempts, 2),
		rotate:   c.Rotate || system.Rotate,
	}
}

// LookupHost finds the addresses of host, those of IPv6 before those of IPv4 (AAAA and A records, asked for at the same time). An IP address
// stands for itself.
func (r *Resolver) LookupHost(host string, fn LookupFunc) Op {
	return r.lookupAddrs("LookupHost", host, fn, dns.AAAA, dns.A)
}

// LookupIP4 finds the IPv4 addresses of host (A records).
func (r *Resolver) LookupIP4(host string, fn LookupFunc) Op {
	return r.lookupAddrs("LookupIP4", host, fn, dns.A)
}

// LookupIP6 finds the IPv6 addresses of host (AAAA records).
func (r *Resolver) LookupIP6(host string, fn LookupFunc) Op {
	return r.lookupAddrs("LookupIP6", host, fn, dns.AAAA)
}

func (r *Resolver) lookupAddrs(action, host string, fn LookupFunc, types ...dns.Type) Op {
	needCallback(action, fn == nil)
	if ip, err := netip.ParseAddr(host); err == nil && (len(types) > 1 || ip.Unmap().Is4() == (types[0] == dns.A)) {
		return r.l.lookupLiteral(ip, fn)
	}
	return r.start(action, host, types, func(a answer, err error) {
		var addrs []netip.Addr
		for _, record := range a.records {
			addrs = append(addrs, record.Addr)
		}
		fn(addrs, err)
	})
}

// LookupMX finds the mail exchangers of a domain (MX records), the preferred ones first and those of one preference in random order.
func (r *Resolver) LookupMX(name string, fn func(mx []*net.MX, err error)) Op {
	needCallback("LookupMX", fn == nil)
	return r.start("LookupMX", name, []dns.Type{dns.MX}, func(a answer, err error) {
		var list []*net.MX
		for _, record := range a.records {
			list = append(list, &net.MX{Host: record.Target, Pref: record.Priority})
		}
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		slices.SortStableFunc(list, func(a, b *net.MX) int { return cmp.Compare(a.Pref, b.Pref) })
		fn(list, err)
	})
}

// LookupNS finds the name servers of a domain (NS records).
func (r *Resolver) LookupNS(name string, fn func(ns []*net.NS, err error)) Op {
	needCallback("LookupNS", fn == nil)
	return r.start("LookupNS", name, []dns.Type{dns.NS}, func(a answer, err error) {
		var list []*net.NS
		for _, record := range a.records {
			list = append(list, &net.NS{Host: record.Target})
		}
		fn(list, err)
	})
}

// LookupTXT finds the texts of a name (TXT records). What a record holds in several strings is one text.
func (r *Resolver) LookupTXT(name string, fn func(texts []string, err error)) Op {
	needCallback("LookupTXT", fn == nil)
	return r.start("LookupTXT", name, []dns.Type{dns.TXT}, func(a answer, err error) {
		var texts []string
		for _, record := range a.records {
			text := ""
			for _, part := range record.Text {
				text += part
			}
			texts = append(texts, text)
		}
		fn(texts, err)
	})
}

// LookupSRV finds where a service is to be had: the SRV records of _service._proto.name, or of name itself if service and proto are empty. They
// come in the order to try them, by priority, and within one at random by weight (RFC 2782). cname is the name that has them.
func (r *Resolver) LookupSRV(service, proto, name string, fn func(cname string, srv []*net.SRV, err error)) Op {
	needCallback("LookupSRV", fn == nil)
	if service != "" || proto != "" {
		name = "_" + service + "._" + proto + "." + name
	}
	return r.start("LookupSRV", name, []dns.Type{dns.SRV}, func(a answer, err error) {
		var list []*net.SRV
		for _, record := range a.records {
			list = append(list, &net.SRV{Target: record.Target, Port: record.Port, Priority: record.Priority, Weight: record.Weight})
		}
		orderSRV(list)
		fn(a.name, list, err)
	})
}

// orderSRV sorts by priority, and has every record of a priority come first as often as its part of the weight there says.
func orderSRV(list []*net.SRV) {
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	slices.SortStableFunc(list, func(a, b *net.SRV) int { return cmp.Compare(a.Priority, b.Priority) })
	for i := range list {
		sum := 0
		for _, s := range list[i:] {
			if s.Priority == list[i].Priority {
				sum += int(s.Weight)
			}
		}
		for at, left := i, rand.IntN(sum+1); at < len(list) && list[at].Priority == list[i].Priority; at++ {
			if left -= int(list[at].Weight); left <= 0 {
				chosen := list[at]
				copy(list[i+1:at+1], list[i:at])
				list[i] = chosen
				break
			}
		}
	}
}

// LookupAddr finds the names of an IP address (PTR records).
func (r *Resolver) LookupAddr(addr netip.Addr, fn func(names []string, err error)) Op {
	needCallback("LookupAddr", fn == nil)
	name := ""
	if addr.IsValid() {
		name = dns.Reverse(addr.Unmap())
	}
	return r.start("LookupAddr", name, []dns.Type{dns.PTR}, func(a answer, err error) {
		var names []string
		for _, record := range a.records {
			names = append(names, record.Target)
		}
		fn(names, err)
	})
}

// LookupCNAME finds the canonical name of a host: what its CNAME records lead to, or the name itself. It must have an address.
func (r *Resolver) LookupCNAME(host string, fn func(cname string, err error)) Op {
	needCallback("LookupCNAME", fn == nil)
	return r.start("LookupCNAME", host, []dns.Type{dns.A, dns.AAAA}, func(a answer, err error) { fn(a.name, err) })
}
