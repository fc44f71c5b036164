package loop_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// A model starts random operations on a loop and holds every callback against the contract: it comes exactly once, never from within a call, never
// within another, none after its handle's close callback, with an error that somebody asked for; bytes arrive in order, all that were reported
// as moved and no others; buffers stay as they are outside their window. A breach goes to problems.
type model struct {
	l        *loop.Loop
	choose   func(n int) int // every decision
	dir      string
	clock    func() time.Duration
	unit     time.Duration // of timers
	slack    time.Duration // by how much clock may be wrong
	steps    int           // operations to start
	patience int           // how many units what was canceled may take to end
	panics   bool          // callbacks panic now and then
	others   bool          // other goroutines post, and close the loop

	problems  []string
	calling   bool // within a call of the loop
	inside    bool // within a callback
	ticking   bool // which is a tick
	finishing bool
	finished  bool
	abrupt    bool // Loop.Close ends it all
	local     bool // listens on Unix sockets too
	draining  bool // every stream is to be received to its end

	live      []*expected
	stale     []loop.Op
	listeners []*modelListener
	conns     []*modelConn
	files     []*modelFile
	kept      []keptBuffer
	pendings  []*loop.Pending
	stops     []func() // of timers and hooks
	pipe      *os.File // for Watch
	names     int
	posted    int
	ran       int
	ticked    int
	tocked    int
	foreign   int // posts of another goroutine that ran
	elsewhere sync.WaitGroup
	accepted  int // of its posts
}

// expected is one operation whose final callback is to come.
type expected struct {
	name      string
	h         *modelHandle
	op        loop.Op
	ended     bool
	late      bool // started after the close callback
	closes    bool // a handle
	protected bool // not to be canceled
	canceled  bool
	timed     bool
	busy      bool // started while another of its kind ran
	unref     bool
}

type modelHandle struct {
	closing, closed bool
	live            int // operations that must end before the close callback
}

type modelListener struct {
	modelHandle
	ln      *loop.Listener
	network string
	address string
	accept  *expected
}

type modelConn struct {
	modelHandle
	c    *loop.Conn
	recv *expected
	in   []byte // received
	eof  bool

	shut, received bool // both directions have ended, while draining

	sends  []*sent
	last   int // the last send that succeeded
	broken int // the first send that ended in the middle
}

// sent is one send or sequential write.
type sent struct {
	data    []byte
	moved   int
	unknown bool // its callback does not tell
}

type modelFile struct {
	modelHandle
	f          *loop.File
	name       string
	sequential bool
	next       int64    // where the next WriteAt goes
	regions    []region // written
	log        []*sent
}

type region struct {
	off  int64
	data []byte
}

type keptBuffer struct {
	b    loop.Buffer
	data []byte
}

func newModel(l *loop.Loop, dir string, choose func(n int) int) *model {
	start := time.Now()
	return &model{l: l, dir: dir, choose: choose, unit: time.Millisecond, patience: 20_000, clock: func() time.Duration { return time.Since(start) }}
}

// one is true once in n times, and never again when the choices have run out.
func (m *model) one(n int) bool { return m.choose(n) == n-1 }

func (m *model) problem(format string, args ...any) {
	if len(m.problems) < 10 {
		m.problems = append(m.problems, fmt.Sprintf(format, args...))
	}
}

var errModel = errors.New("a panic of the model")

// guard runs the loop, or closes it, and catches the model's own panics.
func (m *model) guard(run func() error) (err error, panicked bool) { //nolint:revive // the error is the result, not a failure
	defer func() {
		if r := recover(); r != nil {
			if r != any(errModel) {
				panic(r)
			}
			panicked = true
		}
	}()
	return run(), false
}

func (m *model) run() {
	var err error
	var other *os.File
	if other, m.pipe, err = os.Pipe(); err != nil {
		m.problem("%v", err)
		return
	}
	defer func() { _ = other.Close(); _ = m.pipe.Close() }()
	m.schedule()
	if m.others {
		m.elsewhere.Add(1)
		go m.postFromElsewhere()
	}
	for turns := 0; !m.finished || !m.abrupt && m.l.Alive(); turns++ {
		turn := m.l.Run
		switch m.choose(4) {
		case 1:
			turn = m.l.RunOnce
		case 2:
			turn = m.l.Poll
		}
		if err, _ := m.guard(turn); err != nil || turns > 1e6 {
			m.problem("Run: %v after %d calls; alive: %v", err, turns, m.l.ActiveResources())
			break
		}
	}
	if m.finished && !m.abrupt {
		for _, e := range m.live {
			if !e.unref {
				m.problem("Run has returned, but %s has not ended", e.name)
			}
		}
		if refs := m.l.Refs(); refs != 0 {
			m.problem("Run has returned with %d references", refs)
		}
	}
	m.abrupt = true
	for panicked := true; panicked; {
		if err, panicked = m.guard(m.l.Close); err != nil {
			m.problem("Close: %v", err)
		}
	}
	m.elsewhere.Wait()
	m.verify()
}

