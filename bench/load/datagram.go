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

// What one system call sends of datagrams.
const (
	maxSegments = 64
	maxPayload  = 65507
)

// datagrams is the closed loop over UDP: every socket keeps a number of datagrams under way, and those that come back are replaced. What does not
// come back is counted, and replaced too. Those of one socket leave together, in one system call (UDP_SEGMENT): a generator that pays for
// each of them is slower than the servers.
type datagrams struct {
	c    *client
	all  []socketOf
	next int64 // when to look for losses
	sent uint64
	lost uint64
	most int // datagrams that leave together
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
	w := &datagrams{c: c, all: make([]socketOf, c.cfg.conns), most: min(maxSegments, maxPayload/c.cfg.size, c.cfg.pipeline)}
	c.cfg.patience = min(c.cfg.patience, 2*time.Duration(lossAfter))
	for i := range w.all {
		fd, cuts, err := dialDatagram(c.to, c.cfg.size)
		if err != nil {
			return nil, fmt.Errorf("socket %d: %w", i, err)
		}
		if !cuts {
			w.most = 1
		}
		k := c.newConn()
		k.fd = fd
		if err := c.poller.add(fd, k.id, edge); err != nil {
			return nil, err
		}
		c.alive++
		s := &w.all[i]
		s.tickets = make([]ticket, 4*c.cfg.pipeline)
		s.out = make([]byte, w.most*c.cfg.size)
		for at := range s.out {
			s.out[at] = byte(at%c.cfg.size + 31*i)
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
	for count := 0; n > 0; n -= count {
		count = min(n, w.most)
		for i := range count {
			s.serial++
			w.sent++
			binary.LittleEndian.PutUint64(s.out[i*w.c.cfg.size:], s.serial)
			p := s.ticket(s.serial)
			if p.at != 0 {
				w.lose(s, p)
			}
			*p = ticket{s.serial, now}
			s.waiting++
			w.c.waiting++
		}
		switch _, errno := send(k.fd, s.out[:count*w.c.cfg.size]); errno {
		case 0:
		case unix.EAGAIN, unix.ENOBUFS:
			for i := range count {
				w.lose(s, s.ticket(s.serial-uint64(i)))
			}
		default:
			w.fail(k, fmt.Errorf("send: %w", errno))
			return
		}
	}
	s.heard = now
}

func (s *socketOf) ticket(serial uint64) *ticket { return &s.tickets[serial%uint64(len(s.tickets))] }

func (w *datagrams) lose(s *socketOf, p *ticket) {
	p.at = 0
	s.waiting--
	w.c.waiting--
	w.lost++
}

func (w *datagrams) ready(k *conn, _ uint32) {
	back := 0
	for k.fd >= 0 {
		n, errno := recv(k.fd, w.c.buf)
		if errno == unix.EAGAIN {
			break
		}
		if errno != 0 {
			w.fail(k, fmt.Errorf("receive: %w", errno))
			return
		}
		if w.received(k, w.c.buf[:n]) {
			back++
		}
	}
	if k.fd >= 0 && !w.c.draining {
		w.send(k, back)
	}
}

// received takes one datagram back and reports whether it is to be replaced. One that counted as lost is late, and no longer counts.
func (w *datagrams) received(k *conn, b []byte) bool {
	s, now := &w.all[k.id], clock()
	if size := w.c.cfg.size; len(b) != size || !bytes.Equal(b[serialSize:], s.out[serialSize:size]) {
		w.fail(k, fmt.Errorf("socket %d: a datagram of %d bytes that was not sent", k.id, len(b)))
		return false
	}
	s.heard = now
	serial := binary.LittleEndian.Uint64(b)
	p := s.ticket(serial)
	if p.at == 0 || p.serial != serial {
		return false
	}
	w.c.window.record(p.at, now, 1)
	p.at = 0
	s.waiting--
	w.c.waiting--
	return true
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
