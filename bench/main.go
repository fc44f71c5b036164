// Bench measures proactor beside every alternative on this machine, and writes raw figures, a report and pictures.
//
//	go run .                      everything there is, in an hour and a half
//	go run . -mode quick          a small part of everything, in minutes
//	go run . -mode targets        what the project's targets need
//	go run . -mode sanity         does it run, and are the bytes right?
//	go run . -report              the report of the last session once more
//
// README.md explains how to read the results, and what they do not show.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type options struct {
	mode        string
	cells       *regexp.Regexp
	contestants *regexp.Regexp
	rounds      int
	window      time.Duration
	list        bool
	report      bool
	out         string
	dir         string
	server      []int
	client      []int
}

func main() {
	o, err := parse()
	if err == nil {
		err = execute(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse() (options, error) {
	var o options
	var cells, contestants, server, client string
	flag.StringVar(&o.mode, "mode", "full", "full, quick, targets or sanity")
	flag.StringVar(&cells, "run", "", "only the cells whose name matches this regular expression")
	flag.StringVar(&contestants, "contestants", "", "only the contestants whose name matches this regular expression")
	flag.IntVar(&o.rounds, "rounds", 0, "rounds of each cell, instead of the mode's")
	flag.DurationVar(&o.window, "duration", 0, "measured time of each run, instead of the mode's")
	flag.BoolVar(&o.list, "list", false, "print the cells and the estimated time, and measure nothing")
	flag.BoolVar(&o.report, "report", false, "write the report and the pictures of the results.json in -out once more")
	flag.StringVar(&o.out, "out", "", "directory for what is written (default results/latest)")
	flag.StringVar(&o.dir, "dir", "/var/tmp", "where to make the directory with the files; it must be on a disk that knows O_DIRECT")
	flag.StringVar(&server, "server-cpus", "0", "cores of the servers, such as 0-3,8")
	flag.StringVar(&client, "client-cpus", "1", "cores of the load generators")
	flag.Parse()
	if o.out == "" {
		o.out = "results/latest"
		if o.mode == "sanity" { // hours of measuring may be there
			o.out += "/sanity"
		}
	}
	var errs [4]error
	o.cells, errs[0] = regexp.Compile(cells)
	o.contestants, errs[1] = regexp.Compile(contestants)
	o.server, errs[2] = parseCores(server)
	o.client, errs[3] = parseCores(client)
	if _, known := modes[o.mode]; !known {
		return o, fmt.Errorf("there is no -mode %s", o.mode)
	}
	return o, errors.Join(errs[:]...)
}

// parseCores reads a list of cores as taskset -c does.
func parseCores(text string) ([]int, error) {
	var cores []int
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		first, err1 := strconv.Atoi(low)
		last, err2 := strconv.Atoi(high)
		if err1 != nil || err2 != nil || first < 0 || last < first {
			return nil, fmt.Errorf("%q is not a list of cores", text)
		}
		for core := first; core <= last; core++ {
			cores = append(cores, core)
		}
	}
	return cores, nil
}

func execute(o options) error {
	if o.report {
		results, err := readResults(o.out)
		if err != nil {
			return err
		}
		return writeAll(o.out, results)
	}
	cells := o.plan()
	if len(cells) == 0 {
		return errors.New("no cell matches")
	}
	if o.list {
		for _, c := range cells {
			fmt.Println(c.describe())
		}
	}
	todo := steps(cells)
	fmt.Fprintf(os.Stderr, "%d cells, %d runs, about %s\n", len(cells), len(todo), minutes(estimate(cells, todo)))
	if o.list {
		return nil
	}
	if runtime.NumCPU() < 2 {
		return errors.New("a machine with one core cannot keep the server and the client apart")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C is not waited for
	return o.session(ctx, cells)
}

func (o options) plan() []Cell {
	mode := modes[o.mode]
	if o.rounds > 0 {
		mode.Rounds, mode.Deep = o.rounds, o.rounds
	}
	if o.window > 0 {
		mode.Window = o.window
	}
	cells := findCells(mode.plan(), o.cells.MatchString)
	for i := range cells {
		cells[i].Contestants = slices.DeleteFunc(slices.Clone(cells[i].Contestants), func(name string) bool { return !o.contestants.MatchString(name) })
	}
	return slices.DeleteFunc(cells, func(c Cell) bool { return len(c.Contestants) == 0 })
}

// session measures, and writes what there is even if it was interrupted.
func (o options) session(ctx context.Context, cells []Cell) (err error) {
	dir, err := os.MkdirTemp(o.dir, "proactor-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	h := &host{serverCores: o.server, clientCores: o.client, dir: dir}
	results := &Results{Mode: o.mode, Started: time.Now(), LoadBefore: loadAverage(), Cells: cells, Rates: map[string]float64{}}
	results.Machine = describeMachine(ctx, h)
	raw, err := createRaw(o.out)
	if err != nil {
		return err
	}
	defer raw.file.Close()
	s := &Suite{
		host: h, log: log.New(os.Stderr, "", 0), raw: raw, contestants: contestants(), results: results,
		commanded: map[[2]string]bool{}, failed: map[[2]string]int{},
	}
	if slices.ContainsFunc(cells, func(c Cell) bool { return c.Counted }) {
		s.tool, s.probes = countingTool(ctx), map[string]string{}
		results.Machine.add("system calls are counted with", s.tool)
	}
	broken := s.build(ctx)
	s.limit()
	err = s.prepare(ctx, o.mode == "sanity")
	if err == nil {
		err = s.measure(ctx)
	}
	results.Ended, results.Interrupted = time.Now(), ctx.Err() != nil
	err = errors.Join(broken, err, writeAll(o.out, results))
	fmt.Fprintln(os.Stderr, "written to", o.out)
	switch missing := s.missing(); {
	case err != nil:
		return err
	case results.Interrupted:
		return errors.New("interrupted")
	case s.failures() > 0:
		return fmt.Errorf("%d of %d runs failed, see the report", s.failures(), len(results.Runs))
	case missing > 0 && os.Getenv("BENCH_REQUIRE") == "1":
		return fmt.Errorf("%d contestants are absent, and BENCH_REQUIRE is set", missing)
	}
	return nil
}
