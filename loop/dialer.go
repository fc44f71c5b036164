package loop

import (
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

// Dial connects to address, a host and a port, on network "tcp", "tcp4" or "tcp6". The host is an IP address or a name. The defaults are those of
// package net: TCP_NODELAY and keep-alive are on. See [Dialer] for the rest. connect(2): IORING_OP_CONNECT.
//
// Or network is "unix" or "unixpacket", and address the name of a Unix socket as [Loop.Listen] has it. If the listener's queue is full, the
// Dial waits for room.
func (l *Loop) Dial(network, address string, fn ConnFunc) Op {
	return Dialer{}.Dial(l, network, address, fn)
}

// A HostResolver finds the addresses of a host, in the order in which they are to be tried: [*Loop] with the system's resolver, [*Resolver]
// by asking name servers, or the program's own, under the rules of every operation: never synchronous, exactly one callback, also after Cancel.
type HostResolver interface {
	LookupHost(host string, fn LookupFunc) Op
}

// Dialer holds what Dial leaves at its defaults. The zero value is Loop.Dial.
type Dialer struct {
	// Timeout limits the whole Dial, from the look-up of the name to the connection. It then ends with [os.ErrDeadlineExceeded]. 0 means no
	// limit but the system's. A later [Op.Timeout] replaces it.
	Timeout time.Duration
	// FallbackDelay is how long an address of several has before the next one is tried beside it. 0 means 250 ms (RFC 8305); below 0
	// the next one is tried only when the one before has failed.
	FallbackDelay time.Duration
	// LocalAddr is what the connection is to come from. Without an address, or with port 0, the system chooses that. With an address only
	// remote addresses of its family are tried.
	LocalAddr netip.AddrPort
	// KeepAlive is the idle time before the connection is probed. 0 means 15 seconds, as in package net; below 0 there are no probes.
	KeepAlive time.Duration
	// Delay leaves Nagle's algorithm on (TCP_NODELAY is set otherwise).
	Delay bool
	// Control is called with each socket after it was made and before it is bound or connected, as in [net.Dialer], within Dial or
	// on the loop's goroutine later.
	Control func(network, address string, c syscall.RawConn) error
	// Resolver finds the addresses of names. nil means [Loop.LookupHost].
	Resolver HostResolver
}

// defaultFallbackDelay is the Connection Attempt Delay that RFC 8305 recommends.
const defaultFallbackDelay = 250 * time.Millisecond

// Dial connects to address. If its host is a name with several addresses they are tried as RFC 8305 ("Happy Eyeballs") has it: in the order
// of the resolver, but with the families in turn; the next one whenever one has failed, or has had FallbackDelay without success. The first
// connection is the result, all others are closed. If there is none, the error is that of the first address.
//
// Cancel and timeouts end the look-up and all attempts; a connection that is made at that moment is closed. Errors are [*net.OpError],
// around a [*net.DNSError] if the look-up failed.
func (d Dialer) Dial(l *Loop, network, address string, fn ConnFunc) Op {
	needCallback("Dial", fn == nil)
	host, port, ok := splitName(network, address)
	if !ok {
		return d.connect(l, network, address, fn).Timeout(d.Timeout)
	}
	return d.race(l, network, host, port, fn).Timeout(d.Timeout)
}

// splitName splits an address whose host is a name. Any other, a wrong one among them, is connect's.
func splitName(network, address string) (host string, port uint16, ok bool) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return "", 0, false
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return "", 0, false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return "", 0, false
	}
	n, err := net.LookupPort(network, service)
	return host, uint16(n), err == nil
}

// A race is a Dial to a name: one operation that is composed of a look-up and an attempt for each address.
type race struct {
	*Pending
	l       *Loop
	dialer  Dialer
	network string
	host    string
	port    uint16
	addrs   []netip.Addr // still to be tried
	tried   int
	live    map[int]Op // the attempts under way
	next    *Timer     // starts the next attempt
	lookup  Op
	over    bool
	conn    *Conn // the result
	err     error // of the first address
}

