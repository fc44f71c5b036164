package loop

import (
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/proactor-go/proactor/internal/sys"
)

// A Packet is one received datagram, or with [PacketConn.SetGRO] several of one sender.
type Packet struct {
	// Data is the payload: of Recv the lent buffer, cut to it; of RecvMultishot the bytes of Buffer.
	Data []byte
	// From is the sender of a UDP datagram. An IPv4 address is one of IPv4 on a socket of IPv6, too.
	From netip.AddrPort
	// Name is the sender of a Unix datagram, "" if it has no name; "@" begins an abstract one.
	Name string
	// Truncated says that the datagram was longer than the buffer. The rest of it is gone.
	Truncated bool
	// SegmentSize, if not 0, says that Data holds several datagrams of so many bytes, the last perhaps shorter.
	SegmentSize int
	// Buffer is the provided buffer of RecvMultishot: Keep it, Release it, or send it with [PacketConn.SendBuffer].
	Buffer Buffer
}

// PacketFunc is the callback of [PacketConn.Recv] and [PacketConn.RecvMultishot].
type PacketFunc func(p Packet, err error)

// A PacketConn sends and receives datagrams, over UDP or a Unix socket. It is made by [Loop.ListenPacket], [Loop.DialPacket] or
// [Loop.AdoptPacketConn]. By itself it keeps nothing alive; it must be closed. All methods belong to the loop's goroutine.
type PacketConn struct {
	handle
	network string
	v6      bool // a socket of IPv6, whose IPv4 addresses are mapped
	unix    bool
	gro     bool
	recv    *op // the receive in flight

	sends  opList // started and not pushed, in order
	missed opList // pushed and refused for want of room: they go before sends
	flying int    // entries that are pushed
	waiter *op    // the one of them that waits for room, with nothing pushed behind it
	room   int    // what surely fits into the socket's buffer, in the kernel's bytes
	queued int    // bytes of sends that have not ended

	segments segments
	scope    uint32 // the zone that was looked up last
	zone     string
}

// segments tells whether the system cuts one send into datagrams.
type segments uint8

const (
	segmentsUnknown segments = iota
	segmentsHere
	segmentsLacking
)

// PacketConfig holds what ListenPacket leaves at its defaults.
type PacketConfig struct {
	// ReusePort lets several sockets bind the same port; the kernel spreads the senders over them (SO_REUSEPORT).
	ReusePort bool
	// ReuseAddr lets several sockets bind the same address, as listeners to one multicast group do (SO_REUSEADDR). Package net sets it
	// for those by itself.
	ReuseAddr bool
	// Broadcast allows to send to broadcast addresses (SO_BROADCAST), as package net always does.
	Broadcast bool
	// Control is called with the socket after it was made and before it is bound, as in [net.ListenConfig].
	Control func(network, address string, c syscall.RawConn) error
}

// ListenPacket binds a socket for datagrams. For network "udp", "udp4" or "udp6" the address is an IP address and a port, where an empty host means all
// addresses and port 0 a free port. For "unixgram" it is a path, a name that begins with "@" (Linux: abstract, nowhere in the
// file system), or "" (Linux: such a name, chosen by the kernel). Close does not remove the path.
func (l *Loop) ListenPacket(network, address string) (*PacketConn, error) {
	return PacketConfig{}.ListenPacket(l, network, address)
}

// ListenPacket is [Loop.ListenPacket] with this configuration.
func (pc PacketConfig) ListenPacket(l *Loop, network, address string) (*PacketConn, error) {
	return l.openPacket("listen", network, address, func(c *PacketConn, a netip.AddrPort) (call string, err error) {
		fd := int(c.fd)
		for _, option := range []struct {
			on  bool
			set func(fd int) error
		}{
			{pc.ReusePort, sys.ReusePort},
			{pc.ReuseAddr, sys.ReuseAddr},
			{pc.Broadcast, func(fd int) error { return sys.SetBroadcast(fd, true) }},
		} {
			if !option.on {
				continue
			}
			if err := option.set(fd); err != nil {
				return "setsockopt", err
			}
		}
		if pc.Control != nil {
			if err := pc.Control(network, address, &rawConn{&c.handle}); err != nil {
				return "", err
			}
		}
		if c.unix {
			return "bind", sys.BindName(fd, address)
		}
		return "bind", sys.BindPacket(fd, a, c.v6)
	})
}

// DialPacket makes a socket for datagrams that is connected: it receives from address alone, and sends there what has no other
// destination. Networks and addresses are those of ListenPacket. connect(2) of such a socket does not block.
func (l *Loop) DialPacket(network, address string) (*PacketConn, error) {
	return l.openPacket("dial", network, address, func(c *PacketConn, a netip.AddrPort) (call string, err error) {
		if c.unix {
			return "connect", sys.ConnectName(int(c.fd), address)
		}
		if !a.IsValid() {
			return "connect", &net.AddrError{Err: "missing host", Addr: address}
		}
		return "connect", sys.ConnectPacket(int(c.fd), a, c.v6)
	})
}

