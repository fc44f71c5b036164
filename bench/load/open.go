package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/proactor-go/proactor/bench/internal/result"
)

// open sends at a constant rate, in turn over its connections, however many answers are missing. A message that falls due while
// the client is behind keeps its own time: nothing is omitted.
type open struct {
	c       *client
	conns   []conn
	start   int64
	n       int    // messages so far
	tardy   uint64 // within the window, those that the client itself sent late
	offered uint64 // all within the window
}

// tardiness is what counts as late.
const tardiness = int64(100 * time.Microsecond)

func newOpen(c *client, conns []conn) *open { return &open{c: c, conns: conns, start: clock()} }

func (w *open) due(now int64) int64 {
	for {
		at := w.start + int64(float64(w.n)/w.c.cfg.rate*1e9)
		if at > now {
			return at
		}
		if w.c.window.contains(at) {
			w.offered++
			if now-at > tardiness {
				w.tardy++
			}
		}
		if k := &w.conns[w.n%len(w.conns)]; k.fd >= 0 {
			w.c.submit(k, 1, at)
		}
		w.n++
	}
}

func (w *open) ready(k *conn, events uint32) {
	if _, _, err := w.c.exchange(k, events); err != nil {
		w.c.fail(k, err)
	}
}

func (w *open) report(r *result.Result) {
	var notes []string
	if achieved := float64(r.Ops) / r.Seconds; achieved < 0.99*w.c.cfg.rate {
		notes = append(notes, fmt.Sprintf("answered %.0f of %.0f messages per second", achieved, w.c.cfg.rate))
	}
	if w.tardy*100 > w.offered {
		part := 100 * float64(w.tardy) / float64(w.offered)
		notes = append(notes, fmt.Sprintf("the client sent %.1f %% of the messages over %v late", part, time.Duration(tardiness)))
	}
	r.Note = strings.Join(notes, "; ")
}
