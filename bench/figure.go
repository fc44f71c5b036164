package main

import (
	"time"

	"github.com/proactor-go/proactor/bench/internal/result"
)

// A Run is one measured window of one contestant in one cell.
type Run struct {
	Cell       string    `json:"cell"`
	Contestant string    `json:"contestant"`
	Round      int       `json:"round"` // from 1; 0 is the counting pass, whose times mean nothing
	Started    time.Time `json:"started"`
	Failure    string    `json:"failure,omitempty"`
	result.Result

	Conns   int    `json:"conns,omitempty"`
	BaseRSS uint64 `json:"base_rss_bytes,omitempty"` // the server's memory before the first connection
	Counted
	Pipeline int `json:"pipeline,omitempty"`
}

// Counted is what the counting pass finds, per operation.
type Counted struct {
	Syscalls *float64 `json:"syscalls_per_op,omitempty"`
	Enters   *float64 `json:"enters_per_op,omitempty"` // io_uring_enter among the system calls
	Allocs   *float64 `json:"allocs_per_op,omitempty"`
}

// A Figure is a number that can be computed from a run, if the run has what it takes.
type Figure struct {
	Key          string
	Unit         string // %s stands for the scenario's operation
	MoreIsBetter bool
	Of           func(*Run) (float64, bool)
}

// figures are all there are; raw.csv has a column for each.
var figures = []Figure{
	{"rate", "%s/s", true, timed(func(r *Run) (float64, bool) { return float64(r.Ops) / r.Seconds, true })},
	{"mb_s", "MB/s", true, timed(func(r *Run) (float64, bool) { return float64(r.Bytes) / 1e6 / r.Seconds, r.Bytes > 0 })},
	{"ns", "ns/%s", false, timed(func(r *Run) (float64, bool) { return per(r.Seconds*1e9, r) })},
	{"cpu_us", "CPU µs/%s", false, timed(func(r *Run) (float64, bool) { return perPositive(r.CPUS*1e6, r) })},
	{"cpu_ns", "CPU ns/%s", false, timed(func(r *Run) (float64, bool) { return perPositive(r.CPUS*1e9, r) })},
	{"user_us", "user µs/%s", false, timed(func(r *Run) (float64, bool) { return share(r, r.CPUUserS) })},
	{"sys_us", "system µs/%s", false, timed(func(r *Run) (float64, bool) { return share(r, r.CPUSysS) })},
	{"ctx", "context switches/%s", false, timed(func(r *Run) (float64, bool) {
		if r.CtxSwitches == nil {
			return 0, false
		}
		return per(float64(*r.CtxSwitches), r)
	})},
	{"p50", "p50 µs", false, timed(positive(func(r *Run) float64 { return r.P50US }))},
	{"p90", "p90 µs", false, timed(positive(func(r *Run) float64 { return r.P90US }))},
	{"p99", "p99 µs", false, timed(positive(func(r *Run) float64 { return r.P99US }))},
	{"p999", "p99.9 µs", false, timed(positive(func(r *Run) float64 { return r.P999US }))},
	{"max", "max µs", false, timed(positive(func(r *Run) float64 { return r.MaxUS }))},
	{"rss_mib", "resident MiB", false, timed(positive(func(r *Run) float64 { return float64(r.RSSBytes) / (1 << 20) }))},
	{"rss_conn", "resident B/connection", false, timed(func(r *Run) (float64, bool) {
		if r.RSSBytes == 0 || r.BaseRSS == 0 || r.Conns == 0 {
			return 0, false
		}
		return (float64(r.RSSBytes) - float64(r.BaseRSS)) / float64(r.Conns), true
	})},
	{"idle_bytes", "resident B/idle connection", false, timed(func(r *Run) (float64, bool) { return value(r.IdleBytesPerConn) })},
	{"client_busy", "client busy", false, timed(func(r *Run) (float64, bool) { return r.ClientCPUS / r.Seconds, r.ClientCPUS > 0 })},
	{"server_busy", "server busy", false, timed(func(r *Run) (float64, bool) { return r.CPUS / r.Seconds, r.CPUS > 0 })},
	{"allocs", "allocations/%s", false, func(r *Run) (float64, bool) {
		if r.Counted.Allocs != nil || r.Result.Allocs == nil || r.Ops == 0 {
			return value(r.Counted.Allocs)
		}
		return float64(*r.Result.Allocs) / float64(r.Ops), true
	}},
	{"syscalls", "system calls/%s", false, func(r *Run) (float64, bool) { return value(r.Syscalls) }},
	{"enters", "enters/%s", false, func(r *Run) (float64, bool) { return value(r.Enters) }},
	{"per_enter", "completions/enter", true, func(r *Run) (float64, bool) {
		// One message is a receive and a send, unless several of them share those.
		if r.Enters == nil || *r.Enters == 0 || r.Pipeline != 1 {
			return 0, false
		}
		return 2 / *r.Enters, true
	}},
}

func figure(key string) Figure {
	for _, f := range figures {
		if f.Key == key {
			return f
		}
	}
	panic("no figure is called " + key)
}

func timed(of func(*Run) (float64, bool)) func(*Run) (float64, bool) {
	return func(r *Run) (float64, bool) {
		if r.Round == 0 || r.Seconds == 0 {
			return 0, false
		}
		return of(r)
	}
}

func positive(of func(*Run) float64) func(*Run) (float64, bool) {
	return func(r *Run) (float64, bool) { return of(r), of(r) > 0 }
}

func per(total float64, r *Run) (float64, bool) {
	if r.Ops == 0 {
		return 0, false
	}
	return total / float64(r.Ops), true
}

func perPositive(total float64, r *Run) (float64, bool) {
	v, ok := per(total, r)
	return v, ok && total > 0
}

// share is a part of the precise CPU time, in the proportion of the times that were counted in ticks.
func share(r *Run, part float64) (float64, bool) {
	ticks := r.CPUUserS + r.CPUSysS
	if ticks == 0 {
		return 0, false
	}
	return perPositive(r.CPUS*1e6*part/ticks, r)
}

func value(v *float64) (float64, bool) {
	if v == nil {
		return 0, false
	}
	return *v, true
}
