package loop

import (
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/proactor-go/proactor/internal/sys"
)

// closeGrace bounds how long Loop.Close waits for what the kernel cannot cancel, such as a write on a dead network file system.
var closeGrace = 5 * time.Second

// abandoned keeps alive what the kernel still held when its loop was closed: it may write there at any time.
var abandoned struct {
	sync.Mutex
	loops []*Loop
}

// Close cancels every operation, closes every handle, runs the callbacks of all that and every accepted post, and
// releases the queue. Timers, hooks and immediates are stopped. It returns within a few seconds: memory that the kernel still uses by
// then is leaked on purpose. From another goroutine it has the running loop do so and waits. A second Close returns nil. What is
// started on a closed loop never calls back, since there is no turn left to do it in.
// It returns [ErrRunning] if the loop is another goroutine's and does not run, and panics inside a callback, which could
// only wait for itself: call [Loop.Stop] there, or Post.
func (l *Loop) Close() error {
	l.life.Lock()
	if l.life.done {
		l.life.Unlock()
		return nil
	}
	thread := sys.ThreadID()
	mine := !l.life.bound || l.thread.Load() == thread
	switch {
	case l.life.inRun && mine && thread != 0:
		l.life.Unlock()
		panic("loop: Close inside a callback")
	case l.life.inRun:
		done := make(chan error, 1)
		l.life.asking = append(l.life.asking, done)
		l.closing.Store(true)
		l.life.Unlock()
		l.wake()
		return <-done
	case !mine:
		l.life.Unlock()
		return ErrRunning
	}
	l.life.Unlock()
	switch err := l.enter(); {
	case errors.Is(err, ErrRunning), errors.Is(err, ErrClosed):
		return l.Close() // another goroutine came first: to close it, or to run it
	case err != nil:
		if l.closing.Swap(true) {
			<-l.gone
			return nil
		}
		l.shut = true
		l.posts.take(sealed)                      // which nobody can run
		return errors.Join(err, l.releaseQueue()) // it cannot be bound any more, only given up
	}
	defer l.leave()
	return l.shutdown()
}

// shutdown runs on the loop's goroutine, between enter and leave, and once more if a callback panicked in it.
func (l *Loop) shutdown() error {
	l.closing.Store(true)
	l.shut = true
	var open []*handle // a handle without a descriptor leaves the list at once
	for h := l.handles.head; h != nil; h = h.next {
		open = append(open, h)
	}
	for _, h := range open {
		h.shut()
	}
	l.slots.all(func(o *op) {
		if o.h == nil {
			l.cancel(o, causeClose)
		}
	})
	l.stopClocks()
	l.drainTicks()
	l.turnOut(closeGrace)
	l.runPosts()
	l.batch = l.posts.take(sealed) // accepted is accepted; from here on none is
	l.runPosts()
	l.slots.all(func(o *op) { // foreign work that ignored its cancel
		if o.kind == kindPending && o.state == stateHeld {
			o.cause = causeClose
			l.settle(o, -ecanceled)
		}
	})
	l.turnOut(closeGrace / 5)
	return l.releaseQueue()
}

func (l *Loop) releaseQueue() error {
	for i := range l.lanes {
		if w := l.lanes[i].Load(); w != nil {
			w.Close()
		}
	}
	if l.spare >= 0 {
		sys.Close(l.spare)
		l.spare = -1
	}
	for l.signals.head != nil {
		l.signals.head.Stop()
	}
	l.mail.await(closeGrace)
	l.publish()
	if l.observer != nil && l.observer.slow != nil {
		l.observer.slow.close()
	}
	err := l.queue.Close()
	if l.buffers != nil {
		l.buffers.ring = false // what the program kept may come back later, but no longer to the queue
	}
	if l.slots.live > 0 {
		abandoned.Lock()
		abandoned.loops = append(abandoned.loops, l)
		abandoned.Unlock()
	}
	l.life.Lock()
	defer l.life.Unlock()
	l.life.done = true
	close(l.gone)
	if l.life.bound {
		l.thread.Store(0) // from here on the goroutine may change threads, and nobody can do harm
		runtime.UnlockOSThread()
	}
	return err
}

// shut closes a handle as its own Close would.
func (h *handle) shut() {
	if h.closing {
		return
	}
	h.self.Close(nil)
}

// stopClocks stops what is no operation: it never calls back.
func (l *Loop) stopClocks() {
	for _, list := range []*hookList{&l.idle, &l.prepare, &l.check} {
		for len(list.hooks) > 0 {
			list.hooks[0].Stop()
		}
	}
	for l.immediates.head != nil {
		l.immediates.head.Stop()
	}
	for l.signals.head != nil {
		l.signals.head.Stop()
	}
	for _, e := range append([]timerEntry(nil), l.timers.heap...) {
		if !e.t.own {
			e.t.Stop()
		}
	}
}

// turnOut turns the loop until no operation is left, for about limit; once in any case, because what has its result already
// must not be left behind by a machine that is slow.
func (l *Loop) turnOut(limit time.Duration) {
	for end := time.Now().Add(limit); l.slots.live > 0 || len(l.closed) > 0; {
		left := time.Until(end)
		if l.turn(max(left, 0)) != nil || left <= 0 {
			return
		}
	}
}
