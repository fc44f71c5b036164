package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// A config is what the flags say.
type config struct {
	addr             netip.AddrPort
	mode             string
	conns, idle      int
	size, pipeline   int
	rate, slow       float64
	warmup, duration time.Duration
	patience         time.Duration
	pid              int
}

func parse(args []string, usage io.Writer) (config, error) {
	var c config
	var addr string
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.SetOutput(usage)
	f.StringVar(&addr, "addr", "127.0.0.1:7000", "IPv4 address and port of the server")
	f.StringVar(&c.mode, "mode", "echo", "echo, churn, slow or udp")
	f.IntVar(&c.conns, "conns", 64, "active connections")
	f.IntVar(&c.idle, "idle", 0, "connections that stay silent (mode echo)")
	f.IntVar(&c.size, "size", 64, "bytes of a message")
	f.IntVar(&c.pipeline, "pipeline", 1, "messages that each connection keeps outstanding")
	f.Float64Var(&c.rate, "rate", 0, "messages per second over all connections, 0 for a closed loop (mode echo)")
	f.Float64Var(&c.slow, "slow", 0.5, "part of the connections that read slowly (mode slow)")
	f.DurationVar(&c.warmup, "warmup", 500*time.Millisecond, "unmeasured time before the window")
	f.DurationVar(&c.duration, "duration", 2*time.Second, "length of the measured window")
	f.DurationVar(&c.patience, "patience", 5*time.Second, "how long to wait at the end for the next answer")
	f.IntVar(&c.pid, "pid", 0, "process id of the server, to read its counters")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if f.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	var err error
	if c.addr, err = netip.ParseAddrPort(addr); err != nil {
		return c, fmt.Errorf("-addr %q: %w", addr, err)
	}
	return c, c.check()
}

// maxOutstanding bounds the bytes that a connection has on the way: all connections' together have to fit into the kernel's buffers.
const maxOutstanding = 64 << 20

func (c *config) check() error {
	switch {
	case !c.addr.Addr().Is4():
		return fmt.Errorf("-addr %v is not IPv4", c.addr)
	case c.mode != "echo" && c.mode != "churn" && c.mode != "slow" && c.mode != "udp":
		return fmt.Errorf("there is no -mode %q", c.mode)
	case c.conns < 0 || c.idle < 0 || c.conns+c.idle == 0:
		return errors.New("no connections: -conns and -idle")
	case c.size < 1 || c.pipeline < 1 || c.size > maxOutstanding/c.pipeline:
		return fmt.Errorf("-size and -pipeline must be positive, and at most %d bytes together", maxOutstanding)
	case c.rate < 0 || c.warmup < 0 || c.patience < 0 || c.duration <= 0 || c.pid < 0:
		return errors.New("a negative -rate, -warmup, -patience or -pid, or no -duration")
	case c.mode != "echo" && (c.rate > 0 || c.idle > 0 || c.conns == 0):
		return fmt.Errorf("-mode %s has neither -rate nor -idle, and needs -conns", c.mode)
	case c.pipeline > 1 && (c.rate > 0 || c.mode == "churn"):
		return errors.New("-pipeline is for closed loops")
	case c.rate > 0 && c.conns == 0:
		return errors.New("-rate needs -conns")
	case c.mode == "udp" && (c.size < serialSize || c.size > 65507):
		return fmt.Errorf("-size %d is none of a numbered datagram", c.size)
	case c.mode == "slow" && (c.slowConns() < 1 || c.slowConns() >= c.conns):
		return fmt.Errorf("-slow %v of %d connections leaves no slow or no other ones", c.slow, c.conns)
	}
	return nil
}

// slowConns is how many of the connections read slowly.
func (c *config) slowConns() int { return int(c.slow * float64(c.conns)) }
