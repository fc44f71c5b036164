package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/bench/internal/result"
)

// spin is how long before its time a wait ends, to poll for the rest. A timer of the kernel's is up to 50 us late on purpose, its
// slack, and to wake a thread takes some more.
const spin = int64(100 * time.Microsecond)

// idlePoll is the most that a poll in vain takes, unless something interrupts it; then the time was not this process's.
const idlePoll = int64(2 * time.Microsecond)

// never is a time that does not come.
const never = int64(1<<63 - 1)

var epoch = time.Now()

// clock counts nanoseconds.
func clock() int64 { return int64(time.Since(epoch)) }

// A workload decides when messages are sent.
type workload interface {
	// ready deals with a connection on which something can be done.
	ready(k *conn, events uint32)
	// due does what is due now, and returns when there will be more.
	due(now int64) (next int64)
	// report adds to the result what only this workload knows.
	report(r *result.Result)
}

// A client has all connections, and serves them.
type client struct {
	cfg      config
	to       *unix.RawSockaddrInet4
	poller   *poller
	conns    []conn // the silent ones first
	buf      []byte
	size     int64
	alive    int // connections that have not failed
	waiting  int // messages that are not answered yet
	draining bool
	spun     int64 // nanoseconds of polling in vain for the next message's time
	window   window
	failures failures
}

func newClient(cfg config) (*client, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &client{
		cfg:    cfg,
		to:     sockaddr(cfg.addr),
		poller: p,
		conns:  make([]conn, 0, cfg.idle+cfg.conns), // events and workloads point into it: it never grows
		buf:    make([]byte, maxPiece),
		size:   int64(cfg.size),
		window: newWindow(),
	}, nil
}

// newWorkload opens the active connections.
func (c *client) newWorkload() (workload, error) {
	switch c.cfg.mode {
	case "churn":
		return newChurn(c), nil
	case "slow":
		return newSlow(c)
	case "udp":
		return newDatagrams(c)
	}
	active, err := c.open(c.cfg.conns, edge)
	if err != nil {
		return nil, err
	}
	if c.cfg.rate > 0 {
		return newOpen(c, active), nil
	}
	return newClosed(c, active), nil
}

// open adds n connections. After some it pauses, as the server may have a short backlog.
func (c *client) open(n int, events uint32) ([]conn, error) {
	const burst = 64
	first := len(c.conns)
	for i := range n {
		fd, err := dial(c.to)
		if err != nil {
			return nil, fmt.Errorf("connection %d: %w", len(c.conns), err)
		}
		k := c.newConn()
		k.restart(fd, k.id)
		if err := c.poller.add(fd, k.id, events); err != nil {
			return nil, err
		}
		c.alive++
		if i%burst == burst-1 {
			time.Sleep(time.Millisecond)
		}
	}
	return c.conns[first:], nil
}

// newConn adds a connection that has no socket yet.
func (c *client) newConn() *conn {
	id := len(c.conns)
	c.conns = append(c.conns, conn{id: id, fd: -1})
	return &c.conns[id]
}

// run drives a workload until a time.
func (c *client) run(w workload, until int64) error {
	for c.alive > 0 {
		now := clock()
		if now >= until {
			break
		}
		wait := min(w.due(now), until) - now
		if wait > spin {
			if _, err := c.poll(w, wait-spin); err != nil {
				return err
			}
			continue
		}
		begin := clock()
		n, err := c.poll(w, 0)
		if err != nil {
			return err
		}
		if n == 0 {
			c.spun += min(clock()-begin, idlePoll)
		}
	}
	return nil
}

// drain waits for the answers that are missing, as long as there comes one now and then: what is under way may be gigabytes. Nothing new is sent.
func (c *client) drain(w workload) error {
	c.draining = true
	end, before := clock()+int64(c.cfg.patience), c.waiting
	for c.waiting > 0 && c.alive > 0 {
		now := clock()
		if c.waiting < before {
			end, before = now+int64(c.cfg.patience), c.waiting
		}
		left := end - now
		if left <= 0 {
			c.giveUp()
			break
		}
		if _, err := c.poll(w, left); err != nil {
			return err
		}
	}
	return nil
}

// giveUp fails all connections on which answers are missing.
func (c *client) giveUp() {
	for i := range c.conns {
		if k := &c.conns[i]; !k.marks.empty() {
			c.fail(k, fmt.Errorf("no answer for %v at the end", c.cfg.patience))
		}
	}
}

// poll waits at most ns nanoseconds for events, and deals with them.
func (c *client) poll(w workload, ns int64) (int, error) {
	events, err := c.poller.wait(ns)
	for i := range events {
		w.ready(&c.conns[events[i].Fd], events[i].Events)
	}
	return len(events), err
}

// submit sends n messages that are due at a time, and is done before they have left.
func (c *client) submit(k *conn, n int, at int64) {
	c.waiting += n
	k.queue(int64(n)*c.size, at)
	if err := k.flush(); err != nil {
		c.fail(k, err)
	}
}

// exchange goes on with what k has to receive and to send. It returns how many messages were completed, and when.
func (c *client) exchange(k *conn, events uint32) (messages int, now int64, err error) {
	if events&^unix.EPOLLOUT != 0 {
		for more := true; more; {
			if more, err = k.receive(c.buf); err != nil {
				return 0, 0, err
			}
		}
		now = clock()
		messages = c.complete(k, now)
	}
	return messages, now, k.flush()
}

// complete counts the messages that have been received whole.
func (c *client) complete(k *conn, now int64) (messages int) {
	for !k.marks.empty() {
		m, n := k.marks.front(), 0
		for k.completed < m.end && k.completed+c.size <= k.received {
			k.completed += c.size
			n++
		}
		c.window.record(m.at, now, n)
		messages += n
		if k.completed < m.end {
			break
		}
		k.marks.pop()
	}
	c.waiting -= messages
	return messages
}

// fail ends a connection.
func (c *client) fail(k *conn, err error) {
	c.failures.add(err)
	for !k.marks.empty() { // nothing will answer these
		c.waiting -= int((k.marks.front().end - k.completed) / c.size)
		k.completed = k.marks.front().end
		k.marks.pop()
	}
	closeRaw(k.fd)
	k.fd = -1
	c.alive--
}

func (c *client) close() {
	for i := range c.conns {
		if fd := c.conns[i].fd; fd >= 0 {
			closeRaw(fd)
		}
	}
	closeRaw(c.poller.fd)
}
