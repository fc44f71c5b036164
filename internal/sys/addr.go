package sys

import (
	"net"
	"net/netip"
)

// TCPAddr is a TCP address to listen on or to connect to. Without a host it means every local address.
type TCPAddr struct {
	IP      netip.Addr
	Port    uint16
	network string
}

// ResolveTCP parses an IP address and port for network "tcp", "tcp4" or "tcp6". It asks no name server.
func ResolveTCP(network, address string) (TCPAddr, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return TCPAddr{}, net.UnknownNetworkError(network)
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return TCPAddr{}, err
	}
	port, err := net.LookupPort(network, service)
	if err != nil {
		return TCPAddr{}, err
	}
	a := TCPAddr{Port: uint16(port), network: network}
	if host == "" {
		return a, nil
	}
	if a.IP, err = netip.ParseAddr(host); err != nil {
		return TCPAddr{}, &net.AddrError{Err: "not an IP address", Addr: address}
	}
	a.IP = a.IP.Unmap()
	if network == "tcp4" && !a.IP.Is4() || network == "tcp6" && !a.IP.Is6() {
		return TCPAddr{}, &net.AddrError{Err: "not an address of network " + network, Addr: address}
	}
	return a, nil
}

// IsValid reports whether there is a host.
func (a TCPAddr) IsValid() bool { return a.IP.IsValid() }

// Net returns a as package net has it.
func (a TCPAddr) Net() net.Addr {
	return &net.TCPAddr{IP: a.IP.AsSlice(), Port: int(a.Port), Zone: a.IP.Zone()}
}

// zoneID turns the zone of an IPv6 address into the number that a socket address holds.
func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	n := uint32(0)
	for _, c := range zone {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + uint32(c-'0')
	}
	return n
}

func zoneName(id uint32) string {
	if id == 0 {
		return ""
	}
	if i, err := net.InterfaceByIndex(int(id)); err == nil {
		return i.Name
	}
	return ""
}
