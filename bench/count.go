package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/proactor-go/proactor/bench/internal/probe"
)

// The counting pass is separate from the timed rounds: to count system calls slows them down.
const (
	countWarmup = 300 * time.Millisecond
	countWindow = 1200 * time.Millisecond
)

// A counter counts the system calls of a process, and the allocations of a Go program that has the probe.
type counter struct {
	ctx      context.Context
	cores    []int
	tool     string // perf or strace; with anything else, nothing is counted
	table    string // what strace writes
	probe    string // what the probe writes, or nothing
	process  *process
	ended    chan struct{}
	syscalls calls
	allocs   *float64 // per second
	err      error
}

// calls are system calls, either per second or, from strace, of the whole run.
type calls struct{ all, enters float64 }

// countingTool is what this machine can count with. perf needs the tracepoints, which a container often lacks.
func countingTool(ctx context.Context) string {
	if exec.CommandContext(ctx, "perf", "stat", "-e", perfEvents, "true").Run() == nil {
		return "perf"
	}
	if _, err := exec.LookPath("strace"); err == nil {
		return "strace"
	}
	return "nothing: needs linux-perf or strace"
}

const perfEvents = "raw_syscalls:sys_enter,syscalls:sys_enter_io_uring_enter"

// watch is for job.watch.
func (c *counter) watch(pid int) (end func()) {
	c.ended = make(chan struct{})
	go func() {
		defer close(c.ended)
		c.countAllocs(pid)
	}()
	args := map[string][]string{
		"perf":   {"perf", "stat", "-x,", "-I", "100", "-e", perfEvents, "-p", strconv.Itoa(pid)},
		"strace": {"strace", "-f", "-c", "-o", c.table, "-p", strconv.Itoa(pid)},
	}[c.tool]
	if args == nil {
		return func() { <-c.ended }
	}
	c.process = newProcess(c.ctx, args, nil)
	if c.err = c.process.start(c.cores); c.err != nil {
		return func() { <-c.ended }
	}
	return c.end
}

func (c *counter) end() {
	<-c.ended
	_ = c.process.Process.Signal(syscall.SIGINT)
	_ = c.process.Wait() // interrupted, as it should be
	if c.tool == "perf" {
		c.syscalls, c.err = parsePerf(c.process.stderr.String())
		return
	}
	table, err := os.ReadFile(c.table)
	c.syscalls, c.err = parseStrace(string(table)), err
}

// countAllocs compares the heap at two moments in the middle of the window. A reading allocates a few objects itself; a second one
// right after the first tells how many.
func (c *counter) countAllocs(pid int) {
	if c.probe == "" {
		return
	}
	var mallocs [3]float64
	var times [3]time.Time
	for i, pause := range []time.Duration{countWarmup + countWindow/3, 0, countWindow / 3} {
		time.Sleep(pause)
		read, err := probe.Read(pid, c.probe)
		if err != nil {
			return // the process has ended, and the run says why
		}
		mallocs[i], times[i] = float64(read.Mallocs), time.Now()
	}
	reading := mallocs[1] - mallocs[0]
	c.allocs = quotient(max(0, mallocs[2]-mallocs[1]-reading), times[2].Sub(times[1]).Seconds())
}

// counted relates what was counted to the operations of the run.
func (c *counter) counted(r Run) Counted {
	var found Counted
	opsPerSecond := float64(r.Ops) / r.Seconds
	switch {
	case c.err != nil, opsPerSecond == 0:
	case c.tool == "perf":
		found.Syscalls, found.Enters = quotient(c.syscalls.all, opsPerSecond), quotient(c.syscalls.enters, opsPerSecond)
	case c.tool == "strace":
		ops := opsPerSecond * (countWarmup + countWindow).Seconds()
		found.Syscalls, found.Enters = quotient(c.syscalls.all, ops), quotient(c.syscalls.enters, ops)
	}
	if c.allocs != nil && opsPerSecond > 0 {
		found.Allocs = quotient(*c.allocs, opsPerSecond)
	}
	return found
}

func quotient(total, parts float64) *float64 {
	q := total / parts
	return &q
}

// parsePerf reads perf stat -I 100 -x, and returns the calls per second of the median interval: the first and the last ones see
// connections come and go.
func parsePerf(out string) (calls, error) {
	found := map[string][]float64{}
	var last float64
	lines := bufio.NewScanner(strings.NewReader(out))
	for lines.Scan() {
		f := strings.Split(strings.TrimSpace(lines.Text()), ",")
		if len(f) < 4 {
			continue
		}
		at, err := strconv.ParseFloat(f[0], 64)
		if err != nil {
			continue
		}
		count, err := strconv.ParseFloat(f[1], 64)
		if err != nil {
			count = 0 // <not counted>: the process did not run
		}
		found[f[3]] = append(found[f[3]], count)
		last = at
	}
	events := strings.Split(perfEvents, ",")
	n := len(found[events[0]])
	if n == 0 {
		return calls{}, fmt.Errorf("perf counted nothing: %q", out)
	}
	perSecond := float64(n) / last
	return calls{medianOf(found[events[0]]) * perSecond, medianOf(found[events[1]]) * perSecond}, nil
}

// parseStrace adds up the table of strace -c.
func parseStrace(table string) calls {
	var sum calls
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 5 || f[len(f)-1] == "total" {
			continue
		}
		if n, err := strconv.ParseFloat(f[3], 64); err == nil {
			sum.all += n
			if f[len(f)-1] == "io_uring_enter" {
				sum.enters += n
			}
		}
	}
	return sum
}

func medianOf(values []float64) float64 { return spreadOf(values).Median }
