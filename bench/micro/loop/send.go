package main

import (
	"errors"
	"net/netip"

	"github.com/proactor-go/proactor/bench/micro/internal/micro"
	"github.com/proactor-go/proactor/loop"
)

// send sends datagrams one by one, a burst of them in each turn.
func send(o *micro.Options) error {
	return burst(o, func(c *loop.PacketConn, data []byte, sent loop.IOFunc) {
		for at := 0; at < len(data); at += micro.Datagram {
			c.Send(data[at:at+micro.Datagram], netip.AddrPort{}, sent)
		}
	})
}

// segments sends a burst with one call, which the kernel cuts into datagrams.
func segments(o *micro.Options) error {
	return burst(o, func(c *loop.PacketConn, data []byte, sent loop.IOFunc) {
		c.SendSegments(data, micro.Datagram, netip.AddrPort{}, sent)
	})
}

// burst starts the next when all of the last has left.
func burst(o *micro.Options, start func(c *loop.PacketConn, data []byte, sent loop.IOFunc)) error {
	var failed error
	return errors.Join(onLoop(func(l *loop.Loop) {
		sink, err := l.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			failed = err
			return
		}
		c, err := l.DialPacket("udp4", sink.LocalAddr().String())
		if err != nil {
			failed = err
			return
		}
		data := make([]byte, micro.Burst*micro.Datagram)
		ops, left := uint64(0), 0
		var sent loop.IOFunc
		sent = func(b []byte, err error) {
			if err != nil {
				failed = err
				l.Stop()
				return
			}
			ops += uint64(len(b) / micro.Datagram)
			if left -= len(b); left > 0 {
				return
			}
			if o.Over(ops) {
				l.Stop()
				return
			}
			left = len(data)
			start(c, data, sent)
		}
		left = len(data)
		start(c, data, sent)
	}), failed)
}
