// Phases puts the ordering puzzles of the Node.js texts to this loop: each starts a few things at once, and what prints is the order in
// which they called back, with the rule that decides it. The order is the same on every backend and at every run.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/proactor-go/proactor/loop"
)

func main() {
	backend := flag.String("backend", "auto", "auto, uring, epoll or poll")
	flag.Parse()
	order, err := run(*backend)
	fmt.Print(order)
	if err != nil {
		fmt.Fprintln(os.Stderr, "phases:", err)
		os.Exit(1)
	}
}

var puzzles = []struct {
	title string
	start func(*stage)
}{
	{"A timeout and an immediate, from main", fromMain},
	{"A timeout and an immediate, from an I/O callback", fromIO},
	{"Next-ticks, and next-ticks of next-ticks", nextTicks},
	{"A chain of next-ticks starves", tickChain},
	{"A chain of immediates starves nobody", immediateChain},
	{"An immediate of an immediate", immediateOfImmediate},
	{"An operation that fails at once", failsAtOnce},
	{"The turn in which a handle has closed", closeLast},
	{"Timers of the same delay", sameDelay},
	{"A timer that nobody waits for", unreferenced},
}

func run(backend string) (string, error) {
	var out strings.Builder
	for i, p := range puzzles {
		fmt.Fprintf(&out, "%d. %s\n", i+1, p.title)
		if err := play(&out, backend, p.start); err != nil {
			return out.String(), fmt.Errorf("%s: %w", p.title, err)
		}
	}
	return out.String(), nil
}

// play runs one puzzle on a loop of its own, so that nothing of the one before is left in the turn.
func play(out *strings.Builder, backend string, start func(*stage)) error {
	l, err := loop.New(loop.Options{Backend: backend})
	if err != nil {
		return err
	}
	defer l.Close()
	s := &stage{Loop: l, out: out}
	start(s)
	err = errors.Join(l.Run(), s.err)
	if s.after != nil {
		s.after()
	}
	return err
}

// A stage is a loop whose callbacks say that they run.
type stage struct {
	*loop.Loop
	out   *strings.Builder
	after func() // when Run has returned
	err   error
}

func (s *stage) say(what, rule string) { fmt.Fprintf(s.out, "   %-28s %s\n", what, rule) }

// says returns a callback that only says that it runs.
func (s *stage) says(what, rule string) func() {
	return func() { s.say(what, rule) }
}

// inIO calls fn from the callback of a receive: from the poll phase.
func (s *stage) inIO(fn func(r, w *loop.Conn)) {
	r, w, err := s.Pipe()
	if err != nil {
		s.err = err
		return
	}
	w.Send([]byte("x"), nil)
	r.Recv(make([]byte, 1), func(_ []byte, err error) {
		if err != nil {
			s.err = err
			return
		}
		fn(r, w)
	})
}

// In Node.js this one is a race: whether a timeout of 0, which is 1 ms there, is due when the first turn begins.
func fromMain(s *stage) {
	s.Immediate(s.says("immediate", "it runs after the poll of the first turn"))
	s.After(0, s.says("timeout", "due timers run once when Run begins, before the first turn; 0 is due at once"))
}

func fromIO(s *stage) {
	s.inIO(func(_, _ *loop.Conn) {
		s.After(0, s.says("timeout", "timers end the turn"))
		s.Immediate(s.says("immediate", "immediates follow the poll phase, where I/O calls back"))
		s.say("receive", "the callback that starts both")
	})
}

func nextTicks(s *stage) {
	s.inIO(func(_, _ *loop.Conn) {
		s.Immediate(s.says("immediate 1", "the next callback comes when no tick is left"))
		s.Immediate(s.says("immediate 2", "immediates made in one turn run in it, in their order"))
		s.NextTick(func() {
			s.say("tick 1", "ticks run right after the callback that asked for them")
			s.NextTick(s.says("tick of tick 1", "a tick's own ticks queue behind, and still come first"))
		})
		s.NextTick(s.says("tick 2", "in the order of the calls"))
		s.say("receive", "the callback itself ends before its ticks")
	})
}

const links = 1000

func tickChain(s *stage) {
	ran := 0
	var next func()
	next = func() {
		if ran++; ran < links {
			s.NextTick(next)
		}
	}
	s.inIO(func(_, _ *loop.Conn) {
		s.Immediate(func() {
			s.say("immediate", fmt.Sprintf("%d ticks ran before it: an endless chain would never let it", ran))
		})
		s.After(0, func() { s.say("timeout", fmt.Sprintf("%d ticks ran before it", ran)) })
		s.NextTick(next)
	})
}

