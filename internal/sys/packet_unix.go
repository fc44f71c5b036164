//go:build unix

package sys

import (
	"net"
	"net/netip"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

const (
	// Truncated is the flag of a message that did not fit its buffers.
	Truncated = unix.MSG_TRUNC
	// NameSize is how much room an IP address needs in front of a message, a multiple of 16.
	NameSize = 32
	// UnixNameSize is the same for the name of a Unix socket.
	UnixNameSize = (unix.SizeofSockaddrAny + 15) &^ 15

	pathOffset = int(unsafe.Offsetof(unix.RawSockaddrUnix{}.Path))
)

// PacketSocket makes a non-blocking UDP socket that accepts addresses such as ip. For every local address it prefers IPv6, whose
// sockets carry both. v6 tells which it is; call names what failed.
func PacketSocket(network string, ip netip.Addr) (fd int, v6 bool, call string, err error) {
	v6 = network != "udp4" && !ip.Is4()
	if !v6 {
		fd, err = datagramSocket(unix.AF_INET)
		return fd, false, "socket", err
	}
	fd, err = datagramSocket(unix.AF_INET6)
	if err == unix.EAFNOSUPPORT && network == "udp" && !ip.IsValid() {
		fd, err = datagramSocket(unix.AF_INET)
		return fd, false, "socket", err
	}
	if err != nil {
		return fd, true, "socket", err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, toInt(network == "udp6")); err != nil {
		Close(fd)
		return -1, true, "setsockopt", err
	}
	return fd, true, "", nil
}

// UnixPacketSocket makes a non-blocking Unix datagram socket.
func UnixPacketSocket() (int, error) { return datagramSocket(unix.AF_UNIX) }

// PacketNetwork tells what kind of datagram socket fd is.
func PacketNetwork(fd int) (network string, v6 bool, err error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return "", false, err
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return "", false, err
	}
	if kind == unix.SOCK_DGRAM {
		switch sa.(type) {
		case *unix.SockaddrInet4:
			return "udp4", false, nil
		case *unix.SockaddrInet6:
			return "udp", true, nil
		case *unix.SockaddrUnix:
			return "unixgram", false, nil
		}
	}
	return "", false, unix.EPROTOTYPE
}

// ReuseAddr sets SO_REUSEADDR.
func ReuseAddr(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }

// ReusePort sets SO_REUSEPORT.
func ReusePort(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }

// SetNonblock makes fd non-blocking.
func SetNonblock(fd int) error { return unix.SetNonblock(fd, true) }

func sockaddr(a netip.AddrPort, v6 bool) unix.Sockaddr {
	ip := a.Addr()
	if !v6 {
		sa := &unix.SockaddrInet4{Port: int(a.Port())}
		if ip.Is4() {
			sa.Addr = ip.As4()
		}
		return sa
	}
	sa := &unix.SockaddrInet6{Port: int(a.Port()), ZoneId: zoneID(ip.Zone())}
	if ip.IsValid() {
		sa.Addr = ip.As16()
	}
	return sa
}

// BindPacket binds a UDP socket.
func BindPacket(fd int, a netip.AddrPort, v6 bool) error { return unix.Bind(fd, sockaddr(a, v6)) }

// ConnectPacket connects a UDP socket, which never blocks.
func ConnectPacket(fd int, a netip.AddrPort, v6 bool) error { return unix.Connect(fd, sockaddr(a, v6)) }

// BindName binds a Unix datagram socket. A name that begins with @ is abstract, and the empty one has the system choose such a name.
func BindName(fd int, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrUnix{Name: name})
}

// ConnectName connects a Unix datagram socket.
func ConnectName(fd int, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return unix.Connect(fd, &unix.SockaddrUnix{Name: name})
}

// checkName refuses what has no room in a socket address with its final NUL byte, as a path needs it.
func checkName(name string) error {
	limit := len(unix.RawSockaddrUnix{}.Path)
	if name == "" || name[0] != '@' {
		limit--
		if strings.IndexByte(name, 0) >= 0 { // the kernel would take what stands before it; an abstract name may have one
			return unix.EINVAL
		}
	}
	if len(name) > limit {
		return unix.ENAMETOOLONG
	}
	return nil
}

