package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const wrkOutput = `Running 1s test @ http://127.0.0.1:18080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   359.07us  187.07us   3.35ms   95.02%
    Req/Sec   127.06k     3.46k  134.05k    72.73%
  Latency Distribution
     50%  362.00us
     75%  445.00us
     90%  498.00us
     99%    1.71ms
  138999 requests in 1.10s, 21.34MB read
Requests/sec: 126280.30
Transfer/sec:     19.39MB
`

func TestParseWrk(t *testing.T) {
	r, err := parseWrk(wrkOutput)
	require.NoError(t, err)
	require.Equal(t, uint64(138_999), r.Ops)
	require.InDelta(t, 1.1, r.Seconds, 1e-9)
	require.InDelta(t, 21.34*(1<<20), r.Bytes, 1)
	require.InDeltaSlice(t, []float64{362, 498, 1710, 3350}, []float64{r.P50US, r.P90US, r.P99US, r.MaxUS}, 1e-6)
	require.Zero(t, r.P999US, "wrk does not tell")
	require.Zero(t, r.Errors)

	r, err = parseWrk(wrkOutput + "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n")
	require.NoError(t, err)
	require.Equal(t, uint64(15), r.Errors)

	_, err = parseWrk("unable to connect to 127.0.0.1:18081 Connection refused\n")
	require.ErrorContains(t, err, "unable to connect")
}

// The first interval sees the connections come, and in the last one the process slept.
func TestParsePerf(t *testing.T) {
	out := `     0.100238562,90000,,raw_syscalls:sys_enter,100000000,100.00,,
     0.100238562,5,,syscalls:sys_enter_io_uring_enter,100000000,100.00,,
     0.200636078,20000,,raw_syscalls:sys_enter,100000000,100.00,,
     0.200636078,1000,,syscalls:sys_enter_io_uring_enter,100000000,100.00,,
     0.300910319,21000,,raw_syscalls:sys_enter,100000000,100.00,,
     0.300910319,1100,,syscalls:sys_enter_io_uring_enter,100000000,100.00,,
     0.400000000,<not counted>,,raw_syscalls:sys_enter,0,100.00,,
     0.400000000,<not counted>,,syscalls:sys_enter_io_uring_enter,0,100.00,,
`
	found, err := parsePerf(out)
	require.NoError(t, err)
	require.InDelta(t, 205_000, found.all, 1)
	require.InDelta(t, 5025, found.enters, 1)

	_, err = parsePerf("Error: access to performance monitoring is limited\n")
	require.ErrorContains(t, err, "limited")
}

func TestParseStrace(t *testing.T) {
	found := parseStrace(`% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 99.02    0.101000           5     20000        17 recvfrom
  0.90    0.001000           5       200           io_uring_enter
------ ----------- ----------- --------- --------- ----------------
100.00    0.102000           5     20200        17 total
`)
	require.Equal(t, calls{20_200, 200}, found)
}

func TestCounted(t *testing.T) {
	r := Run{}
	r.Ops, r.Seconds = 1000, 0.5
	c := counter{tool: "perf", syscalls: calls{4000, 1000}, allocs: new(200.0)}
	got := c.counted(r)
	require.InDelta(t, 2, *got.Syscalls, 1e-9)
	require.InDelta(t, 0.5, *got.Enters, 1e-9)
	require.InDelta(t, 0.1, *got.Allocs, 1e-9)
	r.Pipeline, r.Counted = 1, got
	v, ok := figure("per_enter").Of(&r)
	require.True(t, ok)
	require.InDelta(t, 4, v, 1e-9)
	_, ok = figure("rate").Of(&r)
	require.False(t, ok, "a counting pass has no times")
	require.Equal(t, Counted{}, (&counter{}).counted(r))
}
