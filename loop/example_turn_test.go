//go:build unix

package loop_test

import (
	"encoding/json"
	"fmt"
	"log"
	"time"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/loop"
)

// A hook runs in each turn, in its phase; together they show the order of a turn.
func ExampleHook() {
	l := newLoop()
	defer l.Close()
	hooks := []*loop.Hook{
		l.OnIdle(func() { fmt.Println("idle: the loop will not wait") }),
		l.OnPrepare(func() { fmt.Println("prepare: the loop is about to submit") }),
		l.OnCheck(func() { fmt.Println("check: what has completed has called back") }),
	}
	l.Immediate(func() {
		fmt.Println("immediate: after the hooks")
		for _, h := range hooks {
			h.Stop() // nothing is alive then, and Run returns
		}
	})
	l.NextTick(func() { fmt.Println("next tick: before anything else") })
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// next tick: before anything else
	// idle: the loop will not wait
	// prepare: the loop is about to submit
	// check: what has completed has called back
	// immediate: after the hooks
}

func ExampleImmediate() {
	l := newLoop()
	defer l.Close()
	var second *loop.Immediate
	l.Immediate(func() {
		fmt.Println("first")
		second.Stop()
		l.Immediate(func() { fmt.Println("third, in the next turn") })
	})
	second = l.Immediate(func() { fmt.Println("never") })
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// first
	// third, in the next turn
}

// A foreign event loop, here a bare poll(2), waits for the loop's descriptor beside its own.
func ExampleLoop_FD() {
	l := newLoop()
	defer l.Close()
	fd, err := l.FD()
	if err != nil {
		fd = -1 // poll(2) as the backend has none to wait for: poll ignores it, and the timeout will do
	}
	l.After(time.Millisecond, func() { fmt.Println("the loop's timer, in the foreign loop") })
	for l.Alive() {
		foreign := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} // and whatever else it waits for
		_, _ = unix.Poll(foreign, int((l.BackendTimeout()+time.Millisecond-1)/time.Millisecond))
		if err := l.Poll(); err != nil {
			log.Fatal(err)
		}
	}
	// Output: the loop's timer, in the foreign loop
}

// Two loops, each on a goroutine of its own, hand each other work.
func ExampleLoop_PostTo() {
	here, there := newLoop(), newLoop()
	defer here.Close()
	there.Ref() // it is to wait for posts
	ended := make(chan error)
	go func() {
		err := there.Run()
		_ = there.Close()
		ended <- err
	}()

	here.Ref()
	here.Immediate(func() {
		err := here.PostTo(there, func() {
			fmt.Println("on the other loop")
			there.Unref()
			if err := there.PostTo(here, func() {
				fmt.Println("and back")
				here.Unref()
			}); err != nil {
				log.Fatal(err)
			}
		})
		if err != nil {
			log.Fatal(err)
		}
	})
	if err := here.Run(); err != nil {
		log.Fatal(err)
	}
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// on the other loop
	// and back
}

// The metrics as a service shows them: expvar.Publish("loop", l.MetricsVar()).
func ExampleMetricsVar() {
	l := newLoop()
	defer l.Close()
	l.Immediate(func() {})
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	var shown struct{ Turns uint64 }
	if err := json.Unmarshal([]byte(l.MetricsVar().String()), &shown); err != nil {
		log.Fatal(err)
	}
	fmt.Println("turns:", shown.Turns)
	// Output: turns: 1
}