// PutAddr writes a, whose zone has the number scope, as an address for a socket of IPv6 or IPv4 and returns its length.
func PutAddr(to *ring.RawSockaddrAny, a netip.AddrPort, scope uint32, v6 bool) int {
	ip := a.Addr()
	if ip.Is4() && !v6 {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(to))
		*sa = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: ip.As4(), Port: bigEndian(a.Port())}
		setLen(to, unix.SizeofSockaddrInet4)
		return unix.SizeofSockaddrInet4
	}
	sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(to))
	*sa = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: ip.As16(), Port: bigEndian(a.Port()), Scope_id: scope}
	setLen(to, unix.SizeofSockaddrInet6)
	return unix.SizeofSockaddrInet6
}

// PutName writes the name of a Unix socket as an address and returns its length.
func PutName(to *ring.RawSockaddrAny, name string) (int, error) {
	if err := checkName(name); err != nil {
		return 0, err
	}
	sa := (*unix.RawSockaddrUnix)(unsafe.Pointer(to))
	*sa = unix.RawSockaddrUnix{Family: unix.AF_UNIX}
	for i := range len(name) {
		sa.Path[i] = int8(name[i])
	}
	n := pathOffset + len(name)
	switch {
	case name == "":
	case name[0] == '@':
		sa.Path[0] = 0
	default:
		n++ // the NUL byte
	}
	setLen(to, uint8(n))
	return n, nil
}

// TakeAddr reads an IP address of n bytes, without its zone, whose number is scope. An IPv4 address that an IPv6 socket shows is
// one of IPv4. It is not valid if there is none.
func TakeAddr(from unsafe.Pointer, n int) (a netip.AddrPort, scope uint32) {
	switch {
	case n >= unix.SizeofSockaddrInet4 && (*unix.RawSockaddr)(from).Family == unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(from)
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), bigEndian(sa.Port)), 0
	case n >= unix.SizeofSockaddrInet6 && (*unix.RawSockaddr)(from).Family == unix.AF_INET6:
		sa := (*unix.RawSockaddrInet6)(from)
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), bigEndian(sa.Port)), sa.Scope_id
	}
	return netip.AddrPort{}, 0
}

// TakeName reads the name of a Unix socket, "" if it has none.
func TakeName(from unsafe.Pointer, n int) string {
	if n <= pathOffset {
		return ""
	}
	path := unsafe.Slice((*byte)(unsafe.Add(from, pathOffset)), n-pathOffset)
	if path[0] == 0 {
		return "@" + string(path[1:])
	}
	for i, c := range path {
		if c == 0 {
			return string(path[:i])
		}
	}
	return string(path)
}

// PacketAddr returns the address that a datagram socket is bound to.
func PacketAddr(fd int) (net.Addr, error) { return packetAddr(unix.Getsockname(fd)) }

// PacketPeer returns the address that a datagram socket is connected to.
func PacketPeer(fd int) (net.Addr, error) { return packetAddr(unix.Getpeername(fd)) }

func packetAddr(sa unix.Sockaddr, err error) (net.Addr, error) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return udpAddr(sa.Addr[:], sa.Port, ""), nil
	case *unix.SockaddrInet6:
		return udpAddr(sa.Addr[:], sa.Port, zoneName(sa.ZoneId)), nil
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: "unixgram"}, nil
	}
	if err == nil {
		err = unix.EAFNOSUPPORT
	}
	return nil, err
}

// SetMessage fills m: room for, or the bytes of, an address, buffers, control data. A nil name or control with a length is what a
// receive into provided buffers asks for.
func SetMessage(m *ring.Msghdr, name unsafe.Pointer, nameLen int, iov []ring.Iovec, control unsafe.Pointer, controlLen int) {
	*m = ring.Msghdr{Name: (*byte)(name), Namelen: uint32(nameLen), Iov: unsafe.SliceData(iov), Control: (*byte)(control)}
	m.SetIovlen(len(iov))
	m.SetControllen(controlLen)
}

