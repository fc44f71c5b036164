package main

import (
	"fmt"

	"github.com/proactor-go/proactor/bench/micro/internal/micro"
	"github.com/proactor-go/proactor/loop"
)

// spawn starts a child whenever one has ended.
func spawn(o *micro.Options) error {
	var failure error
	err := onLoop(func(l *loop.Loop) {
		ops := uint64(0)
		var start func()
		ended := func(state loop.ExitState, err error) {
			if err == nil && state.Code != 0 {
				err = fmt.Errorf("a child ended with %+v", state)
			}
			if err != nil {
				failure = err
			}
			if ops++; failure == nil && !o.Over(ops) {
				start()
			}
		}
		start = func() {
			if _, err := l.Start(loop.Command{Name: micro.Child}, ended); err != nil {
				failure = err
			}
		}
		for range micro.Children {
			start()
		}
	})
	if failure != nil {
		return failure
	}
	return err
}
