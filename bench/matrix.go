package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Mode is how much is measured, and how long.
type Mode struct {
	Rounds   int
	Deep     int // rounds of what a target compares
	Warmup   time.Duration
	Window   time.Duration
	Counting bool
	cells    func() []Cell
}

var modes = map[string]Mode{
	"full":    {5, 15, 300 * time.Millisecond, 400 * time.Millisecond, true, fullCells},
	"quick":   {3, 3, 100 * time.Millisecond, 280 * time.Millisecond, true, quickCells},
	"targets": {15, 15, 300 * time.Millisecond, time.Second, true, targetCells},
	"sanity":  {1, 1, 50 * time.Millisecond, 300 * time.Millisecond, false, sanityCells},
}

// plan returns the mode's cells with everything filled in.
func (m Mode) plan() []Cell {
	cells := m.cells()
	for i := range cells {
		c := &cells[i]
		c.Rounds, c.Deep = m.Rounds, m.Rounds
		if isTarget(c.Name) {
			c.Deep = m.Deep
		}
		c.Warmup, c.Window = m.Warmup, m.Window
		underway := c.Conns * c.Size * c.Pipeline
		switch {
		case c.Scenario == "slow":
			c.Window = max(c.Window, time.Second) // the readers wake up twenty times in it
		case m.Window < 400*time.Millisecond: // a look, not a measurement
		case c.Scenario == "latency":
			c.Window = max(c.Window, 2*time.Second) // one message of a thousand: a shorter one says what else the machine did
		case underway > 64<<20:
			c.Window += time.Duration(underway>>20) * time.Millisecond // a shorter one would be a few round trips
		}
		c.Counted = c.Counted && m.Counting
	}
	return cells
}

// The whole matrix of echo cells is for matrixContestants, its main cells are for all.
var (
	matrixContestants = []string{
		uring, epoll, "net", "c-thread", "c-select", "c-poll", "c-epoll", liburing, "c-libuv",
	}
	allEcho          = append(append([]string{uringAgain}, matrixContestants...), "gnet", "netpoll", "nbio", "evio", "gaio", giouring)
	someEcho         = []string{uringAgain, uring, epoll, "net", "gnet", "c-epoll", liburing}
	curveContestants = []string{uring, epoll, "net", "c-thread", "c-select", "c-poll", "c-epoll", liburing}
)

// mainEcho are the echo cells that every contestant is measured in, and that are counted.
func mainEcho() []Cell {
	cells := []Cell{
		echoCell(1, 64, 1, allEcho),
		echoCell(64, 64, 1, allEcho),
		echoCell(512, 64, 1, allEcho),
		echoCell(64, 64, 16, allEcho),
		echoCell(64, 16<<10, 1, allEcho),
	}
	for i := range cells {
		cells[i].Counted = true
	}
	return cells
}

func fullCells() []Cell {
	cells := mainEcho()
	add := func(c Cell) {
		if !slices.ContainsFunc(cells, func(have Cell) bool { return have.Name == c.Name }) {
			cells = append(cells, c)
		}
	}
	add(echoCell(8, 64, 1, matrixContestants))
	for _, conns := range []int{1, 10, 64, 512, 5000} {
		for _, size := range []int{64, 1 << 10, 16 << 10, 64 << 10} {
			for _, pipeline := range []int{1, 16} {
				add(echoCell(conns, size, pipeline, matrixContestants))
			}
		}
	}
	for _, conns := range []int{64, 512} {
		for _, share := range []float64{0.5, 0.75} {
			add(latencyCell(conns, share, append([]string{"c-libuv"}, someEcho...)))
		}
	}
	add(idleCell(5000, 64, allEcho))
	add(loadCell("churn", "churn/64", 64, allEcho, "-mode", "churn"))
	add(loadCell("slow", "slow/64", 64, allEcho, "-mode", "slow", "-size", "16384"))
	for _, conns := range []int{1, 4, 16, 64, 256, 1000, 4000} {
		add(curveCell(conns))
	}
	for _, pipeline := range []int{1, 4} {
		for _, conns := range []int{1, 64} {
			c := datagramCell(conns, pipeline)
			c.Counted = conns == 64
			add(c)
		}
	}
	add(httpCell(64))
	add(httpCell(256))
	for _, depth := range []int{1, 8, 32, 128} {
		add(randreadCell(depth))
	}
	for _, c := range slices.Concat(fileCells(), microCells()) {
		add(c)
	}
	return cells
}

