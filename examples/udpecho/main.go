// Udpecho is a UDP server that sends back what it receives. A provided buffer is filled by the kernel, sent as it is, and goes back to
// the loop: nothing is copied, and a turn has one system call however many datagrams it moves.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/proactor-go/proactor/loop"
)

// Options for many small datagrams: buffers of 2 KiB for what fits an Ethernet frame. More is cut off, and not echoed.
const (
	buffers    = 4096
	bufferSize = 2048
	highBytes  = 1 << 20 // of sends that wait: what comes on top is dropped, as a router would
)

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "IP address and port to listen on")
	backend := flag.String("backend", "auto", "auto, uring, epoll or poll")
	flag.Parse()
	if err := run(*addr, *backend); err != nil {
		fmt.Fprintln(os.Stderr, "udpecho:", err)
		os.Exit(1)
	}
}

func run(addr, backend string) error {
	l, err := loop.New(loop.Options{Backend: backend, Buffers: buffers, BufferSize: bufferSize})
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := l.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	s := &server{l: l, conn: c}
	c.RecvMultishot(s.received)
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupts
		l.Stop()
	}()
	fmt.Printf("listening on %v, backend %s\n", c.LocalAddr(), l.Backend())
	return errors.Join(l.Run(), s.err)
}

type server struct {
	l    *loop.Loop
	conn *loop.PacketConn
	err  error
}

func (s *server) received(p loop.Packet, err error) {
	switch {
	case err != nil: // nothing that a sender did: this socket is not connected
		s.err = err
		s.l.Stop()
	case p.Truncated || s.conn.Queued() > highBytes:
	default:
		// What cannot be sent, to a sender that is gone or has no route, is lost, as datagrams may be.
		s.conn.SendBuffer(p.Buffer, p.From, nil)
	}
}
