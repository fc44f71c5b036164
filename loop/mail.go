package loop

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/proactor-go/proactor/ring"
)

// mail is what messages between the rings of two loops take.
type mail struct {
	fd      int                  // of the ring, or -1 if the queue is none; it does not change
	coming  atomic.Int32         // messages that other loops have under way to this one: its descriptor must not be closed before they are there
	closed  atomic.Bool          // it is about to be: no message may set out any more
	owed    []*Loop              // whom PostTo has found asleep: the next submission wakes them
	sending int                  // messages of this one that have no completion yet
	caller  atomic.Pointer[Loop] // whose message is to wake this one, since it last went to sleep
}

func (m *mail) open(q Queue) {
	m.fd = -1
	if runtime.GOMAXPROCS(0) == 1 {
		return // a wake that the ring does not count would let the loop nap on while the other needs the processor
	}
	if r, ok := q.(*ring.Ring); ok && r.Features().Supports(ring.OpMsgRing) {
		m.fd = r.FD()
	}
}

// forget comes before the loop announces its sleep: who called it before may have to call again.
func (m *mail) forget() {
	if m.caller.Load() != nil {
		m.caller.Store(nil)
	}
}

// await waits for the messages under way to a closed loop. No callback of their senders runs meanwhile, which might itself wait for this.
func (m *mail) await(limit time.Duration) {
	m.closed.Store(true)
	for end := time.Now().Add(limit); m.coming.Load() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// PostTo is [Loop.Post] to another loop for a callback of this one. If other sleeps, and both are on io_uring, a message from ring to ring
// wakes it (IORING_OP_MSG_RING, Linux 5.18), which leaves with this loop's next submission; Post would write to an eventfd. Else it is Post. It belongs to
// the loop's goroutine.
func (l *Loop) PostTo(other *Loop, fn func()) error {
	l.checkThread("PostTo")
	if other == nil || fn == nil {
		panic("loop: PostTo: nil loop or function")
	}
	if l.mail.fd < 0 || other.mail.fd < 0 || l == other || l.shut || !l.running { // outside of Run no submission is sure to follow
		return other.Post(fn)
	}
	if err := other.post(fn); err != nil {
		return err
	}
	// It stays asleep for all others: their wake must not depend on when this loop submits. What it called before will wake it still.
	if other.asleep.Load() && other.mail.caller.Load() != l {
		other.mail.caller.Store(l)
		l.mail.owed = append(l.mail.owed, other)
	}
	return nil
}

// payMail makes messages of the wakes that are owed. It comes right before an Enter, so that none is under way while a callback runs.
func (l *Loop) payMail() {
	for i, other := range l.mail.owed {
		l.mail.owed[i] = nil
		l.message(other)
	}
	l.mail.owed = l.mail.owed[:0]
}

// message sends one, unless other is closed by now.
func (l *Loop) message(other *Loop) {
	other.mail.coming.Add(1) // before the look, which other takes in the other order
	if other.mail.closed.Load() {
		other.mail.coming.Add(-1)
		return
	}
	o := l.internal(kindMessage, nil)
	o.unref = false
	l.refs++
	o.fn = other
	o.sqe.Opcode = ring.OpMsgRing
	o.sqe.FD = int32(other.mail.fd)
	o.sqe.Off = 0 // the user data there: no operation's
	l.mail.sending++
	l.submit(o)
	if o.state == stateBacklog {
		l.backlog.remove(o)
		l.messaged(o, -int32(syscall.EAGAIN))
	}
}

// defaultMail wakes the usual way those who are owed it by a loop that leaves its turns without a submission, by a panic.
func (l *Loop) defaultMail() {
	for i, other := range l.mail.owed {
		l.mail.owed[i] = nil
		_ = other.queue.Wake() // fails only on a closed queue
	}
	l.mail.owed = l.mail.owed[:0]
}

// sendMail ends the messages under way before the loop leaves its turns, perhaps for good: others wait for them. What else has completed
// stays for the next turn.
func (l *Loop) sendMail() error {
	l.submitAll()
	l.files = 0
	l.count.totals[enters]++
	if err := l.queue.Enter(0); err != nil {
		return err
	}
	if l.next == l.reaped {
		l.next, l.reaped = 0, l.queue.Reap(l.cqes)
		l.count.totals[completions] += uint64(l.reaped)
	}
	l.takeMail()
	return nil
}

// takeMail ends the messages that have completed, before any callback, which might wait for the loop that one went to.
func (l *Loop) takeMail() {
	for i := l.next; i < l.reaped; i++ {
		if o := l.slots.find(l.cqes[i].UserData); o != nil && o.kind == kindMessage {
			l.messaged(o, l.cqes[i].Res)
		}
	}
}

// messaged ends a message. A ring that is out of room or memory for it has to be woken the usual way.
func (l *Loop) messaged(o *op, res int32) {
	other := o.fn.(*Loop)
	if res < 0 {
		_ = other.queue.Wake()
	}
	other.mail.coming.Add(-1)
	l.mail.sending--
	l.retire(o)
}
