// Loop runs the micro workloads on this project's loop, or, for ringnop, on its bare ring.
package main

import (
	"flag"

	"github.com/proactor-go/proactor/bench/micro/internal/micro"
	"github.com/proactor-go/proactor/loop"
)

var (
	backend string
	sleeps  bool
)

func main() {
	micro.Main(micro.Works{
		"nop":       nop,
		"ringnop":   ringNop,
		"timers":    timers,
		"reach":     reach,
		"fire":      fire,
		"post":      post,
		"crosspost": crosspost,
		"crosswake": crosswake,
		"send":      send,
		"segments":  segments,
		"names":     names,
		"spawn":     spawn,
	}, func(flags *flag.FlagSet) {
		flags.StringVar(&backend, "backend", "auto", "auto, uring, epoll or poll")
		flags.BoolVar(&sleeps, "sleeps", false, "post: the loop sleeps when it has run everything, instead of being busy otherwise")
	})
}

// onLoop runs a loop that begin has given something to do.
func onLoop(begin func(l *loop.Loop)) error {
	l, err := loop.New(loop.Options{Backend: backend})
	if err != nil {
		return err
	}
	defer l.Close()
	begin(l)
	return l.Run()
}

// counter returns a function that counts one operation, and ends the loop with the window.
func counter(l *loop.Loop, o *micro.Options) func() {
	ops := uint64(0)
	return func() {
		if ops++; ops%micro.Stride == 0 && o.Over(ops) {
			l.Stop()
		}
	}
}
