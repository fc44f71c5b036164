package loop

import "time"

// A Timer calls its function once or periodically, never early. Timers run in the order of their deadlines, those
// with the same deadline in the order of their start, in the timer phase that ends a turn and once when Run begins. A Timer is
// made by [Loop.NewTimer] and belongs to the loop's goroutine.
type Timer struct {
	l      *Loop
	fn     func()
	period time.Duration
	when   time.Duration // the deadline
	order  uint64        // of its start
	key    time.Duration // what the heap has it under, at most when
	place  int32         // 1 + position in the heap; 0 while not in it
	armed  bool
	unref  bool
	own    bool // the loop's: a timeout, or a cancel to repeat
}

// A timeout is the timer of an operation. It is apart from the others to keep those within one cache line.
type timeout struct {
	Timer
	op   uint64        // the operation that this one times out
	idle time.Duration // what the operation was given
	next *timeout      // in the list of free timeouts
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
	if !t.armed && !t.unref {
		l.refs++
	}
	l.timers.start(t, when)
}

// Stop disarms the timer: its function does not run any more, even if it was due. It reports whether it was armed.
func (t *Timer) Stop() bool {
	t.l.checkThread("Timer")
	if !t.armed {
		return false
	}
	t.l.timers.stop(t)
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
func (t *Timer) Active() bool { return t.armed }

// Unref lets Run return although the timer is armed. It returns t.
func (t *Timer) Unref() *Timer {
	t.l.checkThread("Timer")
	if !t.unref {
		t.unref = true
		if t.armed {
			t.l.refs--
		}
	}
	return t
}

// Ref undoes Unref. It returns t.
func (t *Timer) Ref() *Timer {
	t.l.checkThread("Timer")
	if t.unref {
		t.unref = false
		if t.armed {
			t.l.refs++
		}
	}
	return t
}

// HasRef reports whether the timer keeps Run from returning while it is armed.
func (t *Timer) HasRef() bool { return !t.unref }

// runTimers runs what was due when the phase began. What is started meanwhile waits for the next phase, however short.
func (l *Loop) runTimers() {
	last := l.timers.started
	for now := l.now; ; {
		t := l.timers.due(now, last)
		if t == nil {
			return
		}
		if l.observer != nil && l.observer.timing && !t.own {
			l.observer.timerLag.record(now - t.when)
		}
		if t.period > 0 {
			when := t.when + t.period
			if when <= now {
				when = now + t.period
			}
			l.timers.start(t, when)
		} else {
			l.timers.stop(t)
			t.disarmed()
		}
		l.calling("Timer")
		t.fn()
		l.calledBack()
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
			t = &timeout{Timer: Timer{l: l, unref: true, own: true}}
			t.fn = t.passed
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

func (l *Loop) freeTimeout(t *timeout) {
	t.Stop()
	t.op = 0
	t.next = l.timers.free
	l.timers.free = t
}

func (t *timeout) passed() {
	if o := t.l.slots.find(t.op); o != nil {
		t.l.cancel(o, causeTimeout)
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
	stopped int    // how many in the heap are not armed
	free    *timeout
}

type timerEntry struct {
	when  time.Duration
	order uint64
	t     *Timer
}

func (a timerEntry) before(b timerEntry) bool {
	return a.when < b.when || a.when == b.when && a.order < b.order
}

// first returns the first timer, or nil. It brings the top of the heap up to date.
func (h *timerHeap) first() *Timer {
	for len(h.heap) > 0 {
		t := h.heap[0].t
		switch {
		case !t.armed:
			h.stopped--
			h.remove(t)
		case h.heap[0].order != t.order:
			h.heap[0] = timerEntry{t.when, t.order, t}
			t.key = t.when
			h.down(0)
		default:
			return t
		}
	}
	return nil
}

// due returns the first timer whose deadline has passed, among those started up to last.
func (h *timerHeap) due(now time.Duration, last uint64) *Timer {
	t := h.first()
	if t == nil || t.when > now || t.order > last {
		return nil
	}
	return t
}

// start arms t. One that was started before and moves to a later deadline stays where it is until it gets to the top.
func (h *timerHeap) start(t *Timer, when time.Duration) {
	h.started++
	t.when, t.order = when, h.started
	if t.place == 0 {
		t.armed = true
		t.key = when
		h.heap = append(h.heap, timerEntry{when, h.started, t})
		h.up(len(h.heap) - 1)
		return
	}
	if !t.armed {
		t.armed = true
		h.stopped--
	}
	if when < t.key {
		t.key = when
		h.heap[t.place-1] = timerEntry{when, h.started, t}
		h.up(int(t.place) - 1)
	}
}

// stop disarms t, and leaves it in the heap as long as not half of that is such.
func (h *timerHeap) stop(t *Timer) {
	t.armed = false
	if int(t.place) < len(h.heap) && h.stopped*2 < len(h.heap) {
		h.stopped++
		return
	}
	h.remove(t)
}

func (h *timerHeap) remove(t *Timer) {
	i := int(t.place) - 1
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
	e.t.place = int32(i + 1)
}