func immediateChain(s *stage) {
	ran, received := 0, false
	var next func()
	next = func() {
		if ran++; !received { // without an end of its own: the receive ends it
			s.Immediate(next)
		}
	}
	s.inIO(func(r, w *loop.Conn) {
		s.Immediate(next)
		s.After(0, func() {
			s.say("timeout", fmt.Sprintf("%d immediate ran before it: the next has its turn in the next turn", ran))
		})
		r.Recv(make([]byte, 1), func(_ []byte, err error) {
			s.err = err
			received = true
			s.say("receive", "the chain ran on until this came: between two links the loop polls")
		})
		w.Send([]byte("y"), nil)
	})
}

func immediateOfImmediate(s *stage) {
	s.inIO(func(_, _ *loop.Conn) {
		s.Immediate(func() {
			s.say("immediate 1", "the callback that makes another")
			s.Immediate(s.says("immediate of immediate 1", "what immediates add runs in the next turn"))
		})
		s.Immediate(s.says("immediate 2", "the same turn"))
		s.After(0, s.says("timeout", "it ends the turn, between the two generations"))
	})
}

func failsAtOnce(s *stage) {
	s.inIO(func(r, _ *loop.Conn) {
		first := r.Recv(make([]byte, 1), func([]byte, error) {})
		r.Recv(make([]byte, 1), func(_ []byte, err error) {
			s.say("receive: "+reason(err), "results known at the start call back in the next turn's pending phase, its first")
			first.Cancel()
		})
		s.say("Recv has returned", "never from within the call, not even to report misuse")
		s.Immediate(func() {
			s.say("immediate", "this turn goes on first")
			s.Immediate(s.says("immediate of the immediate", "the next turn, after its pending phase"))
		})
		s.After(0, s.says("timeout", "and ends"))
	})
}

func reason(err error) string {
	if errors.Is(err, loop.ErrBusy) {
		return "ErrBusy"
	}
	return fmt.Sprint(err)
}

// A descriptor is closed by an entry of the queue, so in which turn its callback comes is not for the loop to say; where in the turn is. Therefore this
// one has something in every phase of every turn, and shows the turn in which the close callback came.
func closeLast(s *stage) {
	var turn []string
	visit := func(name string) func() {
		return func() { turn = append(turn, name) }
	}
	rules := map[string]string{
		"idle hook":      "the turn begins, after its pending phase",
		"prepare hook":   "right before the poll",
		"check hook":     "right after the poll",
		"immediate":      "then immediates",
		"close callback": "last of the turn's work: what the others did in this turn, they did before",
		"timeout":        "due timers, as libuv has it, belong to the next round already",
	}
	closed := false
	var idle, prepare, check *loop.Hook
	idle = s.OnIdle(func() { turn = append(turn[:0], "idle hook") })
	prepare = s.OnPrepare(func() {
		turn = append(turn, "prepare hook")
		s.Immediate(visit("immediate"))
		s.After(0, func() {
			if !closed {
				return
			}
			turn = append(turn, "timeout")
			for _, name := range turn {
				s.say(name, rules[name])
			}
			idle.Stop()
			prepare.Stop()
			check.Stop()
		})
	})
	check = s.OnCheck(visit("check hook"))
	s.inIO(func(r, _ *loop.Conn) {
		r.Close(func(err error) {
			s.err = err
			closed = true
			turn = append(turn, "close callback")
		})
	})
}

func sameDelay(s *stage) {
	const delay = time.Millisecond
	var second *loop.Timer
	s.After(delay, s.says("timer 1", "equal delays end in the order of their start"))
	second = s.After(delay, s.says("timer 2", "it was reset: that counts as a new start"))
	s.After(delay, s.says("timer 3", "it started before that"))
	second.Reset(delay)
}

func unreferenced(s *stage) {
	forgotten := s.After(time.Hour, s.says("the unreferenced timer", "must not run")).Unref()
	s.After(0, s.says("timeout", "a referenced one counts: Run waits for it"))
	s.after = func() {
		state := map[bool]string{true: "armed", false: "idle"}[forgotten.Active()]
		s.say("Run has returned", "nothing that counts is alive; the other timer is still "+state)
	}
}
