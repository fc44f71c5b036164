package main

import (
	"time"

	"github.com/proactor-go/proactor/bench/micro/internal/micro"
	"github.com/proactor-go/proactor/loop"
)

// timers is what servers do with timeouts: to start them, and to stop them before they are due.
func timers(o *micro.Options) error {
	return pick(o, func(t *loop.Timer, d time.Duration) {
		t.Stop()
		t.Reset(d)
	})
}

// sink keeps the compiler from leaving out what nobody looks at.
var sink struct {
	now    time.Time
	active bool
}

// reach is the part of timers that no timer can save: to draw two numbers, to look at the clock, and to get a Timer into the
// cache that was not in it.
func reach(o *micro.Options) error {
	return pick(o, func(t *loop.Timer, _ time.Duration) {
		sink.now, sink.active = time.Now(), t.Active()
	})
}

// pick has do work on one of a million live timers after the other, taken at random.
func pick(o *micro.Options, do func(t *loop.Timer, d time.Duration)) error {
	return onLoop(func(l *loop.Loop) {
		random := micro.Random(1)
		live := make([]*loop.Timer, micro.Live)
		for i := range live {
			live[i] = l.After(random.Hours(), func() {}).Unref()
		}
		ops := uint64(0)
		l.Immediate(func() { // on the loop's thread
			for !o.Over(ops) {
				for range micro.Stride {
					do(live[random.Next(micro.Live)], random.Hours())
				}
				ops += micro.Stride
			}
		})
	})
}

func fire(o *micro.Options) error {
	return onLoop(func(l *loop.Loop) {
		count := counter(l, o)
		for range micro.Firing {
			l.Every(micro.Period, count)
		}
	})
}
