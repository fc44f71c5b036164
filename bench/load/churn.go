package main

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/bench/internal/result"
)

// churn uses a connection for one message, and then opens the next in its place. Each connection has other bytes than the ones before.
type churn struct {
	c      *client
	opened int
}

func newChurn(c *client) *churn {
	w := &churn{c: c}
	c.alive = c.cfg.conns
	for range c.cfg.conns {
		w.begin(c.newConn())
	}
	return w
}

func (w *churn) begin(k *conn) {
	now := clock()
	if err := w.dial(k); err != nil {
		w.c.fail(k, err)
		return
	}
	w.c.submit(k, 1, now) // or, before the connection stands, with its first event
}

// dial starts to connect. The last close of the socket will be a reset: see the package's comment.
func (w *churn) dial(k *conn) error {
	fd, err := socket()
	if err != nil {
		return err
	}
	k.restart(fd, w.opened)
	w.opened++
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return fmt.Errorf("SO_LINGER: %w", err)
	}
	if err := connect(fd, w.c.to); err != nil && err != unix.EINPROGRESS {
		return fmt.Errorf("connect: %w", err)
	}
	return w.c.poller.add(fd, k.id, edge)
}

func (w *churn) ready(k *conn, events uint32) {
	messages, _, err := w.c.exchange(k, events)
	switch {
	case err != nil:
		w.c.fail(k, err)
	case messages > 0:
		closeRaw(k.fd)
		k.fd = -1
		if !w.c.draining {
			w.begin(k)
		}
	}
}

func (w *churn) due(int64) int64 { return never }

func (w *churn) report(*result.Result) {}
