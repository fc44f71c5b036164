package main

import (
	"io"

	"github.com/proactor-go/proactor/bench/http/internal/hello"
	"github.com/proactor-go/proactor/loop"
)

// A session stops receiving when highWater bytes wait for its peer to read them, and goes on when only lowWater are left.
const (
	highWater = 64 << 10
	lowWater  = 16 << 10
)

// A session is one connection. It makes its callbacks once, so that none of its operations allocates.
type session struct {
	conn       *loop.Conn
	recv       loop.Op
	partial    []byte // the start of a request
	paused     bool
	finished   bool // nothing more is answered
	onReceived loop.BufferFunc
	onSent     loop.IOFunc
}

func serve(c *loop.Conn) {
	s := &session{conn: c}
	s.onReceived, s.onSent = s.received, s.sent
	s.recv = c.RecvMultishot(s.onReceived)
}

func (s *session) received(b loop.Buffer, err error) {
	switch err {
	case nil:
		s.answer(b.Bytes())
	case loop.ErrCanceled:
		s.paused = true
		s.resume()
	case io.EOF:
		s.finish()
	default:
		s.conn.Close(nil)
	}
}

func (s *session) answer(data []byte) {
	if s.finished {
		return
	}
	if len(s.partial) > 0 {
		s.partial = append(s.partial, data...)
		data = s.partial
	}
	for {
		n, rest, last := hello.Take(data)
		if n == 0 {
			break
		}
		s.conn.Send(hello.Responses(n), s.onSent)
		data = rest
		if last {
			s.finish()
			return
		}
	}
	if len(data) > hello.MaxRequest {
		s.conn.Close(nil)
		return
	}
	s.partial = append(s.partial[:0], data...)
	if s.conn.Queued() > highWater {
		s.recv.Cancel() // a request: what has been received already still arrives
	}
}

func (s *session) sent(_ []byte, err error) {
	if err != nil {
		s.conn.Close(nil)
		return
	}
	s.resume()
}

// resume receives again when the canceled receive has ended and the peer has caught up.
func (s *session) resume() {
	if s.paused && !s.finished && s.conn.Queued() <= lowWater {
		s.paused = false
		s.recv = s.conn.RecvMultishot(s.onReceived)
	}
}

// finish closes the connection behind the answers that are queued.
func (s *session) finish() {
	if !s.finished {
		s.finished = true
		s.conn.CloseWrite(func(error) { s.conn.Close(nil) })
	}
}
