package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/proactor-go/proactor/bench/internal/probe"
)

// A Suite is one session: it builds, measures and collects.
type Suite struct {
	host        *host
	log         *log.Logger
	raw         *rawFile
	contestants []Contestant
	results     *Results
	tool        string            // that counts system calls
	probes      map[string]string // the binaries that count allocations, by that of the contestant
	commanded   map[[2]string]bool
	failed      map[[2]string]int // runs in a row, by cell and contestant
}

// A contestant that has failed this often in a row in a cell is not tried there again.
const maxFailures = 2

// build makes every program that the cells need. A program that is missing something makes its contestants absent; one that is
// broken makes them absent as well, and fails the session.
func (s *Suite) build(ctx context.Context) error {
	if err := os.MkdirAll(binaries, 0o755); err != nil {
		return err
	}
	var broken []error
	attempt := func(p Program) error {
		s.log.Println("building", p.path())
		err := p.build(ctx)
		if err != nil && !errors.Is(err, errAbsent) {
			broken = append(broken, err)
			err = errors.New("does not build")
		}
		return err
	}
	tried := map[string]error{}
	once := func(p Program) error {
		if _, done := tried[p.path()]; !done {
			tried[p.path()] = attempt(p)
		}
		return tried[p.path()]
	}
	for _, who := range s.wanted() {
		err := once(who.Program)
		if helper, needed := helpers[scenarioOf(who.Group).Driver]; needed && err == nil {
			err = once(helper)
		}
		if err != nil {
			s.results.Absent = append(s.results.Absent, Absence{Group: who.Group, Contestant: who.Name, Reason: reason(err)})
			s.log.Printf("%s %s: %v", who.Group, who.Name, err)
		}
	}
	return errors.Join(broken...)
}

// helpers are what a driver runs beside the contestant.
var helpers = map[driver]Program{underLoad: loadProgram, underWrk: wrkProgram, underPair: mixedProgram}

func scenarioOf(group string) Scenario {
	return scenarios[slices.IndexFunc(scenarios, func(s Scenario) bool { return s.Group == group })]
}

func reason(err error) string {
	text := err.Error()
	if errors.Is(err, errAbsent) {
		return text[len(errAbsent.Error())+2:]
	}
	return text
}

// wanted are the contestants that are in a cell.
func (s *Suite) wanted() []Contestant {
	return slices.DeleteFunc(slices.Clone(s.contestants), func(who Contestant) bool {
		return !slices.ContainsFunc(s.results.Cells, func(c Cell) bool {
			return c.scenario().Group == who.Group && slices.Contains(c.Contestants, who.Name)
		})
	})
}

func (s *Suite) find(c Cell, name string) (Contestant, bool) {
	for _, who := range s.contestants {
		if who.Group == c.scenario().Group && who.Name == name {
			return who, true
		}
	}
	return Contestant{}, false
}

// limit marks the cells that are too large for a contestant.
func (s *Suite) limit() {
	for _, c := range s.results.Cells {
		for _, name := range c.Contestants {
			if who, _ := s.find(c, name); who.Limit > 0 && c.Conns+c.Idle > who.Limit {
				s.results.Absent = append(s.results.Absent, Absence{who.Group, name, c.Name, who.Why})
			}
		}
	}
}

// prepare makes the files that the disk cells read.
func (s *Suite) prepare(ctx context.Context, small bool) error {
	if !slices.ContainsFunc(s.results.Cells, func(c Cell) bool {
		group := c.scenario().Group
		return group == "disk" || group == "mixed" || group == "walk"
	}) {
		return nil
	}
	s.log.Println("making the files in", s.host.dir)
	if err := prepareProgram.build(ctx); err != nil {
		return err
	}
	args := []string{prepareProgram.path(), "-dir", s.host.dir}
	if small {
		args = append(args, "-blocks", "67108864", "-hot", "33554432")
	}
	return newProcess(ctx, args, nil).run(slices.Concat(s.host.serverCores, s.host.clientCores))
}

