package main

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClosedLoop(t *testing.T) {
	s := echo(t, nil)
	for _, size := range []int{1, 64, 1000, 65537, 1 << 20} {
		for _, pipeline := range []int{1, 3, 16} {
			t.Run(fmt.Sprintf("%dx%d", size, pipeline), func(t *testing.T) {
				r := loadWell(t, s.addr, "-conns", "5", "-size", strconv.Itoa(size), "-pipeline", strconv.Itoa(pipeline), "-pid", ownPID())
				require.Positive(t, r.Ops)
				require.Equal(t, r.Ops*uint64(size), r.Bytes)
				require.GreaterOrEqual(t, r.Seconds, 0.25)
				require.Positive(t, r.P50US)
				require.IsNonDecreasing(t, []float64{r.P50US, r.P90US, r.P99US, r.P999US, r.MaxUS})
				require.Positive(t, r.ClientCPUS)
				require.Positive(t, r.CPUS)
				if split := r.CPUUserS + r.CPUSysS; split > 0 { // no tick may have fallen into so short a time
					require.InDelta(t, r.CPUS, split, 0.001)
				}
				require.NotNil(t, r.CtxSwitches)
				require.Positive(t, r.RSSBytes)
				require.Nil(t, r.IdleBytesPerConn)
			})
		}
	}
}

// Without the server's process there are no figures of it, rather than zeros.
func TestNoPID(t *testing.T) {
	r := loadWell(t, echo(t, nil).addr)
	require.Zero(t, r.CPUS)
	require.Zero(t, r.RSSBytes)
	require.Nil(t, r.CtxSwitches)
	require.Positive(t, r.ClientCPUS)
}

func TestOpenLoop(t *testing.T) {
	s := echo(t, nil)
	begin := time.Now()
	r := loadWell(t, s.addr, "-conns", "7", "-rate", "500", "-duration", "400ms", "-pid", ownPID())
	require.Positive(t, r.Ops)
	require.LessOrEqual(t, float64(r.Ops), 1+500*time.Since(begin).Seconds())
	require.Positive(t, r.P50US)
	require.Positive(t, r.ClientCPUS)
}

// A closed loop sends nothing while the server stalls, and then reports one bad latency for each connection. In an open loop
// every message that was due in the stall is late.
func TestStallIsNotOmitted(t *testing.T) {
	var messages atomic.Int64
	var gate sync.RWMutex
	s := echo(t, func(_ int64, _ int, b []byte) []byte {
		if messages.Add(1) == 400 {
			gate.Lock()
			time.Sleep(100 * time.Millisecond)
			gate.Unlock()
		}
		gate.RLock()
		defer gate.RUnlock()
		return b
	})
	r := loadWell(t, s.addr, "-conns", "4", "-rate", "1000", "-warmup", "0s", "-duration", "1s")
	// A tenth of the messages fell due in the stall, and half of those had 50 ms of it before them.
	require.Greater(t, r.P99US, 50e3)
	require.GreaterOrEqual(t, r.MaxUS, r.P99US)
}

// What a server that is too slow has not answered within the window is waited for, and has its latency.
func TestOverload(t *testing.T) {
	var one sync.Mutex
	s := echo(t, func(_ int64, _ int, b []byte) []byte {
		one.Lock()
		defer one.Unlock()
		time.Sleep(time.Duration((len(b)+63)/64) * 2 * time.Millisecond)
		return b
	})
	r := loadWell(t, s.addr, "-conns", "2", "-rate", "2000", "-patience", "1m")
	require.Regexp(t, `^answered \d+ of 2000 messages per second`, r.Note)
	require.Greater(t, r.MaxUS, 200e3)
}

func TestChurn(t *testing.T) {
	s := echo(t, nil)
	for _, size := range []string{"64", "300000"} {
		before := s.accepted.Load()
		r := loadWell(t, s.addr, "-mode", "churn", "-conns", "5", "-size", size, "-pid", ownPID())
		require.Positive(t, r.Ops)
		require.Positive(t, r.P50US)
		require.GreaterOrEqual(t, s.accepted.Load()-before, int64(r.Ops))
	}
}

func TestSlow(t *testing.T) {
	s := echo(t, nil)
	r := loadWell(t, s.addr, "-mode", "slow", "-conns", "8", "-slow", "0.25", "-pid", ownPID())
	require.EqualValues(t, 8, s.accepted.Load())
	require.Positive(t, r.Ops)
	require.Positive(t, r.RSSBytes)
	require.Empty(t, r.Note)
}

func TestIdle(t *testing.T) {
	s := echo(t, nil)
	r := loadWell(t, s.addr, "-idle", "300", "-conns", "4", "-pid", ownPID())
	require.EqualValues(t, 304, s.accepted.Load())
	require.Positive(t, r.Ops)
	require.NotNil(t, r.IdleBytesPerConn)

	r = loadWell(t, s.addr, "-idle", "300", "-conns", "0", "-pid", ownPID())
	require.EqualValues(t, 604, s.accepted.Load())
	require.Zero(t, r.Ops)
	require.Zero(t, r.P50US)
	require.NotNil(t, r.IdleBytesPerConn)
	require.Positive(t, r.RSSBytes)
}
