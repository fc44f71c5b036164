//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// maxHot bounds the reads from the page cache that the loop makes by itself. The copy of more takes
// longer than to hand it to a worker.
const maxHot = 64 << 10

func isTransfer(op ring.Opcode) bool {
	switch op {
	case ring.OpRead, ring.OpReadv, ring.OpWrite, ring.OpWritev:
		return true
	}
	return false
}

// transfer reads or writes what has readiness: pipes, terminals, eventfds. The mode of the file does not matter, and
// it may change at any time if the file is shared with another process: each call is made non-blocking by itself.
func (q *Queue) transfer(d *descriptor, s *ring.SQE) int32 {
	if !d.plain {
		res := move(s, noWait)
		if res == -int32(unix.EAGAIN) && !dontWait(s) {
			if d.probe(s.FD); !d.special {
				return blocks // a file that was not said to be one: by level its readiness would be a spin
			}
		}
		if !lacksNoWait(res) {
			return res
		}
		d.plain, d.file = true, isFile(s.FD)
	}
	if d.file {
		return blocks // nobody said so, but it may: its readiness means nothing
	}
	events := pollIN
	if sideOf(s.Opcode) == out {
		events = pollOUT
	}
	if pollNow(s.FD, events) == 0 {
		return -int32(unix.EAGAIN)
	}
	if events == pollOUT && statusFlags(s.FD)&unix.O_NONBLOCK == 0 {
		return blocks // writable means one byte: more may block
	}
	return move(s, 0)
}

// readInto reads into the next provided buffer, which is used up only if there was data. What may block cannot: a worker has no buffers.
func (q *Queue) readInto(d *descriptor, s *ring.SQE) (res int32, flags uint32) {
	if !q.hasBuffer(s.Group) {
		if pollNow(s.FD, pollIN) == 0 {
			return -int32(unix.EAGAIN), 0
		}
		return -int32(unix.ENOBUFS), 0 // there is something to read
	}
	g := q.groups[s.Group]
	buf, size := g.peek()
	if s.Len != 0 {
		size = int32(min(uint64(size), s.Len))
	}
	part := *s // the entry itself is its owner's
	part.Addr, part.Len = buf, uint64(size)
	switch n := q.transfer(d, &part); {
	case n == blocks:
		return -int32(unix.EINVAL), 0
	case n <= 0:
		return n, 0
	default:
		return n, ring.BufferFlags(g.take())
	}
}

// transferFile reads from the page cache if that is where the data is. Anything else waits for a device.
func (q *Queue) transferFile(s *ring.SQE) int32 {
	if s.Opcode != ring.OpRead && s.Opcode != ring.OpReadv {
		return blocks
	}
	var one [1]ring.Iovec
	size := total(vectors(s, &one))
	d := q.table.open(s.FD)
	if d == nil {
		return -int32(unix.EBADF)
	}
	if size > maxHot || d.plain {
		return blocks
	}
	if d.probe(s.FD); d.direct {
		return blocks
	}
	for {
		// Fewer bytes than asked for are the end of the file or of what is cached: only the next read tells.
		q.stats.Attempts++
		n := move(s, noWait)
		switch {
		case n == -int32(unix.EAGAIN):
			q.stats.Refused++
			return blocks
		case lacksNoWait(n):
			d.plain = true
			return blocks
		case n <= 0 || s.Link.Res+n == size:
			return partial(s, n)
		}
		s.Link.Res += n
	}
}

// move makes the system call for what s has left to move.
func move(s *ring.SQE, mode uint32) int32 {
	var one [1]ring.Iovec
	vecs := vectors(s, &one)
	off := s.Off
	if moved := s.Link.Res; moved > 0 {
		vecs = rest(nil, vecs, moved)
		if off >= 0 {
			off += int64(moved)
		}
	}
	write := sideOf(s.Opcode) == out
	res := vectored(write, s.FD, vecs, off, s.OpFlags, mode)
	if res == -int32(unix.ESPIPE) && off >= 0 {
		res = vectored(write, s.FD, vecs, -1, s.OpFlags, mode) // io_uring ignores the offset of what cannot seek
	}
	return res
}

// vectors returns the buffers of a read or write. one is room for the only buffer of OpRead and OpWrite.
func vectors(s *ring.SQE, one *[1]ring.Iovec) []ring.Iovec {
	if s.Opcode == ring.OpReadv || s.Opcode == ring.OpWritev {
		return slice[ring.Iovec](s.Addr, s.Len)
	}
	one[0].Base = (*byte)(s.Addr)
	one[0].SetLen(int(min(s.Len, maxTransfer)))
	return one[:]
}

func lacksNoWait(res int32) bool {
	return res == -int32(unix.EOPNOTSUPP) || res == -int32(unix.ENOSYS)
}

// probe learns what the descriptor was opened with.
func (d *descriptor) probe(fd int32) {
	if d.probed {
		return
	}
	flags := statusFlags(fd)
	if flags < 0 { // nothing is known of the next owner of the number
		return
	}
	d.probed = true
	d.nonblock = flags&unix.O_NONBLOCK != 0
	d.direct = flags&direct != 0
	d.special = !isFile(fd)
}
