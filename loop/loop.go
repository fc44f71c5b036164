package loop

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// A Loop submits operations to a queue, waits for their completions and runs their callbacks, one at a time,
// on one OS thread. See the package documentation for the contract.
type Loop struct {
	queue    Queue
	features ring.Features
	backend  string
	reason   error
	options  Options

	slots   slots
	refs    int // what keeps Run from returning
	holds   int // the part of it that Loop.Ref added
	handles handleList

	pending opList // results known without the queue, for the next turn
	ready   opList // results that one completion brought for several operations, for now
	backlog opList // entries that found the submission queue full
	parked  opList // multishot receives that wait for a buffer

	files      int // file entries pushed since the last Enter
	cqes       []ring.CQE
	reaped     int // cqes[next:reaped] are still to be dispatched
	next       int
	dirty      *handle // chain of handles with something to flush
	buffers    *bufferGroup
	registered []registered
	returned   bool // a buffer came back since the parked receives were looked at
	spare      int  // a descriptor in reserve, given up to shed connections when the table is full
	lanes      [laneCount]atomic.Pointer[fallback.Workers]
	employed   bool // a lane was ever used
	timers     timerHeap
	ticks      funcQueue
	immediates immediateList
	idle       hookList
	prepare    hookList
	check      hookList
	signals    signalList
	sigchld    *Signal // leads to children, if there are any without a pidfd
	children   *Process
	closed     []*handle // whose CLOSE has completed, for the close phase

	posts  postQueue
	mail   mail
	batch  *post // posts taken over, in order
	asleep atomic.Bool
	stop   atomic.Bool
	thread atomic.Int64 // the id of the locked thread; 0 before the first turn, and where threads have none
	count  counters

	observer    *observer   // nil unless Options ask for it
	observed    bool        // the start of operations is of interest
	overflowing overflowing // the queue, if it counts that

	origin time.Time
	now    time.Duration // since origin, cached per turn, unless it is stale
	stale  bool          // the turn has waited since now was taken: most turns never ask

	running  bool // bound thread only
	embedded bool // FD was called: between two runs a foreign loop waits
	dozing   bool // and is told of what comes

	// life guards what Close from another goroutine must know.
	life struct {
		sync.Mutex
		bound  bool
		inRun  bool
		done   bool
		asking []chan error
	}
	closing atomic.Bool   // a Close was asked for, by whomever
	gone    chan struct{} // closed when Close is through
	shut    bool          // Loop.Close has begun
}

// New returns a loop on io_uring, or, where that is missing or blocked, on the queue in user space:
// [Loop.Backend] and [Loop.FallbackReason] tell. It may be called on any goroutine; the goroutine of the first Run owns the loop.
// Call [Loop.Close] when done.
func New(o Options) (*Loop, error) {
	o, err := o.withDefaults().fromEnvironment()
	if err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	queue, backend, reason, err := o.open()
	if err != nil {
		return nil, err
	}
	l := &Loop{
		queue:    queue,
		features: queue.Features(),
		backend:  backend,
		reason:   reason,
		options:  o,
		cqes:     make([]ring.CQE, o.MaxEvents),
		origin:   time.Now(),
		gone:     make(chan struct{}),
	}
	l.spare = -1
	l.mail.open(queue)
	l.overflowing, _ = queue.(overflowing)
	l.observer = o.observe(l)
	l.observed = o.Debug || o.Tracer != nil
	return l, nil
}

// Backend names the queue: "uring", "epoll", "poll", or "custom" for [Options.Queue].
func (l *Loop) Backend() string { return l.backend }

// FallbackReason tells why io_uring was not taken although it was asked for first, or nil.
func (l *Loop) FallbackReason() error { return l.reason }

// Features tells what the queue can do.
func (l *Loop) Features() ring.Features { return l.features }

// Now returns the loop's time: taken once a turn, when it is first asked for after the wait. Timers count from a fresh clock.
func (l *Loop) Now() time.Time {
	if l.stale {
		l.UpdateNow()
	}
	return l.origin.Add(l.now)
}

// UpdateNow moves the loop's time to the present, for callbacks that take long.
func (l *Loop) UpdateNow() {
	l.checkThread("UpdateNow")
	l.now, l.stale = time.Since(l.origin), false
}

