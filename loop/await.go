package loop

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/proactor-go/proactor/internal/sys"
)

// Await has the loop's goroutine start an operation and waits for its end on this one: the way from code that may block to the loop. start
// gets the function to call with the result, and returns what it started, or the zero Op. What the operation yields besides an error, start's
// callback puts where the caller finds it: it happened before Await returns. Of a repeating operation the first callback counts.
//
//	err := l.Await(ctx, func(done loop.DoneFunc) loop.Op {
//		return f.ReadAt(b, 0, func(got []byte, err error) { n = len(got); done(err) })
//	})
//
// When ctx ends, Await cancels the operation, and returns ctx's error once it has ended, unless it won: until then the loop may use what it was lent.
// If the loop did not get to start it, it never does. On a closed loop the error is [ErrClosed]. Await may be called on any goroutine
// but the loop's, which it would keep from ever ending the operation: there it panics. Before the first Run no goroutine is the loop's yet: another one must be about to run it.
func (l *Loop) Await(ctx context.Context, start func(done DoneFunc) Op) error {
	if owner := l.thread.Load(); owner != 0 && owner == sys.ThreadID() {
		panic("loop: Await on the loop's own goroutine")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	a := &await{ended: make(chan error, 1)}
	if err := l.Post(func() { a.begin(start) }); err != nil {
		return err
	}
	select {
	case err := <-a.ended:
		return err
	case <-l.gone:
		return a.left()
	case <-ctx.Done():
	}
	if a.taken.CompareAndSwap(false, true) {
		return ctx.Err()
	}
	_ = l.Post(func() { a.op.Cancel() }) // refused only by a loop that cancels everything anyway
	select {
	case err := <-a.ended:
		if errors.Is(err, ErrCanceled) {
			return ctx.Err()
		}
		return err
	case <-l.gone:
		return a.left()
	}
}

// await is one call of Await.
type await struct {
	ended chan error
	taken atomic.Bool // by who came first: the loop, to start the operation, or the caller, to leave
	op    Op
}

// left returns what a loop that is closed has left: the result, or nothing if it had to abandon the operation.
func (a *await) left() error {
	select {
	case err := <-a.ended:
		return err
	default:
		return ErrClosed
	}
}

func (a *await) begin(start func(done DoneFunc) Op) {
	if !a.taken.CompareAndSwap(false, true) {
		return
	}
	started := false
	defer func() {
		if !started { // it panicked, which is the loop's affair, but nobody must wait for what is not under way
			a.end(ErrCanceled)
		}
	}()
	a.op = start(a.end)
	started = true
}

func (a *await) end(err error) {
	select {
	case a.ended <- err:
	default: // it repeats
	}
}
