package loop_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// occupy has n workers of Work wait until the returned function is called.
func occupy(t *testing.T, l *loop.Loop, n int) (release func()) {
	t.Helper()
	started, hold := make(chan struct{}, n), make(chan struct{})
	for range n {
		l.Work(func() error {
			started <- struct{}{}
			<-hold
			return nil
		}, func(err error) { require.NoError(t, err) })
	}
	require.NoError(t, l.Poll())
	for range n {
		<-started
	}
	return func() { close(hold) }
}

func TestW01Work(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		failure, ran, calls := errors.New("failure"), 0, 0
		l.Work(func() error { ran++; return failure }, func(err error) {
			require.Equal(t, failure, err)
			require.Equal(t, 1, ran)
			calls++
		})
		require.Zero(t, calls, "called back at once")
		require.True(t, l.Alive())
		require.NoError(t, l.Run())
		require.Equal(t, 1, calls)
		require.PanicsWithValue(t, "loop: Work: nil callback", func() { l.Work(nil, func(error) {}) })
		require.PanicsWithValue(t, "loop: Work: nil callback", func() { l.Work(func() error { return nil }, nil) })
	})
}

func TestW01WorkThatPanics(t *testing.T) {
	forEachQueueWith(t, loop.Options{UserWorkers: 1}, func(t *testing.T, l *loop.Loop) {
		cause := errors.New("cause")
		var errs []error
		for _, work := range []func(){func() { panic(cause) }, func() { panic("text") }, runtime.Goexit, func() {}} {
			l.Work(func() error { work(); return nil }, func(err error) { errs = append(errs, err) })
		}
		require.NoError(t, l.Run())
		var p *loop.PanicError
		require.Len(t, errs, 4)
		require.ErrorIs(t, errs[0], cause)
		require.EqualError(t, errs[1], "loop: Work: panic: text")
		require.ErrorAs(t, errs[1], &p)
		require.Contains(t, string(p.Stack), "TestW01WorkThatPanics")
		require.EqualError(t, errs[2], "loop: Work: its function called runtime.Goexit")
		require.NoError(t, errs[3], "the worker was not replaced")
	})
}

func TestW02CancelQueuedWork(t *testing.T) {
	forEachQueueWith(t, loop.Options{UserWorkers: 2}, func(t *testing.T, l *loop.Loop) {
		release := occupy(t, l, 2)
		var ran atomic.Int32
		canceled := 0
		ops := make([]loop.Op, 10)
		for i := range ops {
			ops[i] = l.Work(func() error { ran.Add(1); return nil }, func(err error) {
				require.ErrorIs(t, err, loop.ErrCanceled)
				canceled++
			})
		}
		for _, o := range ops {
			o.Cancel()
		}
		require.Zero(t, canceled, "called back within Cancel")
		for canceled < len(ops) {
			require.NoError(t, l.Poll())
		}
		release()
		require.NoError(t, l.Run())
		require.Zero(t, ran.Load())
	})
}

func TestW03CancelRunningWork(t *testing.T) {
	forEachQueueWith(t, loop.Options{UserWorkers: 1}, func(t *testing.T, l *loop.Loop) {
		started, hold := make(chan struct{}), make(chan struct{})
		calls := 0
		o := l.Work(func() error { close(started); <-hold; return nil }, func(err error) {
			require.NoError(t, err, "it ran to its end")
			calls++
		})
		require.NoError(t, l.Poll())
		<-started
		o.Cancel()
		require.NoError(t, l.Poll())
		require.Zero(t, calls)
		close(hold)
		require.NoError(t, l.Run())
		require.Equal(t, 1, calls)
	})
}

func TestW04EachLoopItsOwnWork(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		other, err := loop.New(loop.Options{})
		require.NoError(t, err)
		const n = 100
		var counts [2]int
		for range n {
			for i, l := range []*loop.Loop{l, other} {
				l.Work(func() error { return nil }, func(error) { counts[i]++ })
			}
		}
		require.NoError(t, l.Run())
		require.Equal(t, [2]int{n, 0}, counts)
		done := make(chan error)
		go func() { done <- errors.Join(other.Run(), other.Close()) }()
		require.NoError(t, <-done)
		require.Equal(t, [2]int{n, n}, counts)
	})
}

// Neither files nor names wait for the program's work.
func TestW05LanesAreApart(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte("x"), 0o600))
	forEachQueueWith(t, loop.Options{UserWorkers: 1}, func(t *testing.T, l *loop.Loop) {
		release := occupy(t, l, 1)
		found := false
		l.Stat(name, func(_ os.FileInfo, err error) {
			require.NoError(t, err)
			found = true
		})
		for !found {
			require.NoError(t, l.RunOnce())
		}
		release()
		require.NoError(t, l.Run())
	})
}

func TestWorkOnAClosedLoop(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var errs []error
		release := occupy(t, l, 1)
		_ = l.Post(func() {
			release()
			l.Stop()
		})
		require.NoError(t, l.Run())
		for range 100 {
			l.Work(func() error { return nil }, func(err error) { errs = append(errs, err) })
		}
		require.NoError(t, l.Close())
		require.Len(t, errs, 100)
		for _, err := range errs {
			if err != nil {
				require.ErrorIs(t, err, loop.ErrClosed)
			}
		}
	})
}
