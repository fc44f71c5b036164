package loop

import (
	"encoding/json"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/internal/sys"
)

// Metrics is what a loop has done since it was made. Counters only grow; to have rates, take the difference of two snapshots.
type Metrics struct {
	Turns            uint64 // iterations
	Enters           uint64 // times the queue was entered: on io_uring a system call each, unless there was nothing to submit or to wait for
	Entries          uint64 // operations handed to the queue, the loop's own among them; divided by Enters it is what batching gets
	Completions      uint64 // completions dispatched; divided by Enters, how many one wait brings. Near 1 the loop is idle, or its work does not batch
	Waiting          uint64 // the part of Completions that was there before the loop asked: a share near 1 says that it is behind its work
	Overflows        uint64 // times completions did not fit the kernel's queue and had to be fetched: nothing is lost, but CompletionEntries is too small
	BuffersExhausted uint64 // times a RecvMultishot paused because all buffers were in use: callbacks keep them too long, or there are too few
	AcceptsShed      uint64 // connections closed because there was no descriptor for them: raise the limit (ulimit -n)

	// Operations are the kinds that were ever started, by the name of their method, in the order of the package's source.
	Operations []OperationMetrics
	// Lanes are the workers that were ever used: "files", "names", "work".
	Lanes []LaneMetrics

	// With Options.Timing, else zero. Elapsed is the time in Run, RunOnce and Poll; the phases add up to it. Idle is the part that was spent
	// waiting, submissions included. 1 - Idle/Elapsed is the utilization of the loop's thread: near 1 the loop is the bottleneck, and a second loop
	// would help.
	Elapsed, Idle time.Duration
	Phases        []PhaseMetrics
	// TimerLag is how long after their deadline timers ran, PostLag how long the oldest of each batch of posts had waited: how long the loop
	// makes anybody wait who wants something of it. A callback that computes shows here first.
	TimerLag, PostLag LagMetrics
}

// OperationMetrics counts the operations of one kind.
type OperationMetrics struct {
	Name              string
	Started, Finished uint64
}

// InFlight returns how many are under way.
func (m OperationMetrics) InFlight() uint64 { return m.Started - m.Finished }

// LaneMetrics says how busy the workers of one lane are. Where many wait for long, more workers would help, or less work.
type LaneMetrics struct {
	Name             string
	Waiting, Running int
}

// PhaseMetrics is the time spent in one phase of the turn.
type PhaseMetrics struct {
	Name string
	Time time.Duration
}

// LagMetrics is a distribution of delays. The percentiles are exact to 12 percent.
type LagMetrics struct {
	Count         uint64
	P50, P99, Max time.Duration
}

// Utilization returns the share of its time that the loop did not wait, between 0 and 1. It needs Options.Timing.
func (m Metrics) Utilization() float64 {
	if m.Elapsed <= 0 {
		return 0
	}
	return 1 - float64(m.Idle)/float64(m.Elapsed)
}

// publishEvery is after how many turns the counters are published. An atomic store costs as much as dispatching a completion.
const publishEvery = 64

// counters are plain numbers of the loop's goroutine, published now and then, and when somebody asks while the loop sleeps: an operation costs no
// atomic instruction.
type counters struct {
	totals            [totalCount]uint64
	started, finished [kindCount]uint64

	public struct {
		totals            [totalCount]atomic.Uint64
		started, finished [kindCount]atomic.Uint64
	}
}

type total uint8

const (
	turns total = iota
	enters
	entries
	completions
	waiting
	overflows
	buffersExhausted
	acceptsShed
	totalCount
)

// publish makes the numbers readable from any goroutine.
func (c *counters) publish() {
	publishAll(c.public.totals[:], c.totals[:])
	publishAll(c.public.started[:], c.started[:])
	publishAll(c.public.finished[:], c.finished[:])
}

func publishAll(public []atomic.Uint64, numbers []uint64) {
	for i, n := range numbers {
		if public[i].Load() != n {
			public[i].Store(n)
		}
	}
}

// overflowing is a queue that counts what its completion queue had no room for.
type overflowing interface{ Overflows() uint64 }

// working is a queue with workers of its own.
type working interface{ Load() (waiting, running int) }

