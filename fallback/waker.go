//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"sync"
	"sync/atomic"
)

const (
	awake    uint32 = iota // the loop runs: it will look before it sleeps
	sleeping               // it waits in the poller, or is about to
	notified               // somebody called wake since the loop last returned from Enter
	gone                   // the queue is closed
)

// A waker makes the poller's wait return. It costs a system call only when the loop sleeps.
type waker struct {
	state atomic.Uint32
	// mu keeps close from pulling the descriptor from under a wake, which would then write to its next owner.
	mu     sync.Mutex
	poller poller
}

// wake reports whether the queue is still there.
func (w *waker) wake() bool {
	for {
		switch old := w.state.Load(); old {
		case notified:
			return true
		case gone:
			return false
		default:
			if !w.state.CompareAndSwap(old, notified) {
				continue
			}
			if old == sleeping {
				w.mu.Lock()
				if w.state.Load() != gone {
					w.poller.wake()
				}
				w.mu.Unlock()
			}
			return true
		}
	}
}

// sleep announces that the loop is going to wait. It reports false if it must not.
func (w *waker) sleep() bool { return w.state.CompareAndSwap(awake, sleeping) }

// rise ends a sleep and forgets a wake, and reports whether there was one. Who called wake before can rely on it
// that Enter returns after rise.
func (w *waker) rise() bool { return w.state.Swap(awake) == notified }

func (w *waker) close() {
	w.mu.Lock()
	w.state.Store(gone)
	w.mu.Unlock()
}
