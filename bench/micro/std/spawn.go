package main

import (
	"os/exec"
	"sync"
	"sync/atomic"

	"github.com/proactor-go/proactor/bench/micro/internal/micro"
)

// spawn has a goroutine for each child that is under way.
func spawn(o *micro.Options) error {
	ended := make(chan error, micro.Children)
	var over atomic.Bool
	var working sync.WaitGroup
	for range micro.Children {
		working.Go(func() {
			for !over.Load() {
				ended <- exec.Command(micro.Child).Run()
			}
		})
	}
	go func() {
		working.Wait()
		close(ended)
	}()
	var failure error
	ops := uint64(0)
	for err := range ended {
		if err != nil {
			failure = err
		}
		if ops++; failure != nil || o.Over(ops) {
			over.Store(true)
		}
	}
	return failure
}
