//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// burst bounds what one direction of one descriptor completes before others get their turn.
const burst = 32

// begin starts an operation.
func (q *Queue) begin(s *ring.SQE) {
	if !q.needsReadiness(s) {
		switch res, flags := q.perform(nil, s); res {
		case parked:
		case blocks:
			q.toWorker(s)
		default:
			q.complete(s, res, flags)
		}
		return
	}
	d := q.table.open(s.FD)
	if d == nil {
		q.complete(s, -int32(unix.EBADF), 0)
		return
	}
	if dontWait(s) {
		res, flags := q.perform(d, s)
		for res == partly {
			res, flags = q.perform(d, s)
		}
		if s.Link.Res > 0 && res == -int32(unix.EAGAIN) {
			res = s.Link.Res
		}
		if res == blocks { // it may, for all that is known, but the call that a worker makes has RWF_NOWAIT too
			q.toWorker(s)
			return
		}
		q.complete(s, res, flags)
		return
	}
	side := sideOf(s.Opcode)
	w := &d.sides[side]
	idle := w.waiting.empty()
	if idle && !w.drained || s.Opcode == ring.OpConnect {
		w.blocked = false // nobody looked since
	}
	switch {
	case s.Flags&ring.BufferSelect != 0 && !q.hasBuffer(s.Group):
		q.complete(s, -int32(unix.ENOBUFS), 0) // at once, as io_uring does
		return
	case s.Flags&ring.PollFirst != 0 && !d.known:
		w.blocked = true // to register reports what is there already
	}
	d.makeSticky()
	s.Link.State = q.id | waiting
	w.waiting.push(s)
	if idle {
		// If the attempt fails the registration is made sure of: somebody may have closed the descriptor without
		// telling the queue, and the number has another file now.
		q.advance(s.FD, d, side, !w.blocked)
	}
}

// needsReadiness tells the operations that wait in a side of their descriptor. That MayBlock is only a hint: what opens a file by
// its name does not know that it is a FIFO, where a worker would wait for ever and nobody could cancel it.
func (q *Queue) needsReadiness(s *ring.SQE) bool {
	switch s.Opcode {
	case ring.OpRecv, ring.OpSend, ring.OpRecvmsg, ring.OpSendmsg, ring.OpAccept, ring.OpConnect:
		return true
	case ring.OpRead, ring.OpReadv, ring.OpWrite, ring.OpWritev:
		if s.Flags&ring.MayBlock == 0 {
			return true
		}
		d := q.table.open(s.FD)
		if d == nil {
			return false
		}
		d.probe(s.FD)
		return d.special
	}
	return false
}

// dontWait tells the entries whose caller wants to know at once.
func dontWait(s *ring.SQE) bool {
	switch s.Opcode {
	case ring.OpRecv, ring.OpSend, ring.OpRecvmsg, ring.OpSendmsg:
		return s.OpFlags&unix.MSG_DONTWAIT != 0
	case ring.OpRead, ring.OpReadv, ring.OpWrite, ring.OpWritev:
		return s.OpFlags&noWait != 0
	}
	return false
}

// advance serves the waiting entries of one side until it blocks or its budget is used up.
func (q *Queue) advance(fd int32, d *descriptor, side int, force bool) {
	w := &d.sides[side]
	for budget := burst; !w.waiting.empty() && !w.blocked; budget-- {
		s := w.waiting.head
		repeats := s.Flags&ring.Multishot != 0
		if budget == 0 || repeats && q.done.full() {
			q.revisit(fd, d)
			return
		}
		q.stats.Attempts++
		res, flags := q.perform(d, s)
		switch {
		case waits(s, res):
			q.stats.Refused++
			w.blocked = true
		case res == partly:
		case repeats && goesOn(s, res):
			q.done.push(ring.CQE{UserData: s.UserData, Res: res, Flags: flags | ring.CQEMore})
		default:
			w.waiting.remove(s)
			if res == blocks {
				q.toWorker(s)
			} else {
				q.complete(s, res, flags)
			}
		}
	}
	q.arm(fd, d, force && !w.waiting.empty() && !w.drained)
}

