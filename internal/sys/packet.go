package sys

import (
	"net"
	"net/netip"
)

// ResolveUDP parses an IP address and port for network "udp", "udp4" or "udp6". Without a host the address is not valid and
// the port counts. It asks no name server.
func ResolveUDP(network, address string) (netip.AddrPort, error) {
	switch network {
	case "udp", "udp4", "udp6":
	default:
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := net.LookupPort(network, service)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if host == "" {
		return netip.AddrPortFrom(netip.Addr{}, uint16(port)), nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, &net.AddrError{Err: "not an IP address", Addr: address}
	}
	ip = ip.Unmap()
	if network == "udp4" && !ip.Is4() || network == "udp6" && !ip.Is6() {
		return netip.AddrPort{}, &net.AddrError{Err: "not an address of network " + network, Addr: address}
	}
	return netip.AddrPortFrom(ip, uint16(port)), nil
}

// ZoneID returns the number of an IPv6 zone, 0 if there is none of that name.
func ZoneID(zone string) uint32 { return zoneID(zone) }

// ZoneName returns the name of an IPv6 zone.
func ZoneName(id uint32) string { return zoneName(id) }

// udpAddr returns a as package net has it.
func udpAddr(ip []byte, port int, zone string) net.Addr {
	return &net.UDPAddr{IP: append(net.IP(nil), ip...), Port: port, Zone: zone}
}
