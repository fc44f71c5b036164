// Mixed is a server whose requests each need the disk: one loop on one thread receives them, reads their blocks past the page cache, and
// replies.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/proactor-go/proactor/bench/disk/internal/wire"
	"github.com/proactor-go/proactor/loop"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mixed:", err)
		os.Exit(1)
	}
}

func run() error {
	var backend string
	addr, name, err := wire.ServerFlags(func() {
		flag.StringVar(&backend, "backend", "auto", "auto, uring, epoll or poll")
	})
	if err != nil {
		return err
	}
	l, err := loop.New(loop.Options{Backend: backend})
	if err != nil {
		return err
	}
	defer l.Close()
	s := &server{l: l}
	l.Open(name, wire.OpenFlags, 0, func(f *loop.File, err error) {
		if err != nil {
			s.fail(err)
			return
		}
		s.file = f
		ln, err := l.Listen("tcp", addr)
		if err != nil {
			s.fail(err)
			return
		}
		ln.Accept(s.accepted)
		fmt.Println("listening on", ln.Addr())
	})
	wire.Interrupted(l.Stop)
	if err := l.Run(); err != nil {
		return err
	}
	return s.err
}

type server struct {
	l    *loop.Loop
	file *loop.File
	err  error
}

func (s *server) fail(err error) {
	s.err = err
	s.l.Stop()
}

func (s *server) accepted(c *loop.Conn, err error) {
	if err != nil {
		s.fail(err)
		return
	}
	e := &session{server: s, conn: c, message: make([]byte, wire.Size), block: loop.AlignedBuffer(wire.BlockSize)}
	e.onReceived, e.onRead, e.onSent = e.received, e.read, e.sent
	e.receive()
}

// A session is one connection: it receives, reads and sends in turn.
type session struct {
	*server
	conn           *loop.Conn
	message, block []byte

	onReceived, onRead, onSent loop.IOFunc
}

func (e *session) receive() { e.conn.RecvFull(e.message, e.onReceived) }

func (e *session) received(b []byte, err error) {
	if err != nil { // the client is gone
		e.conn.Close(nil)
		return
	}
	e.file.ReadAt(e.block, wire.Offset(b), e.onRead)
}

func (e *session) read(b []byte, err error) {
	if err != nil { // no such block
		e.conn.Close(nil)
		return
	}
	wire.Reply(e.message, b)
	e.conn.Send(e.message, e.onSent)
}

func (e *session) sent(_ []byte, err error) {
	if err != nil {
		e.conn.Close(nil)
		return
	}
	e.receive()
}
