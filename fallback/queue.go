//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// maxUnpolled bounds how many calls of Enter in a row may leave the poller out because
// completions are there already: operations that complete at once must not starve the sockets.
const maxUnpolled = 8

// Where the queue holds an entry, in the low byte of Link.State. The rest of it identifies the queue.
const (
	submitted uint32 = iota + 1 // in Queue.submitted
	waiting                     // in a side of its descriptor
	polling                     // in the polls of its descriptor
	working                     // with the workers, who have its Link
	placeMask = 1<<8 - 1
)

// A Queue is a submission and a completion queue in user space.
//
// Bind, Enter and all that follows belong to one goroutine; only Wake and FD may be called from any.
// Before Bind one goroutine at a time may push entries.
type Queue struct {
	opts      Options
	id        uint32
	bound     bool
	closed    bool
	submitted list
	pending   int // entries of submitted
	done      completions
	table     table
	again     []revisit // what a budget or the completion queue's limit left over
	spare     []revisit
	groups    []*group
	header    ring.Msghdr  // scratch for a message of which a part has moved
	iovecs    []ring.Iovec // its buffers
	unpolled  int
	poller    poller
	waker     waker
	workers   *Workers
	worked    func(*ring.SQE, int32)
	inbox     inbox
	stats     Stats
}

// A revisit names a descriptor that has more to do without a further event.
type revisit struct {
	fd  int32
	gen uint32
}

var lastID atomic.Uint32

// New makes a queue. Where none can run, the error matches [errors.ErrUnsupported].
func New(opts Options) (*Queue, error) {
	q := &Queue{opts: opts.withDefaults(), id: lastID.Add(1) << 8}
	if q.opts.Poller == "" {
		q.opts.Poller = defaultPoller
	}
	open, ok := pollers[q.opts.Poller]
	if !ok {
		return nil, fmt.Errorf("fallback: poller %q: %w", q.opts.Poller, errors.ErrUnsupported)
	}
	p, err := open(&q.stats.Controls)
	if err != nil {
		return nil, err
	}
	q.poller, q.waker.poller = p, p
	q.done = newCompletions(4 * q.opts.Entries)
	q.workers = NewWorkers(q.opts.Workers, Execute, func() { q.waker.wake() })
	q.worked = q.jobDone
	register(q)
	return q, nil
}

// Poller returns the name of the poller in use.
func (q *Queue) Poller() string { return q.opts.Poller }

// FD identifies the queue in the process: the FD of an OpMsgRing to it.
func (q *Queue) FD() int { return q.poller.fd() }

// Stats returns the counts so far. On the goroutine that calls Enter.
func (q *Queue) Stats() Stats {
	q.stats.Jobs = q.workers.Started()
	return q.stats
}

// Load returns how many operations wait for one of the queue's workers, and how many have one. Any goroutine.
func (q *Queue) Load() (waiting, running int) { return q.workers.Load() }

// Features tells what the queue can do.
func (q *Queue) Features() ring.Features {
	f := ring.Features{Set: ring.MultishotAccept | ring.MultishotRecv | ring.MultishotPoll |
		ring.BufferRings | ring.PollFirstHint | ring.CancelByFD | ring.HotReads | ring.MultishotRecvmsg}
	for _, op := range ring.Opcodes() {
		if supported(op) {
			f.Ops = f.Ops.With(op)
		}
	}
	return f
}

// Bind gives the queue to the calling goroutine. Once, before the first Enter.
func (q *Queue) Bind() error {
	if q.closed || q.bound {
		return fmt.Errorf("fallback: bind: %w", os.ErrInvalid)
	}
	q.bound = true
	return nil
}

// Push appends s to the submission list. False: the list is full, or the queue closed. The queue holds s and
// all that it points to until the terminal completion.
func (q *Queue) Push(s *ring.SQE) bool {
	if q.pending >= q.opts.Entries || q.closed {
		return false
	}
	s.Link = ring.Link{State: q.id | submitted}
	q.submitted.push(s)
	q.pending++
	return true
}

