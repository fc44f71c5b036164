package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/bench/internal/result"
)

// lossAfter is when datagrams count as lost, of a socket to which none has come back for so long.
const lossAfter = int64(100 * time.Millisecond)

// serialSize is what a datagram begins with: its number on its socket.
const serialSize = 8

// datagrams is the closed loop over UDP: every socket keeps a number of datagrams under way, and one that comes back is replaced. What does not
// come back is counted, and replaced too.
type datagrams struct {
	c    *client
	all  []socketOf
	next int64 // when to look for losses
	sent uint64
	lost uint64
}

// socketOf is what is under way on one socket. A datagram's ticket is at its number modulo the length; at is 0 where there is none.
type socketOf struct {
	tickets []ticket
	serial  uint64
	waiting int
	heard   int64 // when the last one came back
	out     []byte
}

type ticket struct {
	serial uint64
	at     int64
}

func newDatagrams(c *client) (*datagrams, error) {
	w := &datagrams{c: c, all: make([]socketOf, c.cfg.conns)}
	c.cfg.patience = min(c.cfg.patience, 2*time.Duration(lossAfter))
	for i := range w.all {
		fd, err := dialDatagram(c.to)
		if err != nil {
			return nil, fmt.Errorf("socket %d: %w", i, err)
		}
		k := c.newConn()
		k.fd = fd
		if err := c.poller.add(fd, k.id, edge); err != nil {
			return nil, err
		}
		c.alive++
		s := &w.all[i]
		s.tickets = make([]ticket, 4*c.cfg.pipeline)
		s.out = make([]byte, c.cfg.size)
		for at := serialSize; at < len(s.out); at++ {
			s.out[at] = byte(at + 31*i)
		}
	}
	for i := range w.all {
		w.send(&c.conns[i], c.cfg.pipeline)
	}
	return w, nil
}

// send sends n datagrams on k, as far as its buffer takes them; the rest counts as lost.
func (w *datagrams) send(k *conn, n int) {
	s, now := &w.all[k.id], clock()
	for range n {
		s.serial++
		w.sent++
		binary.LittleEndian.PutUint64(s.out, s.serial)
		p := &s.tickets[s.serial%uint64(len(s.tickets))]
		if p.at != 0 {
			w.lose(s, p)
		}
		*p = ticket{s.serial, now}
		s.waiting++
		w.c.waiting++
		switch _, errno := send(k.fd, s.out); errno {
		case 0:
		case unix.EAGAIN, unix.ENOBUFS:
			w.lose(s, p)
		default:
			w.fail(k, fmt.Errorf("send: %w", errno))
			return
		}
	}
	s.heard = now
}

func (w *datagrams) lose(s *socketOf, p *ticket) {
	p.at = 0
	s.waiting--
	w.c.waiting--
	w.lost++
}

func (w *datagrams) ready(k *conn, _ uint32) {
	for k.fd >= 0 {
		n, errno := recv(k.fd, w.c.buf)
		if errno == unix.EAGAIN {
			return
		}
		if errno != 0 {
			w.fail(k, fmt.Errorf("receive: %w", errno))
			return
		}
		w.received(k, w.c.buf[:n])
	}
}

// received takes one datagram back and sends the next in its ticket. One that counted as lost is late, and no longer counts.
func (w *datagrams) received(k *conn, b []byte) {
	s, now := &w.all[k.id], clock()
	if len(b) != len(s.out) || !bytes.Equal(b[serialSize:], s.out[serialSize:]) {
		w.fail(k, fmt.Errorf("socket %d: a datagram of %d bytes that was not sent", k.id, len(b)))
		return
	}
	s.heard = now
	serial := binary.LittleEndian.Uint64(b)
	p := &s.tickets[serial%uint64(len(s.tickets))]
	if p.at == 0 || p.serial != serial {
		return
	}
	w.c.window.record(p.at, now, 1)
	p.at = 0
	s.waiting--
	w.c.waiting--
	if !w.c.draining {
		w.send(k, 1)
	}
}

// due replaces what is lost.
func (w *datagrams) due(now int64) int64 {
	if now < w.next {
		return w.next
	}
	for i := range w.all {
		s, k := &w.all[i], &w.c.conns[i]
		missing := w.c.cfg.pipeline - s.waiting
		if s.waiting > 0 && now-s.heard > lossAfter {
			missing = w.c.cfg.pipeline
			for at := range s.tickets {
				if s.tickets[at].at != 0 {
					w.lose(s, &s.tickets[at])
				}
			}
		}
		if k.fd >= 0 && missing > 0 {
			w.send(k, missing)
		}
	}
	w.next = now + lossAfter/4
	return w.next
}

func (w *datagrams) fail(k *conn, err error) {
	s := &w.all[k.id]
	w.c.waiting -= s.waiting
	s.waiting = 0
	for at := range s.tickets {
		s.tickets[at].at = 0
	}
	w.c.fail(k, err)
}

func (w *datagrams) report(r *result.Result) {
	if w.lost > 0 {
		r.Note = fmt.Sprintf("lost %d of %d datagrams", w.lost, w.sent)
	}
}