// waits reports whether s waits for readiness after res.
func waits(s *ring.SQE, res int32) bool {
	if s.Opcode == ring.OpConnect && s.Link.Res != connecting {
		return false // the backlog of a Unix socket is full, and no event would tell when it is not
	}
	return res == -int32(unix.EAGAIN)
}

// goesOn reports whether a multishot operation lives on after res.
func goesOn(s *ring.SQE, res int32) bool {
	return res > 0 || res == 0 && s.Opcode == ring.OpAccept
}

// revisit sees to it that the next Enter goes on with fd: an edge does not repeat itself.
func (q *Queue) revisit(fd int32, d *descriptor) {
	if !d.again {
		d.again = true
		q.again = append(q.again, revisit{fd, d.gen})
	}
}

func (q *Queue) resume() {
	if len(q.again) == 0 {
		return
	}
	todo := q.again
	q.again, q.spare = q.spare[:0], todo
	for _, r := range todo {
		d := q.table.get(r.fd)
		if d.gen != r.gen {
			continue
		}
		d.again = false
		q.advance(r.fd, d, in, false)
		q.advance(r.fd, d, out, false)
	}
}

// arm tells the poller what fd waits for. If it cannot, the entries that wait end with its error.
func (q *Queue) arm(fd int32, d *descriptor, force bool) {
	if err := q.poller.arm(fd, d, force); err != nil {
		q.failWaiting(d, err)
	}
}

func (q *Queue) failWaiting(d *descriptor, err error) {
	var code unix.Errno
	if !errors.As(err, &code) {
		code = unix.EIO
	}
	for side := range d.sides {
		for s := d.sides[side].waiting.pop(); s != nil; s = d.sides[side].waiting.pop() {
			if code == unix.EPERM && isTransfer(s.Opcode) {
				q.toWorker(s) // epoll refuses a regular file: it may block, though nobody said so
			} else {
				q.complete(s, partial(s, -int32(code)), 0)
			}
		}
		d.sides[side].unblock()
	}
	for s := d.polls.pop(); s != nil; s = d.polls.pop() {
		res := -int32(code)
		if code == unix.EPERM { // nothing ever changes: what poll(2) says now is all
			if res = pollNow(s.FD, s.OpFlags); res == 0 {
				res = -int32(unix.EINVAL) // as io_uring answers
			}
		}
		q.complete(s, res, 0)
	}
}

// serve goes on with the operations that e makes possible.
func (q *Queue) serve(e event) {
	d := q.table.get(e.fd)
	if d == nil || d.gen != e.gen {
		return
	}
	d.last = e.events
	if !d.sticky {
		d.armed = 0
	}
	if e.events&^(pollOUT) != 0 {
		d.sides[in].unblock()
	}
	if e.events&^(pollIN|pollRDHUP|pollPRI) != 0 {
		d.sides[out].unblock()
	}
	q.servePolls(d, e.events)
	if d.sides[out].waiting.empty() && d.polls.empty() && e.events == pollOUT {
		q.poller.quiet(e.fd, d)
		return
	}
	if !d.again { // else the next Enter serves it, after others had their turn
		q.advance(e.fd, d, out, false)
		q.advance(e.fd, d, in, false)
	}
}

// adopt forgets what was known about a number that the system has just given out: its former owner closed
// it without telling the queue.
func (q *Queue) adopt(fd int32) {
	if d := q.table.get(fd); d != nil {
		q.forget(fd, d)
	}
}

// forget ends all that waits on fd and makes late events of it harmless.
func (q *Queue) forget(fd int32, d *descriptor) {
	for side := range d.sides {
		for s := d.sides[side].waiting.pop(); s != nil; s = d.sides[side].waiting.pop() {
			q.complete(s, partial(s, -int32(unix.ECANCELED)), 0)
		}
	}
	for s := d.polls.pop(); s != nil; s = d.polls.pop() {
		q.complete(s, -int32(unix.ECANCELED), 0)
	}
	q.poller.drop(fd, d)
	*d = descriptor{gen: d.gen + 1}
}

// makeSticky changes the registration to one that persists: the queue's own operations use the descriptor,
// so that it is closed through the queue.
func (d *descriptor) makeSticky() {
	if !d.sticky {
		d.sticky, d.armed = true, 0
	}
}