// Enter performs what was pushed, then waits until there is a completion, at most for timeout: 0 does not wait,
// < 0 waits for ever. It may return earlier without any. An error means that the queue is broken.
//
// It does not wait while completions are there, and does not even look at the poller then, except now and then.
func (q *Queue) Enter(timeout time.Duration) error {
	if !q.bound || q.closed {
		return fmt.Errorf("fallback: enter: %w", os.ErrClosed)
	}
	for s := q.submitted.pop(); s != nil; s = q.submitted.pop() {
		q.pending--
		q.begin(s)
	}
	q.collect()
	if !q.done.full() {
		q.resume()
	}
	if q.done.count > 0 {
		q.unpolled++
		if q.done.full() || len(q.again) == 0 && q.unpolled <= maxUnpolled {
			q.waker.rise()
			return nil
		}
		timeout = 0
	}
	q.unpolled = 0
	for {
		woken, err := q.wait(timeout)
		if err != nil {
			return err
		}
		if woken || timeout >= 0 || q.done.count > 0 || len(q.again) > 0 {
			return nil
		}
	}
}

// Doze performs what was pushed and returns a descriptor that is readable (poll(2), epoll(7)) while there is something for Enter or Reap to do,
// and from the next Wake on: for a foreign loop that waits in its own call. With poll(2) as poller there is none, and the error
// matches [errors.ErrUnsupported].
func (q *Queue) Doze() (fd int, err error) {
	if q.opts.Poller == "poll" {
		return -1, fmt.Errorf("fallback: doze: poll(2) has no descriptor to wait for: %w", errors.ErrUnsupported)
	}
	if err := q.Enter(0); err != nil {
		return -1, err
	}
	if q.done.count > 0 || len(q.again) > 0 || !q.waker.sleep() {
		q.poller.wake()
	}
	return q.poller.fd(), nil
}

// wait asks the poller once and serves what is ready.
func (q *Queue) wait(timeout time.Duration) (woken bool, err error) {
	if len(q.again) > 0 || timeout != 0 && !q.waker.sleep() {
		timeout = 0
	}
	q.stats.Waits++
	n, err := q.poller.wait(timeout, q.workers.busy > 0)
	woken = q.waker.rise()
	if err != nil {
		return woken, err
	}
	for i := range n {
		q.serve(q.poller.event(i))
	}
	q.collect()
	return woken, nil
}

// collect takes over what other threads have for this queue.
func (q *Queue) collect() {
	q.workers.Reap(q.worked)
	q.receive()
}

// Reap moves at most len(dst) completions to dst and returns how many.
func (q *Queue) Reap(dst []ring.CQE) int { return q.done.take(dst) }

// Wake makes Enter return, the present call or the next one. Safe from any goroutine, also during
// and after Close: then it does nothing and the error matches [os.ErrClosed].
func (q *Queue) Wake() error {
	if !q.waker.wake() {
		return fmt.Errorf("fallback: wake: %w", os.ErrClosed)
	}
	return nil
}

// Close frees the poller and lets the workers go, without waiting for a job that runs. Operations in flight
// end without a completion. A second call does nothing.
func (q *Queue) Close() error {
	if q.closed {
		return nil
	}
	q.closed = true
	unregister(q)
	q.waker.close()
	q.workers.Close()
	return q.poller.close()
}

// complete ends s: the entry is its owner's again once the completion is reaped.
func (q *Queue) complete(s *ring.SQE, res int32, flags uint32) {
	s.Link = ring.Link{}
	q.done.push(ring.CQE{UserData: s.UserData, Res: res, Flags: flags})
}

// toWorker hands s over. It is in no list.
func (q *Queue) toWorker(s *ring.SQE) {
	s.Link.State = q.id | working
	q.workers.Start(s)
}

// jobDone takes a job back from the workers.
func (q *Queue) jobDone(s *ring.SQE, res int32) {
	if res == -int32(unix.EAGAIN) && isTransfer(s.Opcode) && !dontWait(s) {
		// Not a regular file after all, and opened O_NONBLOCK.
		if d := q.table.open(s.FD); d != nil {
			d.makeSticky()
			side := sideOf(s.Opcode)
			s.Link = ring.Link{State: q.id | waiting}
			d.sides[side].waiting.push(s)
			d.sides[side].blocked = true
			q.arm(s.FD, d, true)
			return
		}
	}
	if s.Opcode == ring.OpOpenat && res >= 0 {
		q.adopt(res)
	}
	q.complete(s, res, 0)
}