// postFromElsewhere posts until the loop is closed.
func (m *model) postFromElsewhere() {
	defer m.elsewhere.Done()
	for i := 0; ; i++ {
		err := m.l.Post(func() {
			if m.foreign != i {
				m.problem("posts of another goroutine out of order")
			}
			m.foreign++
			m.callback(func() {})
		})
		if err != nil {
			m.accepted = i
			return
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// verify checks what must hold once the loop is closed.
func (m *model) verify() {
	for _, e := range m.live {
		m.problem("%s never ended", e.name)
	}
	if live, refs, out := m.l.LiveOps(), m.l.Refs(), m.l.BuffersOut(); live != 0 || refs != 0 || out != 0 {
		m.problem("left behind: %d operations, %d references, %d buffers", live, refs, out)
	}
	if m.posted != m.ran || m.ticked != m.tocked || m.accepted != m.foreign {
		m.problem("%d posts ran of %d, %d ticks of %d, %d posts from elsewhere of %d", m.ran, m.posted, m.tocked, m.ticked, m.foreign, m.accepted)
	}
	for _, c := range m.conns {
		if n := c.c.Queued(); n != 0 {
			m.problem("%d bytes queued on a closed connection", n)
		}
		m.verifyStream(c)
	}
	for _, f := range m.files {
		m.verifyFile(f)
	}
}

// verifyStream compares what c received with what its peer sent. Every stream begins with the number of its sender.
func (m *model) verifyStream(c *modelConn) {
	if len(c.in) < 4 {
		return
	}
	id := int(binary.LittleEndian.Uint32(c.in))
	if id >= len(m.conns) {
		m.problem("a stream begins with %x", c.in[:4])
		return
	}
	all, known := joined(m.conns[id].sends)
	switch {
	case known && len(c.in) > len(all):
		m.problem("%d bytes received of %d that were sent", len(c.in), len(all))
	case known && c.eof && len(c.in) < len(all):
		m.problem("only %d bytes received of %d that were sent", len(c.in), len(all))
	}
	n := min(len(all), len(c.in))
	if !bytes.Equal(all[:n], c.in[:n]) {
		m.problem("received something else than was sent, within %d bytes", n)
	}
}

// joined returns the bytes that have moved, as far as the callbacks told.
func joined(sends []*sent) (all []byte, known bool) {
	for _, s := range sends {
		if s.unknown {
			return all, false
		}
		all = append(all, s.data[:s.moved]...)
	}
	return all, true
}

func (m *model) verifyFile(f *modelFile) {
	if !f.sequential {
		return
	}
	content, err := os.ReadFile(f.name)
	if err != nil {
		m.problem("%v", err)
	}
	if all, _ := joined(f.log); !bytes.Equal(all, content) {
		m.problem("the file holds %d bytes, %d were written", len(content), len(all))
	}
}

// schedule has the next steps taken soon.
func (m *model) schedule() {
	if m.choose(2) == 0 {
		m.l.Immediate(func() { m.callback(m.drive) })
	} else {
		m.l.After(m.unit*time.Duration(m.choose(3)), func() { m.callback(m.drive) })
	}
}

func (m *model) drive() {
	for range 1 + m.choose(3) {
		m.step()
	}
	if m.steps > 0 && !m.one(200) {
		m.schedule()
		return
	}
	if !m.awaitCanceled() {
		m.finish()
	}
}

// awaitCanceled takes care that what was canceled ends by that, and not by the end of all. It reports whether to wait on.
func (m *model) awaitCanceled() bool {
	for _, e := range m.live {
		if !e.canceled && !e.closes {
			continue
		}
		if m.patience--; m.patience < 0 {
			m.problem("%s was canceled or closes, and does not end", e.name)
			return false
		}
		m.l.After(m.unit, func() { m.callback(m.drive) })
		return true
	}
	return false
}

// finish has everything end: by closing it, by shutting the streams down first, by receiving them to their ends, or by
// leaving it to Loop.Close.
func (m *model) finish() {
	m.finishing, m.finished = true, true
	how := m.choose(4)
	m.releaseKept()
	if how == 2 {
		m.abrupt = true
		m.steps = min(m.steps, 20) // for the callbacks within Close
		if m.others && m.one(2) {
			m.elsewhere.Add(1)
			go func() {
				defer m.elsewhere.Done()
				_ = m.l.Close() // if the loop does not run just then, its own goroutine has to
			}()
			return
		}
		m.l.Stop()
		return
	}
	m.steps = 0
	for _, stop := range m.stops {
		m.call(stop)
	}
	for _, p := range m.pendings {
		m.call(func() { p.Finish(nil) })
	}
	for _, e := range m.live {
		if e.name == "Watch" {
			m.cancel(e)
		}
	}
	for _, ln := range m.listeners {
		m.closeListener(ln)
	}
	for _, f := range m.files {
		m.closeFile(f)
	}
	m.draining = how == 3
	for _, c := range m.conns {
		switch {
		case how == 0:
			m.closeConn(c)
		case how == 1:
			m.timeout(m.closeWrite(c, func(error) { m.closeConn(c) })) // a peer may never read
		case !c.closing:
			m.drain(c)
		}
	}
}

// drain shuts the stream down and receives until its end: the loop must bring it about.
func (m *model) drain(c *modelConn) {
	m.closeWrite(c, func(error) {})
	m.receiveOn(c, nil)
}

// shutDown goes on after a CloseWrite of a stream that drains.
func (m *model) shutDown(c *modelConn, err error) {
	if errors.Is(err, loop.ErrCanceled) || errors.Is(err, os.ErrDeadlineExceeded) {
		m.closeWrite(c, func(error) {}) // that was the one to be relied on
		return
	}
	c.shut = true
	if errors.Is(err, syscall.EPIPE) && !c.closing {
		m.closeConn(c) // the stream is broken: its peer gets no end of it, and two such would wait for each other
		return
	}
	m.receiveOn(c, nil)
}

// receiveOn goes on after a receive of a stream that drains.
func (m *model) receiveOn(c *modelConn, err error) {
	switch {
	case err == nil, errors.Is(err, loop.ErrCanceled), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, loop.ErrBusy):
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		c.received = true
	default: // nobody receives any more, so the peer must not wait for that
		c.received, c.shut = true, true
	}
	switch {
	case c.closing:
	case !c.received && c.recv == nil:
		m.multishot(c)
	case c.received && c.shut:
		m.closeConn(c)
	}
}

func (m *model) releaseKept() {
	for _, k := range m.kept {
		m.checkKept(k)
		m.call(k.b.Release)
	}
	m.kept = nil
}

func (m *model) checkKept(k keptBuffer) {
	if !bytes.Equal(k.b.Bytes(), k.data) {
		m.problem("a kept buffer changed")
	}
}

// call marks that the loop is being called: no callback may run within.
func (m *model) call(f func()) {
	was := m.calling
	m.calling = true
	f()
	m.calling = was
}

// callback runs the body of any callback.
func (m *model) callback(body func()) {
	if m.calling {
		m.problem("a callback ran within a call")
	}
	if m.inside {
		m.problem("a callback ran within another")
	}
	if m.ticked != m.tocked && !m.ticking {
		m.problem("a callback ran before the ticks of the last one")
	}
	m.inside = true
	defer func() { m.inside = false }()
	body()
	if m.choose(3) == 1 {
		m.step()
	}
	if m.panics && m.one(150) {
		panic(errModel)
	}
}

// start starts an operation that ends with one final callback.
func (m *model) start(name string, h *modelHandle, begin func(e *expected) loop.Op) *expected {
	e := &expected{name: name, h: h}
	if h != nil {
		if e.late = h.closed; !e.late {
			h.live++
		}
	}
	m.live = append(m.live, e)
	m.call(func() { e.op = begin(e) })
	if m.draining {
		return e
	}
	switch m.choose(12) {
	case 1:
		m.cancel(e)
	case 2:
		m.timeout(e)
	case 3:
		if m.one(4) {
			e.unref = true
			m.call(func() { e.op.Unref().Unref() })
		}
	}
	return e
}

func (m *model) cancel(e *expected) {
	if e.protected {
		return
	}
	e.canceled = true
	m.call(e.op.Cancel)
}

func (m *model) timeout(e *expected) {
	if e.protected {
		return
	}
	e.timed = true
	m.call(func() { e.op.Timeout(m.unit * time.Duration(1+m.choose(3))) })
}

// called judges a callback of e.
func (m *model) called(e *expected, final bool, err error, body func()) {
	if e.ended {
		m.problem("%s called back after its end", e.name)
	}
	if e.h != nil && e.h.closed && !e.late {
		m.problem("%s called back after the close callback", e.name)
	}
	if final {
		e.ended = true
		m.stale = append(m.stale, e.op)
		if e.h != nil && !e.late {
			e.h.live--
		}
		for i := range m.live {
			if m.live[i] == e {
				m.live = append(m.live[:i], m.live[i+1:]...)
				break
			}
		}
	}
	m.judge(e, err)
	m.callback(body)
}

// judge checks that err was asked for.
func (m *model) judge(e *expected, err error) {
	ok := true
	var errno syscall.Errno
	switch {
	case err == nil, err == io.EOF, err == io.ErrUnexpectedEOF:
	case errors.Is(err, loop.ErrCanceled):
		ok = e.canceled
	case errors.Is(err, os.ErrDeadlineExceeded):
		ok = e.timed || errors.Is(err, syscall.ETIMEDOUT)
	case errors.Is(err, loop.ErrClosed):
		ok = m.abrupt || e.h != nil && e.h.closing
	case errors.Is(err, loop.ErrBusy):
		ok = e.busy
	case errors.As(err, &errno):
		switch errno {
		case syscall.EBADF, syscall.EFAULT, syscall.EINVAL, syscall.ENOTSOCK, syscall.EINTR, syscall.EAGAIN, syscall.ECANCELED, syscall.EOPNOTSUPP:
			ok = false
		}
	default:
		ok = false
	}
	if !ok {
		m.problem("%s ended with %v", e.name, err)
	}
}

// pick returns one of list, or nothing.
func pick[T any](m *model, list []T) (v T, ok bool) {
	if len(list) == 0 {
		return v, false
	}
	return list[m.choose(len(list))], true
}

// step starts or stops something.
func (m *model) step() {
	if m.steps <= 0 {
		return
	}
	m.steps--
	conn, haveConn := pick(m, m.conns)
	if haveConn && conn.closed { // mostly the living, now and then the dead
		conn, _ = pick(m, m.conns)
	}
	switch choice := m.choose(36); {
	case choice < 2:
		m.listen()
	case choice < 6:
		m.dial()
	case choice < 16 && haveConn:
		m.stepConn(conn)
	case choice < 18:
		m.open()
	case choice < 22:
		m.stepFile()
	case choice == 22:
		m.stepPath()
	case choice < 25:
		m.timer()
	case choice == 25:
		m.immediate()
	case choice == 26:
		m.post()
	case choice == 27:
		m.hook()
	case choice == 28:
		m.newOp()
	case choice == 29:
		if p, ok := pick(m, m.pendings); ok {
			m.call(func() { p.Finish(nil) })
		}
	case choice == 30:
		if stop, ok := pick(m, m.stops); ok {
			m.call(stop)
		}
	case choice == 31:
		m.call(m.l.Stop)
	case choice == 32:
		m.watch()
	case choice == 33:
		m.start("Submit", nil, func(e *expected) loop.Op {
			return m.l.Submit(ring.SQE{Opcode: ring.OpNop}, func(c ring.CQE) {
				m.called(e, true, nil, func() {})
			})
		})
	case choice == 34:
		if e, ok := pick(m, m.live); ok {
			if m.one(3) {
				m.timeout(e)
			} else {
				m.cancel(e)
			}
		}
	case choice == 35:
		if op, ok := pick(m, m.stale); ok {
			m.call(func() {
				if op.Active() {
					m.problem("an operation is active after its end")
				}
				op.Cancel()
				op.Timeout(m.unit)
			})
		}
	}
}

func (m *model) listen() {
	if len(m.listeners) < 3 {
		var ln *loop.Listener
		var err error
		network, address := "tcp4", "127.0.0.1:0"
		if m.local && m.choose(2) == 1 {
			m.names++
			network, address = "unix", filepath.Join(m.dir, fmt.Sprint("s", m.names))
		}
		m.call(func() { ln, err = m.l.Listen(network, address) })
		if err != nil {
			if !m.abrupt {
				m.problem("Listen: %v", err)
			}
			return
		}
		m.listeners = append(m.listeners, &modelListener{ln: ln, network: network, address: ln.Addr().String()})
		m.accept(m.listeners[len(m.listeners)-1])
		return
	}
	ln := m.listeners[m.choose(len(m.listeners))]
	if m.one(6) {
		m.closeListener(ln)
	} else {
		m.accept(ln)
	}
}

func (m *model) accept(ln *modelListener) {
	busy := ln.accept != nil
	e := m.start("Accept", &ln.modelHandle, func(e *expected) loop.Op {
		e.busy = busy
		if !busy && !ln.closing {
			ln.accept = e
		}
		return ln.ln.Accept(func(c *loop.Conn, err error) {
			if err != nil && ln.accept == e {
				ln.accept = nil
			}
			m.called(e, err != nil, err, func() {
				if err == nil {
					m.adopt(c)
				}
			})
		})
	})
	if m.choose(3) != 1 {
		e.protected = true // else there would be few connections
	}
}

func (m *model) closeListener(ln *modelListener) {
	m.close("Listener.Close", &ln.modelHandle, ln.ln.Close)
}

func (m *model) dial() {
	ln, ok := pick(m, m.listeners)
	if !ok {
		m.listen()
		return
	}
	d, address := loop.Dialer{}, ln.address
	if ln.network != "unix" && m.one(3) { // by name, with a second attempt soon or late
		d.Resolver, address = host(m.l, "127.0.0.1", "127.0.0.1"), "host:"+portOf(address)
		d.FallbackDelay = time.Duration(m.choose(3)) * time.Microsecond
	}
	m.start("Dial", nil, func(e *expected) loop.Op {
		return d.Dial(m.l, ln.network, address, func(c *loop.Conn, err error) {
			m.called(e, true, err, func() {
				if err == nil {
					m.adopt(c)
				}
			})
		})
	})
}

// adopt takes a connection over and sends its number.
func (m *model) adopt(c *loop.Conn) {
	mc := &modelConn{c: c, last: -1, broken: -1}
	hello := binary.LittleEndian.AppendUint32(nil, uint32(len(m.conns)))
	m.conns = append(m.conns, mc)
	if m.choose(2) == 1 {
		_ = c.SetWriteBuffer(4096) // sends that block
	}
	s := &sent{data: hello}
	mc.sends = append(mc.sends, s)
	e := &expected{name: "hello", h: &mc.modelHandle, protected: true}
	mc.live++
	m.live = append(m.live, e)
	m.call(func() {
		e.op = c.Send(hello, func(b []byte, err error) {
			m.called(e, true, err, func() { m.sent(mc, 0, len(b), err) })
		})
	})
	switch {
	case m.draining:
		m.drain(mc)
	case m.finishing && !m.abrupt:
		m.closeConn(mc)
	}
}

func (m *model) stepConn(c *modelConn) {
	switch choice := m.choose(22); {
	case choice >= 20:
		if c.recv != nil {
			m.cancel(c.recv)
		}
	case choice < 4:
		m.receive(c, false)
	case choice < 6:
		m.receive(c, true)
	case choice < 9:
		m.multishot(c)
	case choice < 14:
		m.send(c)
	case choice < 16:
		m.sendVec(c)
	case choice < 17:
		if len(m.kept) > 0 {
			k := m.kept[0]
			m.kept = m.kept[1:]
			m.checkKept(k)
			if m.one(3) {
				m.call(k.b.Release)
			} else {
				m.sendBuffer(c, k.b)
			}
		}
	case choice == 17:
		m.closeWrite(c, func(error) {})
	case choice == 18:
		m.closeConn(c)
	case choice == 19:
		if m.one(3) {
			m.closeConn(c)
		}
	}
}

const guardBytes = 16

// guarded returns size bytes of a buffer with others around them, and what tells whether those are as they were.
func (m *model) guarded(name string, size int) (b []byte, check func()) {
	whole := bytes.Repeat([]byte{0x5C}, size+2*guardBytes)
	return whole[guardBytes : guardBytes+size : guardBytes+size], func() {
		for _, guard := range [][]byte{whole[:guardBytes], whole[guardBytes+size:]} {
			if !bytes.Equal(guard, bytes.Repeat([]byte{0x5C}, guardBytes)) {
				m.problem("%s wrote outside its buffer", name)
			}
		}
	}
}

// same checks that a callback got the buffer that was lent.
func (m *model) same(name string, got, lent []byte) {
	if cap(got) != 0 && cap(lent) != 0 && &got[:1][0] != &lent[:1][0] {
		m.problem("%s got another buffer back", name)
	}
}

// payload returns bytes that differ from those of any other place.
func (m *model) payload() []byte {
	size := m.choose(300)
	if m.one(6) {
		size *= 100
	}
	m.names++
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + m.names*31)
	}
	return b
}

