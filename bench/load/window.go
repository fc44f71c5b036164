package main

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/proactor-go/proactor/bench/internal/result"
)

// A window is the measured time. Before it and after it nothing counts.
type window struct {
	begin, end int64
	ops        uint64
	latencies  *hdrhistogram.Histogram // nanoseconds
}

// longest is the largest latency that is told from larger ones: a minute.
const longest = 60e9

func newWindow() window {
	return window{begin: never, end: never, latencies: hdrhistogram.New(1, longest, 3)}
}

// record counts n messages that were sent at a time and completed now.
func (w *window) record(sent, now int64, n int) {
	if w.contains(now) {
		w.ops += uint64(n)
	}
	if w.contains(sent) {
		_ = w.latencies.RecordValues(min(now-sent, longest), int64(n)) // it refuses only what is out of range
	}
}

func (w *window) contains(t int64) bool { return w.begin <= t && t < w.end }

// report adds the figures that need no counters.
func (w *window) report(r *result.Result, size int64) {
	r.Ops = w.ops
	r.Bytes = w.ops * uint64(size)
	r.Seconds = float64(w.end-w.begin) / 1e9
	if w.latencies.TotalCount() == 0 {
		return
	}
	us := func(quantile float64) float64 { return float64(w.latencies.ValueAtQuantile(quantile)) / 1e3 }
	r.P50US, r.P90US, r.P99US, r.P999US = us(50), us(90), us(99), us(99.9)
	r.MaxUS = float64(w.latencies.Max()) / 1e3
}
