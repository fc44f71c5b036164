// Udpnet is the UDP echo server on package net, with the calls that allocate nothing.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/netip"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "IP address and port to listen on")
	flag.Parse()
	at, err := netip.ParseAddrPort(*addr)
	if err != nil {
		log.Fatal(err)
	}
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", c.LocalAddr())
	buf := make([]byte, 64<<10)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			log.Fatal(err)
		}
		_, _ = c.WriteToUDPAddrPort(buf[:n], from) // what cannot be sent is lost
	}
}
