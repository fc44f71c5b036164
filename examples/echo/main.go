// Echo is a TCP server that sends back what it receives. One loop on one thread serves all connections.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/proactor-go/proactor/loop"
)

// A session stops receiving when highWater sends, or highBytes in them, wait for its peer to read, and goes on when only lowWater sends
// are left.
const (
	highWater = 64
	lowWater  = 16
	highBytes = 1 << 20
)

// buffers is how many provided buffers there are, of 64 KiB. Sends may hold half of them. When they hold maxCopied bytes besides, in copies, a
// session no longer receives while it has anything unsent. It is no hard limit: what one receive brings in a turn, up to 2 MiB a session, is
// there already.
const (
	buffers   = 1024
	maxCopied = 64 << 20
)

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "IP address and port to listen on")
	backend := flag.String("backend", "auto", "auto, uring, epoll or poll")
	flag.Parse()
	if err := run(*addr, *backend); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

func run(addr, backend string) error {
	l, err := loop.New(loop.Options{Backend: backend, Buffers: buffers})
	if err != nil {
		return err
	}
	defer l.Close() // ends every connection that is still open
	ln, err := l.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s := &server{l: l}
	ln.Accept(s.accepted)
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupts
		l.Stop()
	}()
	fmt.Printf("listening on %v, backend %s", ln.Addr(), l.Backend())
	if reason := l.FallbackReason(); reason != nil {
		fmt.Printf(" (not io_uring: %v)", reason)
	}
	fmt.Println()
	return errors.Join(l.Run(), s.err)
}

type server struct {
	l      *loop.Loop
	lent   int // provided buffers that sends hold
	copied int // bytes in copies that they hold
	err    error
}

// short reports whether slow peers hold all that the server has for them.
func (s *server) short() bool { return s.copied > maxCopied }

func (s *server) accepted(c *loop.Conn, err error) {
	if err != nil {
		s.err = err
		s.l.Stop()
		return
	}
	e := &session{server: s, conn: c}
	e.onReceived, e.onSent, e.onCopySent = e.received, e.sent, e.copySent
	e.recv = c.RecvMultishot(e.onReceived)
}

// A session is one connection. It makes its callbacks once, so that none of its operations allocates.
type session struct {
	server     *server
	conn       *loop.Conn
	recv       loop.Op
	paused     bool
	unsent     int // sends that have not called back
	onReceived loop.BufferFunc
	onSent     loop.DoneFunc
	onCopySent loop.IOFunc
}

func (e *session) received(b loop.Buffer, err error) {
	switch err {
	case nil:
		e.echo(b)
	case loop.ErrCanceled:
		e.paused = true
		e.resume()
	case io.EOF: // the peer may still read what is queued for it
		e.conn.CloseWrite(func(error) { e.conn.Close(nil) })
	default:
		e.conn.Close(nil)
	}
}

// echo sends the very buffer that was received. When slow peers hold too many of them, it sends a copy, so
// that the others still find buffers to receive into; when they hold too much of that as well, whoever has anything unsent stops receiving.
func (e *session) echo(b loop.Buffer) {
	s := e.server
	if s.lent < buffers/2 {
		s.lent++
		e.conn.SendBuffer(b, e.onSent)
	} else {
		s.copied += b.Len()
		e.conn.Send(bytes.Clone(b.Bytes()), e.onCopySent)
	}
	if e.unsent++; e.unsent == highWater || e.conn.Queued() > highBytes || s.short() {
		e.recv.Cancel() // a request: what has been received already still arrives
	}
}

func (e *session) sent(err error) {
	e.server.lent--
	e.done(err)
}

func (e *session) copySent(b []byte, err error) {
	e.server.copied -= cap(b)
	e.done(err)
}

func (e *session) done(err error) {
	e.unsent--
	if err != nil {
		e.conn.Close(nil)
		return
	}
	e.resume()
}

// resume receives again when the canceled receive has ended and the peer has caught up.
func (e *session) resume() {
	if e.paused && (e.unsent == 0 || e.unsent <= lowWater && !e.server.short()) {
		e.paused = false
		e.recv = e.conn.RecvMultishot(e.onReceived)
	}
}
