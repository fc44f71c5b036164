package main

import (
	"fmt"
	"strconv"
	"time"
)

// A Cell is one question that several contestants answer: a scenario with its parameters.
type Cell struct {
	Name        string        `json:"name"`
	Scenario    string        `json:"scenario"`
	Contestants []string      `json:"contestants"`
	Conns       int           `json:"conns,omitempty"`
	Idle        int           `json:"idle,omitempty"` // connections that say nothing, besides
	Size        int           `json:"size,omitempty"`
	Pipeline    int           `json:"pipeline,omitempty"`
	Depth       int           `json:"depth,omitempty"`
	Args        []string      `json:"args"`                 // of the load generator or of the workload
	Share       float64       `json:"rate_share,omitempty"` // of the calibrated throughput, in an open loop
	Counted     bool          `json:"counted,omitempty"`    // has a counting pass
	Rounds      int           `json:"rounds"`
	Deep        int           `json:"deep_rounds"` // of the contestants that a target compares
	Warmup      time.Duration `json:"warmup_ns"`
	Window      time.Duration `json:"window_ns"`
}

func (c Cell) scenario() Scenario { return scenario(c.Scenario) }

// cost is how long a run takes, with the start and the end of the processes.
func (c Cell) cost() time.Duration {
	perConn := 150 * time.Microsecond // to open it, serve it once and close it
	return c.Warmup + c.Window + 250*time.Millisecond + time.Duration(c.Conns)*perConn
}

func echoCell(conns, size, pipeline int, contestants []string) Cell {
	name := fmt.Sprintf("echo/%dx%s", conns, bytesName(size))
	if pipeline > 1 {
		name += fmt.Sprintf("/p%d", pipeline)
	}
	c := loadCell("echo", name, conns, contestants, "-size", strconv.Itoa(size), "-pipeline", strconv.Itoa(pipeline))
	c.Size, c.Pipeline = size, pipeline
	return c
}

func datagramCell(conns, pipeline int) Cell {
	name := fmt.Sprintf("udp/%d", conns)
	if pipeline > 1 {
		name += fmt.Sprintf("/p%d", pipeline)
	}
	contestants := []string{uringAgain, uring, epoll, "net", "gnet", "nbio", mmsg, "c-libuv"}
	c := loadCell("udp", name, conns, contestants, "-mode", "udp", "-size", "64", "-pipeline", strconv.Itoa(pipeline))
	c.Pipeline = pipeline
	return c
}

// loadCell is a cell of the load generator. What is not said is one message of 64 B at a time.
func loadCell(scenario, name string, conns int, contestants []string, args ...string) Cell {
	return Cell{
		Name: name, Scenario: scenario, Contestants: contestants,
		Conns: conns, Size: 64, Pipeline: 1,
		Args: append([]string{"-conns", strconv.Itoa(conns)}, args...),
	}
}

func latencyCell(conns int, share float64, contestants []string) Cell {
	c := loadCell("latency", fmt.Sprintf("latency/%d/%.0f%%", conns, share*100), conns, contestants, "-size", "64")
	c.Share = share
	return c
}

func idleCell(idle, active int, contestants []string) Cell {
	c := loadCell("idle", fmt.Sprintf("idle/%d", idle), active, contestants, "-idle", strconv.Itoa(idle), "-size", "64")
	c.Idle = idle
	return c
}

func curveCell(conns int) Cell {
	return loadCell("curve", fmt.Sprintf("curve/%d", conns), conns, curveContestants, "-size", "64")
}

func httpCell(conns int) Cell {
	return Cell{
		Name: fmt.Sprintf("http/%d", conns), Scenario: "http", Conns: conns, Pipeline: 1,
		Contestants: []string{uring, epoll, "net/http", "gnet", "nginx"},
		Args:        []string{"-t1", fmt.Sprintf("-c%d", conns)},
	}
}

// fileCell is a cell of the file workloads. $DIR is the directory that holds the files.
func fileCell(scenario, name, work string, depth int, contestants []string, args ...string) Cell {
	return Cell{
		Name: name, Scenario: scenario, Depth: depth, Contestants: contestants,
		Args: append([]string{"-work", work, "-depth", strconv.Itoa(depth)}, args...),
	}
}

func randreadCell(depth int) Cell {
	contestants := []string{uring, uringAgain, fixed, epoll, "goroutines", "goroutines-p8", "pool", "c-libuv", "c-libuv-t32", "fio", "fio-fixed"}
	return fileCell("randread", fmt.Sprintf("randread/%d", depth), "randread", depth, contestants, "-file", "$DIR/blocks")
}

func microCell(scenario, name, work string, contestants []string, args ...string) Cell {
	return Cell{Name: name, Scenario: scenario, Contestants: contestants, Args: append([]string{"-work", work}, args...)}
}

func nopCell(batch int) Cell {
	contestants := []string{uring, uringAgain, epoll, "ours-ring", liburing}
	return microCell("nop", fmt.Sprintf("nop/%d", batch), "nop", contestants, "-batch", strconv.Itoa(batch))
}

func bytesName(n int) string {
	if n >= 1<<10 {
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%dB", n)
}
