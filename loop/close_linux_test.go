package loop_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

type unbindable struct{ loop.Queue }

func (unbindable) Bind() error { return errors.New("cannot be bound") }

func TestCloseOfALoopThatCannotBeBound(t *testing.T) {
	q, err := columns[3].open()
	require.NoError(t, err)
	l, err := loop.New(loop.Options{Queue: unbindable{q}})
	require.NoError(t, err)
	require.Error(t, l.Close())
	require.ErrorIs(t, l.Post(func() {}), loop.ErrClosed)
}

type slowToClose struct{ unbindable }

func (q slowToClose) Close() error {
	time.Sleep(20 * time.Millisecond)
	return q.unbindable.Close()
}

func TestTwoClosesOfALoopThatCannotBeBound(t *testing.T) {
	q, err := columns[3].open()
	require.NoError(t, err)
	l, err := loop.New(loop.Options{Queue: slowToClose{unbindable{q}}})
	require.NoError(t, err)
	done := make(chan any)
	for range 2 {
		go func() {
			defer func() { done <- recover() }()
			_ = l.Close()
		}()
	}
	require.Nil(t, <-done)
	require.Nil(t, <-done)
}