// Metrics returns a snapshot. It may be called from any goroutine. On another than the loop's, a loop that sleeps is woken to say how it stands; one that
// turns said so in one of its last 64 turns.
func (l *Loop) Metrics() Metrics {
	if owner := l.thread.Load(); owner != 0 && owner == sys.ThreadID() {
		l.publish()
	} else if l.asleep.Load() {
		l.havePublished()
	}
	c := &l.count.public
	m := Metrics{
		Turns: c.totals[turns].Load(), Enters: c.totals[enters].Load(), Entries: c.totals[entries].Load(),
		Completions: c.totals[completions].Load(), Waiting: c.totals[waiting].Load(), Overflows: c.totals[overflows].Load(),
		BuffersExhausted: c.totals[buffersExhausted].Load(), AcceptsShed: c.totals[acceptsShed].Load(),
	}
	for k := range kindCount {
		if started := c.started[k].Load(); started > 0 && !k.internal() {
			// Finished was stored after started, so that what is read first is the smaller one.
			m.Operations = append(m.Operations, OperationMetrics{kindNames[k], started, min(c.finished[k].Load(), started)})
		}
	}
	for n := range laneCount {
		if waiting, running, used := l.laneLoad(n); used {
			m.Lanes = append(m.Lanes, LaneMetrics{[...]string{"files", "names", "work"}[n], waiting, running})
		}
	}
	if o := l.observer; o != nil && o.timing {
		o.report(&m)
	}
	return m
}

func (l *Loop) laneLoad(n lane) (waiting, running int, used bool) {
	if w := l.lanes[n].Load(); w != nil {
		waiting, running = w.Load()
		used = true
	}
	if q, ok := l.queue.(working); ok && n == fileLane {
		w, r := q.Load()
		waiting, running, used = waiting+w, running+r, true
	}
	return waiting, running, used
}

var _ working = (*fallback.Queue)(nil)

// havePublished wakes the loop to publish its counters, and waits for that. Not for ever: a loop that is embedded sleeps until a foreign one turns it.
func (l *Loop) havePublished() {
	done := make(chan struct{})
	if l.Post(func() { l.publish(); close(done) }) != nil {
		return
	}
	patience := time.NewTimer(100 * time.Millisecond)
	defer patience.Stop()
	select {
	case <-done:
	case <-l.gone:
	case <-patience.C:
	}
}

// publish makes the counters readable from any goroutine.
func (l *Loop) publish() {
	if l.overflowing != nil {
		l.count.totals[overflows] = l.overflowing.Overflows()
	}
	l.count.publish()
}

// internal reports whether operations of this kind are the loop's own.
func (k kind) internal() bool {
	switch k {
	case kindNone, kindCancel, kindRelease, kindClose, kindTransmit, kindFlush, kindMessage:
		return true
	}
	return false
}

// MetricsVar is a loop's metrics as package expvar wants them.
type MetricsVar struct{ l *Loop }

// MetricsVar returns the metrics as a variable for package expvar, which this package does not import because that would bring an HTTP server along:
//
//	expvar.Publish("loop", l.MetricsVar())
func (l *Loop) MetricsVar() MetricsVar { return MetricsVar{l} }

// String returns a snapshot in JSON, times in nanoseconds. Any goroutine.
func (v MetricsVar) String() string {
	text, err := json.Marshal(v.l.Metrics())
	if err != nil {
		return "null" // there is nothing in it that could fail
	}
	return string(text)
}

// A histogram counts durations in buckets, eight to each doubling. Any goroutine.
type histogram struct {
	buckets [64 * bucketsPerDoubling]atomic.Uint64
	longest atomic.Int64
}

const bucketsPerDoubling = 8

func (h *histogram) record(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucketOf(d)].Add(1)
	if d > time.Duration(h.longest.Load()) {
		h.longest.Store(int64(d)) // only the loop records
	}
}

func bucketOf(d time.Duration) int {
	n := uint64(d)
	if n < bucketsPerDoubling {
		return int(n)
	}
	exponent := bits.Len64(n) - 4 // the leading bit and three more remain
	return exponent*bucketsPerDoubling + int(n>>exponent)
}

// upper returns the longest duration of a bucket.
func upper(bucket int) time.Duration {
	if bucket < 2*bucketsPerDoubling {
		return time.Duration(bucket)
	}
	exponent := bucket/bucketsPerDoubling - 1
	return time.Duration(uint64(bucketsPerDoubling+bucket%bucketsPerDoubling+1)<<exponent - 1)
}

func (h *histogram) metrics() (m LagMetrics) {
	var counts [len(h.buckets)]uint64
	for i := range counts {
		counts[i] = h.buckets[i].Load()
		m.Count += counts[i]
	}
	m.Max = time.Duration(h.longest.Load())
	if m.Count == 0 {
		return m
	}
	at := func(share uint64) time.Duration {
		rank, seen := (m.Count*share+99)/100, uint64(0)
		for i, n := range counts {
			if seen += n; seen >= rank {
				return min(upper(i), m.Max)
			}
		}
		return m.Max
	}
	m.P50, m.P99 = at(50), at(99)
	return m
}
