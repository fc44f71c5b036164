package loop

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/proactor-go/proactor/internal/sys"
)

// A Signal calls its function when the process gets one of its signals. It is made by [Loop.OnSignal] and belongs to the loop's
// goroutine.
type Signal struct {
	l          *Loop
	fn         func(os.Signal)
	arrivals   chan os.Signal
	active     bool
	referenced bool
	once       bool
	next, prev *Signal
}

// signalBacklog is how many signals wait for the goroutine that posts them. What comes while it is full is lost, as
// the kernel itself loses what comes twice before it was delivered.
const signalBacklog = 64

// OnSignal calls fn each time that the process gets one of signals, until Stop. Any number of loops and of functions may ask for the same one, and
// all get it; with anybody asking, the signal no longer does what it does by default. It is unreferenced from the start, as in Node.js: Run returns
// though a Signal is active. Like a timer it is no operation: once Stop has returned, fn does not run any more.
//
// Signals are no queue: of several of a kind that come before the first was delivered the kernel keeps one, and what finds 64 still on their way
// to the loop is lost. fn learns that there was one, not how many.
//
// Signals that nobody can catch, or that do not exist, are refused. It is package os/signal and a Post: the kernel delivers to any
// thread, and Go's runtime owns the handlers.
func (l *Loop) OnSignal(fn func(os.Signal), signals ...os.Signal) (*Signal, error) {
	l.checkThread("OnSignal")
	if fn == nil {
		panic("loop: OnSignal: nil function")
	}
	if len(signals) == 0 {
		return nil, errors.New("loop: OnSignal: no signal is named")
	}
	for _, sig := range signals {
		if !sys.Catchable(sig) {
			return nil, &os.SyscallError{Syscall: fmt.Sprintf("loop: OnSignal: signal %v", sig), Err: syscall.EINVAL}
		}
	}
	if l.shut {
		return nil, ErrClosed
	}
	s := &Signal{l: l, fn: fn, arrivals: make(chan os.Signal, signalBacklog), active: true}
	l.signals.add(s)
	signal.Notify(s.arrivals, signals...)
	go s.forward()
	return s, nil
}

// forward posts what arrives. On a goroutine of its own, because a channel cannot be waited for in a queue.
func (s *Signal) forward() {
	for sig := range s.arrivals {
		_ = s.l.Post(func() { s.arrived(sig) }) // a closed loop wants to hear of none
	}
}

func (s *Signal) arrived(sig os.Signal) {
	if !s.active {
		return
	}
	if s.once {
		s.Stop()
	}
	s.fn(sig)
}

// Once makes the next call of the function the last. It returns s.
func (s *Signal) Once() *Signal {
	s.l.checkThread("Signal")
	s.once = true
	return s
}

// Stop ends the calls. It reports whether the Signal was active.
func (s *Signal) Stop() bool {
	s.l.checkThread("Signal")
	if !s.active {
		return false
	}
	s.active = false
	signal.Stop(s.arrivals) // after which nobody sends
	close(s.arrivals)
	s.l.signals.remove(s)
	if s.referenced {
		s.l.refs--
	}
	return true
}

// Active reports whether the function may still be called.
func (s *Signal) Active() bool { return s.active }

// Ref keeps Run from returning while the Signal is active. It returns s.
func (s *Signal) Ref() *Signal {
	s.l.checkThread("Signal")
	if !s.referenced {
		s.referenced = true
		if s.active {
			s.l.refs++
		}
	}
	return s
}

// Unref undoes Ref. It returns s.
func (s *Signal) Unref() *Signal {
	s.l.checkThread("Signal")
	if s.referenced {
		s.referenced = false
		if s.active {
			s.l.refs--
		}
	}
	return s
}

// HasRef reports whether the Signal keeps Run from returning while it is active.
func (s *Signal) HasRef() bool { return s.referenced }

// signalList is every active Signal of a loop, for Loop.Close.
type signalList struct{ head *Signal }

func (q *signalList) add(s *Signal) {
	s.next = q.head
	if q.head != nil {
		q.head.prev = s
	}
	q.head = s
}

func (q *signalList) remove(s *Signal) {
	if s.prev == nil {
		q.head = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.next, s.prev = nil, nil
}
