package main

import (
	"time"

	"github.com/proactor-go/proactor/bench/internal/proc"
	"github.com/proactor-go/proactor/bench/internal/result"
)

// openIdle opens the silent connections, and tells what memory of the server each takes before it has said anything.
func (c *client) openIdle(r *result.Result) error {
	begin := clock()
	before, err := c.settledRSS()
	if err != nil {
		return err
	}
	if _, err := c.open(c.cfg.idle, edge); err != nil {
		return err
	}
	after, err := c.settledRSS()
	if err != nil {
		return err
	}
	r.Seconds = float64(clock()-begin) / 1e9
	if c.cfg.pid > 0 {
		each := float64(after-before) / float64(c.cfg.idle)
		r.IdleBytesPerConn = &each
		r.RSSBytes = uint64(after)
	}
	return nil
}

// settledRSS waits until the server's memory has stayed the same for a while: it may still be accepting. A server whose memory
// never rests is read after some seconds.
func (c *client) settledRSS() (int64, error) {
	if c.cfg.pid == 0 {
		return 0, nil
	}
	const pause, calm, most = 20 * time.Millisecond, 10, 250
	last, same := int64(-1), 0
	for i := 0; same < calm && i < most; i++ {
		rss, err := proc.RSS(c.cfg.pid)
		if err != nil {
			return 0, err
		}
		if same++; rss != last {
			last, same = rss, 0
		}
		time.Sleep(pause)
	}
	return last, nil
}

// askIdle has one message echoed on each silent connection. That is the proof that the server has held them.
func (c *client) askIdle() error {
	now := clock()
	for i := range c.conns[:c.cfg.idle] {
		if k := &c.conns[i]; k.fd >= 0 {
			c.submit(k, 1, now)
		}
	}
	return c.drain(&closed{c})
}
