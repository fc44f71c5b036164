package main

import (
	"fmt"
	"strings"

	"github.com/proactor-go/proactor/loop"
)

// words says what the metrics of a loop mean. docs/seeing.md has more of it.
func words(m loop.Metrics) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The server's loop was busy for %.0f %% of %v; at 100 %% a second loop would help.\n", 100*m.Utilization(), rounded(m.Elapsed))
	fmt.Fprintf(&b, "It turned %d times and entered its queue %d times, with %.1f operations and for %.1f completions each.\n",
		m.Turns, m.Enters, per(m.Entries, m.Enters), per(m.Completions, m.Enters))
	for _, o := range m.Operations {
		fmt.Fprintf(&b, "  %-10s %6d started, %d still in flight\n", o.Name, o.Started, o.InFlight())
	}
	b.WriteString("Its time went to:\n")
	for _, p := range m.Phases {
		if p.Time > 0 {
			fmt.Fprintf(&b, "  %-12s %4.0f %%\n", p.Name, 100*float64(p.Time)/float64(m.Elapsed))
		}
	}
	for _, lane := range m.Lanes {
		fmt.Fprintf(&b, "Workers for %s: %d run, %d operations wait for one.\n", lane.Name, lane.Running, lane.Waiting)
	}
	lag(&b, "Timers ran", m.TimerLag)
	lag(&b, "Posts waited", m.PostLag)
	trouble(&b, m.Overflows, "completions did not fit the kernel's queue: raise Options.CompletionEntries")
	trouble(&b, m.BuffersExhausted, "receives paused for lack of buffers: raise Options.Buffers, or keep them for less long")
	trouble(&b, m.AcceptsShed, "connections were closed for lack of descriptors: raise the limit, ulimit -n")
	if m.Overflows+m.BuffersExhausted+m.AcceptsShed == 0 {
		b.WriteString("Nothing overflowed, no receive lacked a buffer, no connection was shed.\n")
	}
	return b.String()
}

func per(n, of uint64) float64 { return float64(n) / float64(max(of, 1)) }

func lag(b *strings.Builder, what string, m loop.LagMetrics) {
	if m.Count > 0 {
		fmt.Fprintf(b, "%s %d times: half of them within %v, 99 %% within %v, the worst %v.\n", what, m.Count, rounded(m.P50), rounded(m.P99), rounded(m.Max))
	}
}

func trouble(b *strings.Builder, n uint64, what string) {
	if n > 0 {
		fmt.Fprintf(b, "%d %s.\n", n, what)
	}
}
