//go:build unix

package queuetest

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

var wakeScenarios = []scenario{
	{name: "before enter", run: wakeBeforeEnter},
	{name: "before bind", unbound: true, run: wakeBeforeBind},
	{name: "during enter", run: wakeDuringEnter},
	{name: "is no completion", run: wakeIsNoCompletion},
	{name: "does not stick", run: wakeDoesNotStick},
	{name: "storm", run: wakeStorm},
	{name: "with pending entries", run: wakeWithPending},
	{name: "while closing", run: wakeWhileClosing},
	{name: "timeout", run: enterTimeout},
	{name: "no wait", run: enterNoWait},
	{name: "completion ends a wait", run: completionEndsWait},
}

func wakeBeforeEnter(h *harness) {
	for range 3 {
		h.NoError(h.q.Wake())
		h.NoError(h.q.Enter(-1))
		h.Zero(h.reap())
	}
}

func wakeBeforeBind(h *harness) {
	h.NoError(h.q.Wake())
	h.NoError(h.q.Bind())
	h.NoError(h.q.Enter(-1))
	h.Zero(h.reap())
	h.gives(0, on(ring.OpNop, -1))
}

func wakeDuringEnter(h *harness) {
	for i := range 20 {
		var woken atomic.Bool
		err := make(chan error, 1)
		go func() {
			time.Sleep(time.Duration(i) * 500 * time.Microsecond)
			woken.Store(true)
			err <- h.q.Wake()
		}()
		for !woken.Load() {
			h.NoError(h.q.Enter(-1)) // a signal may end it early
		}
		h.NoError(<-err)
		h.turn(0)
	}
}

func wakeIsNoCompletion(h *harness) {
	for range 100 {
		h.NoError(h.q.Wake())
	}
	for range 20 {
		h.Zero(h.turn(0))
	}
	h.gives(0, on(ring.OpNop, -1))
}

// wakeDoesNotStick shows that a wake is used up, by no more than a few turns.
func wakeDoesNotStick(h *harness) {
	for range 50 {
		h.NoError(h.q.Wake())
	}
	for range 3 {
		h.turn(0)
	}
	h.lasts(5 * time.Millisecond)
}

// lasts requires that Enter waits for d, with nothing to reap. A signal may cut one wait short; a clock that runs
// fast cuts them all, although on a busy machine not every one of those returns before its time.
func (h *harness) lasts(d time.Duration) {
	h.t.Helper()
	const waits = 10
	var early []time.Duration
	for range waits {
		start := time.Now()
		h.NoError(h.q.Enter(d))
		if took := time.Since(start); took < d {
			early = append(early, took)
		}
		h.Zero(h.reap())
	}
	h.LessOrEqual(len(early), waits/4, "of %d waits for %v these were too short: %v", waits, d, early)
}

func wakeStorm(h *harness) {
	const wakers, wakes = 8, 2000
	var count atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, wakers)
	for range wakers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range wakes {
				count.Add(1)
				if err := h.q.Wake(); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	// Each wake follows its count. Were one lost after the last look at the count, this would wait for ever.
	for seen := int64(0); seen < wakers*wakes; seen = count.Load() {
		h.NoError(h.q.Enter(-1))
		h.Zero(h.reap())
		h.Empty(errs)
	}
	wg.Wait()
	h.gives(0, on(ring.OpNop, -1))
}

func wakeWithPending(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	buf := make([]byte, 4)
	ud := h.push(recv(a, buf, 0))
	for range 100 {
		h.NoError(h.q.Wake())
		h.NoError(h.q.Enter(-1))
		h.Zero(h.reap())
	}
	h.write(b, []byte("data"))
	h.Equal(int32(4), h.wait(ud).Res)
}

// wakeWhileClosing lets others wake the queue while it closes and after, when its descriptors
// belong to pipes that must stay empty.
func wakeWhileClosing(h *harness) {
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for !stop.Load() {
				_ = h.q.Wake() // an error is as good as nothing
				runtime.Gosched()
			}
		}()
	}
	h.turn(time.Millisecond)
	h.closeQueue()
	var readers []int
	for range 10 {
		r, _ := h.pipe()
		readers = append(readers, r)
	}
	time.Sleep(5 * time.Millisecond)
	for _, r := range readers {
		_, err := unix.Read(r, make([]byte, 8))
		h.Equal(unix.EAGAIN, err, "a wake went to a recycled descriptor")
	}
	stop.Store(true)
	wg.Wait()
}

func enterTimeout(h *harness) {
	for _, d := range []time.Duration{1, time.Microsecond, 300 * time.Microsecond, 1500 * time.Microsecond, 20 * time.Millisecond} {
		h.lasts(d)
	}
	a, b := h.pair(unix.SOCK_STREAM)
	ud := h.push(recv(a, make([]byte, 1), 0))
	h.lasts(3 * time.Millisecond)
	h.pending(ud)
	h.write(b, []byte("x"))
	h.wait(ud)
}

// enterNoWait would hang if Enter waited.
func enterNoWait(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	ud := h.push(recv(a, make([]byte, 1), 0))
	for range 1000 {
		h.NoError(h.q.Enter(0))
	}
	h.pending(ud)
	h.write(b, []byte("x"))
	h.wait(ud)
}

func completionEndsWait(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	for range 100 {
		ud := h.push(recv(a, make([]byte, 1), 0))
		err := make(chan error, 1)
		go func() {
			_, e := unix.Write(b, []byte("x"))
			err <- e
		}()
		for len(h.got[ud]) == 0 {
			h.turn(-1)
		}
		h.wait(ud)
		h.NoError(<-err)
	}
}
