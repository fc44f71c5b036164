// Std runs the micro workloads on the standard library: timers of package time, posts through a channel, Go's
// own resolver.
package main

import (
	"sync/atomic"
	"time"

	"github.com/proactor-go/proactor/bench/micro/internal/micro"
)

func main() {
	micro.Main(micro.Works{"timers": timers, "fire": fire, "post": post, "names": names}, nil)
}

func timers(o *micro.Options) error {
	random := micro.Random(1)
	live := make([]*time.Timer, micro.Live)
	for i := range live {
		live[i] = time.AfterFunc(random.Hours(), func() {})
	}
	for ops := uint64(0); !o.Over(ops); ops += micro.Stride {
		for range micro.Stride {
			t := live[random.Next(micro.Live)]
			t.Stop()
			t.Reset(random.Hours())
		}
	}
	return nil
}

// fire has timers that start themselves anew. Each call is on a goroutine of its own, as the package has it.
func fire(o *micro.Options) error {
	var ops atomic.Uint64
	for range micro.Firing {
		var t *time.Timer
		t = time.AfterFunc(time.Hour, func() {
			ops.Add(1)
			t.Reset(micro.Period)
		})
		t.Reset(micro.Period) // not before t is there for the function to see
	}
	for !o.Over(ops.Load()) {
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

func post(o *micro.Options) error {
	ops := uint64(0)
	run := func() { ops++ }
	posts := make(chan func(), micro.UnderWay)
	go func() {
		for {
			posts <- run
		}
	}()
	for run := range posts {
		if run(); ops%micro.Stride == 0 && o.Over(ops) {
			break
		}
	}
	return nil
}
