package main

import (
	"github.com/proactor-go/proactor/bench/micro/internal/micro"
)

// crosspost has two goroutines hand functions to each other in turns, each on a thread and a core of its own.
func crosspost(o *micro.Options) error {
	there, back := make(chan func(), 1), make(chan func(), 1) // a post does not wait until it is taken
	if err := micro.Pin(0); err != nil {
		return err
	}
	pinned := make(chan error)
	ops := uint64(0)
	run := func() { ops++ }
	go func() {
		pinned <- micro.Pin(1)
		for run := range there {
			back <- run
		}
	}()
	if err := <-pinned; err != nil {
		return err
	}
	defer close(there)
	for {
		there <- run
		if (<-back)(); ops%micro.Stride == 0 && o.Over(ops) {
			return nil
		}
	}
}
