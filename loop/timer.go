package loop

import "time"

// A Timer calls its function once or periodically, never early. Timers run in the order of their deadlines, those
// with the same deadline in the order of their start, in the timer phase that ends a turn and once when Run begins. A Timer is
// made by [Loop.NewTimer] and belongs to the loop's goroutine.
type Timer struct {
	l      *Loop
	fn     func()
	period time.Duration
	place  int // 1 + position in the heap; 0 while not armed
	unref  bool
	own    bool          // the loop's: a timeout, or a cancel to repeat
	op     uint64        // the operation that this one times out
	idle   time.Duration // what the operation was given
	next   *Timer        // in the list of free timeouts
}

// NewTimer returns a timer that is not armed. Arming and stopping it allocates nothing.
func (l *Loop) NewTimer(fn func()) *Timer {
	if fn == nil {
		panic("loop: NewTimer: nil function")
	}
	return &Timer{l: l, fn: fn}
}

// After calls fn once, d from now.
func (l *Loop) After(d time.Duration, fn func()) *Timer {
	t := l.NewTimer(fn)
	t.Reset(d)
	return t
}

// Every calls fn every d, for the first time d from now. d must be positive.
func (l *Loop) Every(d time.Duration, fn func()) *Timer {
	t := l.NewTimer(fn)
	t.Repeat(d)
	return t
}

// Reset arms the timer to run once, d from now, and replaces what it was armed for. d <= 0 means the next timer phase.
func (t *Timer) Reset(d time.Duration) { t.arm(d, 0) }

// Repeat arms the timer to run every d, for the first time d from now, and replaces what it was armed for. It runs at most once a turn; a period that
// a late turn has missed altogether is left out. d must be positive.
func (t *Timer) Repeat(d time.Duration) {
	if d <= 0 {
		panic("loop: Timer.Repeat: period must be positive")
	}
	t.arm(d, d)
}

func (t *Timer) arm(d, period time.Duration) {
	l := t.l
	l.checkThread("Timer")
	if l.shut && !t.own {
		return // a closed loop has no turns left
	}
	when := time.Since(l.origin) + max(d, 0)
	if when < 0 {
		when = 1<<63 - 1
	}
	t.period = period
	if t.place != 0 {
		l.timers.remove(t)
	} else if !t.unref {
		l.refs++
	}
	l.timers.add(t, when)
}

// Stop disarms the timer: its function does not run any more, even if it was due. It reports whether it was armed.
func (t *Timer) Stop() bool {
	t.l.checkThread("Timer")
	if t.place == 0 {
		return false
	}
	t.l.timers.remove(t)
	t.disarmed()
	return true
}

func (t *Timer) disarmed() {
	t.period = 0
	if !t.unref {
		t.l.refs--
	}
}

// Active reports whether the timer is armed.
func (t *Timer) Active() bool { return t.place != 0 }

// Unref lets Run return although the timer is armed. It returns t.
func (t *Timer) Unref() *Timer {
	if !t.unref {
		t.unref = true
		if t.place != 0 {
			t.l.refs--
		}
	}
	return t
}

// Ref undoes Unref. It returns t.
func (t *Timer) Ref() *Timer {
	if t.unref {
		t.unref = false
		if t.place != 0 {
			t.l.refs++
		}
	}
	return t
}

// runTimers runs what was due when the phase began. What is started meanwhile waits for the next phase, however short.
func (l *Loop) runTimers() {
	last := l.timers.started
	for now := l.now; ; {
		t := l.timers.due(now, last)
		if t == nil {
			return
		}
		if t.period > 0 {
			when := l.timers.heap[t.place-1].when + t.period
			if when <= now {
				when = now + t.period
			}
			l.timers.remove(t)
			l.timers.add(t, when)
		} else {
			l.timers.remove(t)
			t.disarmed()
		}
		if t.op != 0 {
			l.timedOut(t)
		} else {
			t.fn()
		}
		l.drainTicks()
	}
}

// setTimeout arms the timer that cancels o, or disarms it.
func (l *Loop) setTimeout(o *op, d time.Duration) {
	x := l.slots.more(o)
	if d <= 0 {
		if x.timeout != nil {
			l.freeTimeout(x.timeout)
			x.timeout = nil
		}
		return
	}
	if x.timeout == nil {
		t := l.timers.free
		if t == nil {
			t = l.newTimeout(nil)
		} else {
			l.timers.free = t.next
			t.next = nil
		}
		t.op = o.sqe.UserData
		x.timeout = t
	}
	x.timeout.idle = d
	x.timeout.Reset(d)
}

func (l *Loop) newTimeout(fn func()) *Timer { return &Timer{l: l, fn: fn, unref: true, own: true} }

func (l *Loop) freeTimeout(t *Timer) {
	t.Stop()
	t.op = 0
	t.next = l.timers.free
	l.timers.free = t
}

func (l *Loop) timedOut(t *Timer) {
	if o := l.slots.find(t.op); o != nil {
		l.cancel(o, causeTimeout)
	}
}

// called starts the idle time of a repeating operation anew.
func (o *op) called() {
	if o.extra != nil && o.extra.timeout != nil && o.cause == causeNone {
		o.extra.timeout.Reset(o.extra.timeout.idle)
	}
}

// timerHeap is a heap with four children a node: half the depth of a binary one, and the children share cache lines.
type timerHeap struct {
	heap    []timerEntry
	started uint64 // counts starts; the order among equal deadlines
	free    *Timer
}

type timerEntry struct {
	when  time.Duration
	order uint64
	t     *Timer
}

func (a timerEntry) before(b timerEntry) bool {
	return a.when < b.when || a.when == b.when && a.order < b.order
}

// due returns the first timer whose deadline has passed, among those started up to last.
func (h *timerHeap) due(now time.Duration, last uint64) *Timer {
	if len(h.heap) == 0 || h.heap[0].when > now || h.heap[0].order > last {
		return nil
	}
	return h.heap[0].t
}

func (h *timerHeap) add(t *Timer, when time.Duration) {
	h.started++
	h.heap = append(h.heap, timerEntry{when, h.started, t})
	h.up(len(h.heap) - 1)
}

func (h *timerHeap) remove(t *Timer) {
	i := t.place - 1
	t.place = 0
	last := len(h.heap) - 1
	moved := h.heap[last]
	h.heap[last] = timerEntry{}
	h.heap = h.heap[:last]
	if size := cap(h.heap); size > 4096 && last < size/4 {
		h.heap = append(make([]timerEntry, 0, size/2), h.heap...)
	}
	if i == last {
		return
	}
	h.heap[i] = moved
	if i > 0 && moved.before(h.heap[(i-1)/4]) {
		h.up(i)
	} else {
		h.down(i)
	}
}

func (h *timerHeap) up(i int) {
	e := h.heap[i]
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(h.heap[parent]) {
			break
		}
		h.put(i, h.heap[parent])
		i = parent
	}
	h.put(i, e)
}

func (h *timerHeap) down(i int) {
	e := h.heap[i]
	for {
		least := 4*i + 1
		if least >= len(h.heap) {
			break
		}
		for c, end := least+1, min(least+4, len(h.heap)); c < end; c++ {
			if h.heap[c].before(h.heap[least]) {
				least = c
			}
		}
		if !h.heap[least].before(e) {
			break
		}
		h.put(i, h.heap[least])
		i = least
	}
	h.put(i, e)
}

func (h *timerHeap) put(i int, e timerEntry) {
	h.heap[i] = e
	e.t.place = i + 1
}
