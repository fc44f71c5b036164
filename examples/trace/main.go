// Trace writes a trace of a small server that does network and disk work at once, to see with https://ui.perfetto.dev how a loop turns: on io_uring and on
// epoll, side by side.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/proactor-go/proactor/loop"
)

const (
	clients = 4
	rounds  = 8     // of each client
	block   = 16384 // what a client gets each time, from a file
	stride  = 7 * block
)

func main() {
	backend := flag.String("backend", "auto", "auto, uring, epoll or poll")
	out := flag.String("o", "trace.json", "the file to write")
	flag.Parse()
	if err := record(*backend, *out); err != nil {
		fmt.Fprintln(os.Stderr, "trace:", err)
		os.Exit(1)
	}
	fmt.Printf("open %s with https://ui.perfetto.dev\n", *out)
}

// record runs the server and its clients on one loop, and has that traced into the file.
func record(backend, out string) (err error) {
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	tracer := loop.NewTracer(w)
	defer func() { err = errors.Join(err, tracer.Close(), w.Flush(), file.Close()) }()
	data, err := testData()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(data)) }()

	l, err := loop.New(loop.Options{Backend: backend, Tracer: tracer})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	s := &scene{l: l, left: clients}
	if s.ln, err = l.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	l.Open(data, os.O_RDONLY, 0, func(f *loop.File, err error) {
		if s.failed(err) {
			return
		}
		s.file = f
		// Out of the page cache with it, or there would be no disk work to see.
		f.Sync(func(error) {
			f.Advise(0, 0, loop.AdviceRandom, nil)
			f.Advise(0, 0, loop.AdviceDontNeed, func(error) { s.begin() })
		})
	})
	return errors.Join(l.Run(), s.err)
}

// testData makes a file that the clients ask for.
func testData() (name string, err error) {
	f, err := os.CreateTemp("", "trace")
	if err != nil {
		return "", err
	}
	_, err = f.Write(make([]byte, clients*rounds*block))
	return f.Name(), errors.Join(err, f.Close())
}

// A scene is what happens in the trace. For each byte that a client sends, the server reads a block of the file and sends it.
type scene struct {
	l    *loop.Loop
	ln   *loop.Listener
	file *loop.File
	at   int64
	left int // clients
	err  error
}

func (s *scene) begin() {
	s.ln.Accept(s.accepted)
	for range clients {
		s.l.Dial("tcp", s.ln.Addr().String(), s.dialed)
	}
}

// failed ends the scene on the first error.
func (s *scene) failed(err error) bool {
	if err == nil || s.err != nil {
		return s.err != nil
	}
	s.err = err
	s.l.Stop()
	return true
}

func (s *scene) accepted(c *loop.Conn, err error) {
	if errors.Is(err, loop.ErrClosed) || s.failed(err) {
		return
	}
	s.serve(c, make([]byte, 1), make([]byte, block))
}

func (s *scene) serve(c *loop.Conn, ask, answer []byte) {
	c.Recv(ask, func(_ []byte, err error) {
		if errors.Is(err, io.EOF) {
			c.Close(nil)
			return
		}
		if s.failed(err) {
			return
		}
		s.file.ReadAt(answer, s.at, func(b []byte, err error) {
			if s.failed(err) {
				return
			}
			c.Send(b, func(_ []byte, err error) {
				if !s.failed(err) {
					s.serve(c, ask, answer)
				}
			})
		})
		s.at = (s.at + stride) % (clients * rounds * block) // here and there, so that nothing is read ahead
	})
}

func (s *scene) dialed(c *loop.Conn, err error) {
	if s.failed(err) {
		return
	}
	s.ask(c, make([]byte, block), rounds)
}

func (s *scene) ask(c *loop.Conn, answer []byte, left int) {
	if left == 0 {
		c.Close(nil)
		if s.left--; s.left == 0 {
			s.ln.Close(nil)
			s.file.Close(nil)
		}
		return
	}
	c.Send([]byte{1}, nil)
	c.RecvFull(answer, func(_ []byte, err error) {
		if !s.failed(err) {
			s.ask(c, answer, left-1)
		}
	})
}