func (m *model) receive(c *modelConn, full bool) {
	name, recv := "Recv", c.c.Recv
	if full {
		name, recv = "RecvFull", c.c.RecvFull
	}
	buf, check := m.guarded(name, m.choose(300))
	busy := c.recv != nil
	m.start(name, &c.modelHandle, func(e *expected) loop.Op {
		e.busy = busy
		if !busy && !c.closing && len(buf) > 0 {
			c.recv = e
		}
		return recv(buf, func(b []byte, err error) {
			if c.recv == e {
				c.recv = nil
			}
			m.called(e, true, err, func() {
				check()
				m.same(name, b, buf)
				if busy && err == nil {
					m.problem("two receives at a time")
				}
				if err == nil && (full && len(b) != len(buf) || len(b) == 0 && len(buf) > 0) {
					m.problem("%s of %d bytes got %d", name, len(buf), len(b))
				}
				c.in = append(c.in, b...)
				c.eof = c.eof || err == io.EOF || err == io.ErrUnexpectedEOF
				if m.draining {
					m.receiveOn(c, err)
				}
			})
		})
	})
}

func (m *model) multishot(c *modelConn) {
	busy := c.recv != nil
	m.start("RecvMultishot", &c.modelHandle, func(e *expected) loop.Op {
		e.busy = busy
		if !busy && !c.closing {
			c.recv = e
		}
		return c.c.RecvMultishot(func(b loop.Buffer, err error) {
			if err != nil && c.recv == e {
				c.recv = nil
			}
			m.called(e, err != nil, err, func() {
				c.in = append(c.in, b.Bytes()...)
				c.eof = c.eof || err == io.EOF
				switch {
				case err == nil:
					m.use(b)
				case m.draining:
					m.receiveOn(c, err)
				}
			})
		})
	})
}

