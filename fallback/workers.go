//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"sync"
	"sync/atomic"

	"github.com/proactor-go/proactor/ring"
)

// Workers execute operations that may block, each on a goroutine of a bounded number that start on demand. A queue has its own, for
// file operations only: network work never needs one. By themselves they are of use for what a ring lacks.
//
// Start, Withdraw, Reap and Close belong to one goroutine. None of them blocks, except for the few
// instructions that a worker holds the lock.
//
// From Start until Reap hands it back the workers own the entry's Link. Link.Res must be zero, or have the bytes that
// a read or write has moved already.
type Workers struct {
	limit   int
	execute func(*ring.SQE) int32
	wake    func()

	mu      sync.Mutex
	idle    sync.Cond
	queue   list
	running []*ring.SQE // by worker
	busy    int         // started and neither reaped nor withdrawn; for the goroutine of Start and Reap
	asleep  int
	waking  bool // a worker is on its way to the queue
	closed  bool
	started uint64

	// done is a stack through Link.Next: workers push one entry, Reap takes all. No pop of a single
	// entry, no ABA.
	done atomic.Pointer[ring.SQE]
}

// NewWorkers makes at most limit workers. On their goroutines they call execute for each entry, which returns its result ([Execute] does for
// this package's operations), and wake when there is something to reap after there was nothing. An execute that ends its goroutine
// (runtime.Goexit) has the result 0.
func NewWorkers(limit int, execute func(*ring.SQE) int32, wake func()) *Workers {
	w := &Workers{limit: limit, execute: execute, wake: wake}
	w.idle.L = &w.mu
	return w
}

// Start queues s. Its result comes out of Reap. After Close nothing happens.
func (w *Workers) Start(s *ring.SQE) {
	w.mu.Lock()
	if !w.closed {
		w.queue.push(s)
		w.started++
		w.busy++
		w.help()
	}
	w.mu.Unlock()
}

// help gets a worker to the queue. Only one is woken at a time, and wakes the next one if there is more
// to do: a batch of short jobs is done before most of them would have been scheduled.
func (w *Workers) help() {
	switch {
	case w.waking:
	case w.asleep > 0:
		w.waking = true
		w.idle.Signal()
	case len(w.running) < w.limit:
		w.waking = true
		w.running = append(w.running, nil)
		go w.work(len(w.running) - 1)
	}
}

// Withdraw takes s back: true means that it was not started, never will be, and will not come out of
// Reap. No worker knows s any more, so that it may be used again at once.
func (w *Workers) Withdraw(s *ring.SQE) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.queue.has(s) {
		return false
	}
	w.queue.remove(s)
	w.busy--
	return true
}

// withdraw takes back what uses fd, anything if fd is negative, and was not started. It returns it as a list, and how many
// more run. Without all it stops at the first one.
func (w *Workers) withdraw(fd int32, all bool) (taken list, running int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := w.queue.head; s != nil && (all || taken.empty()); {
		next := s.Link.Next
		if fd < 0 || s.FD == fd {
			w.queue.remove(s)
			w.busy--
			taken.push(s)
		}
		s = next
	}
	for _, s := range w.running {
		if s != nil && (fd < 0 || s.FD == fd) {
			running++
		}
	}
	return taken, running
}

// Reap calls fn for each operation that has ended, the first one first, with its result.
func (w *Workers) Reap(fn func(s *ring.SQE, res int32)) {
	if w.done.Load() == nil {
		return
	}
	var first *ring.SQE
	for s := w.done.Swap(nil); s != nil; {
		next := s.Link.Next
		s.Link.Next = first
		first, s = s, next
	}
	for s := first; s != nil; {
		next := s.Link.Next
		s.Link.Next = nil
		w.busy--
		fn(s, s.Link.Res)
		s = next
	}
}

// Load returns how many operations wait for a worker, and how many have one. Any goroutine.
func (w *Workers) Load() (waiting, running int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := w.queue.head; s != nil; s = s.Link.Next {
		waiting++
	}
	for _, s := range w.running {
		if s != nil {
			running++
		}
	}
	return waiting, running
}

// Started returns how many operations were started so far.
func (w *Workers) Started() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.started
}

// Close lets the workers go. It does not wait: what runs ends by itself and keeps its entry alive until then. What was
// not started never will be.
func (w *Workers) Close() {
	w.mu.Lock()
	w.closed = true
	w.queue = list{}
	w.idle.Broadcast()
	w.mu.Unlock()
}

func (w *Workers) work(id int) {
	returned := false
	defer func() {
		if !returned {
			w.replace(id)
		}
	}()
	w.mu.Lock()
	w.waking = false
	for {
		s := w.queue.pop()
		if s == nil {
			if w.closed {
				w.mu.Unlock()
				returned = true
				return
			}
			w.asleep++
			w.idle.Wait()
			w.asleep--
			w.waking = false
			continue
		}
		if !w.queue.empty() {
			w.help()
		}
		w.running[id] = s
		w.mu.Unlock()

		res := w.execute(s)

		w.mu.Lock()
		w.finish(id, res)
	}
}

// replace is what a worker does whose goroutine was ended under it.
func (w *Workers) replace(id int) {
	w.mu.Lock()
	w.finish(id, 0)
	w.mu.Unlock()
	go w.work(id)
}

// finish gives back what worker id was at. It holds the lock.
func (w *Workers) finish(id int, res int32) {
	s := w.running[id]
	w.running[id] = nil // before the entry is given back, which may then become another operation
	s.Link.Res = res
	if w.yield(s) {
		w.mu.Unlock()
		w.wake()
		w.mu.Lock()
	}
}

// yield has s reaped and reports whether there was nothing to reap before.
func (w *Workers) yield(s *ring.SQE) bool {
	for {
		old := w.done.Load()
		s.Link.Next = old
		if w.done.CompareAndSwap(old, s) {
			return old == nil
		}
	}
}
