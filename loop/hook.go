package loop

// A Hook is a function that runs once a turn, in its phase, until it is stopped. It keeps the loop alive unless unreferenced.
type Hook struct {
	l      *Loop
	list   *hookList
	fn     func()
	active bool
	unref  bool
}

// OnIdle calls fn in every turn before the prepare hooks. While an idle hook is active the loop does not wait for
// completions, it polls.
func (l *Loop) OnIdle(fn func()) *Hook { return l.hook(&l.idle, "OnIdle", fn) }

// OnPrepare calls fn in every turn right before the loop waits.
func (l *Loop) OnPrepare(fn func()) *Hook { return l.hook(&l.prepare, "OnPrepare", fn) }

// OnCheck calls fn in every turn right after the completions were dispatched, before the immediates.
func (l *Loop) OnCheck(fn func()) *Hook { return l.hook(&l.check, "OnCheck", fn) }

func (l *Loop) hook(list *hookList, method string, fn func()) *Hook {
	if fn == nil {
		panic("loop: " + method + ": nil function")
	}
	h := &Hook{l: l, list: list, fn: fn}
	h.Start()
	return h
}

// Start makes a stopped hook run again.
func (h *Hook) Start() {
	h.l.checkThread("Hook")
	if h.active || h.l.shut {
		return
	}
	h.active = true
	h.list.active++
	h.list.hooks = append(h.list.hooks, h)
	if !h.unref {
		h.l.refs++
	}
}

// Stop ends the calls: once it returns, fn does not run any more.
func (h *Hook) Stop() {
	h.l.checkThread("Hook")
	if !h.active {
		return
	}
	h.active = false
	h.list.remove(h)
	if !h.unref {
		h.l.refs--
	}
}

// Unref lets Run return although the hook is active. It returns h.
func (h *Hook) Unref() *Hook {
	h.l.checkThread("Hook")
	if !h.unref {
		h.unref = true
		if h.active {
			h.l.refs--
		}
	}
	return h
}

// Ref undoes Unref. It returns h.
func (h *Hook) Ref() *Hook {
	h.l.checkThread("Hook")
	if h.unref {
		h.unref = false
		if h.active {
			h.l.refs++
		}
	}
	return h
}

// HasRef reports whether the hook keeps Run from returning while it is active.
func (h *Hook) HasRef() bool { return !h.unref }

// hookList is the active hooks of one phase, in the order of their start.
type hookList struct {
	hooks  []*Hook
	active int
	at     int // the next hook of the phase that runs
	end    int // where that phase ends: what is started meanwhile waits for the next turn
}

func (q *hookList) run(l *Loop, name string) {
	q.at, q.end = 0, len(q.hooks)
	for q.at < q.end {
		h := q.hooks[q.at]
		q.at++
		l.calling(name)
		h.fn()
		l.calledBack()
		l.drainTicks()
	}
}

func (q *hookList) remove(h *Hook) {
	for i, other := range q.hooks {
		if other != h {
			continue
		}
		q.hooks = append(q.hooks[:i], q.hooks[i+1:]...)
		q.active--
		if i < q.at {
			q.at--
		}
		if i < q.end {
			q.end--
		}
		return
	}
}

// An Immediate is a function that runs once, in the check phase of this turn or, if it was made in or after that phase, of the next.
type Immediate struct {
	l          *Loop
	fn         func()
	order      uint64
	next, prev *Immediate
	queued     bool
	unref      bool
}

// Immediate runs fn after the completions of this turn. One made by an immediate runs in the next turn, so that a chain
// of them starves nobody.
func (l *Loop) Immediate(fn func()) *Immediate {
	l.checkThread("Immediate")
	if fn == nil {
		panic("loop: Immediate: nil function")
	}
	i := &Immediate{l: l, fn: fn}
	if l.shut {
		return i
	}
	l.immediates.made++
	i.order = l.immediates.made
	l.immediates.push(i)
	l.refs++
	return i
}

// Stop keeps the function from running. It reports whether it was still to run.
func (i *Immediate) Stop() bool {
	i.l.checkThread("Immediate")
	if !i.queued {
		return false
	}
	i.l.immediates.remove(i)
	if !i.unref {
		i.l.refs--
	}
	return true
}

// Unref lets Run return although the function is still to run. It returns i.
func (i *Immediate) Unref() *Immediate {
	i.l.checkThread("Immediate")
	if !i.unref {
		i.unref = true
		if i.queued {
			i.l.refs--
		}
	}
	return i
}

// Ref undoes Unref. It returns i.
func (i *Immediate) Ref() *Immediate {
	i.l.checkThread("Immediate")
	if i.unref {
		i.unref = false
		if i.queued {
			i.l.refs++
		}
	}
	return i
}

// HasRef reports whether the immediate keeps Run from returning until it has run.
func (i *Immediate) HasRef() bool { return !i.unref }

func (l *Loop) runImmediates() {
	q := &l.immediates
	for before := l.immediates.made; q.head != nil && q.head.order <= before; {
		i := q.head
		i.Stop()
		l.calling("Immediate")
		i.fn()
		l.calledBack()
		l.drainTicks()
	}
}

// immediateList is in the order of the calls.
type immediateList struct {
	head, tail *Immediate
	len        int
	made       uint64
}

func (q *immediateList) push(i *Immediate) {
	i.queued, i.prev = true, q.tail
	if q.tail == nil {
		q.head = i
	} else {
		q.tail.next = i
	}
	q.tail = i
	q.len++
}

func (q *immediateList) remove(i *Immediate) {
	if i.prev == nil {
		q.head = i.next
	} else {
		i.prev.next = i.next
	}
	if i.next == nil {
		q.tail = i.prev
	} else {
		i.next.prev = i.prev
	}
	i.next, i.prev, i.queued = nil, nil, false
	q.len--
}

// NextTick runs fn right after the callback that calls it, before any other callback, in the order of the calls (process.nextTick). Ticks that
// ticks add run as well before the loop goes on: an endless chain starves everything.
func (l *Loop) NextTick(fn func()) {
	l.checkThread("NextTick")
	if fn == nil {
		panic("loop: NextTick: nil function")
	}
	l.ticks.push(fn)
}

// drainTicks runs the next-tick queue. Every callback is followed by one.
func (l *Loop) drainTicks() {
	for l.ticks.len() > 0 {
		fn := l.ticks.pop()
		l.calling("NextTick")
		fn()
		l.calledBack()
	}
}

// funcQueue is first in, first out, and keeps its memory.
type funcQueue struct {
	fns  []func()
	next int
}

func (q *funcQueue) len() int { return len(q.fns) - q.next }

func (q *funcQueue) push(fn func()) { q.fns = append(q.fns, fn) }

func (q *funcQueue) pop() func() {
	fn := q.fns[q.next]
	q.fns[q.next] = nil
	q.next++
	if q.next == len(q.fns) {
		q.fns, q.next = q.fns[:0], 0
	} else if q.next >= 1024 && q.next*2 >= len(q.fns) { // an endless chain must not grow the queue
		n := copy(q.fns, q.fns[q.next:])
		clear(q.fns[n:])
		q.fns, q.next = q.fns[:n], 0
	}
	return fn
}