// Answer returns what the system wrote into m.
func Answer(m *ring.Msghdr) (nameLen, controlLen int, flags uint32) {
	return int(m.Namelen), int(m.Controllen), uint32(m.Flags)
}

// SetBroadcast sets SO_BROADCAST.
func SetBroadcast(fd int, on bool) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, toInt(on))
}

// SetTTL sets IP_TTL, or IPV6_UNICAST_HOPS and, for the IPv4 packets of that socket, IP_TTL as far as the system has it.
func SetTTL(fd, ttl int, v6 bool) error {
	if !v6 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, ttl)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, ttl) // a socket of IPv6 alone has none
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, ttl)
}

// SetMulticastTTL sets IP_MULTICAST_TTL or IPV6_MULTICAST_HOPS.
func SetMulticastTTL(fd, ttl int, v6 bool) error {
	if !v6 {
		return setMulticast4(fd, unix.IP_MULTICAST_TTL, ttl)
	}
	_ = setMulticast4(fd, unix.IP_MULTICAST_TTL, ttl) // as in SetTTL
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, ttl)
}

// SetMulticastLoopback sets IP_MULTICAST_LOOP or IPV6_MULTICAST_LOOP.
func SetMulticastLoopback(fd int, on, v6 bool) error {
	if !v6 {
		return setMulticast4(fd, unix.IP_MULTICAST_LOOP, toInt(on))
	}
	_ = setMulticast4(fd, unix.IP_MULTICAST_LOOP, toInt(on))
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, toInt(on))
}

// SetMulticastInterface sets IPV6_MULTICAST_IF, and IP_MULTICAST_IF to the first IPv4 address of the interface, which it must have on a socket of
// IPv4.
func SetMulticastInterface(fd int, ifi *net.Interface, v6 bool) error {
	addr, err := interfaceAddr4(ifi)
	if err == nil {
		err = unix.SetsockoptInet4Addr(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, addr)
	}
	if v6 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, interfaceIndex(ifi))
	}
	return err
}

// JoinGroup joins a multicast group, on the system's choice of an interface if ifi is nil.
func JoinGroup(fd int, ifi *net.Interface, group netip.Addr) error {
	if group = group.Unmap(); group.Is4() {
		return membership4(fd, unix.IP_ADD_MEMBERSHIP, ifi, group)
	}
	return membership6(fd, unix.IPV6_JOIN_GROUP, ifi, group)
}

// LeaveGroup leaves a multicast group.
func LeaveGroup(fd int, ifi *net.Interface, group netip.Addr) error {
	if group = group.Unmap(); group.Is4() {
		return membership4(fd, unix.IP_DROP_MEMBERSHIP, ifi, group)
	}
	return membership6(fd, unix.IPV6_LEAVE_GROUP, ifi, group)
}

func membership4(fd, option int, ifi *net.Interface, group netip.Addr) error {
	m := &unix.IPMreq{Multiaddr: group.As4()}
	var err error
	if m.Interface, err = interfaceAddr4(ifi); err != nil {
		return err
	}
	return unix.SetsockoptIPMreq(fd, unix.IPPROTO_IP, option, m)
}

func membership6(fd, option int, ifi *net.Interface, group netip.Addr) error {
	return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, option, &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(interfaceIndex(ifi))})
}

func interfaceIndex(ifi *net.Interface) int {
	if ifi == nil {
		return 0
	}
	return ifi.Index
}

// interfaceAddr4 returns the address by which IPv4's options name an interface.
func interfaceAddr4(ifi *net.Interface) (addr [4]byte, err error) {
	if ifi == nil {
		return addr, nil
	}
	addrs, err := ifi.Addrs()
	if err != nil {
		return addr, err
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil {
			return [4]byte(ip.IP.To4()), nil
		}
	}
	return addr, syscall.EADDRNOTAVAIL
}
