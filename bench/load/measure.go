package main

import (
	"errors"
	"os"
	"time"

	"github.com/proactor-go/proactor/bench/internal/proc"
	"github.com/proactor-go/proactor/bench/internal/result"
)

// cpu is what the edges of the window need at once and exactly.
type cpu struct{ server, client time.Duration }

// counters are the figures that take long to read, and when that was.
type counters struct {
	proc.Counters
	at int64
}

// measure runs a workload: warm-up, window, and the wait for what is missing then.
//
// Of a server with thousands of threads the counters take many milliseconds to read, in which it goes on answering and nobody
// receives. At the edges of the window only the CPU clocks are read, so it is neither given nor denied that time. The other
// counters enclose the window closely, and are scaled to it.
func (c *client) measure(w workload, r *result.Result) error {
	if err := c.run(w, clock()+int64(c.cfg.warmup)); err != nil {
		return err
	}
	asked := clock()
	outerBegin, err := c.counters()
	if err != nil {
		return err
	}
	if err := c.run(w, clock()+2*(clock()-asked)); err != nil {
		return err
	}

	cpuBegin, err := c.cpu()
	if err != nil {
		return err
	}
	c.window.begin, c.spun = clock(), 0
	if err := c.run(w, c.window.begin+int64(c.cfg.duration)); err != nil {
		return err
	}
	c.window.end = clock()
	cpuEnd, err := c.cpu()
	if err != nil {
		return err
	}
	spun := time.Duration(c.spun)

	if err := c.drain(w); err != nil {
		return err
	}
	outerEnd, err := c.counters()
	if err != nil {
		return err
	}

	if c.window.ops == 0 && c.failures.count == 0 {
		c.failures.add(errors.New("no message was completed within the window"))
	}
	c.window.report(r, c.size)
	// To wait by polling is no work: a client is busy when it has no time left to wait.
	r.ClientCPUS = (cpuEnd.client - cpuBegin.client - spun).Seconds()
	if c.cfg.pid > 0 {
		r.CPUS = (cpuEnd.server - cpuBegin.server).Seconds()
		outer := outerEnd.Sub(outerBegin.Counters)
		if ticks := outer.User + outer.System; ticks > 0 {
			r.CPUUserS = r.CPUS * float64(outer.User) / float64(ticks)
			r.CPUSysS = r.CPUS * float64(outer.System) / float64(ticks)
		}
		part := float64(c.window.end-c.window.begin) / float64(outerEnd.at-outerBegin.at)
		switches := uint64(part * float64(max(0, outer.ContextSwitches)))
		r.CtxSwitches = &switches
		r.RSSBytes = uint64(outer.RSS)
	}
	w.report(r)
	return nil
}

func (c *client) cpu() (now cpu, err error) {
	if c.cfg.pid > 0 {
		if now.server, err = proc.CPU(c.cfg.pid); err != nil {
			return now, err
		}
	}
	now.client, err = proc.CPU(os.Getpid())
	return now, err
}

func (c *client) counters() (counters, error) {
	if c.cfg.pid == 0 {
		return counters{}, nil
	}
	now, err := proc.Sample(c.cfg.pid)
	return counters{now, clock()}, err
}
