//go:build unix

package sys

import (
	"net"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// maxUnixName is how long a name may be: one less than there is room for, because a path ends with a NUL byte.
const maxUnixName = len(unix.RawSockaddrUnix{}.Path) - 1

// UnixSocket makes a non-blocking socket for network "unix" or "unixpacket".
func UnixSocket(network string) (fd int, err error) {
	kind := unix.SOCK_STREAM
	if network == "unixpacket" {
		kind = unix.SOCK_SEQPACKET
	}
	return socket(unix.AF_UNIX, kind)
}

// BindListenUnix binds and listens; call names the one that failed.
func BindListenUnix(fd int, a UnixAddr, backlog int) (call string, err error) {
	return bindListen(fd, &unix.SockaddrUnix{Name: a.Name}, backlog)
}

// Encode writes a as a socket address and returns its length.
func (a UnixAddr) Encode(to *ring.RawSockaddrAny) uint64 {
	sa := (*unix.RawSockaddrUnix)(unsafe.Pointer(to))
	*sa = unix.RawSockaddrUnix{Family: unix.AF_UNIX}
	for i := range len(a.Name) {
		sa.Path[i] = int8(a.Name[i])
	}
	n := unsafe.Offsetof(sa.Path) + uintptr(len(a.Name))
	if a.IsPath() {
		n++
	} else if a.Name != "" {
		sa.Path[0] = 0
	}
	setLen(to, uint8(n))
	return uint64(n)
}

// decodeUnix reads what Encode wrote, but for the network.
func decodeUnix(from *ring.RawSockaddrAny) net.Addr {
	sa := (*unix.RawSockaddrUnix)(unsafe.Pointer(from))
	name := make([]byte, 0, len(sa.Path))
	for i, c := range sa.Path {
		switch {
		case i == 0 && c == 0:
			name = append(name, '@')
			continue
		case c == 0:
			return &net.UnixAddr{Name: string(name), Net: "unix"}
		}
		name = append(name, byte(c))
	}
	return &net.UnixAddr{Name: string(name), Net: "unix"}
}

// unixNetwork returns the network of a Unix socket.
func unixNetwork(fd int) string {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	switch {
	case err == nil && kind == unix.SOCK_SEQPACKET:
		return "unixpacket"
	case err == nil && kind == unix.SOCK_DGRAM:
		return "unixgram"
	}
	return "unix"
}