func quickCells() []Cell {
	cells := []Cell{
		echoCell(64, 64, 1, allEcho),
		echoCell(512, 64, 1, someEcho),
		echoCell(64, 64, 16, someEcho),
		echoCell(64, 16<<10, 1, someEcho),
		latencyCell(64, 0.5, someEcho),
		idleCell(1000, 64, someEcho),
		loadCell("churn", "churn/64", 64, someEcho, "-mode", "churn"),
		loadCell("slow", "slow/64", 64, someEcho, "-mode", "slow", "-size", "16384"),
		curveCell(1), curveCell(32), curveCell(1000),
		datagramCell(64, 1), datagramCell(64, 4),
		httpCell(64),
		randreadCell(32),
	}
	cells[0].Counted = true
	for _, c := range slices.Concat(fileCells(), microCells()) {
		c.Counted = c.Name == "post"
		if !strings.HasSuffix(c.Name, "/direct") {
			cells = append(cells, c)
		}
	}
	return cells
}

// sanityCells run everything once.
func sanityCells() []Cell {
	cells := []Cell{
		echoCell(8, 64, 1, allEcho),
		echoCell(16, 16<<10, 4, allEcho),
		latencyCell(8, 0.5, []string{uring, "net"}),
		idleCell(100, 8, []string{uring, "net"}),
		loadCell("churn", "churn/8", 8, []string{uring, "net"}, "-mode", "churn"),
		loadCell("slow", "slow/8", 8, []string{uring, epoll, "net"}, "-mode", "slow", "-size", "16384"),
		datagramCell(8, 2),
		httpCell(8),
		randreadCell(8),
	}
	return slices.Concat(cells, fileCells(), microCells())
}

// fileCells are the file workloads but random reads, which are measured at several depths.
func fileCells() []Cell {
	readers := []string{uring, epoll, "goroutines", "pread", "pool", "c-libuv", "fio"}
	hot := append([]string{uringAgain}, readers...)
	cells := []Cell{
		fileCell("hotread", "hotread/16", "hotread", 16, hot, "-file", "$DIR/hot"),
		fileCell("append", "append/64", "append", 64, []string{uring, uringAgain, epoll, "goroutines"}, "-file", "$DIR/log"),
		fileCell("small", "small/32", "small", 32, []string{uring, epoll, "goroutines", "pread", "pool", "c-libuv"}, "-dir", "$DIR/tree"),
		fileCell("walk", "walk/64", "walk", 64, []string{uring, uringAgain, epoll, "filepath", "c-libuv"}, "-dir", "$DIR/wide"),
		{
			Name: "mixed/64", Scenario: "mixed", Conns: 64, Size: 64, Pipeline: 1,
			Contestants: []string{uring, epoll, "net"}, Args: []string{"-conns", "64", "-file", "$DIR/blocks"},
		},
	}
	for _, way := range []struct{ name, file string }{{"read", "$DIR/hot"}, {"write", "$DIR/written"}} {
		name, work := "sequential/"+way.name, "seq"+way.name
		cells = append(cells,
			fileCell("sequential", name, work, 8, readers, "-file", way.file),
			fileCell("sequential", name+"/direct", work, 8, readers, "-file", way.file, "-direct"))
	}
	for i := range cells {
		cells[i].Counted = cells[i].Name == "hotread/16" // what is there to count is so for all of them
	}
	return cells
}

func microCells() []Cell {
	timers := []string{uring, uringAgain, epoll, "std", "c-libuv"}
	cells := []Cell{
		nopCell(16),
		nopCell(256),
		microCell("timers", "timers/pair", "timers", append([]string{reach}, timers...)),
		microCell("timers", "timers/fire", "fire", timers),
		microCell("post", "post", "post", timers),
		microCell("crosspost", "crosspost", "crosspost", []string{uring, uringAgain, eventfd, epoll, "std", "c-libuv"}),
		microCell("spawn", "spawn/8", "spawn", timers),
		microCell("names", "names/64", "names", []string{uring, epoll, "std"}),
		microCell("send", "send", "send", []string{uring, uringAgain, epoll, segments, "std"}),
	}
	for i := range cells {
		cells[i].Counted = cells[i].Scenario != "timers"
	}
	return cells
}

// targetCells are the cells of the full mode that a target needs, with the contestants that it names.
func targetCells() []Cell {
	var cells []Cell
	for _, c := range fullCells() {
		names := targetContestants(c.Name)
		if len(names) == 0 {
			continue
		}
		if slices.Contains(c.Contestants, uringAgain) && slices.Contains(names, uring) {
			names = append(names, uringAgain)
		}
		c.Contestants = names
		cells = append(cells, c)
	}
	return cells
}

func findCells(cells []Cell, keep func(string) bool) []Cell {
	return slices.DeleteFunc(slices.Clone(cells), func(c Cell) bool { return !keep(c.Name) })
}

// describe is what -list prints.
func (c Cell) describe() string {
	return fmt.Sprintf("%-20s %s of %v: %v", c.Name, c.rounds(), c.Window, c.Contestants)
}

func (c Cell) rounds() string {
	if c.Deep > c.Rounds {
		return fmt.Sprintf("%d rounds, %d of %v,", c.Rounds, c.Deep, c.deep())
	}
	if c.Rounds == 1 {
		return "1 round"
	}
	return fmt.Sprintf("%d rounds", c.Rounds)
}