// measure makes all runs. It stops early when ctx ends.
func (s *Suite) measure(ctx context.Context) error {
	todo := slices.DeleteFunc(steps(s.results.Cells), func(step Step) bool {
		c := s.results.Cells[step.Cell]
		return s.results.absent(c, step.Contestant) != ""
	})
	progress := newProgress(s.log, s.results.Cells, todo)
	for _, step := range todo {
		c := s.results.Cells[step.Cell]
		if c.Share > 0 && s.results.Rates[c.Name] == 0 {
			if err := s.calibrate(ctx, c); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		var run *Run
		if key := [2]string{c.Name, step.Contestant}; s.failed[key] < maxFailures {
			if run = s.run(ctx, c, step); ctx.Err() != nil {
				return nil // the run was killed
			}
			if s.failed[key]++; run.Failure == "" {
				s.failed[key] = 0
			}
			s.results.Runs = append(s.results.Runs, run)
			if err := s.raw.add(run); err != nil {
				return err
			}
		}
		progress.step(step, c, run)
	}
	return nil
}

func (s *Suite) run(ctx context.Context, c Cell, step Step) *Run {
	who, _ := s.find(c, step.Contestant)
	if step.Round == 0 {
		return s.count(ctx, c, who)
	}
	run, cmds, err := s.host.drive(ctx, job{Cell: c, contestant: who, rate: s.results.Rates[c.Name]})
	run.Round = step.Round
	if err != nil {
		run.Failure = err.Error()
	}
	if key := [2]string{c.Name, who.Name}; !s.commanded[key] {
		s.commanded[key] = true
		s.results.Commands = append(s.results.Commands, cmds)
	}
	return &run
}

// count makes the run of the counting pass, with the probe if it is a server in Go. Workloads print their allocations themselves.
func (s *Suite) count(ctx context.Context, c Cell, who Contestant) *Run {
	counter := &counter{ctx: ctx, cores: s.host.clientCores, tool: s.tool, table: filepath.Join(s.host.dir, "strace")}
	j := job{Cell: c, contestant: who, watch: counter.watch}
	j.Warmup, j.Window = countWarmup, countWindow
	var binary string
	var err error
	if c.scenario().Driver != alone {
		binary, err = s.probed(ctx, who.Program)
	}
	if binary != "" {
		counter.probe = filepath.Join(s.host.dir, "probe")
		j.binary, j.env = binary, []string{probe.Env + "=" + counter.probe}
	}
	var run Run
	if err == nil {
		run, _, err = s.host.drive(ctx, j)
	}
	if err == nil {
		run.Counted, err = counter.counted(run), counter.err
	}
	if err != nil {
		run.Cell, run.Contestant, run.Failure = c.Name, who.Name, "counting: "+err.Error()
	}
	return &run
}

// probed builds the variant of a Go program that tells its allocations, once. Of others there is none.
func (s *Suite) probed(ctx context.Context, p Program) (string, error) {
	if p.Package == "" {
		return "", nil
	}
	if path, done := s.probes[p.Name]; done {
		return path, nil
	}
	overlay, err := probe.Overlay(p.Package)
	if err != nil {
		return "", err
	}
	path := p.path() + "-probe"
	err = p.buildGo(ctx, path, "-overlay="+overlay)
	if err := errors.Join(err, os.RemoveAll(filepath.Dir(overlay))); err != nil {
		return "", err
	}
	s.probes[p.Name] = path
	return path, nil
}

// calibrate finds the rate of an open loop: a share of what the slowest but one of its contestants reaches in a closed loop. So one
// program that is out of its depth does not make the test trivial for the others. Cells with as many connections have one calibration.
func (s *Suite) calibrate(ctx context.Context, c Cell) error {
	for _, other := range s.results.Cells {
		if rate := s.results.Rates[other.Name]; rate > 0 && other.Conns == c.Conns {
			s.results.Rates[c.Name] = rate / other.Share * c.Share
			return nil
		}
	}
	s.log.Println("calibrating", c.Name)
	closed := c
	closed.Warmup, closed.Window = 200*time.Millisecond, 500*time.Millisecond
	reached := map[string]float64{}
	for _, name := range c.Contestants {
		who, known := s.find(c, name)
		if !known || s.results.absent(c, name) != "" || name == uringAgain {
			continue
		}
		if run, _, err := s.host.drive(ctx, job{Cell: closed, contestant: who}); err == nil {
			reached[name] = float64(run.Ops) / run.Seconds
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if len(reached) == 0 {
		return fmt.Errorf("%s: no contestant could be calibrated", c.Name)
	}
	rates := slices.Sorted(maps.Values(reached))
	s.results.Rates[c.Name] = rates[min(1, len(rates)-1)] * c.Share
	return nil
}

// failures counts the runs that went wrong.
func (s *Suite) failures() int {
	n := 0
	for _, run := range s.results.Runs {
		if run.Failure != "" {
			n++
		}
	}
	return n
}

// missing counts the contestants that are absent everywhere, not those that a cell is too large for.
func (s *Suite) missing() int {
	n := 0
	for _, a := range s.results.Absent {
		if a.Cell == "" {
			n++
		}
	}
	return n
}