// Run turns the loop until nothing that counts is alive, or until [Loop.Stop] or [Loop.Close]. It may be called again.
// The first of Run, RunOnce and Poll locks its goroutine to its OS thread until Close and makes it the loop's.
// It returns [ErrRunning] within itself or on another goroutine, [ErrClosed] on a closed loop, and what the queue reports
// if it breaks. A panic in a callback leaves Run; a further Run goes on where it was left.
//
// The goroutine that runs the loop is the one to close it: once Run has returned there, a Close from elsewhere is [ErrRunning].
func (l *Loop) Run() error {
	return l.run(func() error {
		if l.Alive() && !l.interrupted() {
			l.runTimers()
		}
		for l.Alive() && !l.interrupted() {
			if err := l.turn(-1); err != nil {
				return err
			}
		}
		return nil
	})
}

// RunOnce does one turn and waits in it, if there is something to wait for and nothing to do.
func (l *Loop) RunOnce() error { return l.run(func() error { return l.turn(-1) }) }

// Poll does one turn without waiting.
func (l *Loop) Poll() error { return l.run(func() error { return l.turn(0) }) }

// Stop makes Run return after the present turn, or the next Run before its first. It may be called from any goroutine.
func (l *Loop) Stop() {
	l.stop.Store(true)
	l.wake()
}

// Alive reports whether something keeps Run from returning: an operation, an active timer or hook, an immediate, an accepted
// post, a closing handle or a [Loop.Ref], each unless unreferenced.
func (l *Loop) Alive() bool { return l.refs > 0 || l.batch != nil || l.posts.waiting() }

// Ref holds the loop alive until a matching Unref.
func (l *Loop) Ref() {
	l.checkThread("Ref")
	l.holds++
	l.refs++
}

// Unref undoes one Ref. Without one it panics.
func (l *Loop) Unref() {
	l.checkThread("Unref")
	if l.holds == 0 {
		panic("loop: Unref without Ref")
	}
	l.holds--
	l.refs--
}

// run enters the loop: once bound only on its thread, never nested.
func (l *Loop) run(turns func() error) error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.leave()
	l.dozing = false
	l.phase(phaseTimers)
	l.UpdateNow()
	l.drainTicks()
	if l.shut { // a callback panicked in Close, which goes on here: it has a bound, and turns have none
		return l.shutdown()
	}
	err := turns()
	l.stop.Store(false)
	if err == nil && (l.mail.sending > 0 || len(l.mail.owed) > 0) {
		err = l.sendMail()
	}
	if err == nil && l.embedded {
		_, err = l.doze()
	}
	if err == nil && l.closeAsked() {
		return l.shutdown()
	}
	return err
}

// closeAsked reports whether Close was called elsewhere. If not, the loop runs no more as far as Close is concerned, so
// that none can ask a loop that has already looked.
func (l *Loop) closeAsked() bool {
	l.life.Lock()
	defer l.life.Unlock()
	l.life.inRun = l.closing.Load()
	return l.life.inRun
}

func (l *Loop) enter() error {
	l.life.Lock()
	defer l.life.Unlock()
	if l.life.done {
		return ErrClosed
	}
	if l.life.inRun {
		return ErrRunning
	}
	if !l.life.bound {
		runtime.LockOSThread()
		if err := l.queue.Bind(); err != nil {
			runtime.UnlockOSThread()
			return err
		}
		l.thread.Store(sys.ThreadID())
		l.life.bound = true
		if l.observer != nil && l.observer.slow != nil {
			l.observer.slow.start()
		}
	} else if l.thread.Load() != sys.ThreadID() {
		return ErrRunning
	}
	l.life.inRun = true
	l.running = true
	return nil
}

// leave runs on return, on a panic and on runtime.Goexit alike.
func (l *Loop) leave() {
	l.phase(phaseOutside)
	l.publish()
	l.defaultMail()
	if l.embedded && !l.dozing && !l.shut { // left by a panic: the foreign loop is to be told of what is left, and of what comes
		if _, err := l.doze(); err == nil {
			_ = l.queue.Wake()
		}
	}
	l.life.Lock()
	defer l.life.Unlock()
	l.running = false
	l.life.inRun = false
	for _, ask := range l.life.asking {
		if l.life.done {
			ask <- nil
		} else {
			ask <- errors.New("loop: Close: the loop's goroutine left Run without closing; close it there")
		}
	}
	l.life.asking = nil
}

