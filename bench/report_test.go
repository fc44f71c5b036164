package main

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/REPORT.md anew")

// canned is a session with everything in it that a report can show.
func canned() *Results {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := &Results{
		Mode: "full", Started: start, Ended: start.Add(61 * time.Minute), Interrupted: true, LoadBefore: 1.25,
		Machine: Machine{[]Fact{{"commit", "0123456789ab"}, {"CPU", "a CPU"}, {"kernel", "6.18 | SMP"}}},
		Absent: []Absence{
			{Group: "echo", Contestant: "c-libuv", Reason: "needs libuv1-dev"},
			{Group: "echo", Contestant: "c-select", Cell: "curve/1000", Reason: "FD_SETSIZE is 1,024"},
		},
		Rates: map[string]float64{"latency/64/50%": 70_000},
		Commands: []commands{{
			Contestant: uring, Cell: "echo/64x64B",
			Server: []string{"bin/ours-echo", "-backend", "uring"}, Client: []string{"bin/load", "-conns", "64"},
		}},
	}
	add := func(c Cell, runs func(round int) []*Run) {
		c.Rounds, c.Deep, c.Window = 3, 3, time.Second
		r.Cells = append(r.Cells, c)
		for round := range 4 {
			for _, run := range runs(round) {
				run.Cell, run.Round, run.Conns, run.Pipeline = c.Name, round, c.Conns, c.Pipeline
				r.Runs = append(r.Runs, run)
			}
		}
	}
	add(echoCell(64, 64, 1, []string{uring, uringAgain, "net", liburing, "c-libuv", "evio"}), func(round int) []*Run {
		if round == 0 {
			return []*Run{
				{Contestant: uring, Counted: Counted{new(0.125), new(0.125), new(0.0)}},
				{Contestant: "net", Counted: Counted{Syscalls: new(2.5)}},
			}
		}
		drift := 1 + 0.1*float64(round)
		runs := []*Run{
			timedRun("", uring, round, 5*drift, 200_000, 0.97),
			timedRun("", uringAgain, round, 5.1*drift, 199_000, 0.96),
			timedRun("", "net", round, 7*drift, 140_000, 0.8),
			timedRun("", liburing, round, 4.9*drift, 201_000, 0.97),
			{Contestant: "evio", Failure: "bin/load: exit status 1: 3 x a wrong byte"},
		}
		for _, run := range runs {
			run.P50US, run.P90US, run.P99US, run.P999US, run.MaxUS = 300, 400, 500, 600, 7000
			run.CPUUserS, run.CPUSysS = 0.1, 0.3
			run.CtxSwitches = new(uint64(20))
		}
		return runs
	})
	add(latencyCell(64, 0.5, []string{uring, liburing}), func(round int) []*Run {
		runs := []*Run{timedRun("", uring, round, 6, 70_000, 0.5), timedRun("", liburing, round, 6, 70_000, 0.5)}
		runs[0].P999US, runs[1].P999US = 180, 100
		runs[0].P99US, runs[1].P99US = 90, 80
		runs[0].Note = "the rate was not reached"
		return runs
	})
	for _, conns := range []int{1, 1000} {
		add(curveCell(conns), func(round int) []*Run {
			run := timedRun("", uring, round, 10, 20_000, 0.1)
			run.BaseRSS, run.RSSBytes, run.CtxSwitches = 1<<20, 2<<20, new(uint64(100))
			return []*Run{run}
		})
	}
	add(nopCell(16), func(round int) []*Run {
		return []*Run{timedRun("", uring, round, 0.3, 3_000_000, 0), timedRun("", liburing, round, 0.2, 5_000_000, 0)}
	})
	return r
}

func TestReport(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, writeReport(&b, canned()))
	const golden = "testdata/REPORT.md"
	if *update {
		require.NoError(t, os.WriteFile(golden, b.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String(), "if this is meant: go test . -run TestReport -update")
}

// What is written can be read again, and gives the same report; the pictures are well-formed.
func TestWritten(t *testing.T) {
	dir := t.TempDir()
	r := canned()
	require.NoError(t, writeAll(dir, r))
	again, err := readResults(dir)
	require.NoError(t, err)
	var first, second bytes.Buffer
	require.NoError(t, writeReport(&first, r))
	require.NoError(t, writeReport(&second, again))
	require.Equal(t, first.String(), second.String())

	pictures, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	require.NoError(t, err)
	require.Len(t, pictures, 6, "%v", pictures)
	for _, name := range pictures {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		decoder := xml.NewDecoder(bytes.NewReader(text))
		for err == nil {
			_, err = decoder.Token()
		}
		require.True(t, errors.Is(err, io.EOF), "%s: %v", name, err)
	}
}

func TestRaw(t *testing.T) {
	dir := t.TempDir()
	raw, err := createRaw(dir)
	require.NoError(t, err)
	runs := canned().Runs
	for _, run := range runs {
		require.NoError(t, raw.add(run))
	}
	require.NoError(t, raw.file.Close())
	file, err := os.Open(filepath.Join(dir, "raw.csv"))
	require.NoError(t, err)
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll() // which wants as many cells in each line
	require.NoError(t, err)
	require.Len(t, lines, len(runs)+1)
}