// use keeps a provided buffer, or sends it, or lets it go.
func (m *model) use(b loop.Buffer) {
	if b.Len() == 0 {
		m.problem("an empty buffer without an error")
	}
	switch {
	case m.finishing:
	case m.one(4):
		b.Keep()
		m.kept = append(m.kept, keptBuffer{b, append([]byte(nil), b.Bytes()...)})
	case m.one(4):
		if c, ok := pick(m, m.conns); ok {
			m.sendBuffer(c, b)
		}
	}
}

func (m *model) send(c *modelConn) {
	data := m.payload()
	buf, check := m.guarded("Send", len(data))
	copy(buf, data)
	at := c.add(data)
	m.start("Send", &c.modelHandle, func(e *expected) loop.Op {
		return c.c.Send(buf, func(b []byte, err error) {
			m.called(e, true, err, func() {
				check()
				m.same("Send", b, buf)
				if !bytes.Equal(buf, data) {
					m.problem("Send changed its buffer")
				}
				m.sent(c, at, len(b), err)
			})
		})
	})
}

func (m *model) sendVec(c *modelConn) {
	data := m.payload()
	at := c.add(data)
	m.start("SendVec", &c.modelHandle, func(e *expected) loop.Op {
		return c.c.SendVec(m.split(data), func(n int, err error) {
			m.called(e, true, err, func() { m.sent(c, at, n, err) })
		})
	})
}

