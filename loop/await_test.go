package loop_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// whileRunning runs other on another goroutine while the loop runs on this one, until other returns.
func whileRunning(t *testing.T, l *loop.Loop, other func(require *require.Assertions)) {
	t.Helper()
	l.Ref()
	var failed failure
	go func() {
		defer func() { _ = l.Post(l.Unref) }()
		other(require.New(&failed))
	}()
	require.NoError(t, l.Run())
	if failed != "" {
		t.Fatal(failed)
	}
}

// A failure is what went wrong on a goroutine that must not end the test itself.
type failure string

func (f *failure) Errorf(format string, args ...any) { *f = failure(fmt.Sprintf(format, args...)) }
func (f *failure) FailNow()                          { runtime.Goexit() }

func TestAwait(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		name := filepath.Join(t.TempDir(), "file")
		data := noise(10_000)
		require.NoError(t, os.WriteFile(name, data, 0o600))
		whileRunning(t, l, func(require *require.Assertions) {
			var f *loop.File
			err := l.Await(t.Context(), func(done loop.DoneFunc) loop.Op {
				return l.Open(name, os.O_RDONLY, 0, func(opened *loop.File, err error) { f = opened; done(err) })
			})
			require.NoError(err)
			var got []byte
			err = l.Await(t.Context(), func(done loop.DoneFunc) loop.Op {
				return f.ReadAt(make([]byte, len(data)), 0, func(b []byte, err error) { got = b; done(err) })
			})
			require.NoError(err)
			require.Equal(data, got)
			require.NoError(l.Await(t.Context(), func(done loop.DoneFunc) loop.Op { f.Close(done); return loop.Op{} }))
			err = l.Await(t.Context(), func(done loop.DoneFunc) loop.Op { return l.Remove(name+"?", done) })
			require.ErrorIs(err, os.ErrNotExist)
		})
	})
}

func TestAwaitCanceled(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		whileRunning(t, l, func(require *require.Assertions) {
			ctx, cancel := context.WithCancelCause(t.Context())
			started := make(chan struct{})
			go func() { <-started; cancel(errors.New("cause")) }()
			receive := func(done loop.DoneFunc) loop.Op {
				op := c.Recv(make([]byte, 1), func(_ []byte, err error) { done(err) })
				close(started)
				return op
			}
			require.Equal(context.Canceled, l.Await(ctx, receive))
			require.Equal(context.Canceled, l.Await(ctx, receive), "started although its context had ended")
			ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
			defer stop()
			started = make(chan struct{})
			require.Equal(context.DeadlineExceeded, l.Await(ctx, receive))

			_, err := peer.Write([]byte("x")) // nothing of the canceled receives swallows it
			require.NoError(err)
			started = make(chan struct{})
			require.NoError(l.Await(t.Context(), receive))
		})
	})
}

func TestAwaitOnALoopThatDoesNotRun(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := l.Await(ctx, func(loop.DoneFunc) loop.Op { panic("started after its caller had left") })
		require.Equal(t, context.DeadlineExceeded, err)
		require.NoError(t, l.Poll())
		require.NoError(t, l.Close())
		require.ErrorIs(t, l.Await(t.Context(), nil), loop.ErrClosed)
	})
}

func TestAwaitWhileTheLoopCloses(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, _ := connectPeer(t, l)
		started := make(chan struct{})
		result := make(chan error)
		go func() {
			result <- l.Await(context.Background(), func(done loop.DoneFunc) loop.Op {
				defer close(started)
				return c.Recv(make([]byte, 1), func(_ []byte, err error) { done(err) })
			})
		}()
		go func() { <-started; l.Stop() }()
		l.Ref()
		require.NoError(t, l.Run())
		require.NoError(t, l.Close())
		require.ErrorIs(t, <-result, loop.ErrClosed)
	})
}

func TestAwaitMisused(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		l.Immediate(func() {
			require.PanicsWithValue(t, "loop: Await on the loop's own goroutine", func() { _ = l.Await(t.Context(), nil) })
		})
		require.NoError(t, l.Run())
		ended := make(chan error)
		go func() { ended <- l.Await(t.Context(), func(loop.DoneFunc) loop.Op { panic("start") }) }()
		require.PanicsWithValue(t, "start", func() {
			for {
				_ = l.Poll()
			}
		})
		require.ErrorIs(t, <-ended, loop.ErrCanceled)
	})
}
