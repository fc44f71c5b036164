//go:build unix

package loop_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

func raise(t *testing.T, sig syscall.Signal) {
	t.Helper()
	require.NoError(t, syscall.Kill(os.Getpid(), sig))
}

func onSignal(t *testing.T, l *loop.Loop, fn func(os.Signal), signals ...os.Signal) *loop.Signal {
	t.Helper()
	s, err := l.OnSignal(fn, signals...)
	require.NoError(t, err)
	return s
}

func TestS01Signals(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		const n = 20
		var every, once, either int
		onSignal(t, l, func(sig os.Signal) {
			require.Equal(t, syscall.SIGUSR1, sig)
			if every++; every == n {
				l.Stop()
				return
			}
			raise(t, syscall.SIGUSR1) // spaced: the kernel keeps only one of a kind
		}, syscall.SIGUSR1).Ref()
		single := onSignal(t, l, func(os.Signal) { once++ }, syscall.SIGUSR1).Once()
		onSignal(t, l, func(os.Signal) { either++ }, syscall.SIGUSR1, syscall.SIGUSR2)
		raise(t, syscall.SIGUSR1)
		require.NoError(t, l.Run())
		require.Equal(t, n, every)
		require.Equal(t, 1, once)
		require.False(t, single.Active())
		for either < n {
			require.NoError(t, l.RunOnce())
		}
		raise(t, syscall.SIGUSR2)
		for either == n {
			require.NoError(t, l.RunOnce())
		}
		require.Equal(t, n, every)
	})
}

func TestS01StoppedSignal(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		calls := 0
		var first, second *loop.Signal
		first = onSignal(t, l, func(os.Signal) { calls++; second.Stop() }, syscall.SIGUSR1)
		second = onSignal(t, l, func(os.Signal) { calls++; first.Stop() }, syscall.SIGUSR1)
		seen := 0
		onSignal(t, l, func(os.Signal) { seen++ }, syscall.SIGUSR1)
		l.Ref()
		raise(t, syscall.SIGUSR1)
		for seen == 0 || calls == 0 {
			require.NoError(t, l.RunOnce())
		}
		require.NoError(t, l.Poll())
		require.NoError(t, l.Poll())
		require.Equal(t, 1, calls, "a Signal that the other has stopped ran")
		require.NotEqual(t, first.Active(), second.Active())
		require.Equal(t, first.Active(), first.Stop())
		require.False(t, first.Stop())
		l.Unref()
	})
}

func TestS02SeveralLoops(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		other, stop := second(t, columnOf(t))
		defer stop()
		both := make(chan os.Signal, 8)
		listening := make(chan error)
		require.NoError(t, other.Post(func() {
			_, err := other.OnSignal(func(sig os.Signal) { both <- sig }, syscall.SIGUSR1)
			listening <- err
		}))
		require.NoError(t, <-listening)
		mine, wrong := 0, 0
		onSignal(t, l, func(os.Signal) { mine++ }, syscall.SIGUSR1).Ref()
		onSignal(t, l, func(os.Signal) { wrong++ }, syscall.SIGUSR2)
		raise(t, syscall.SIGUSR1)
		for mine == 0 {
			require.NoError(t, l.RunOnce())
		}
		require.Equal(t, syscall.SIGUSR1, <-both)
		require.Zero(t, wrong)
	})
}

func TestS04InvalidSignals(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, sig := range []os.Signal{syscall.SIGKILL, syscall.SIGSTOP, syscall.Signal(0), syscall.Signal(-1), syscall.Signal(65), nil} {
			s, err := l.OnSignal(func(os.Signal) {}, syscall.SIGUSR1, sig)
			require.Nil(t, s)
			require.ErrorIs(t, err, syscall.EINVAL, sig)
			require.ErrorContains(t, err, "OnSignal")
		}
		_, err := l.OnSignal(func(os.Signal) {})
		require.EqualError(t, err, "loop: OnSignal: no signal is named")
		require.PanicsWithValue(t, "loop: OnSignal: nil function", func() { _, _ = l.OnSignal(nil, syscall.SIGUSR1) })
		require.NoError(t, l.Close())
		_, err = l.OnSignal(func(os.Signal) {}, syscall.SIGUSR1)
		require.ErrorIs(t, err, loop.ErrClosed)
	})
}

func TestR01SignalReferences(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		s := onSignal(t, l, func(os.Signal) {}, syscall.SIGUSR1)
		require.False(t, s.HasRef(), "as in Node.js")
		require.NoError(t, l.Run())
		require.True(t, s.Ref().HasRef())
		require.True(t, l.Alive())
		require.False(t, s.Unref().HasRef())
		require.False(t, l.Alive())
		s.Ref()
		s.Stop()
		require.False(t, l.Alive())
		require.NoError(t, l.Run())
	})
}
