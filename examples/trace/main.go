// Trace shows a loop at work: a server whose every request needs the network and the disk, clients that drive it, and
// then the trace of both loops, for https://ui.perfetto.dev, and what the server's metrics mean.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/proactor-go/proactor/loop"
)

// A job says what to do, and how much of it.
type job struct {
	backend  string
	trace    string // the file to write
	dir      string // where the server keeps its files
	clients  int
	requests int // of each client
	direct   bool
}

func main() {
	var j job
	flag.StringVar(&j.backend, "backend", "auto", "auto, uring, epoll or poll")
	flag.StringVar(&j.trace, "o", "trace.json", "`file` to write the trace to")
	flag.StringVar(&j.dir, "dir", os.TempDir(), "`directory` for the files that the server reads and writes")
	flag.IntVar(&j.clients, "clients", 8, "clients, each with one request under way")
	flag.IntVar(&j.requests, "requests", 50, "requests of each client")
	flag.BoolVar(&j.direct, "direct", openDirect != 0, "read past the page cache, so that every request needs the disk")
	flag.Parse()
	m, backend, err := run(j)
	if err != nil {
		fmt.Fprintln(os.Stderr, "trace:", err)
		os.Exit(1)
	}
	fmt.Printf("%d requests on %s. The trace is in %s: open it at https://ui.perfetto.dev.\n\n", j.clients*j.requests, backend, j.trace)
	fmt.Print(words(m))
}

// run writes the trace and returns the metrics of the server's loop, and on what it ran.
func run(j job) (m loop.Metrics, backend string, err error) {
	if j.clients < 1 || j.requests < 1 {
		return m, "", errors.New("-clients and -requests: at least 1")
	}
	if j.direct && openDirect == 0 {
		return m, "", errors.New("-direct: not on this system")
	}
	out, err := os.Create(j.trace)
	if err != nil {
		return m, "", err
	}
	tracer := loop.NewTracer(out)
	m, backend, err = serve(j, tracer)
	return m, backend, errors.Join(err, tracer.Close(), out.Close())
}

// serve runs a server until all its clients have their answers.
func serve(j job, tracer *loop.Tracer) (m loop.Metrics, backend string, err error) {
	l, err := loop.New(loop.Options{Backend: j.backend, Timing: true, Tracer: tracer})
	if err != nil {
		return m, "", err
	}
	defer l.Close()
	s, err := newServer(l, j)
	if err != nil {
		return m, "", err
	}
	defer s.remove()
	err = s.run(j, tracer)
	return l.Metrics(), l.Backend(), err
}

// block is what a request reads, blocks how many there are to choose from.
const (
	block  = 4096
	blocks = 1024
)

type server struct {
	l    *loop.Loop
	ln   *loop.Listener
	dir  string
	data *loop.File
	log  *loop.File
	left int // clients that have not ended yet
	err  error
}

func newServer(l *loop.Loop, j job) (*server, error) {
	ln, err := l.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{l: l, ln: ln, left: j.clients}
	if s.dir, err = os.MkdirTemp(j.dir, "trace-*"); err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.dir+"/data", make([]byte, block*blocks), 0o600); err != nil {
		s.remove()
		return nil, err
	}
	flags := os.O_RDONLY
	if j.direct {
		flags |= openDirect
	}
	l.Open(s.dir+"/data", flags, 0, func(f *loop.File, err error) {
		s.data = f
		if !s.check(err) {
			return
		}
		l.Open(s.dir+"/log", os.O_WRONLY|os.O_CREATE, 0o600, func(f *loop.File, err error) {
			s.log = f
			if s.check(err) {
				s.ln.Accept(s.accepted)
			}
		})
	})
	return s, nil
}

// run runs the server on this goroutine and the clients on another, each with a loop of its own.
func (s *server) run(j job, tracer *loop.Tracer) error {
	driven, address := make(chan error, 1), s.ln.Addr().String()
	go func() {
		err := drive(j, tracer, address)
		if err != nil {
			s.l.Stop() // the server would wait for clients that do not come
		}
		driven <- err
	}()
	if err := errors.Join(s.l.Run(), s.err); err != nil {
		_ = s.l.Close() // ends the clients as well, whose errors follow from this one
		<-driven
		return err
	}
	return <-driven
}