func (d Dialer) race(l *Loop, network, host string, port uint16, fn ConnFunc) Op {
	r := &race{l: l, dialer: d, network: network, host: host, port: port, live: map[int]Op{}}
	r.next = l.newTimeout(r.try)
	r.Pending = l.compose("Dial", nil, r.cancel, func(err error) {
		c := r.conn
		if c != nil && l.shut { // closed together with the loop, before it was anybody's
			c, err = nil, ErrClosed
		}
		fn(c, err)
	})
	if l.shut {
		return r.Op()
	}
	if d.Resolver == nil {
		d.Resolver = l
	}
	// The parts hold no reference: the race has it, and may be unreferenced.
	r.lookup = d.Resolver.LookupHost(host, r.found).Unref()
	return r.Op()
}

// cancel is called within Cancel, by a timeout, and by the close of the loop.
func (r *race) cancel() {
	quit(r.lookup)
	r.finish(nil, ErrCanceled)
}

// quit cancels a part, whose end is then waited for.
func quit(o Op) {
	o.Cancel()
	o.Ref()
}

// found takes the addresses of the name.
func (r *race) found(addrs []netip.Addr, err error) {
	switch {
	case r.over:
		return
	case err != nil:
		r.finish(nil, r.wrap(err))
		return
	}
	r.addrs = interleave(addrs, r.suits)
	if len(r.addrs) == 0 {
		r.finish(nil, r.wrap(&net.AddrError{Err: "no suitable address", Addr: r.host}))
		return
	}
	r.try()
}

func (r *race) wrap(err error) error { return &net.OpError{Op: "dial", Net: r.network, Err: err} }

// suits reports whether the network and the local address allow a.
func (r *race) suits(a netip.Addr) bool {
	if local := r.dialer.LocalAddr.Addr().Unmap(); local.IsValid() && local.Is4() != a.Is4() {
		return false
	}
	return r.network == "tcp" || r.network == "tcp4" == a.Is4()
}

// interleave returns the addresses that suit, with their families in turn, first that of the first.
func interleave(addrs []netip.Addr, suits func(netip.Addr) bool) []netip.Addr {
	var mine, other []netip.Addr
	for _, a := range addrs {
		switch a = a.Unmap(); {
		case !suits(a):
		case len(mine) == 0 || mine[0].Is4() == a.Is4():
			mine = append(mine, a)
		default:
			other = append(other, a)
		}
	}
	mixed := make([]netip.Addr, 0, len(mine)+len(other))
	for i := range max(len(mine), len(other)) {
		mixed = append(mixed, mine[min(i, len(mine)):min(i+1, len(mine))]...)
		mixed = append(mixed, other[min(i, len(other)):min(i+1, len(other))]...)
	}
	return mixed
}

// try starts the attempt for the next address.
func (r *race) try() {
	a, i := r.addrs[0], r.tried
	r.addrs = r.addrs[1:]
	r.tried++
	r.next.Stop()
	if delay := orDelay(r.dialer.FallbackDelay); delay > 0 && len(r.addrs) > 0 {
		r.next.Reset(delay)
	}
	address := net.JoinHostPort(a.String(), strconv.Itoa(int(r.port)))
	r.live[i] = r.dialer.connect(r.l, r.network, address, func(c *Conn, err error) { r.attempted(i, c, err) }).Unref()
}

func orDelay(d time.Duration) time.Duration {
	if d == 0 {
		return defaultFallbackDelay
	}
	return d
}

// attempted takes the result of attempt i.
func (r *race) attempted(i int, c *Conn, err error) {
	delete(r.live, i)
	switch {
	case r.over:
		if c != nil {
			c.Close(nil)
		}
		return
	case c != nil:
		r.finish(c, nil)
		return
	case i == 0:
		r.err = err
	}
	switch {
	case len(r.addrs) > 0:
		r.try()
	case len(r.live) == 0:
		r.finish(nil, r.err)
	}
}

// finish ends the race for everyone in it.
func (r *race) finish(c *Conn, err error) {
	if r.over {
		return
	}
	r.over, r.conn = true, c
	r.next.Stop()
	for _, o := range r.live {
		quit(o)
	}
	r.Finish(err)
}
