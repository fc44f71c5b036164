package main

import "slices"

// A Target is a ratio, or a plain figure, that ours must keep to. The report says of each whether it holds.
type Target struct {
	Cell    string
	Ours    string
	Figure  string
	Against []string // the best of these by its median; none: the limit is the figure's own
	Limit   float64
	AtLeast bool // or else at most
	Says    string
}

// Every claim about throughput is the reciprocal of the one about CPU time.
var targets = slices.Concat(echoTargets(), bulkTargets(), fallbackTargets(), datagramTargets(), diskTargets(), microTargets())

func echoTargets() []Target {
	var all []Target
	for _, cell := range []string{"echo/64x64B", "echo/512x64B"} {
		for _, against := range []struct {
			names []string
			limit float64
			says  string
		}{
			{[]string{liburing}, 1.05, "the C ceiling (1.02 is the aim)"},
			{goPeers, 0.82, "the best Go peer other than the bare giouring loop"},
			{[]string{giouring}, 1, "the bare giouring loop"},
			{[]string{"net"}, 0.80, "Go net"},
		} {
			all = append(all,
				Target{cell, uring, "cpu_us", against.names, against.limit, false, against.says},
				Target{cell, uring, "rate", against.names, 1 / against.limit, true, against.says + ", in the same proportion"})
		}
		all = append(all, Target{cell, uring, "p999", []string{liburing}, 1.5, false, "the tail, closed loop"})
	}
	for _, cell := range []string{"latency/64/50%", "latency/512/50%", "latency/64/75%", "latency/512/75%"} {
		all = append(all, Target{cell, uring, "p999", []string{liburing}, 1.5, false, "the tail, open loop"})
	}
	for _, cell := range []string{"echo/1x64B", "echo/8x64B"} {
		all = append(all, Target{cell, uring, "cpu_us", []string{"net"}, 1, false, "few connections: never above Go net"})
	}
	return all
}

func bulkTargets() []Target {
	var all []Target
	for _, cell := range []string{"echo/64x64B/p16", "echo/512x64B/p16"} {
		all = append(all, Target{cell, uring, "cpu_us", []string{liburing}, 1.10, false, "pipelined"})
	}
	for _, cell := range []string{"echo/64x16KiB", "echo/64x64KiB", "echo/512x16KiB", "echo/512x64KiB"} {
		all = append(all,
			Target{cell, uring, "cpu_us", []string{"net"}, 1, false, "bulk: never worse than Go net"},
			Target{cell, uring, "cpu_us", []string{liburing, "c-epoll"}, 1.05, false, "bulk: the better of the two C programs"})
	}
	return all
}

func fallbackTargets() []Target {
	var all []Target
	for _, cell := range []string{"echo/64x64B", "echo/512x64B"} {
		all = append(all,
			Target{cell, epoll, "cpu_us", []string{"c-epoll"}, 1.10, false, "the fallback beside C with epoll"},
			Target{cell, epoll, "cpu_us", goPeers, 1, false, "the fallback beside the best Go peer on epoll"},
			Target{cell, epoll, "cpu_us", []string{giouring}, 1, false, "the fallback beside the bare giouring loop"})
	}
	return all
}

func datagramTargets() []Target {
	return []Target{
		{"udp/64/p4", uring, "cpu_us", []string{"net"}, 0.5, false, "twice the datagrams for the CPU time of Go net"},
		{"udp/64/p4", uring, "cpu_us", []string{"net", "gnet", "nbio"}, 1, false, "the best Go peer that speaks UDP"},
		{"send", segments, "cpu_ns", []string{"std"}, 0.5, false, "twice the datagrams for the CPU time of Go net, in segments"},
		{"send", uring, "cpu_ns", []string{"std"}, 1, false, "one by one: never above Go net"},
		{"udp/64/p4", uring, "cpu_us", []string{mmsg}, 1.25, false, "C with a system call for 64 datagrams"},
		{"udp/64/p4", uring, "allocs", nil, 0.001, false, "no allocation in steady state"},
		{"udp/64/p4", epoll, "allocs", nil, 0.001, false, "no allocation in steady state"},
	}
}

func diskTargets() []Target {
	var all []Target
	for _, cell := range []string{"randread/32", "randread/128"} {
		all = append(all,
			Target{cell, uring, "rate", []string{"fio"}, 0.97, true, "fio's io_uring engine"},
			Target{cell, uring, "cpu_us", []string{"fio"}, 1.2, false, "fio's io_uring engine"},
			Target{cell, uring, "rate", []string{"goroutines"}, 1.8, true, "as many goroutines with os.File"},
			Target{cell, uring, "cpu_us", []string{"goroutines-p8"}, 0.6, false, "the same at GOMAXPROCS 8"})
	}
	return append(all,
		Target{"hotread/16", uring, "rate", []string{"pread"}, 0.85, true, "a plain pread loop"},
		Target{"append/64", uring, "rate", []string{"goroutines"}, 3, true, "os.File with 64 goroutines and a mutex, thanks to grouping"})
}

func microTargets() []Target {
	all := []Target{
		{"nop/16", uring, "cpu_ns", []string{liburing}, 1.3, false, "the bare C loop"},
		{"nop/256", uring, "cpu_ns", []string{liburing}, 1.3, false, "the bare C loop"},
		{"idle/5000", uring, "idle_bytes", nil, 1024, false, "our memory for an idle connection"},
		{"timers/pair", uring, "cpu_ns", nil, 200, false, "start and stop, 100 ns each, with a million live"},
		{"timers/pair", epoll, "cpu_ns", nil, 200, false, "start and stop, 100 ns each, with a million live"},
		// The loop's own turns make a call here and there.
		{"post", uring, "syscalls", nil, 0.01, false, "a busy loop takes posts without system calls"},
	}
	// Nothing is allocated per operation. A few objects a second are the runtime's own.
	for _, cell := range []string{
		"echo/64x64B", "echo/64x64B/p16", "echo/64x16KiB", "randread/32", "hotread/16", "append/64", "timers/pair", "timers/fire", "post",
	} {
		for _, name := range []string{uring, epoll} {
			all = append(all, Target{cell, name, "allocs", nil, 0.001, false, "no allocation in steady state"})
		}
	}
	return all
}

func isTarget(cell string) bool { return len(targetContestants(cell)) > 0 }

// targetContestants are those that the targets of a cell compare, in a fixed order.
func targetContestants(cell string) []string {
	var names []string
	for _, t := range targets {
		if t.Cell == cell {
			names = append(append(names, t.Ours), t.Against...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
