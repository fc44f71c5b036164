// Load is the client of the echo benchmarks. It drives one server, from one goroutine, and prints one JSON object (see package
// result).
//
//	load -addr 127.0.0.1:7000 -conns 64 -size 64 -pipeline 1 -warmup 0.5s -duration 2s -pid $SERVER
//
// Every byte that comes back is compared with what it has to be, warm-up included. A connection that fails in any way is counted
// and named on the standard error, and makes the exit status 1.
//
// Client and server have one core each, and their work for a message is nearly the same, most of it the kernel's TCP. So this
// client must cost no more than one in C would: raw epoll, edge-triggered, one receive and one send for a message, nothing in
// between for the Go scheduler to see, and no garbage collection.
//
// The modes:
//
//   - echo is a closed loop. Every connection keeps -pipeline messages outstanding, and what one receive has completed is replaced by
//     one send. Its throughput is the server's; its latencies hide what would have been sent during a stall.
//   - echo with -rate is an open loop: messages fall due at a constant rate, in turn over the connections, whether or not the
//     earlier ones were answered. A latency starts when its message was due, so a stall counts for all that fell due in it.
//   - churn connects, sends one message, receives its echo and closes, on -conns connections at a time. The client closes, with a reset
//     (SO_LINGER 0): thousands of orderly closes per second would leave the client without free ports, held in TIME_WAIT. A
//     latency runs from the start of the connect to the last byte of the echo.
//   - slow is the closed loop on a part of the connections, while the others (-slow, a half by default) send as fast as they are let
//     and read only 4 KiB every 50 ms. Only the closed loop is measured; rss_bytes is the highest of the window.
//   - udp is the closed loop over connected UDP sockets: each keeps -pipeline datagrams under way. What has not come back after 100 ms
//     without any is lost: it is counted in the note, and replaced.
//
// With -idle, the connections that stay silent are opened first and asked for one echo each at the very end. With -conns 0 there is
// nothing else, and the window is what that took.
//
// The window opens when the warm-up is over. Ops are the messages completed within it, latencies those of the messages sent (or
// due) within it, however long they took.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/proactor-go/proactor/bench/internal/result"
)

func main() {
	cfg, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case err != nil:
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(2)
	}
	if err := run(cfg, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// run prints a result also when connections have failed.
func run(cfg config, out io.Writer) error {
	// No runtime.LockOSThread: the runtime preempts whoever runs for 10 ms, and a locked goroutine gets back only by way of another
	// thread, 50 us later. One that is not locked just goes on.
	debug.SetGCPercent(-1)
	c, err := newClient(cfg)
	if err != nil {
		return err
	}
	defer c.close()
	r, err := c.bench()
	if err != nil {
		return errors.Join(err, c.failures.err())
	}
	r.Errors = c.failures.count
	if err := r.Write(out); err != nil {
		return err
	}
	return c.failures.err()
}

// bench is the whole run: silent connections, the measured traffic, and whether the silent ones still work.
func (c *client) bench() (result.Result, error) {
	var r result.Result
	if c.cfg.idle > 0 {
		if err := c.openIdle(&r); err != nil {
			return r, err
		}
	}
	if c.cfg.conns > 0 {
		w, err := c.newWorkload()
		if err != nil {
			return r, err
		}
		if err := c.measure(w, &r); err != nil {
			return r, err
		}
	}
	return r, c.askIdle()
}
