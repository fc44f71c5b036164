package job

import (
	"errors"
	"os"
	"runtime/metrics"
	"time"

	"github.com/proactor-go/proactor/bench/internal/proc"
	"github.com/proactor-go/proactor/bench/internal/result"
)

// sight is what the meter sees at one moment.
type sight struct {
	at     time.Duration
	ops    uint64
	allocs [2]uint64 // before and after the look, which allocates
	proc   proc.Counters
	client time.Duration // this process's CPU, where another one is watched
	err    error
}

func (m *Meter) look() (s sight) {
	s.allocs[0] = allocs()
	self := os.Getpid()
	if m.PID == 0 {
		s.proc, s.err = proc.Sample(self)
	} else {
		var err error
		s.proc, s.err = proc.Sample(m.PID)
		s.client, err = proc.CPU(self)
		s.err = errors.Join(s.err, err)
	}
	s.allocs[1] = allocs()
	s.ops = m.total()
	s.at = time.Since(m.origin)
	return s
}

func allocs() uint64 {
	s := [...]metrics.Sample{{Name: "/gc/heap/allocs:objects"}}
	metrics.Read(s[:])
	return s[0].Value.Uint64()
}

// figures is what happened from one sight to the other.
func (m *Meter) figures(begin, end sight) result.Result {
	r := result.Result{
		Ops:        end.ops - begin.ops,
		Seconds:    (end.at - begin.at).Seconds(),
		ClientCPUS: (end.client - begin.client).Seconds(),
	}
	if m.PID == 0 {
		allocs := end.allocs[0] - begin.allocs[1]
		r.Allocs = &allocs
	}
	Charge(&r, end.proc.Sub(begin.proc))
	return r
}

// Charge puts what a process has used into r. The precise sum is split the way the ticks are.
func Charge(r *result.Result, used proc.Counters) {
	r.CPUS = used.CPU.Seconds()
	if ticks := used.User + used.System; ticks > 0 {
		r.CPUUserS = r.CPUS * float64(used.User) / float64(ticks)
		r.CPUSysS = r.CPUS - r.CPUUserS
	}
	switches := uint64(max(used.ContextSwitches, 0)) // threads that ended took theirs along
	r.CtxSwitches = &switches
	r.RSSBytes = uint64(used.RSS)
}