// split cuts a copy of data into a few pieces, some of them empty.
func (m *model) split(data []byte) (bufs [][]byte) {
	rest := append([]byte(nil), data...)
	for range m.choose(4) {
		n := m.choose(len(rest) + 1)
		bufs = append(bufs, rest[:n])
		rest = rest[n:]
	}
	return append(bufs, rest)
}

func (m *model) sendBuffer(c *modelConn, b loop.Buffer) {
	data := append([]byte(nil), b.Bytes()...)
	at := c.add(data)
	m.start("SendBuffer", &c.modelHandle, func(e *expected) loop.Op {
		return c.c.SendBuffer(b, func(err error) {
			m.called(e, true, err, func() {
				if err == nil {
					m.sent(c, at, len(data), nil)
				} else {
					c.sends[at].unknown = true
				}
			})
		})
	})
}

func (c *modelConn) add(data []byte) int {
	c.sends = append(c.sends, &sent{data: data})
	return len(c.sends) - 1
}

// sent takes the outcome of a send.
func (m *model) sent(c *modelConn, at, n int, err error) {
	s := c.sends[at]
	s.moved = n
	switch {
	case n > len(s.data):
		m.problem("%d bytes moved of %d", n, len(s.data))
		s.moved = len(s.data)
	case err == nil && n < len(s.data):
		m.problem("a send succeeded with %d bytes of %d", n, len(s.data))
	case err == nil && at < c.last:
		m.problem("sends called back out of order")
	case err == nil && c.broken >= 0 && at > c.broken:
		m.problem("a send succeeded behind one that ended in the middle")
	case err == nil:
		c.last = at
	case n > 0 && c.broken < 0:
		c.broken = at
	}
}

