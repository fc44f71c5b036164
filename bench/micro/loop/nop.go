package main

import (
	"fmt"
	"runtime"

	"github.com/proactor-go/proactor/bench/micro/internal/micro"
	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// nop keeps a batch of no-ops in flight: each is started anew by its own callback.
func nop(o *micro.Options) error {
	return onLoop(func(l *loop.Loop) {
		count := counter(l, o)
		var done loop.CQEFunc
		done = func(c ring.CQE) {
			if c.Res < 0 { // the window is over
				return
			}
			count()
			l.Submit(ring.SQE{}, done)
		}
		for range o.Batch {
			l.Submit(ring.SQE{}, done)
		}
	})
}

// ringNop does the same without a loop: what the ring costs, and what there is to be gained above it.
func ringNop(o *micro.Options) error {
	runtime.LockOSThread()
	r, err := ring.New(ring.Options{})
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Bind(); err != nil {
		return err
	}
	entries := make([]ring.SQE, o.Batch)
	cqes := make([]ring.CQE, o.Batch)
	for ops, next := uint64(0), uint64(0); ; {
		for i := range entries {
			if !r.Push(&entries[i]) {
				return fmt.Errorf("a batch of %d is more than the queue has room for", o.Batch)
			}
		}
		for done := 0; done < o.Batch; {
			if err := r.Enter(-1); err != nil {
				return err
			}
			done += r.Reap(cqes)
		}
		if ops += uint64(o.Batch); ops >= next {
			if o.Over(ops) {
				return nil
			}
			next = ops + micro.Stride
		}
	}
}
