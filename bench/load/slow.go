package main

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/bench/internal/proc"
	"github.com/proactor-go/proactor/bench/internal/result"
)

// How a slow connection reads.
const (
	slowPiece  = 4 << 10
	slowPeriod = int64(50 * time.Millisecond)
)

// slowLimit bounds what all slow connections send together. A server that holds them back takes some megabytes of each; one that does not
// shows it, and leaves the machine some memory.
const slowLimit = 4 << 30

// slow is the closed loop beside connections that do not read what they asked for. Those are level-triggered, to send a piece
// each time round: a server that takes everything must not keep the client from the others.
type slow struct {
	closed
	conns []conn
	next  int64
	rss   int64 // the highest within the window
	full  int   // connections that have sent all they may
}

func newSlow(c *client) (*slow, error) {
	n := c.cfg.slowConns()
	conns, err := c.open(n, unix.EPOLLOUT)
	if err != nil {
		return nil, err
	}
	for i := range conns {
		conns[i].queued = slowLimit / int64(n)
	}
	w := &slow{closed: closed{c}, conns: conns}
	if err := w.fill(); err != nil {
		return nil, err
	}
	others, err := c.open(c.cfg.conns-n, edge)
	if err != nil {
		return nil, err
	}
	w.closed = *newClosed(c, others)
	return w, nil
}

// fill runs the slow connections alone until they send no more than they read. To fill all buffers on the way is work that
// does not belong to the window.
func (w *slow) fill() error {
	limit := clock() + int64(w.c.cfg.patience)
	for calm := false; !calm && clock() < limit; {
		before := w.sent()
		if err := w.c.run(w, clock()+slowPeriod); err != nil {
			return err
		}
		calm = w.sent()-before <= 2*slowPiece*int64(len(w.conns))
	}
	return nil
}

// sent is how many bytes the slow connections have sent.
func (w *slow) sent() (sum int64) {
	for i := range w.conns {
		sum += w.conns[i].sent
	}
	return sum
}

func (w *slow) ready(k *conn, events uint32) {
	if k.id >= len(w.conns) {
		w.closed.ready(k, events)
		return
	}
	if err := w.push(k, events); err != nil {
		w.c.fail(k, err)
	}
}

func (w *slow) push(k *conn, events uint32) error {
	if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		return errors.New("a slow connection was closed")
	}
	if _, err := k.sendPiece(); err != nil || k.sent < k.queued {
		return err
	}
	w.full++
	return w.c.poller.modify(k.fd, k.id, 0)
}

func (w *slow) due(now int64) int64 {
	if now < w.next {
		return w.next
	}
	for i := range w.conns {
		k := &w.conns[i]
		if k.fd < 0 {
			continue
		}
		if _, err := k.receive(w.c.buf[:slowPiece]); err != nil {
			w.c.fail(k, err)
		}
	}
	if w.c.cfg.pid > 0 && w.c.window.contains(now) {
		if rss, err := proc.RSS(w.c.cfg.pid); err == nil { // of a server that is gone, the end of the window tells
			w.rss = max(w.rss, rss)
		}
	}
	w.next = now + slowPeriod
	return w.next
}

func (w *slow) report(r *result.Result) {
	r.RSSBytes = max(r.RSSBytes, uint64(w.rss))
	if w.full > 0 {
		r.Note = fmt.Sprintf("%d of %d slow readers were not held back: the server has taken %d MiB of each", w.full, len(w.conns),
			slowLimit>>20/len(w.conns))
	}
}
