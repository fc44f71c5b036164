package main

import (
	"errors"

	"github.com/proactor-go/proactor/bench/micro/internal/micro"
	"github.com/proactor-go/proactor/loop"
)

// crosspost has two loops post to each other in turns. Both sleep in between: each post has to wake somebody.
func crosspost(o *micro.Options) error {
	return cross(o, (*loop.Loop).PostTo)
}

// crosswake does the same the way that any goroutine may.
func crosswake(o *micro.Options) error {
	return cross(o, func(_, to *loop.Loop, fn func()) error { return to.Post(fn) })
}

// cross makes trips from the loop to another one, on a thread and a core of its own, and back.
func cross(o *micro.Options, send func(from, to *loop.Loop, fn func()) error) error {
	if err := micro.Pin(0); err != nil {
		return err
	}
	far, err := loop.New(loop.Options{Backend: backend})
	if err != nil {
		return err
	}
	far.Ref()
	left := make(chan error, 1)
	go func() { left <- errors.Join(micro.Pin(1), far.Run(), far.Close()) }()

	var failed, farFailed error // each of one loop's
	err = onLoop(func(l *loop.Loop) {
		l.Ref()
		ops := uint64(0)
		var there, back func()
		there = func() {
			if farFailed = send(far, l, back); farFailed != nil {
				l.Stop()
			}
		}
		back = func() {
			if ops++; ops%micro.Stride == 0 && o.Over(ops) {
				l.Stop()
				return
			}
			if failed = send(l, far, there); failed != nil {
				l.Stop()
			}
		}
		l.Immediate(back)
	})
	far.Stop()
	return errors.Join(err, <-left, failed, farFailed)
}