func (l *Loop) openPacket(action, network, address string, setUp func(*PacketConn, netip.AddrPort) (string, error)) (*PacketConn, error) {
	l.checkThread("ListenPacket")
	if l.shut {
		return nil, ErrClosed
	}
	c := &PacketConn{network: network, unix: network == "unixgram"}
	c.l = l
	var addr netip.AddrPort
	var err error
	if !c.unix {
		if addr, err = sys.ResolveUDP(network, address); err != nil {
			return nil, &net.OpError{Op: action, Net: network, Err: err}
		}
	}
	fail := func(call string, err error) error {
		if _, errno := err.(syscall.Errno); errno {
			err = os.NewSyscallError(call, err)
		}
		var a net.Addr = net.UDPAddrFromAddrPort(addr)
		if c.unix {
			a = &net.UnixAddr{Name: address, Net: network}
		}
		return &net.OpError{Op: action, Net: network, Addr: a, Err: err}
	}
	var fd int
	call := "socket"
	if c.unix {
		fd, err = sys.UnixPacketSocket()
	} else {
		fd, c.v6, call, err = sys.PacketSocket(network, addr.Addr())
	}
	if err != nil {
		return nil, fail(call, err)
	}
	c.fd = int32(fd)
	if call, err := setUp(c, addr); err != nil {
		sys.Close(fd)
		if call == "" {
			return nil, err
		}
		return nil, fail(call, err)
	}
	c.open(l, c, c.fd)
	return c, nil
}

// AdoptPacketConn takes over a duplicate of a socket for datagrams, such as a [*net.UDPConn] or [*net.UnixConn]; conn stays the
// caller's to close. Both share the socket, its queue and its options.
func (l *Loop) AdoptPacketConn(conn syscall.Conn) (*PacketConn, error) {
	l.checkThread("AdoptPacketConn")
	if l.shut {
		return nil, ErrClosed
	}
	fd, err := duplicate(conn)
	if err != nil {
		return nil, &net.OpError{Op: "adopt", Err: err}
	}
	c, call := &PacketConn{}, "getsockname"
	if c.network, c.v6, err = sys.PacketNetwork(fd); err == nil {
		call = "fcntl"
		if err = sys.SetNonblock(fd); err == nil {
			c.unix = c.network == "unixgram"
			c.open(l, c, int32(fd))
			return c, nil
		}
	}
	sys.Close(fd)
	return nil, &net.OpError{Op: "adopt", Net: c.network, Err: os.NewSyscallError(call, err)}
}

// Close ends the socket: no new operation is accepted, those in flight end with [ErrClosed], sends that wait are dropped, then
// the descriptor is closed, then fn runs, last and from the close phase. fn may be nil. A further Close ends with ErrClosed.
func (c *PacketConn) Close(fn DoneFunc) { c.close(fn, c.cancelAll) }

func (c *PacketConn) cancelAll() {
	l := c.l
	if c.recv != nil {
		l.cancel(c.recv, causeClose)
	}
	c.pump() // what was sent before leaves, if there is room for it
	if c.waiter != nil {
		l.cancel(c.waiter, causeClose)
	}
	c.sends.prepend(&c.missed)
	for o := c.sends.pop(); o != nil; o = c.sends.pop() {
		o.cause = causeClose
		l.settle(o, -ecanceled)
	}
}

// unqueue takes a send out that is to end, if it is not with the queue.
func (c *PacketConn) unqueue(o *op) bool {
	return o.kind == kindSendPacket && (o == c.waiter || c.sends.remove(o) || c.missed.remove(o))
}

// LocalAddr returns the local address, a [*net.UDPAddr] or [*net.UnixAddr], or nil on a closed socket. getsockname(2), at each call.
func (c *PacketConn) LocalAddr() net.Addr { return c.addr(sys.PacketAddr) }

// RemoteAddr returns the address that the socket is connected to, or nil. getpeername(2), at each call.
func (c *PacketConn) RemoteAddr() net.Addr { return c.addr(sys.PacketPeer) }

func (c *PacketConn) addr(get func(int) (net.Addr, error)) net.Addr {
	if c.closing { // the number may be another's already
		return nil
	}
	a, err := get(int(c.fd))
	if err != nil {
		return nil
	}
	return a
}

// wrap makes an errno of the system a *net.OpError as package net does, and leaves other errors alone. to is nil for the peer.
func (c *PacketConn) wrap(action, call string, to net.Addr, err error) error {
	if err == nil || bare(err) {
		return err
	}
	if to == nil {
		to = c.RemoteAddr()
	}
	return &net.OpError{Op: action, Net: c.network, Source: c.LocalAddr(), Addr: to, Err: os.NewSyscallError(call, err)}
}
