package loop

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/proactor-go/proactor/internal/sys"
)

// Connect connects a UDP socket, once more perhaps: from here on it receives from that address alone, and sends there what has no other
// destination. What was queued by others before may still be received. It does not block: connect(2), called directly.
func (c *PacketConn) Connect(to netip.AddrPort) error {
	return c.option("connect", "connect", func(fd int) error {
		if c.unix || !to.IsValid() {
			return syscall.EINVAL
		}
		return sys.ConnectPacket(fd, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), c.v6)
	})
}

// Disconnect undoes Connect. On Linux, which also takes the local address away again unless it was bound; elsewhere it is not supported.
func (c *PacketConn) Disconnect() error {
	return c.option("disconnect", "connect", sys.DisconnectPacket)
}

// SetReadBuffer sets the size of the kernel's receive buffer in bytes.
func (c *PacketConn) SetReadBuffer(bytes int) error {
	return c.set(func(fd int) error { return sys.SetReadBuffer(fd, bytes) })
}

// SetWriteBuffer sets the size of the kernel's send buffer in bytes.
func (c *PacketConn) SetWriteBuffer(bytes int) error {
	c.room = 0 // it may have been made smaller
	return c.set(func(fd int) error { return sys.SetWriteBuffer(fd, bytes) })
}

// SetBroadcast allows sends to broadcast addresses, or forbids them, which is the default. SO_BROADCAST.
func (c *PacketConn) SetBroadcast(on bool) error {
	return c.set(func(fd int) error { return sys.SetBroadcast(fd, on) })
}

// SetTTL sets the TTL or hop limit of unicast datagrams. IP_TTL, IPV6_UNICAST_HOPS.
func (c *PacketConn) SetTTL(ttl int) error {
	return c.set(func(fd int) error { return sys.SetTTL(fd, ttl, c.v6) })
}

// SetGRO has the kernel join datagrams of one sender that arrive together: see [Packet.SegmentSize]. Buffers should be of 64 KiB then, for
// what does not fit is lost. While a receive is in flight it returns [ErrBusy]. UDP_GRO, Linux 5.0.
func (c *PacketConn) SetGRO(on bool) error {
	if c.recv != nil && !c.closing {
		return ErrBusy
	}
	err := c.set(func(fd int) error { return sys.SetGRO(fd, on) })
	if err == nil {
		c.gro = on
	}
	return err
}

// JoinGroup joins a multicast group on an interface, or on one of the system's choice if ifi is nil.
func (c *PacketConn) JoinGroup(ifi *net.Interface, group netip.Addr) error {
	return c.set(func(fd int) error { return onGroup(sys.JoinGroup, fd, ifi, group) })
}

// LeaveGroup leaves a multicast group.
func (c *PacketConn) LeaveGroup(ifi *net.Interface, group netip.Addr) error {
	return c.set(func(fd int) error { return onGroup(sys.LeaveGroup, fd, ifi, group) })
}

func onGroup(do func(int, *net.Interface, netip.Addr) error, fd int, ifi *net.Interface, group netip.Addr) error {
	if !group.IsMulticast() {
		return syscall.EINVAL
	}
	return do(fd, ifi, group)
}

// SetMulticastInterface sets the interface by which multicast datagrams leave. nil stands for the system's choice.
func (c *PacketConn) SetMulticastInterface(ifi *net.Interface) error {
	return c.set(func(fd int) error { return sys.SetMulticastInterface(fd, ifi, c.v6) })
}

// SetMulticastTTL sets the TTL or hop limit of multicast datagrams. It is 1 by default.
func (c *PacketConn) SetMulticastTTL(ttl int) error {
	return c.set(func(fd int) error { return sys.SetMulticastTTL(fd, ttl, c.v6) })
}

// SetMulticastLoopback says whether this host receives its own multicast datagrams. It does by default.
func (c *PacketConn) SetMulticastLoopback(on bool) error {
	return c.set(func(fd int) error { return sys.SetMulticastLoopback(fd, on, c.v6) })
}

func (c *PacketConn) set(set func(fd int) error) error { return c.option("set", "setsockopt", set) }

func (c *PacketConn) option(action, call string, set func(fd int) error) error {
	c.l.checkThread("PacketConn")
	if c.closing {
		return ErrClosed
	}
	err := set(int(c.fd))
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	return &net.OpError{Op: action, Net: c.network, Source: c.LocalAddr(), Err: os.NewSyscallError(call, errno)}
}

// SyscallConn gives access to the descriptor, for socket options. Its Read and Write return [ErrUnsupported].
func (c *PacketConn) SyscallConn() (syscall.RawConn, error) {
	if c.closing {
		return nil, ErrClosed
	}
	return &rawConn{&c.handle}, nil
}
