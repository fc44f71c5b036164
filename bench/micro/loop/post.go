package main

import (
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/proactor-go/proactor/bench/micro/internal/micro"
	"github.com/proactor-go/proactor/loop"
)

// published is after how many functions the loop tells the poster how many it has run: both write to
// that memory no more often than they have to.
const published = 64

// post has another goroutine post as fast as it can.
func post(o *micro.Options) error {
	var ran atomic.Uint64
	return onLoop(func(l *loop.Loop) {
		l.Ref()
		if !sleeps {
			l.OnIdle(func() {})
		}
		ops := uint64(0)
		run := func() {
			if ops++; ops%published != 0 {
				return
			}
			ran.Store(ops)
			if ops%micro.Stride == 0 && o.Over(ops) {
				o.Note = fmt.Sprintf("%.3f turns of the loop per post", float64(l.Metrics().Turns)/float64(ops))
				l.Stop()
			}
		}
		go func() {
			for posted := uint64(0); ; posted++ {
				for posted-ran.Load() >= micro.UnderWay {
					runtime.Gosched()
				}
				if l.Post(run) != nil {
					return // closed
				}
			}
		}()
	})
}
