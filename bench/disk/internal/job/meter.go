package job

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/proactor-go/proactor/bench/internal/result"
)

// A Meter watches a contestant from a goroutine that sleeps: the contestant counts, the meter looks at the counts and at the process
// when the window begins and when it ends.
type Meter struct {
	Warmup   time.Duration
	Duration time.Duration
	PID      int  // the process to watch; 0 is this one, else this one is the client
	Untimed  bool // operations are so short that two looks at the clock would not be lost in them

	lanes     []*Lane
	origin    time.Time // of the clock
	measuring atomic.Bool
	stop      atomic.Bool
	mu        sync.Mutex // of lanes and err
	err       error
}

// A Lane counts for one goroutine, or for a few that take turns.
type Lane struct {
	m    *Meter
	ops  atomic.Uint64
	hist *hdrhistogram.Histogram
	_    [64]byte // the counter of another thread is not in the same line
}

// Lane returns a new lane. All are made before the first operation.
func (m *Meter) Lane() *Lane {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &Lane{m: m}
	if !m.Untimed {
		l.hist = newHistogram()
	}
	m.lanes = append(m.lanes, l)
	return l
}

// Begin returns what Done wants to know about the beginning of an operation.
func (l *Lane) Begin() time.Duration {
	if l.m.Untimed {
		return 0
	}
	return time.Since(l.m.origin)
}

// Done counts an operation.
func (l *Lane) Done(begin time.Duration) {
	l.ops.Add(1)
	if !l.m.Untimed && l.m.measuring.Load() {
		_ = l.hist.RecordValue(int64(time.Since(l.m.origin) - begin)) // a minute would have been an error before
	}
}

// Stopped tells a contestant to start nothing more.
func (m *Meter) Stopped() bool { return m.stop.Load() }

// Fail ends the run with the first error that there was.
func (m *Meter) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = err
	}
	m.stop.Store(true)
}

func (m *Meter) failed() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// total is how many operations were done, ever.
func (m *Meter) total() (n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lanes {
		n += l.ops.Load()
	}
	return n
}

// Measure runs work, which makes its lanes, works until Stopped says that it is enough, and returns. It returns the figures of the
// window.
func (m *Meter) Measure(work func() error) (result.Result, error) {
	var begin, end sight
	m.origin = time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m.total() == 0 && !m.Stopped() { // the warm-up begins when the work does
			time.Sleep(time.Millisecond)
		}
		time.Sleep(m.Warmup)
		begin = m.look()
		m.measuring.Store(true)
		time.Sleep(m.Duration)
		m.measuring.Store(false)
		end = m.look()
		m.stop.Store(true)
	}()
	if err := errors.Join(work(), m.failed()); err != nil {
		return result.Result{}, err
	}
	if !m.Stopped() {
		return result.Result{}, errors.New("the work ended before the window did")
	}
	<-done
	if err := errors.Join(begin.err, end.err); err != nil {
		return result.Result{}, err
	}
	r := m.figures(begin, end)
	m.percentiles(&r)
	return r, nil
}

func (m *Meter) percentiles(r *result.Result) {
	if m.Untimed {
		return
	}
	sum := newHistogram()
	for _, l := range m.lanes {
		sum.Merge(l.hist)
	}
	us := func(ns int64) float64 { return float64(ns) / 1e3 }
	r.P50US = us(sum.ValueAtQuantile(50))
	r.P90US = us(sum.ValueAtQuantile(90))
	r.P99US = us(sum.ValueAtQuantile(99))
	r.P999US = us(sum.ValueAtQuantile(99.9))
	r.MaxUS = us(sum.Max())
}

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, int64(time.Minute), 3) }
