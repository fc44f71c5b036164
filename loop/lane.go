package loop

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"unsafe"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/ring"
)

// A lane is a bounded number of goroutines that carry out what blocks, started on demand. What is slow in one of them
// takes no goroutine from the others, as it would from libuv's one pool.
type lane uint8

const (
	fileLane lane = iota // file operations that no queue has: see ROUTES.md
	nameLane             // the system's resolver
	workLane             // the program's: Work
	laneCount
)

// opCall is the opcode of a function for a lane. No queue supports it, so that submitting it leads to a lane.
const opCall = ring.Opcode(255)

// A job is what an operation with opCall has its lane do.
type job struct {
	run  func() error
	err  error // what run returned, for the loop's goroutine once the lane has given the entry back
	lane lane
}

// Work runs work on another goroutine and then done, with what it returned, on the loop's. For what computes for long, or blocks: neither may touch
// the loop's objects meanwhile. [Options.UserWorkers] says how many run at once; the others wait, and Cancel withdraws one that waits. One
// that runs cannot be canceled. If work panics, done gets a [*PanicError].
func (l *Loop) Work(work func() error, done DoneFunc) Op {
	needCallback("Work", work == nil || done == nil)
	return l.call("Work", nil, workLane, work, done)
}

// A PanicError is how a panic in a function given to [Loop.Work] arrives in its callback.
type PanicError struct {
	Value any    // of the panic; nil after runtime.Goexit
	Stack []byte // of its goroutine
}

func (e *PanicError) Error() string {
	if e.Value == nil {
		return "loop: Work: its function called runtime.Goexit"
	}
	return fmt.Sprintf("loop: Work: panic: %v", e.Value)
}

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// call starts an operation, on h or on no handle, that run carries out on lane n. Then report gets its error, or why it never
// ran, on the loop's goroutine: it wraps it and calls the program back. action names the method.
//
// run may share variables with report, but must touch nothing of the loop, which goes on meanwhile.
func (l *Loop) call(action string, h *handle, n lane, run func() error, report func(error)) Op {
	if h != nil && h.closing {
		return l.refuse(kindCall, h, report)
	}
	o := l.start(kindCall, h, report)
	l.slots.more(o).syscall = action
	if l.shut {
		return l.settle(o, resClosed)
	}
	l.enlist(o, n, run)
	return l.op(o)
}

// enlist has lane n run a step of o.
func (l *Loop) enlist(o *op, n lane, run func() error) {
	x := l.slots.more(o)
	x.job = job{run: run, lane: n}
	o.sqe.Opcode = opCall
	o.sqe.Addr = unsafe.Pointer(x)
	l.submit(o)
}

// called ends a call.
func (l *Loop) called(o *op, res int32) {
	var err error
	switch {
	case res < 0:
		err = o.fault(res)
	case o.cause != causeNone && errors.Is(o.extra.job.err, context.Canceled):
		err = o.stopped()
	default:
		err = o.extra.job.err
	}
	report := callback[func(error)](o)
	l.retire(o)
	report(err)
}

// do runs the job, on a goroutine of its lane.
func (j *job) do() int32 {
	returned := false
	defer func() {
		if !returned {
			j.err = &PanicError{recover(), debug.Stack()} // Goexit goes on after this
		}
	}()
	j.err = j.run()
	returned = true
	return 0
}

// execute is what lanes do with an entry: a function, or a system call that the ring lacks.
func execute(s *ring.SQE) int32 {
	if s.Opcode == opCall {
		return (*extra)(s.Addr).job.do()
	}
	return fallback.Execute(s)
}

// detour runs an entry that the queue lacks on a lane.
func (l *Loop) detour(o *op) {
	o.state, o.detoured = stateWorker, true
	o.sqe.Link = ring.Link{} // what an earlier step left there, the workers would take for bytes of this one
	l.workers(o).Start(&o.sqe)
	l.employed = true
}

// workers returns those of o's lane.
func (l *Loop) workers(o *op) *fallback.Workers {
	n := fileLane
	if o.sqe.Opcode == opCall {
		n = o.extra.job.lane
	}
	w := l.lanes[n].Load()
	if w == nil {
		limit := [laneCount]int{l.options.Workers, l.options.NameWorkers, l.options.UserWorkers}[n]
		// Not l.wake: the loop does not look at the lanes again once it has announced its sleep.
		w = fallback.NewWorkers(limit, execute, func() { _ = l.queue.Wake() })
		l.lanes[n].Store(w)
	}
	return w
}

// reapLanes takes back what lanes have done. It leaves it in ready.
func (l *Loop) reapLanes() {
	for i := range l.lanes {
		if w := l.lanes[i].Load(); w != nil {
			w.Reap(l.worked)
		}
	}
}

// worked takes an entry back from a worker.
func (l *Loop) worked(s *ring.SQE, res int32) {
	if o := l.slots.find(s.UserData); o != nil {
		o.state = stateHeld
		o.res = res
		l.ready.push(o)
	}
}
