//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// cancel ends operations before any event that is under way can reach them. Its result is io_uring's.
func (q *Queue) cancel(s *ring.SQE) int32 {
	const keys = ring.CancelAll | ring.CancelFD | ring.CancelAny
	switch {
	case s.OpFlags&^keys != 0:
		return -int32(unix.EINVAL)
	case s.OpFlags&ring.CancelAny != 0:
		return q.cancelMatching(-1, true)
	case s.OpFlags&ring.CancelFD != 0 && statusFlags(s.FD) < 0:
		return -int32(unix.EBADF)
	case s.OpFlags&ring.CancelFD != 0:
		return q.cancelMatching(s.FD, s.OpFlags&ring.CancelAll != 0)
	}
	t := (*ring.SQE)(s.Addr)
	found := t != nil && q.holds(t) && t.UserData == uint64(s.Off)
	var res int32
	switch {
	case !found:
		res = -int32(unix.ENOENT)
	case t.Link.State&placeMask == working:
		if !q.workers.Withdraw(t) {
			return -int32(unix.EALREADY)
		}
		q.complete(t, partial(t, -int32(unix.ECANCELED)), 0)
	default:
		q.cancelWaiting(t)
	}
	if found && s.OpFlags&ring.CancelAll != 0 {
		return 1
	}
	return res
}

// holds reports whether t is an operation of this queue that has not ended. The owner may have used the entry for
// another one since, which its UserData tells.
func (q *Queue) holds(t *ring.SQE) bool {
	return t.Link.State&^placeMask == q.id && t.Link.State&placeMask != 0
}

// cancelWaiting ends t, which is in a list.
func (q *Queue) cancelWaiting(t *ring.SQE) {
	d := q.table.get(t.FD)
	switch t.Link.State & placeMask {
	case submitted:
		q.submitted.remove(t)
		q.pending--
		q.complete(t, -int32(unix.ECANCELED), 0)
		return
	case waiting:
		d.sides[sideOf(t.Opcode)].waiting.remove(t)
	case polling:
		d.polls.remove(t)
	}
	q.complete(t, partial(t, -int32(unix.ECANCELED)), 0)
	q.poller.relax(t.FD, d)
}

// cancelMatching ends the operations on fd, or all if fd is negative. Entries that were pushed
// after the cancel are not its business: the close that follows it must go through.
func (q *Queue) cancelMatching(fd int32, all bool) int32 {
	var found int32
	if fd >= 0 {
		if d := q.table.get(fd); d != nil {
			found = q.cancelDescriptor(d, all)
		}
	} else {
		for _, chunk := range q.table.chunks {
			if chunk == nil { // none of its numbers was ever used
				continue
			}
			for i := range chunk {
				found += q.cancelDescriptor(&chunk[i], all)
			}
		}
	}
	if found > 0 && !all {
		return 0
	}
	jobs, running := q.workers.withdraw(fd, all)
	for s := jobs.pop(); s != nil; s = jobs.pop() {
		q.complete(s, partial(s, -int32(unix.ECANCELED)), 0)
		found++
	}
	switch {
	case all:
		return found + int32(running)
	case found > 0:
		return 0
	case running > 0:
		return -int32(unix.EALREADY)
	default:
		return -int32(unix.ENOENT)
	}
}

func (q *Queue) cancelDescriptor(d *descriptor, all bool) (found int32) {
	for _, l := range [...]*list{&d.sides[in].waiting, &d.sides[out].waiting, &d.polls} {
		for !l.empty() && (all || found == 0) {
			q.cancelWaiting(l.head)
			found++
		}
	}
	return found
}
