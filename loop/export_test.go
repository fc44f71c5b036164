package loop

import (
	"fmt"
	"time"
	"unsafe"
)

// LiveOps returns how many operations are not retired, the loop's own among them.
func (l *Loop) LiveOps() int { return l.slots.live }

// BuffersOut returns how many provided buffers are with the program.
func (l *Loop) BuffersOut() int {
	if l.buffers == nil {
		return 0
	}
	return l.buffers.out
}

// Refs returns how many things keep Run from returning.
func (l *Loop) Refs() int { return l.refs }

// Abandoned returns how many loops were closed with operations in the kernel.
func Abandoned() int {
	abandoned.Lock()
	defer abandoned.Unlock()
	return len(abandoned.loops)
}

// Parked returns how many receives wait for a buffer.
func (l *Loop) Parked() int { return l.parked.len }

// SetClock makes now the present time since the loop was made: a simulated queue has a clock of its own.
func (l *Loop) SetClock(now time.Duration) { l.origin = time.Now().Add(-now) }

// SetCloseGrace makes Close wait for d instead, for operations that do not end, and returns a function that undoes it.
func SetCloseGrace(d time.Duration) (undo func()) {
	before := closeGrace
	closeGrace = d
	return func() { closeGrace = before }
}

// Poisons reports whether this build overwrites lent and returned buffers, as race builds do.
func Poisons() bool {
	b := []byte{0}
	poisonLent(b)
	return b[0] != 0
}

// OpSize is the size of the hot struct.
const OpSize = unsafe.Sizeof(op{})

// LaneJobs returns how many functions and entries the loop's lanes were given so far.
func (l *Loop) LaneJobs() (n uint64) {
	for i := range l.lanes {
		if w := l.lanes[i].Load(); w != nil {
			n += w.Started()
		}
	}
	return n
}

// WithoutPidFD has children that are started from now on be waited for as on a system without pidfds, and returns a function that undoes it.
func WithoutPidFD() (undo func()) {
	usePidFD = false
	return func() { usePidFD = true }
}

// SetResolvConf has NewResolver read another file, and returns a function that undoes it.
func SetResolvConf(name string) (undo func()) {
	before := resolvConf
	resolvConf = name
	return func() { resolvConf = before }
}

// String lists what r was configured with.
func (r *Resolver) String() string {
	return fmt.Sprint(r.servers, r.search, r.ndots, r.timeout, r.attempts, r.rotate)
}

// Histogram is the one that Metrics come from.
type Histogram struct{ h histogram }

func (h *Histogram) Record(d time.Duration) { h.h.record(d) }
func (h *Histogram) Metrics() LagMetrics    { return h.h.metrics() }
