package main

import (
	"fmt"
	"log"
	"time"
)

// progress tells how far the suite is, one line per run.
type progress struct {
	log     *log.Logger
	cells   []Cell
	started time.Time
	total   time.Duration // estimated
	passed  time.Duration // estimated, of the steps that are done
	done    int
	count   int
}

func newProgress(log *log.Logger, cells []Cell, todo []Step) *progress {
	return &progress{log: log, cells: cells, started: time.Now(), total: estimate(cells, todo), count: len(todo)}
}

// step reports one that is done; run is nil if it was left out.
func (p *progress) step(s Step, c Cell, run *Run) {
	p.done++
	p.passed += s.cost(p.cells)
	pace := float64(time.Since(p.started)) / float64(p.passed) // of the truth to the estimate
	left := time.Duration(float64(p.total-p.passed) * pace)
	round := fmt.Sprintf("round %d of %d", s.Round, c.Deep)
	if s.Round == 0 {
		round = "counting"
	}
	p.log.Printf("%5d/%d  %-20s %-16s %-14s %s  (%s left)", p.done, p.count, c.Name, s.Contestant, round, brief(run, c), minutes(left))
}

func brief(run *Run, c Cell) string {
	switch {
	case run == nil:
		return "left out after failures"
	case run.Failure != "":
		return "FAILED: " + run.Failure
	case run.Round == 0:
		return "counted"
	}
	text := ""
	for _, key := range []string{"rate", "cpu_us"} {
		if v, ok := figure(key).Of(run); ok {
			text += fmt.Sprintf("%9s %s", short(v), columnOf(key, c.scenario().Op).title)
		}
	}
	return text
}
