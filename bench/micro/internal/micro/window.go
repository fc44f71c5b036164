package micro

import (
	"errors"
	"runtime"
	"time"

	"github.com/proactor-go/proactor/bench/internal/proc"
	"github.com/proactor-go/proactor/bench/internal/result"
)

// Stride is how many operations pass between two looks at the clock, which would cost as much as the
// operations do.
const Stride = 1024

// A Window is the time in which a workload is measured. The workload itself asks whether it is over, so that no other
// thread shares its counter.
type Window struct {
	Warmup, Duration time.Duration
	Note             string // for the result

	start       time.Time // of the warm-up
	first, last moment
	err         error
}

// moment is what has been counted up to a point in time.
type moment struct {
	at     time.Time
	ops    uint64
	allocs uint64
	used   proc.Counters
}

// Over takes the number of operations up to now and reports whether the workload may stop. The first call begins the warm-up.
func (w *Window) Over(ops uint64) bool {
	now := time.Now()
	switch {
	case w.start.IsZero():
		w.start = now
	case w.first.at.IsZero():
		if now.Sub(w.start) >= w.Warmup {
			w.first.used, w.err = proc.Self()
			w.first.allocs = allocs() // after what allocates itself
			w.first.ops, w.first.at = ops, time.Now()
		}
	case w.last.at.IsZero() && now.Sub(w.first.at) >= w.Duration:
		w.last.ops, w.last.at = ops, now
		w.last.allocs = allocs()
		var err error
		w.last.used, err = proc.Self()
		w.err = errors.Join(w.err, err)
	}
	return !w.last.at.IsZero()
}

func allocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// Result is what happened within the window.
func (w *Window) Result() (result.Result, error) {
	if w.err != nil {
		return result.Result{}, w.err
	}
	if w.last.at.IsZero() {
		return result.Result{}, errors.New("the work ended before its window did")
	}
	used := w.last.used.Sub(w.first.used)
	allocated := w.last.allocs - w.first.allocs
	switches := uint64(max(used.ContextSwitches, 0)) // a thread that ended took its own along
	r := result.Result{
		Ops:         w.last.ops - w.first.ops,
		Seconds:     w.last.at.Sub(w.first.at).Seconds(),
		CPUS:        used.CPU.Seconds(),
		CtxSwitches: &switches,
		RSSBytes:    uint64(used.RSS),
		Allocs:      &allocated,
		Note:        w.Note,
	}
	// The precise sum is split the way the ticks are.
	if ticks := used.User + used.System; ticks > 0 {
		r.CPUUserS = r.CPUS * float64(used.User) / float64(ticks)
		r.CPUSysS = r.CPUS - r.CPUUserS
	}
	return r, nil
}
