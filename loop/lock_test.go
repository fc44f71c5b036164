package loop_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/loop"
)

// twice opens a file two times: locks belong to the open file, so that one competes with the other as two processes do.
func twice(t *testing.T, l *loop.Loop) (a, b *loop.File) {
	t.Helper()
	a = newFile(t, l)
	return a, openNamed(t, l, a.Name(), os.O_RDWR)
}

func TestF14TryLock(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a, b := twice(t, l)
		run := func(start func(loop.DoneFunc) loop.Op) error {
			return result(t, l, func(fn loop.DoneFunc) { start(fn) })
		}
		require.NoError(t, run(a.TryLock))
		err := run(b.TryLock)
		require.ErrorIs(t, err, syscall.EWOULDBLOCK)
		var path *fs.PathError
		require.True(t, errors.As(err, &path))
		require.Equal(t, "lock", path.Op)
		require.Equal(t, b.Name(), path.Path)
		require.ErrorIs(t, run(b.TryRLock), syscall.EWOULDBLOCK)
		require.NoError(t, run(a.TryRLock), "the exclusive lock becomes a shared one")
		require.NoError(t, run(b.TryRLock))
		require.ErrorIs(t, run(b.TryLock), syscall.EWOULDBLOCK)
		require.NoError(t, run(a.Unlock))
		require.NoError(t, run(b.Lock))
		require.NoError(t, run(b.Unlock))
		require.NoError(t, run(b.Unlock), "without a lock it does nothing")
		require.NoError(t, run(a.RLock))
		require.NoError(t, result(t, l, a.Close))
		require.NoError(t, run(b.TryLock), "a closed file has no lock")
		require.NoError(t, result(t, l, b.Close))
	})
}

// TestF14Lock has many wait for one lock: they hold it one at a time, and all get it. No worker waits with them.
func TestF14Lock(t *testing.T) {
	forEachQueueWith(t, loop.Options{Workers: 1}, func(t *testing.T, l *loop.Loop) {
		first := newFile(t, l)
		const n = 8
		holding, had := 0, 0
		for range n {
			f := openNamed(t, l, first.Name(), os.O_RDWR)
			l.NextTick(func() {
				f.Lock(func(err error) {
					require.NoError(t, err)
					require.Zero(t, holding, "two at a time")
					holding++
					had++
					l.After(time.Millisecond, func() {
						holding--
						f.Close(nil)
					})
				})
			})
		}
		require.NoError(t, l.Run())
		require.Equal(t, n, had)
		require.NoError(t, result(t, l, first.Close))
	})
}

// TestF14CancelLock ends waits for a lock: by Cancel, by Timeout and by Close. A lock that was not got is not held.
func TestF14CancelLock(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a, b := twice(t, l)
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { a.Lock(fn) }))
		wait := func(end func(op loop.Op)) error {
			return result(t, l, func(fn loop.DoneFunc) { end(b.RLock(fn)) })
		}
		require.Equal(t, loop.ErrCanceled, wait(func(op loop.Op) { op.Cancel() }))
		require.Equal(t, loop.ErrCanceled, wait(func(op loop.Op) { l.After(5*time.Millisecond, op.Cancel) }))
		require.Equal(t, os.ErrDeadlineExceeded, wait(func(op loop.Op) { op.Timeout(5 * time.Millisecond) }))
		order := []string{}
		require.Equal(t, loop.ErrClosed, wait(func(op loop.Op) {
			l.After(5*time.Millisecond, func() { b.Close(func(error) { order = append(order, "closed") }) })
		}))
		require.Equal(t, []string{"closed"}, order)
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { a.Unlock(fn) }))
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { a.TryLock(fn) }))
		require.NoError(t, result(t, l, a.Close))
	})
}

// TestM10LockIsFree: a lock that a loop held is free for the next process once the loop is closed, with reads, writes and waits for the lock in flight.
func TestM10LockIsFree(t *testing.T) {
	flock := testenv.Tool(t, "flock", "util-linux")
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		a, b := twice(t, l)
		another := func() error { return exec.Command(flock, "-n", a.Name(), "true").Run() }
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { a.Lock(fn) }))
		require.Error(t, another())
		ended := 0
		b.Lock(func(err error) {
			require.ErrorIs(t, err, loop.ErrClosed)
			ended++
		})
		for i := range 20 {
			a.WriteAt(make([]byte, 64<<10), int64(i)*64<<10, func([]byte, error) { ended++ })
			a.ReadAt(make([]byte, 64<<10), int64(i)*64<<10, func([]byte, error) { ended++ })
		}
		require.NoError(t, l.Poll())
		require.NoError(t, l.Close())
		require.Equal(t, 41, ended)
		require.NoError(t, another())
	})
}
