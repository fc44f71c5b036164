package loop_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// second runs a loop of the same kind on another goroutine until the returned function is called.
func second(t testing.TB, c column) (l *loop.Loop, stop func()) {
	q, err := c.open()
	require.NoError(t, err)
	l, err = loop.New(loop.Options{Queue: q})
	require.NoError(t, err)
	l.Ref()
	done := make(chan error)
	go func() { done <- errors.Join(l.Run(), l.Close()) }()
	return l, func() {
		l.Stop()
		require.NoError(t, <-done)
	}
}

// columnOf returns the column that a case runs in.
func columnOf(t testing.TB) column {
	for _, c := range columns {
		if name := t.Name(); len(name) > len(c.name) && name[len(name)-len(c.name)-1:] == "/"+c.name {
			return c
		}
	}
	t.Fatal("in no column")
	return column{}
}

func TestPostToPingPong(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		other, stop := second(t, columnOf(t))
		const rounds = 2000
		n := 0
		l.Ref()
		var ping, pong func()
		ping = func() {
			if n++; n == rounds {
				l.Unref()
				return
			}
			require.NoError(t, l.PostTo(other, pong))
		}
		pong = func() {
			if err := other.PostTo(l, ping); err != nil {
				panic(err)
			}
		}
		l.Immediate(ping)
		require.NoError(t, l.Run())
		require.Equal(t, rounds, n)
		stop()
	})
}

// In order, none lost, none double, also when the sender stops turning right afterwards.
func TestPostToBursts(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		other, stop := second(t, columnOf(t))
		defer stop()
		var got []int
		for burst := range 50 {
			arrived := make(chan struct{})
			l.Immediate(func() {
				for i := range 10 {
					require.NoError(t, l.PostTo(other, func() { got = append(got, 10*burst+i) }))
				}
				require.NoError(t, l.PostTo(other, func() { close(arrived) }))
			})
			require.NoError(t, l.RunOnce())
			<-arrived
			require.Len(t, got, 10*(burst+1))
		}
		require.IsIncreasing(t, got)
	})
}

func TestPostToItselfAndToAClosedLoop(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ran := false
		require.NoError(t, l.PostTo(l, func() { ran = true }))
		require.NoError(t, l.Run())
		require.True(t, ran)
		other, stop := second(t, columnOf(t))
		stop()
		require.ErrorIs(t, l.PostTo(other, func() { panic("ran on a closed loop") }), loop.ErrClosed)
	})
}

// Loops that close while others post to them: what was accepted runs, and no message reaches a descriptor that is another's by then.
func TestPostToWhileClosing(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for range 20 {
			other, stop := second(t, columnOf(t))
			accepted, ran, stopped := 0, 0, make(chan struct{})
			var post func()
			post = func() {
				if err := l.PostTo(other, func() { ran++ }); err != nil {
					require.ErrorIs(t, err, loop.ErrClosed)
					return
				}
				if accepted++; accepted == 10 {
					go func() {
						defer close(stopped)
						stop()
					}()
				}
				l.Immediate(post)
			}
			l.Immediate(post)
			require.NoError(t, l.Run())
			<-stopped
			require.Equal(t, accepted, ran)
		}
	})
}

// A message on its way, from a loop whose callback takes long, holds up nobody else who wakes the same loop.
func TestPostToHoldsUpNoOtherPost(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		other, stop := second(t, columnOf(t))
		defer stop()
		time.Sleep(20 * time.Millisecond) // the other sleeps
		l.Immediate(func() {
			require.NoError(t, l.PostTo(other, func() {}))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			assert.NoError(t, other.Await(ctx, func(done loop.DoneFunc) loop.Op {
				done(nil)
				return loop.Op{}
			}))
		})
		require.NoError(t, l.Run())
	})
}

// Outside of Run there is no submission that a message would leave with.
func TestPostToOutsideOfRun(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		other, stop := second(t, columnOf(t))
		defer stop()
		for range 2 {
			time.Sleep(20 * time.Millisecond) // the other sleeps
			arrived := make(chan struct{})
			require.NoError(t, l.PostTo(other, func() { close(arrived) }))
			select {
			case <-arrived:
			case <-time.After(10 * time.Second):
				t.Fatal("the post waits for a turn that may never come")
			}
			require.NoError(t, l.Poll())
		}
	})
}

// A wake by message against one by eventfd: two loops that have nothing else to do, and take turns.
func BenchmarkPostTo(b *testing.B) {
	for _, c := range columns {
		if c.name != "uring" && c.name != "epoll" {
			continue
		}
		for _, how := range []string{"Post", "PostTo"} {
			b.Run(fmt.Sprintf("backend=%s/%s", c.name, how), func(b *testing.B) {
				q, err := c.open()
				require.NoError(b, err)
				l, err := loop.New(loop.Options{Queue: q})
				require.NoError(b, err)
				defer l.Close()
				other, stop := second(b, c)
				defer stop()
				n := 0
				l.Ref()
				var ping, pong func()
				send := func(from, to *loop.Loop, fn func()) {
					if how == "Post" {
						_ = to.Post(fn)
					} else {
						_ = from.PostTo(to, fn)
					}
				}
				ping = func() {
					if n++; n > b.N {
						l.Unref()
						return
					}
					send(l, other, pong)
				}
				pong = func() { send(other, l, ping) }
				l.Immediate(ping)
				b.ResetTimer()
				require.NoError(b, l.Run())
			})
		}
	}
}

func TestPostToAndPanic(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		other, stop := second(t, columnOf(t))
		defer stop()
		time.Sleep(20 * time.Millisecond) // the other sleeps
		arrived := make(chan struct{})
		l.Immediate(func() {
			require.NoError(t, l.PostTo(other, func() { close(arrived) }))
			panic("out of Run")
		})
		require.Panics(t, func() { _ = l.Run() })
		select {
		case <-arrived:
		case <-time.After(30 * time.Second):
			t.Error("an accepted post waits for a turn that may never come")
		}
		require.NoError(t, l.Run())
		<-arrived
	})
}

func TestPostToAndCloseTheOther(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		defer loop.SetCloseGrace(time.Hour)() // else it would hang, for a while
		other, _ := third(t, columnOf(t))
		time.Sleep(20 * time.Millisecond) // the other sleeps
		ran := false
		l.Immediate(func() {
			require.NoError(t, l.PostTo(other, func() { ran = true }))
			require.NoError(t, other.Close())
		})
		require.NoError(t, l.Run())
		require.True(t, ran)
	})
}

func TestPostToAndCloseTheOtherOneTurnLater(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		defer loop.SetCloseGrace(time.Hour)() // else it would hang, for a while
		other, _ := third(t, columnOf(t))
		time.Sleep(20 * time.Millisecond) // the other sleeps
		ran, closed := false, false
		l.Immediate(func() {
			l.Submit(ring.SQE{Opcode: ring.OpNop}, func(ring.CQE) {
				require.NoError(t, other.Close())
				closed = true
			})
			require.NoError(t, l.PostTo(other, func() { ran = true }))
		})
		require.NoError(t, l.Run())
		require.True(t, ran)
		require.True(t, closed)
	})
}

func third(t testing.TB, c column) (l *loop.Loop, done chan error) {
	q, err := c.open()
	require.NoError(t, err)
	l, err = loop.New(loop.Options{Queue: q})
	require.NoError(t, err)
	l.Ref()
	done = make(chan error, 1)
	go func() { done <- l.Run() }()
	return l, done
}
