package main

import "github.com/proactor-go/proactor/bench/internal/result"

// closed keeps a number of messages outstanding on each connection. What one receive completes is replaced by one send, so at a pipeline
// of 16 a server that answers 16 messages at once gets 16 at once.
type closed struct{ c *client }

func newClosed(c *client, conns []conn) *closed {
	now := clock()
	for i := range conns {
		c.submit(&conns[i], c.cfg.pipeline, now)
	}
	return &closed{c}
}

func (w *closed) ready(k *conn, events uint32) {
	messages, now, err := w.c.exchange(k, events)
	switch {
	case err != nil:
		w.c.fail(k, err)
	case messages > 0 && !w.c.draining:
		w.c.submit(k, messages, now)
	}
}

func (w *closed) due(int64) int64 { return never }

func (w *closed) report(*result.Result) {}
