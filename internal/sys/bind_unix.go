//go:build unix

package sys

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// BindLocal binds a socket, of IPv4 or IPv6, to what it is to send from. Without an address the system chooses that.
func BindLocal(fd int, ip netip.Addr, port uint16, is4 bool) error {
	if is4 {
		sa := &unix.SockaddrInet4{Port: int(port)}
		if ip.IsValid() {
			sa.Addr = ip.As4()
		}
		return unix.Bind(fd, sa)
	}
	sa := &unix.SockaddrInet6{Port: int(port), ZoneId: zoneID(ip.Zone())}
	if ip.IsValid() {
		sa.Addr = ip.As16()
	}
	return unix.Bind(fd, sa)
}
