//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"math"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// Results of perform that are none of the operation.
const (
	blocks = math.MinInt32     // it may block: the workers have to execute it
	parked = math.MinInt32 + 1 // it waits in a list and completes from there
	partly = math.MinInt32 + 2 // with MSG_WAITALL: Link.Res has what has moved, and there may be more
)

// perform tries an operation without blocking. The result -EAGAIN means that it can only go on when its
// descriptor is ready. d is nil for operations that do not wait in a side of their descriptor.
//
// To add an operation: a case here, and one in [Execute] if it blocks.
func (q *Queue) perform(d *descriptor, s *ring.SQE) (res int32, flags uint32) {
	switch s.Opcode {
	case ring.OpNop:
		return 0, 0
	case ring.OpRecv:
		return q.recv(d, s)
	case ring.OpSend:
		return send(s), 0
	case ring.OpRecvmsg, ring.OpSendmsg:
		return q.message(s)
	case ring.OpAccept:
		return q.accept(d, s), 0
	case ring.OpConnect:
		return connect(s), 0
	case ring.OpShutdown:
		return shutdown(s.FD, s.OpFlags), 0
	case ring.OpRead, ring.OpReadv, ring.OpWrite, ring.OpWritev:
		switch {
		case d == nil:
			return q.transferFile(s), 0
		case s.Flags&ring.BufferSelect != 0:
			return q.readInto(d, s)
		}
		return q.transfer(d, s), 0
	case ring.OpFsync, ring.OpFallocate, ring.OpFtruncate, ring.OpOpenat, ring.OpStatx, ring.OpUnlinkat,
		ring.OpMkdirat, ring.OpRenameat, ring.OpLinkat, ring.OpSymlinkat:
		return blocks, 0
	case ring.OpClose:
		return q.closeDescriptor(s), 0
	case ring.OpPollAdd:
		return q.pollAdd(s), 0
	case ring.OpCancel:
		return q.cancel(s), 0
	case ring.OpMsgRing:
		return sendMessage(s), 0
	default:
		return -int32(unix.EOPNOTSUPP), 0
	}
}

// closeDescriptor ends what still waits on the descriptor with -ECANCELED, since nothing could ever end it
// afterwards, and takes it from the poller before its number can have a new owner.
func (q *Queue) closeDescriptor(s *ring.SQE) int32 {
	if d := q.table.get(s.FD); d != nil {
		q.forget(s.FD, d)
	}
	if s.Flags&ring.MayBlock != 0 {
		return blocks // it may write back what a network filesystem has cached
	}
	return closeFD(s.FD)
}

// pollAdd asks poll(2) first: it knows every kind of file, also those that the poller refuses.
func (q *Queue) pollAdd(s *ring.SQE) int32 {
	d := q.table.open(s.FD)
	if d == nil {
		return -int32(unix.EBADF)
	}
	if q.stats.Attempts++; s.Flags&ring.Multishot == 0 {
		if res := pollNow(s.FD, s.OpFlags|pollRDHUP); res != 0 {
			return res
		}
	} else {
		d.makeSticky() // repeated by edges; to register reports what is there already
	}
	s.Link.State = q.id | polling
	d.polls.push(s)
	q.arm(s.FD, d, true)
	return parked
}

// servePolls completes the entries that asked for one of events.
func (q *Queue) servePolls(d *descriptor, events uint32) {
	for s := d.polls.head; s != nil; {
		next := s.Link.Next
		res := int32(events & (s.OpFlags | pollERR | pollHUP | pollRDHUP)) // as io_uring reports them
		if events&pollNVAL != 0 {
			res = -int32(unix.EBADF)
		}
		switch {
		case res > 0 && s.Flags&ring.Multishot != 0:
			q.done.push(ring.CQE{UserData: s.UserData, Res: res, Flags: ring.CQEMore})
		case res != 0:
			d.polls.remove(s)
			q.complete(s, res, 0)
		}
		s = next
	}
}
