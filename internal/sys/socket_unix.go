//go:build unix

package sys

import (
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// Flags of the entries that carry socket operations.
const (
	DontWait = unix.MSG_DONTWAIT
	PollIn   = unix.POLLIN
	PollOut  = unix.POLLOUT
	PollErr  = unix.POLLERR
	PollHup  = unix.POLLHUP
	PollNval = unix.POLLNVAL
)

// Result turns the error of a system call into what a completion would hold.
func Result(err error) int32 {
	if errno, ok := err.(syscall.Errno); ok {
		return -int32(errno)
	}
	return -int32(unix.EINVAL)
}

// StreamSocket makes a non-blocking TCP socket of a's family. For every local address it prefers
// IPv6, whose sockets accept both.
func StreamSocket(a TCPAddr) (fd int, err error) {
	family := unix.AF_INET6
	if a.IP.Is4() || a.network == "tcp4" {
		family = unix.AF_INET
	}
	fd, err = socket(family, unix.SOCK_STREAM)
	if err == unix.EAFNOSUPPORT && family == unix.AF_INET6 && !a.IsValid() && a.network == "tcp" {
		fd, err = socket(unix.AF_INET, unix.SOCK_STREAM)
	}
	return fd, err
}

// ListenOptions sets what package net sets on a listening socket.
func ListenOptions(fd int, a TCPAddr, reusePort bool) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if reusePort {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return err
		}
	}
	if familyOf(fd) != unix.AF_INET6 {
		return nil
	}
	only := 0
	if a.network == "tcp6" {
		only = 1
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only)
}

func familyOf(fd int) int {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return unix.AF_UNSPEC
	}
	if _, ok := sa.(*unix.SockaddrInet6); ok {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// BindListen binds and listens; call names the one that failed.
func BindListen(fd int, a TCPAddr, backlog int) (call string, err error) {
	var sa unix.Sockaddr = &unix.SockaddrInet4{Port: int(a.Port)}
	if a.IP.Is4() {
		sa = &unix.SockaddrInet4{Port: int(a.Port), Addr: a.IP.As4()}
	} else if familyOf(fd) == unix.AF_INET6 {
		in6 := &unix.SockaddrInet6{Port: int(a.Port), ZoneId: zoneID(a.IP.Zone())}
		if a.IsValid() {
			in6.Addr = a.IP.As16()
		}
		sa = in6
	}
	return bindListen(fd, sa, backlog)
}

func bindListen(fd int, sa unix.Sockaddr, backlog int) (call string, err error) {
	if err := unix.Bind(fd, sa); err != nil {
		return "bind", err
	}
	if backlog <= 0 {
		backlog = maxBacklog() // the kernel clips what is above its limit
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return "listen", err
	}
	return "", nil
}

// Encode writes a as a socket address and returns its length.
func (a TCPAddr) Encode(to *ring.RawSockaddrAny) uint64 {
	if a.IP.Is4() {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(to))
		*sa = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.IP.As4(), Port: bigEndian(a.Port)}
		setLen(to, unix.SizeofSockaddrInet4)
		return unix.SizeofSockaddrInet4
	}
	sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(to))
	*sa = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: a.IP.As16(), Port: bigEndian(a.Port), Scope_id: zoneID(a.IP.Zone())}
	setLen(to, unix.SizeofSockaddrInet6)
	return unix.SizeofSockaddrInet6
}

// DecodeAddr reads a socket address that Encode wrote.
func DecodeAddr(from *ring.RawSockaddrAny) net.Addr {
	switch from.Addr.Family {
	case unix.AF_UNIX:
		return decodeUnix(from)
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(from))
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: int(bigEndian(sa.Port))}
	}
	sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(from))
	return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: int(bigEndian(sa.Port)), Zone: zoneName(sa.Scope_id)}
}

// bigEndian converts a port between the machine's and the network's order of bytes.
func bigEndian(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}

// LocalAddr returns the address that fd is bound to.
func LocalAddr(fd int) (net.Addr, error) {
	sa, err := unix.Getsockname(fd)
	return addrOf(fd, sa, err)
}

// PeerAddr returns the address of fd's peer.
func PeerAddr(fd int) (net.Addr, error) {
	sa, err := unix.Getpeername(fd)
	return addrOf(fd, sa, err)
}

func addrOf(fd int, sa unix.Sockaddr, err error) (net.Addr, error) {
	switch sa := sa.(type) {
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: unixNetwork(fd)}, nil
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: sa.Port}, nil
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: sa.Port, Zone: zoneName(sa.ZoneId)}, nil
	}
	if err == nil {
		err = unix.EAFNOSUPPORT
	}
	return nil, err
}

// SetNoDelay sets TCP_NODELAY.
func SetNoDelay(fd int, on bool) error {
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, toInt(on))
}

// SetKeepAlive sets SO_KEEPALIVE with package net's intervals, or turns it off.
func SetKeepAlive(fd int, idle time.Duration) error {
	if idle <= 0 {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1); err != nil {
		return err
	}
	return keepAliveTimes(fd, int((idle+time.Second-1)/time.Second))
}

// SetLinger sets SO_LINGER; below 0 it turns it off.
func SetLinger(fd, sec int) error {
	l := unix.Linger{Onoff: 1, Linger: int32(sec)}
	if sec < 0 {
		l = unix.Linger{}
	}
	return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &l)
}

// SetReadBuffer sets SO_RCVBUF.
func SetReadBuffer(fd, bytes int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
}

// SetWriteBuffer sets SO_SNDBUF.
func SetWriteBuffer(fd, bytes int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes)
}

// ShutdownWrite shuts the sending side down and returns the result as a completion has it.
func ShutdownWrite(fd int) int32 {
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		return Result(err)
	}
	return 0
}

// Dup returns a second descriptor of the same file, close-on-exec.
func Dup(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }

// Close closes a descriptor that no queue has seen.
func Close(fd int) {
	_ = unix.Close(fd) // whatever it says, the number is free
}

// SpareFD opens a descriptor only to hold its number, or returns -1.
func SpareFD() int {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// Shed accepts and closes the connections that wait on a non-blocking listener, some of them if they are
// many, and returns how many.
func Shed(listener int) int {
	for n := 0; ; n++ {
		if n == 128 {
			return n // a flood must not keep the loop here
		}
		fd, _, err := unix.Accept(listener)
		if err == unix.ECONNABORTED || err == unix.EINTR {
			continue
		}
		if err != nil {
			return n
		}
		Close(fd)
	}
}

func toInt(on bool) int {
	if on {
		return 1
	}
	return 0
}
