package loop

import (
	"sync/atomic"
	"time"

	"github.com/proactor-go/proactor/ring"
)

// phase is a part of the turn.
type phase uint8

const (
	phaseOutside phase = iota // not in Run
	phasePending
	phaseIdle
	phasePrepare
	phaseSubmit // and look for completions, without waiting
	phaseWait
	phaseCompletions
	phasePosts
	phaseCheck
	phaseImmediates
	phaseClose
	phaseTimers
	phaseCount
)

var phaseNames = [phaseCount]string{
	"outside", "pending", "idle", "prepare", "submit", "wait", "completions", "posts", "check", "immediates", "close", "timers",
}

// An observer watches the loop turn, if Options ask for that: without one the loop looks at no clock for it.
type observer struct {
	l      *Loop
	timing bool
	tracer *trace
	slow   *slowMonitor

	phase phase
	since time.Duration // when it began, since the loop's origin
	spent [phaseCount]atomic.Int64

	timerLag, postLag histogram

	busy callbackMark
}

// callbackMark is the callback that runs.
type callbackMark struct {
	name  string
	fd    int32
	began time.Duration
	runs  bool
}

// observe makes the observer that o asks for, or none.
func (o Options) observe(l *Loop) *observer {
	if !o.Timing && o.Tracer == nil && o.SlowCallback <= 0 {
		return nil
	}
	obs := &observer{l: l, timing: o.Timing}
	if o.Tracer != nil {
		obs.tracer = o.Tracer.loop()
		obs.tracer.begins(l.origin, l.backend)
	}
	if o.SlowCallback > 0 {
		obs.slow = newSlowMonitor(o.SlowCallback, o.OnSlow)
	}
	return obs
}

// enter ends the present phase and begins p.
func (o *observer) enter(p phase) {
	if o.busy.runs { // a callback that left by a panic
		o.end()
	}
	if p == o.phase {
		return
	}
	now := time.Since(o.l.origin)
	o.spent[o.phase].Add(int64(now - o.since))
	if o.tracer != nil && o.phase != phaseOutside {
		o.tracer.phase(o.phase, o.since, now, o.l.slots.live)
	}
	o.phase, o.since = p, now
}

// begin comes before a callback, end after it.
func (o *observer) begin(name string, fd int32) {
	if o.busy.runs {
		o.end()
	}
	if o.tracer == nil && o.slow == nil {
		return
	}
	o.busy = callbackMark{name: name, fd: fd, began: time.Since(o.l.origin), runs: true}
	if o.slow != nil {
		o.slow.begin(name, fd)
	}
}

func (o *observer) end() {
	if !o.busy.runs {
		return
	}
	o.busy.runs = false
	if o.slow != nil {
		o.slow.end()
	}
	if o.tracer != nil {
		o.tracer.callback(o.busy, time.Since(o.l.origin))
	}
}

// report fills in what depends on Options.Timing. Any goroutine.
func (o *observer) report(m *Metrics) {
	for p := phaseOutside + 1; p < phaseCount; p++ {
		d := time.Duration(o.spent[p].Load())
		m.Elapsed += d
		m.Phases = append(m.Phases, PhaseMetrics{phaseNames[p], d})
	}
	m.Idle = time.Duration(o.spent[phaseWait].Load())
	m.TimerLag, m.PostLag = o.timerLag.metrics(), o.postLag.metrics()
}

// deliver completes o, and shows the observer its callback.
func (l *Loop) deliver(o *op, c ring.CQE) {
	if l.observer == nil || o.kind.internal() {
		l.complete(o, c)
		return
	}
	fd := int32(-1)
	if o.h != nil {
		fd = o.h.fd
	}
	l.observer.begin(o.name(), fd)
	l.complete(o, c)
	l.observer.end()
}

// phase tells the observer, if there is one, where in the turn the loop is.
func (l *Loop) phase(p phase) {
	if l.observer != nil {
		l.observer.enter(p)
	}
}

// calling comes before a callback that is none of an operation's, called after it. They are inlined.
func (l *Loop) calling(name string) {
	if l.observer != nil {
		l.observer.begin(name, -1)
	}
}

func (l *Loop) calledBack() {
	if l.observer != nil {
		l.observer.end()
	}
}