func (m *model) closeWrite(c *modelConn, then func(error)) *expected {
	return m.start("CloseWrite", &c.modelHandle, func(e *expected) loop.Op {
		return c.c.CloseWrite(func(err error) {
			m.called(e, true, err, func() {
				if then(err); m.draining {
					m.shutDown(c, err)
				}
			})
		})
	})
}

func (m *model) closeConn(c *modelConn) {
	m.close("Conn.Close", &c.modelHandle, c.c.Close)
}

// close closes a handle, perhaps for the second time.
func (m *model) close(name string, h *modelHandle, closeIt func(loop.DoneFunc)) {
	e := &expected{name: name, protected: true, closes: true}
	m.live = append(m.live, e)
	first := !h.closing
	if h.closing = true; !first {
		e.h, e.late = h, h.closed
		if !e.late {
			h.live++
		}
	}
	m.call(func() {
		closeIt(func(err error) {
			m.called(e, true, err, func() {
				if first && m.abrupt && errors.Is(err, loop.ErrClosed) {
					return // Loop.Close was there before
				}
				if first != (err == nil) {
					m.problem("%s: %v", name, err)
				}
				if !first {
					return
				}
				if h.live > 0 {
					m.problem("%s called back before %d operations", name, h.live)
				}
				h.closed = true
			})
		})
	})
}

func (m *model) open() {
	m.names++
	name := filepath.Join(m.dir, "file"+strconv.Itoa(m.names))
	m.start("Open", nil, func(e *expected) loop.Op {
		return m.l.Open(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600, func(f *loop.File, err error) {
			m.called(e, true, err, func() {
				if err != nil {
					return
				}
				mf := &modelFile{f: f, name: name, sequential: m.choose(2) == 1}
				m.files = append(m.files, mf)
				if m.finishing && !m.abrupt {
					m.closeFile(mf)
				}
			})
		})
	})
}

func (m *model) closeFile(f *modelFile) { m.close("File.Close", &f.modelHandle, f.f.Close) }

func (m *model) stepFile() {
	f, ok := pick(m, m.files)
	if !ok {
		m.open()
		return
	}
	done := func(name string, begin func(loop.DoneFunc) loop.Op) {
		m.start(name, &f.modelHandle, func(e *expected) loop.Op {
			return begin(func(err error) { m.called(e, true, err, func() {}) })
		})
	}
	switch choice := m.choose(16); {
	case choice < 3:
		done("Sync", f.f.Sync)
	case choice < 5:
		done("Datasync", f.f.Datasync)
	case choice == 5 && m.one(2):
		m.closeFile(f)
	case choice == 6:
		m.start("File.Stat", &f.modelHandle, func(e *expected) loop.Op {
			return f.f.Stat(func(info fs.FileInfo, err error) {
				m.called(e, true, err, func() {
					if (info == nil) != (err != nil) {
						m.problem("Stat: %v, %v", info, err)
					}
				})
			})
		})
	case f.sequential:
		m.writeNext(f)
	case choice == 7:
		done("Truncate", func(fn loop.DoneFunc) loop.Op { return f.f.Truncate(1<<20, fn) }) // above all that is written
	case choice == 8:
		m.readNext(f)
	case choice < 12:
		m.writeAt(f)
	default:
		m.readAt(f)
	}
}