func (s *server) remove() { _ = os.RemoveAll(s.dir) }

// check stops the server at the first error.
func (s *server) check(err error) bool {
	if err != nil {
		if s.err == nil {
			s.err = err
		}
		s.l.Stop()
	}
	return s.err == nil
}

func (s *server) accepted(c *loop.Conn, err error) {
	if s.left == 0 || !s.check(err) {
		return
	}
	e := &session{server: s, conn: c, peer: c.RemoteAddr().String(), block: loop.AlignedBuffer(block)}
	e.onReceived, e.onRead, e.onLogged, e.onSent = e.received, e.read, e.logged, e.sent
	e.next()
}

// ended closes what is open when the last client has gone. Nothing is alive then, and Run returns.
func (s *server) ended(err error) {
	if s.left--; s.check(err) && s.left == 0 {
		s.ln.Close(nil)
		s.data.Close(nil)
		s.log.Close(nil)
	}
}

// A session is one connection. A request is the number of a block, the answer is the block; in between it is logged.
type session struct {
	server  *server
	conn    *loop.Conn
	peer    string // asked for once: it is a system call
	request [4]byte
	block   []byte

	onReceived, onRead, onLogged, onSent loop.IOFunc
}

func (e *session) next() { e.conn.RecvFull(e.request[:], e.onReceived) }

func (e *session) received(b []byte, err error) {
	if err == io.EOF {
		e.conn.Close(e.server.ended)
		return
	}
	if e.server.check(err) {
		e.server.data.ReadAt(e.block, blockAt(b), e.onRead)
	}
}

func blockAt(request []byte) int64 {
	n := int64(request[0])<<8 | int64(request[1])
	return n % blocks * block
}

func (e *session) read(_ []byte, err error) {
	if e.server.check(err) {
		line := fmt.Sprintf("%s asked for the block at %d\n", e.peer, blockAt(e.request[:]))
		e.server.log.Append([]byte(line), e.onLogged)
	}
}

func (e *session) logged(_ []byte, err error) {
	if e.server.check(err) {
		e.conn.Send(e.block, e.onSent)
	}
}

func (e *session) sent(_ []byte, err error) {
	if e.server.check(err) {
		e.next()
	}
}

// drive runs all clients, until each has had its answers.
func drive(j job, tracer *loop.Tracer, address string) error {
	l, err := loop.New(loop.Options{Backend: j.backend, Tracer: tracer})
	if err != nil {
		return err
	}
	defer l.Close()
	d := &driver{l: l}
	for i := range j.clients {
		c := &client{driver: d, id: i, left: j.requests, answer: make([]byte, block)}
		c.onAnswered = c.answered
		l.Dial("tcp", address, func(conn *loop.Conn, err error) {
			if err != nil {
				d.fail(err)
				return
			}
			c.conn = conn
			c.ask()
		})
	}
	return errors.Join(l.Run(), d.err)
}

type driver struct {
	l   *loop.Loop
	err error // the first one
}

func (d *driver) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.l.Stop()
}

type client struct {
	driver     *driver
	id, left   int
	conn       *loop.Conn
	request    [4]byte
	answer     []byte
	onAnswered loop.IOFunc
}

// ask needs no callback for the send: if it fails, the receive does.
func (c *client) ask() {
	n := c.id*131 + c.left*17
	c.request = [4]byte{byte(n >> 8), byte(n)}
	c.conn.RecvFull(c.answer, c.onAnswered)
	c.conn.Send(c.request[:], nil)
}

func (c *client) answered(_ []byte, err error) {
	if err != nil {
		c.driver.fail(err)
	} else if c.left--; c.left > 0 {
		c.ask()
	} else {
		c.conn.Close(nil)
	}
}

func rounded(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
