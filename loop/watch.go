package loop

import (
	"math"
	"os"
	"syscall"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// Events is what a Watch waits for and reports.
type Events uint32

// The events. The last two need not be asked for.
const (
	Readable Events = 1 << iota // reading would not block
	Writable                    // writing would not block
	Hangup                      // the peer is gone, or, where Readable was not asked for, sends no more
	Failed                      // the descriptor has an error
)

// EventsFunc is the callback of Watch.
type EventsFunc func(events Events, err error)

// Watch calls fn whenever one of events holds for fd, at most once a turn and for as long as it holds, until Cancel. It is for descriptors
// of foreign libraries that do their own reading and writing. fd stays the caller's: cancel the watch and wait for its final callback
// before closing it. poll(2): IORING_OP_POLL_ADD.
func (l *Loop) Watch(fd int, events Events, fn EventsFunc) Op {
	needCallback("Watch", fn == nil)
	o := l.start(kindWatch, nil, fn)
	if l.shut {
		return l.settle(o, resClosed)
	}
	if fd < 0 || fd > math.MaxInt32 {
		return l.settle(o, -int32(syscall.EBADF))
	}
	o.sqe.Opcode = ring.OpPollAdd
	o.sqe.FD = int32(fd)
	if events&Readable != 0 {
		o.sqe.OpFlags |= sys.PollIn
	}
	if events&Writable != 0 {
		o.sqe.OpFlags |= sys.PollOut
	}
	l.submit(o)
	return l.op(o)
}

func (l *Loop) watched(o *op, res int32) {
	fn := callback[EventsFunc](o)
	if res < 0 {
		if l.retry(o, res) {
			return
		}
		err := o.fault(res)
		if !bare(err) {
			err = os.NewSyscallError("poll", err)
		}
		l.retire(o)
		fn(0, err)
		return
	}
	// One-shot and pushed again: a multishot poll reports edges, and a watch is to report as long as something holds.
	if !l.again(o) {
		l.settle(o, -ecanceled)
	}
	o.called()
	e := eventsOf(uint32(res))
	if e == 0 {
		e = Hangup // POLLRDHUP alone, which Linux reports unasked: of what Readable says it is the part that remains
	}
	fn(e, nil)
}

func eventsOf(mask uint32) (e Events) {
	for _, pair := range [...]struct {
		bit uint32
		is  Events
	}{{sys.PollIn, Readable}, {sys.PollOut, Writable}, {sys.PollHup, Hangup}, {sys.PollErr | sys.PollNval, Failed}} {
		if mask&pair.bit != 0 {
			e |= pair.is
		}
	}
	return e
}

// CQEFunc is the callback of Submit: one completion as the queue gave it.
type CQEFunc func(c ring.CQE)

// Submit pushes a copy of s, on whichever backend, and calls fn with each of its completions; the one without [ring.CQE.More] is the last. It is the way to what this
// package has no method for. The loop chooses the user data. The pointers in s, and what they point to, belong to the loop until the last
// completion; the loop keeps them alive. Results are the queue's: a negated errno, with -ECANCELED after Cancel or on a closed loop.
// Descriptors that s uses must not be closed before the last completion. Buffer group 0 is the loop's own.
func (l *Loop) Submit(s ring.SQE, fn CQEFunc) Op {
	needCallback("Submit", fn == nil)
	o := l.start(kindRaw, nil, fn)
	id := o.sqe.UserData
	o.sqe = s
	o.sqe.UserData = id
	o.sqe.Link = ring.Link{}
	if l.shut {
		return l.settle(o, -ecanceled)
	}
	l.submit(o)
	return l.op(o)
}

func (l *Loop) raw(o *op, c ring.CQE) {
	fn := callback[CQEFunc](o)
	c.UserData = 0
	if c.More() {
		o.called()
	} else {
		l.retire(o)
	}
	fn(c)
}

// A Pending is an operation that the program itself carries out: composed of others, or run by foreign code.
type Pending struct {
	op Op
}

// NewOp starts an operation that ends when [Pending.Finish] is called; fn is its callback. cancel is called, within Cancel or
// when a Timeout passes or the loop closes, at most once, to have the work stopped; Finish must still be called then. It may be nil.
func (l *Loop) NewOp(cancel func(), fn DoneFunc) *Pending {
	needCallback("NewOp", fn == nil)
	return l.compose("NewOp", nil, cancel, fn)
}

// compose is NewOp for an operation of the loop's own that is composed of others, on h or on no handle. method is the one that starts it.
func (l *Loop) compose(method string, h *handle, cancel func(), fn DoneFunc) *Pending {
	if h != nil && h.closing {
		return &Pending{l.refuse(kindPending, h, fn)}
	}
	o := l.start(kindPending, h, fn)
	x := l.slots.more(o)
	x.syscall, x.cancel = method, cancel
	if l.shut {
		return &Pending{l.settle(o, resClosed)}
	}
	return &Pending{l.op(o)}
}

// settled reports whether the operation has its result.
func (p *Pending) settled() bool {
	o := p.op.find()
	return o == nil || o.state != stateHeld
}

// stopping reports whether the operation was asked to stop.
func (p *Pending) stopping() bool {
	o := p.op.find()
	return o == nil || o.cause != causeNone
}

// Op returns the operation, to cancel or time it out.
func (p *Pending) Op() Op { return p.op }

// Finish ends the operation: its callback runs in the next turn with err. If err is [ErrCanceled] and the operation was stopped by a Timeout
// or Close, the callback gets that error instead. It belongs to the loop's goroutine and does nothing the second time.
func (p *Pending) Finish(err error) {
	o := p.op.find()
	if o == nil || o.state != stateHeld {
		return
	}
	if err == ErrCanceled {
		err = o.stopped()
	}
	o.extra.err = err
	p.op.l.settle(o, 0)
}

func (l *Loop) pendingDone(o *op, res int32) {
	fn := callback[DoneFunc](o)
	var err error
	if o.extra != nil {
		err = o.extra.err
	}
	if res < 0 {
		err = o.fault(res)
	}
	l.retire(o)
	fn(err)
}

func needCallback(method string, missing bool) {
	if missing {
		panic("loop: " + method + ": nil callback")
	}
}
