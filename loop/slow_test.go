package loop_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// aSlowFunction is what the stack has to show.
func aSlowFunction(until <-chan struct{}) { <-until }

func TestSlowCallback(t *testing.T) {
	for _, c := range columns {
		t.Run(c.name, func(t *testing.T) {
			reports := make(chan loop.SlowCallback, 8)
			o := loop.Options{SlowCallback: 2 * time.Millisecond, OnSlow: func(s loop.SlowCallback) { reports <- s }}
			runCase(t, c, o, func(t *testing.T, l *loop.Loop) {
				conn, peer := connectPeer(t, l)
				hold := make(chan struct{})
				conn.Recv(make([]byte, 1), func([]byte, error) { aSlowFunction(hold) })
				_, err := peer.Write([]byte("x"))
				require.NoError(t, err)
				var s loop.SlowCallback
				seen := make(chan struct{})
				go func() { // the callback lasts until it was reported
					defer close(seen)
					for s = range reports {
						if s.Kind == "Recv" { // a busy machine may have others
							close(hold)
							return
						}
					}
				}()
				require.NoError(t, l.Run())
				<-seen
				require.GreaterOrEqual(t, s.Elapsed, o.SlowCallback)
				require.Contains(t, string(s.Stack), "aSlowFunction")
				require.Positive(t, s.FD)

				again := make(chan struct{})
				l.After(0, func() { aSlowFunction(again) })
				go func() {
					for s := range reports {
						if s.Kind == "Timer" {
							close(again)
							return
						}
					}
				}()
				require.NoError(t, l.Run())
			})
		})
	}
}

func TestSlowCallbackOptions(t *testing.T) {
	for _, o := range []loop.Options{{SlowCallback: time.Second}, {OnSlow: func(loop.SlowCallback) {}}} {
		_, err := loop.New(o)
		require.EqualError(t, err, "loop: Options.SlowCallback and OnSlow need each other")
	}
}