// writeNext writes at the position or the end, which are the same.
func (m *model) writeNext(f *modelFile) {
	data := m.payload()
	s := &sent{data: append([]byte(nil), data...)}
	f.log = append(f.log, s)
	write := f.f.Write
	if m.choose(2) == 1 {
		write = f.f.Append
	}
	m.start("Write", &f.modelHandle, func(e *expected) loop.Op {
		return write(data, func(b []byte, err error) {
			m.called(e, true, err, func() {
				m.same("Write", b, data)
				if s.moved = len(b); err == nil && s.moved != len(data) {
					m.problem("%d bytes written of %d", s.moved, len(data))
				}
			})
		})
	})
}

func (m *model) readNext(f *modelFile) {
	buf, check := m.guarded("Read", m.choose(300))
	m.start("Read", &f.modelHandle, func(e *expected) loop.Op {
		return f.f.Read(buf, func(b []byte, err error) {
			m.called(e, true, err, func() {
				check()
				m.same("Read", b, buf)
			})
		})
	})
}

// writeAt writes where nobody else does.
func (m *model) writeAt(f *modelFile) {
	data := m.payload()
	off := f.next
	f.next += int64(len(data))
	written := func(n int, err error) {
		if err == nil {
			f.regions = append(f.regions, region{off, data})
			if n != len(data) {
				m.problem("%d bytes written of %d", n, len(data))
			}
		}
	}
	if m.choose(2) == 1 {
		m.start("WriteVecAt", &f.modelHandle, func(e *expected) loop.Op {
			return f.f.WriteVecAt(m.split(data), off, func(n int, err error) {
				m.called(e, true, err, func() { written(n, err) })
			})
		})
		return
	}
	m.start("WriteAt", &f.modelHandle, func(e *expected) loop.Op {
		return f.f.WriteAt(append([]byte(nil), data...), off, func(b []byte, err error) {
			m.called(e, true, err, func() { written(len(b), err) })
		})
	})
}

// readAt reads what was written and checks it.
func (m *model) readAt(f *modelFile) {
	r, ok := pick(m, f.regions)
	if !ok {
		return
	}
	buf, check := m.guarded("ReadAt", len(r.data))
	read := func(n int, err error) {
		check()
		if err == io.EOF || err == nil && n != len(buf) || !bytes.Equal(buf[:n], r.data[:n]) {
			m.problem("ReadAt of %d bytes at %d: %d, %v", len(buf), r.off, n, err)
		}
	}
	if m.choose(2) == 1 {
		bufs := [][]byte{buf[:len(buf)/3], nil, buf[len(buf)/3:]}
		m.start("ReadVecAt", &f.modelHandle, func(e *expected) loop.Op {
			return f.f.ReadVecAt(bufs, r.off, func(n int, err error) {
				m.called(e, true, err, func() { read(n, err) })
			})
		})
		return
	}
	m.start("ReadAt", &f.modelHandle, func(e *expected) loop.Op {
		return f.f.ReadAt(buf, r.off, func(b []byte, err error) {
			m.called(e, true, err, func() {
				m.same("ReadAt", b, buf)
				read(len(b), err)
			})
		})
	})
}

func (m *model) stepPath() {
	name := func() string { return filepath.Join(m.dir, "name"+strconv.Itoa(m.choose(3))) }
	var begin func(loop.DoneFunc) loop.Op
	a, b := name(), name()
	switch m.choose(4) {
	case 0:
		begin = func(fn loop.DoneFunc) loop.Op { return m.l.Mkdir(a, 0o700, fn) }
	case 1:
		begin = func(fn loop.DoneFunc) loop.Op { return m.l.Remove(a, fn) }
	case 2:
		begin = func(fn loop.DoneFunc) loop.Op { return m.l.Rename(a, b, fn) }
	case 3:
		begin = func(fn loop.DoneFunc) loop.Op {
			return m.l.Lstat(a, func(_ fs.FileInfo, err error) { fn(err) })
		}
	}
	m.start("path", nil, func(e *expected) loop.Op {
		return begin(func(err error) {
			if errors.Is(err, syscall.EINVAL) {
				err = nil // a directory renamed to itself and the like
			}
			m.called(e, true, err, func() {})
		})
	})
}

