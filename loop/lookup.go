package loop

import (
	"context"
	"net"
	"net/netip"
)

// LookupFunc is the callback of a look-up of addresses, in the order in which they are to be tried. The slice is the program's.
type LookupFunc func(addrs []netip.Addr, err error)

// LookupHost finds the addresses of host with the system's resolver: /etc/hosts, the name service switch, DNS, whatever package net
// does on this system, including its order (RFC 6724). An IP address stands for itself and asks nobody. Errors are of type
// [*net.DNSError].
//
// The system's resolver blocks: it runs on a goroutine of the lane that [Options.NameWorkers] limits, on every backend, and takes nothing from
// files or from [Loop.Work]. Cancel ends also one that is under way; what the C library has begun it ends by itself, unheard. A
// [Resolver] asks name servers without any of that.
func (l *Loop) LookupHost(host string, fn LookupFunc) Op {
	needCallback("LookupHost", fn == nil)
	if ip, err := netip.ParseAddr(host); err == nil {
		return l.lookupLiteral(ip, fn)
	}
	var addrs []netip.Addr
	ctx, cancel := context.WithCancel(context.Background())
	op := l.call("LookupHost", nil, nameLane, func() (err error) {
		addrs, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}, func(err error) {
		cancel()
		if err != nil {
			fn(nil, err)
			return
		}
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		fn(addrs, nil)
	})
	l.slots.more(op.find()).cancel = cancel
	return op
}

// lookupLiteral answers with the address that was given in place of a name.
func (l *Loop) lookupLiteral(ip netip.Addr, fn LookupFunc) Op {
	p := l.compose("LookupHost", nil, nil, func(err error) {
		if err != nil {
			fn(nil, err)
			return
		}
		fn([]netip.Addr{ip.Unmap()}, nil)
	})
	p.Finish(nil)
	return p.Op()
}