// turn is one iteration, in the order of libuv since 1.45 and of Node. It waits at most for limit, below 0 as long as it takes.
func (l *Loop) turn(limit time.Duration) error {
	l.count.totals[turns]++
	l.phase(phasePending)
	l.runPending()
	l.phase(phaseIdle)
	l.idle.run(l, "OnIdle")
	l.phase(phasePrepare)
	l.prepare.run(l, "OnPrepare")
	if err := l.poll(limit); err != nil {
		return err
	}
	l.phase(phaseCheck)
	l.check.run(l, "OnCheck")
	l.phase(phaseImmediates)
	l.runImmediates()
	l.phase(phaseClose)
	l.runClosed()
	if len(l.timers.heap) > 0 { // without timers one look at the clock a turn will do
		l.phase(phaseTimers)
		l.UpdateNow()
		l.runTimers()
	}
	if l.count.totals[turns]%publishEvery == 0 {
		l.publish()
	}
	return nil
}

// poll submits, waits, and dispatches what completed: at most MaxEvents, so that a flood starves neither timers nor posts.
func (l *Loop) poll(limit time.Duration) error {
	l.phase(phaseSubmit)
	l.submitAll()
	if l.employed {
		// Their wake may have ended an Enter since they were last looked at, one that made room in a full queue.
		l.reapLanes()
	}
	timeout := limit
	if limit != 0 {
		if timeout = l.waitTime(); limit > 0 && (timeout < 0 || timeout > limit) {
			timeout = limit
		}
	}
	if timeout != 0 {
		l.mail.forget()
		// A poster that sees asleep wakes the queue; one that came before is seen here.
		l.asleep.Store(true)
		if l.posts.waiting() || l.interrupted() {
			timeout = 0
		}
	}
	if timeout != 0 {
		l.phase(phaseWait)
	}
	err := l.queue.Enter(timeout)
	l.asleep.Store(false)
	l.files = 0
	l.count.totals[enters]++
	if err != nil {
		return err
	}
	l.stale = true
	if l.next == l.reaped {
		l.next, l.reaped = 0, l.queue.Reap(l.cqes)
		l.count.totals[completions] += uint64(l.reaped)
		if timeout == 0 {
			l.count.totals[waiting] += uint64(l.reaped)
		}
	}
	if l.mail.sending > 0 {
		l.takeMail()
	}
	l.phase(phaseCompletions)
	l.dispatch()
	if l.employed {
		l.reapLanes()
		l.runReady()
	}
	l.phase(phasePosts)
	l.runPosts()
	return nil
}

// interrupted reports whether Stop or Close wants the loop to leave its turns.
func (l *Loop) interrupted() bool { return !l.shut && (l.stop.Load() || l.closing.Load()) }

// waitTime is how long poll may sleep: 0 with anything to do at once, below 0 for ever.
func (l *Loop) waitTime() time.Duration {
	switch {
	case l.interrupted(), !l.shut && l.refs <= 0, l.shut && l.slots.live == 0,
		l.pending.len > 0, l.ready.len > 0, l.backlog.len > 0, l.next < l.reaped,
		l.idle.active > 0, l.immediates.len > 0, len(l.closed) > 0, l.batch != nil, l.posts.waiting():
		return 0
	}
	t := l.timers.first()
	if t == nil {
		return -1
	}
	return max(t.when-time.Since(l.origin), 0)
}

// dispatch runs the callbacks of what was reaped. The position advances before each callback, so a panic loses none.
func (l *Loop) dispatch() {
	l.runReady()
	for l.next < l.reaped {
		c := l.cqes[l.next]
		l.next++
		o := l.slots.find(c.UserData)
		if o == nil {
			continue
		}
		if !c.More() {
			o.state = stateHeld
		}
		if l.observer == nil {
			l.complete(o, c)
		} else {
			l.deliver(o, c)
		}
		l.settleTurn()
	}
}

// settleTurn is what follows each callback. It is inlined; nearly always there is nothing.
func (l *Loop) settleTurn() {
	if l.ready.head != nil || l.ticks.next < len(l.ticks.fns) {
		l.runReady()
	}
}

// runReady runs the callbacks that one completion brought.
func (l *Loop) runReady() {
	for l.ready.head != nil {
		l.drainTicks()
		o := l.ready.pop()
		l.deliver(o, ring.CQE{Res: o.res})
	}
	l.drainTicks()
}

// runPending runs the callbacks of operations whose result was known when they started. What they start waits
// for the next turn.
func (l *Loop) runPending() {
	l.runReady()
	for n := l.pending.len; n > 0; n-- {
		o := l.pending.pop()
		if o == nil {
			return
		}
		o.state = stateHeld
		l.deliver(o, ring.CQE{Res: o.res})
		l.runReady()
		l.drainTicks()
	}
}
