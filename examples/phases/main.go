// Phases runs the classic puzzles about the order of callbacks and prints what came in which order, and by which rule.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/proactor-go/proactor/loop"
)

func main() {
	backend := flag.String("backend", "auto", "auto, uring, epoll or poll")
	flag.Parse()
	if err := show(os.Stdout, *backend); err != nil {
		fmt.Fprintln(os.Stderr, "phases:", err)
		os.Exit(1)
	}
}

// A puzzle is a question whose answer is the order in which its callbacks say something.
type puzzle struct {
	title string
	start func(l *loop.Loop, say func(what, rule string))
}

var puzzles = []puzzle{
	{"A timer of 0 against an immediate, from outside", func(l *loop.Loop, say func(what, rule string)) {
		l.Immediate(func() { say("immediate", "immediates run after the poll phase of the turn") })
		l.After(0, func() { say("timer", "Run looks at the timers once before its first turn") })
	}},
	{"A timer of 0 against an immediate, from the callback of an operation", func(l *loop.Loop, say func(what, rule string)) {
		l.Work(func() error { return nil }, func(error) {
			l.After(0, func() { say("timer", "the timer phase ends the turn") })
			l.Immediate(func() { say("immediate", "immediates come right after the poll phase that the callback ran in") })
		})
	}},
	{"A tick against what is ready", func(l *loop.Loop, say func(what, rule string)) {
		l.After(0, func() {
			say("timer 1", "timers run in the order of their deadlines")
			l.NextTick(func() { say("tick", "ticks run before the next callback of any kind") })
		})
		l.After(0, func() { say("timer 2", "the second timer was due as well, and waited for the tick") })
	}},
	{"A chain of ticks starves the rest", func(l *loop.Loop, say func(what, rule string)) {
		const budget = 1000 // without one the loop would never go on
		ticks := 0
		var tick func()
		tick = func() {
			if ticks++; ticks < budget {
				l.NextTick(tick)
				return
			}
			say(fmt.Sprintf("%d ticks", ticks), "ticks that ticks add run before the loop goes on")
		}
		l.Immediate(func() { say("immediate", "had to wait for the whole chain") })
		l.NextTick(tick)
	}},
	{"An immediate made by an immediate", func(l *loop.Loop, say func(what, rule string)) {
		l.Immediate(func() {
			say("immediate 1", "runs in this turn")
			l.Immediate(func() { say("immediate 3", "made by an immediate: runs in the next turn") })
		})
		l.Immediate(func() { say("immediate 2", "was there before the phase began: runs in this turn too") })
		l.After(0, func() {
			l.After(0, func() { say("timer", "made by a timer: runs in the next timer phase, at the end of this turn") })
		})
	}},
	{"An operation on a closed handle", func(l *loop.Loop, say func(what, rule string)) {
		ln, err := l.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			say(err.Error(), "no network")
			return
		}
		ln.Close(func(error) { say("closed", "the close callback is the handle's last") })
		ln.Accept(func(_ *loop.Conn, err error) {
			say(fmt.Sprintf("accept failed: %v", errors.Is(err, loop.ErrClosed)), "the error is known at once and still comes by the callback, never before Accept returns")
		})
		say("after Accept", "no callback runs inside the call that starts it")
	}},
	{"A timer that is not waited for", func(l *loop.Loop, say func(what, rule string)) {
		l.After(time.Hour, func() { say("timer", "never: it does not keep Run from returning") }).Unref()
		l.Immediate(func() { say("immediate", "the last thing that counts; then Run returns") })
	}},
}

// show runs the puzzles, each on a loop of its own.
func show(w io.Writer, backend string) error {
	out := bufio.NewWriter(w)
	for i, p := range puzzles {
		l, err := loop.New(loop.Options{Backend: backend})
		if err != nil {
			return err
		}
		write := func(format string, args ...any) {
			_, _ = fmt.Fprintf(out, format, args...) // Flush reports it
		}
		write("%d. %s\n", i+1, p.title)
		p.start(l, func(what, rule string) { write("   %-22s %s\n", what, rule) })
		if err := errors.Join(l.Run(), l.Close()); err != nil {
			return err
		}
	}
	return out.Flush()
}
