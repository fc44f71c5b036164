package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/bench/internal/result"
)

// timedRun is a run of one second with the CPU time per operation and the rate given.
func timedRun(cell, contestant string, round int, cpuUS float64, rate uint64, client float64) *Run {
	return &Run{Cell: cell, Contestant: contestant, Round: round, Result: result.Result{
		Ops: rate, Seconds: 1, CPUS: cpuUS * float64(rate) / 1e6, ClientCPUS: client,
	}}
}

func TestVerdicts(t *testing.T) {
	r := &Results{Cells: []Cell{{Name: "a", Scenario: "echo"}, {Name: "busy", Scenario: "echo"}}}
	for round, drift := range []float64{1, 2, 4} { // all drift together
		for name, cpu := range map[string]float64{uring: 5, "slow": 8, "fast": 6, "net": 10} {
			r.Runs = append(r.Runs,
				timedRun("a", name, round+1, cpu*drift, uint64(1000/cpu), 0.5),
				timedRun("busy", name, round+1, cpu*drift, uint64(1000/cpu), 0.97))
		}
	}
	r.Runs = append(r.Runs, &Run{Cell: "a", Contestant: uring, Counted: Counted{Syscalls: new(0.02)}})
	r.Absent = []Absence{{Group: "echo", Contestant: "gone", Reason: "needs gone-dev"}}
	for _, c := range []struct {
		Target
		baseline string
		measured float64
		status   string
	}{
		{Target{"a", uring, "cpu_us", []string{"net"}, 0.5, false, ""}, "net", 0.5, holds},
		{Target{"a", uring, "cpu_us", []string{"net"}, 0.49, false, ""}, "net", 0.5, missed},
		{Target{"a", uring, "cpu_us", []string{"slow", "fast"}, 0.9, false, ""}, "fast", 5.0 / 6, holds},
		{Target{"a", uring, "rate", []string{"slow", "fast"}, 1.1, true, ""}, "fast", 200.0 / 166, holds},
		{Target{"a", uring, "rate", []string{"net"}, 2.1, true, ""}, "net", 2, missed},
		{Target{"busy", uring, "rate", []string{"net"}, 2.1, true, ""}, "net", 2, unjudged},
		{Target{"busy", uring, "cpu_us", []string{"net"}, 0.5, false, ""}, "net", 0.5, holds},
		{Target{"a", uring, "syscalls", nil, 0.01, false, ""}, "", 0.02, missed},
		{Target{"a", uring, "cpu_us", []string{"gone"}, 1, false, ""}, "", 0, "absent: needs gone-dev"},
		{Target{"a", uring, "cpu_us", []string{"gone", "fast"}, 1, false, ""}, "fast", 5.0 / 6, holds},
		{Target{"a", uring, "p999", []string{"net"}, 1, false, ""}, "", 0, nothing},
		{Target{"b", uring, "cpu_us", []string{"net"}, 1, false, ""}, "", 0, nothing},
	} {
		v := r.verdict(c.Target)
		require.Equal(t, c.status, v.Status, "%+v", c.Target)
		require.Equal(t, c.baseline, v.Baseline, "%+v", c.Target)
		require.InDelta(t, c.measured, v.Measured.Median, 1e-9, "%+v", c.Target)
	}
}

// A run that failed is in no figure.
func TestFailedRuns(t *testing.T) {
	r := &Results{Runs: []*Run{timedRun("a", "net", 1, 5, 100, 0), timedRun("a", "net", 2, 50, 100, 0)}}
	r.Runs[1].Failure = "a wrong byte"
	require.Equal(t, 1, r.spread("a", "net", "cpu_us").N)
	messages, of := r.failures("a", "net")
	require.Equal(t, []string{"a wrong byte"}, messages)
	require.Equal(t, 2, of)
}