func (m *model) timer() {
	d := m.unit * time.Duration(m.choose(4))
	due := m.clock() + d
	left := 1
	var t *loop.Timer
	fn := func() {
		if left--; left < 0 {
			m.problem("a timer ran after its end")
		}
		if m.clock()+m.slack < due {
			m.problem("a timer ran early: at %v, due at %v", m.clock(), due)
		}
		due += d
		m.callback(func() {
			if left == 0 {
				t.Stop()
			}
		})
	}
	m.call(func() {
		if m.choose(3) == 1 && d > 0 {
			left = 1 + m.choose(3)
			due -= m.slack // a later period may be counted from a late turn's time, which clock saw earlier
			t = m.l.Every(d, fn)
		} else {
			t = m.l.After(d, fn)
		}
		if m.one(6) {
			t.Unref()
		}
	})
	m.stops = append(m.stops, func() {
		if t.Stop() {
			left = 0
		}
	})
}

func (m *model) immediate() {
	left := 1
	var i *loop.Immediate
	m.call(func() {
		i = m.l.Immediate(func() {
			if left--; left < 0 {
				m.problem("an immediate ran after its end")
			}
			m.callback(func() {})
		})
	})
	m.stops = append(m.stops, func() {
		if i.Stop() {
			left = 0
		}
	})
}

func (m *model) hook() {
	left := 1 + m.choose(4)
	var h *loop.Hook
	stopped := false
	stop := func() { h.Stop(); stopped = true }
	fn := func() {
		if stopped {
			m.problem("a hook ran after its end")
		}
		left--
		m.callback(func() {
			if left <= 0 {
				stop()
			}
		})
	}
	m.call(func() {
		switch m.choose(3) {
		case 0:
			h = m.l.OnIdle(fn)
		case 1:
			h = m.l.OnPrepare(fn)
		case 2:
			h = m.l.OnCheck(fn)
		}
	})
	m.stops = append(m.stops, stop)
}

// post posts a function, or has one run next.
func (m *model) post() {
	if m.choose(2) == 1 {
		turn := m.ticked
		m.ticked++
		m.call(func() {
			m.l.NextTick(func() {
				if m.tocked != turn {
					m.problem("ticks out of order")
				}
				m.tocked++
				m.ticking = true
				defer func() { m.ticking = false }()
				m.callback(func() {})
			})
		})
		return
	}
	turn := m.posted
	m.posted++
	m.call(func() {
		err := m.l.Post(func() {
			if m.ran != turn {
				m.problem("posts out of order")
			}
			m.ran++
			m.callback(func() {})
		})
		if err != nil {
			m.posted--
		}
		if err != nil && !m.abrupt {
			m.problem("Post: %v", err)
		}
	})
}

func (m *model) newOp() {
	var p *loop.Pending
	m.start("NewOp", nil, func(e *expected) loop.Op {
		p = m.l.NewOp(func() {
			if m.choose(2) == 0 {
				p.Finish(loop.ErrCanceled)
			} else {
				m.l.NextTick(func() { p.Finish(loop.ErrCanceled) })
			}
		}, func(err error) { m.called(e, true, err, func() {}) })
		return p.Op()
	})
	m.pendings = append(m.pendings, p)
}

// watch watches a pipe that can always be written to.
func (m *model) watch() {
	left := 1 + m.choose(4)
	m.start("Watch", nil, func(e *expected) loop.Op {
		return m.l.Watch(int(m.pipe.Fd()), loop.Writable, func(events loop.Events, err error) {
			m.called(e, err != nil, err, func() {
				if (events&loop.Writable != 0) != (err == nil) {
					m.problem("Watch: %v, %v", events, err)
				}
				if left--; left <= 0 && err == nil {
					m.cancel(e)
				}
			})
		})
	})
}

// forEachSeed runs the model with so many seeds, or LOOP_MODEL_RUNS, or with LOOP_MODEL_SEED alone.
func forEachSeed(t *testing.T, runs int, run func(seed uint64) []string) {
	t.Helper()
	first := uint64(0)
	if text := os.Getenv("LOOP_MODEL_RUNS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		runs = n
	}
	if text := os.Getenv("LOOP_MODEL_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		first, runs = seed, 1
	}
	for seed := first; seed < first+uint64(runs); seed++ {
		if problems := run(seed); len(problems) > 0 {
			t.Fatalf("LOOP_MODEL_SEED=%d: %q", seed, problems)
		}
	}
}

// TestM06Model runs the model over the real queues.
func TestM06Model(t *testing.T) {
	for _, c := range columns {
		t.Run(c.name, func(t *testing.T) {
			forEachSeed(t, 25, func(seed uint64) (problems []string) {
				t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
					dir := t.TempDir()
					o := loop.Options{Buffers: 4, BufferSize: 64}
					runCase(t, c, o, func(t *testing.T, l *loop.Loop) {
						rng := rand.New(rand.NewPCG(seed, 2))
						m := newModel(l, dir, rng.IntN)
						m.steps = 100 + rng.IntN(1000)
						m.panics, m.others, m.local = true, true, true
						m.run()
						problems = m.problems
					})
				})
				return problems
			})
		})
	}
}
