//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// maxTransfer is the most that Linux moves in one call; it fits the result of a completion.
const maxTransfer = 0x7ffff000

// Every call is non-blocking by MSG_DONTWAIT, whatever the mode of the socket. With MSG_WAITALL on a stream
// an operation goes on, as io_uring's does, until all is moved: Link.Res has the part that is.

func (q *Queue) recv(d *descriptor, s *ring.SQE) (res int32, flags uint32) {
	if s.Flags&ring.BufferSelect != 0 {
		return q.recvInto(d, s)
	}
	if s.Flags&ring.Multishot != 0 {
		return -int32(unix.EINVAL), 0
	}
	size, moved := int32(min(s.Len, maxTransfer)), s.Link.Res
	n := recvfrom(s.FD, unsafe.Add(s.Addr, moved), size-moved, s.OpFlags)
	d.drained(s, n, size-moved)
	return progress(s, n, size), 0
}

// recvInto receives into the next provided buffer, which is used up only if there was data.
func (q *Queue) recvInto(d *descriptor, s *ring.SQE) (res int32, flags uint32) {
	if !q.hasBuffer(s.Group) {
		var b byte
		if n := recvfrom(s.FD, unsafe.Pointer(&b), 1, s.OpFlags|unix.MSG_PEEK); n < 0 {
			return n, 0
		}
		return -int32(unix.ENOBUFS), 0 // there is something to receive
	}
	g := q.groups[s.Group]
	buf, size := g.peek()
	if s.Len != 0 {
		size = int32(min(uint64(size), s.Len))
	}
	n := recvfrom(s.FD, buf, size, s.OpFlags)
	d.drained(s, n, size)
	if n <= 0 {
		return n, 0
	}
	return n, ring.BufferFlags(g.take())
}

// drained notes that a stream had less than was asked for: then nothing is left, and whatever comes
// next is an event. That holds only for a plain receive, and not if the stream has ended or has urgent data.
func (d *descriptor) drained(s *ring.SQE, n, size int32) {
	const plain = unix.MSG_WAITALL | unix.MSG_DONTWAIT | noSignal
	if n > 0 && n < size && s.Flags&ring.Stream != 0 && s.OpFlags&^plain == 0 && d.calm() {
		d.sides[in].blocked, d.sides[in].drained = true, true
	}
}

func send(s *ring.SQE) int32 {
	size, moved := int32(min(s.Len, maxTransfer)), s.Link.Res
	return progress(s, sendto(s.FD, unsafe.Add(s.Addr, moved), size-moved, s.OpFlags), size)
}

// message is sendmsg(2) or recvmsg(2). The caller's header is used as it is, so that the kernel's answers arrive in
// it, until a part of the bytes has moved.
func (q *Queue) message(s *ring.SQE) (res int32, flags uint32) {
	switch s.Flags & (ring.BufferSelect | ring.Multishot) {
	case ring.BufferSelect | ring.Multishot:
		if s.Opcode == ring.OpRecvmsg {
			return q.messageInto(s)
		}
		fallthrough
	case ring.BufferSelect, ring.Multishot:
		return -int32(unix.EINVAL), 0
	}
	header := (*ring.Msghdr)(s.Addr)
	if s.OpFlags&unix.MSG_WAITALL == 0 {
		return call(s, header), 0
	}
	vecs := slice[ring.Iovec](unsafe.Pointer(header.Iov), uint64(header.Iovlen))
	if s.Link.Res > 0 {
		q.iovecs = rest(q.iovecs[:0], vecs, s.Link.Res)
		q.header = ring.Msghdr{Iov: &q.iovecs[0]}
		q.header.SetIovlen(len(q.iovecs))
		header = &q.header
	}
	return progress(s, call(s, header), total(vecs)), 0
}

// messageInto is recvmsg(2) into the next provided buffer, laid out as io_uring's multishot does it.
func (q *Queue) messageInto(s *ring.SQE) (res int32, flags uint32) {
	if !q.hasBuffer(s.Group) {
		var b byte
		if n := recvfrom(s.FD, unsafe.Pointer(&b), 1, s.OpFlags|unix.MSG_PEEK); n < 0 {
			return n, 0
		}
		return -int32(unix.ENOBUFS), 0 // there is something to receive
	}
	g, want := q.groups[s.Group], (*ring.Msghdr)(s.Addr)
	buf, size := g.peek()
	out := (*ring.RecvmsgOut)(buf)
	name, control := uint64(want.Namelen), uint64(want.Controllen)
	head := uint64(unsafe.Sizeof(*out)) + name + control
	if head > uint64(size) {
		return -int32(unix.EFAULT), 0
	}
	at := unsafe.Add(buf, unsafe.Sizeof(*out))
	q.iovecs = append(q.iovecs[:0], ring.Iovec{})
	if rest := int(uint64(size) - head); rest > 0 {
		q.iovecs[0].Base = (*byte)(unsafe.Add(buf, head))
		q.iovecs[0].SetLen(rest)
	}
	q.header = ring.Msghdr{Iov: &q.iovecs[0]}
	q.header.SetIovlen(1)
	if name > 0 {
		q.header.Name, q.header.Namelen = (*byte)(at), want.Namelen
	}
	if control > 0 {
		q.header.Control = (*byte)(unsafe.Add(at, name))
		q.header.SetControllen(int(control))
	}
	n := recvmsg(s.FD, &q.header, s.OpFlags)
	if n < 0 {
		return n, 0
	}
	*out = ring.RecvmsgOut{
		Namelen: q.header.Namelen, Controllen: uint32(q.header.Controllen), Payloadlen: uint32(n), Flags: uint32(q.header.Flags),
	}
	return int32(head) + n, ring.BufferFlags(g.take())
}

func call(s *ring.SQE, header *ring.Msghdr) int32 {
	if s.Opcode == ring.OpRecvmsg {
		return recvmsg(s.FD, header, s.OpFlags)
	}
	return sendmsg(s.FD, header, s.OpFlags)
}

// progress returns the result of the operation s that moved n further bytes out of size, or partly if
// it has to go on.
func progress(s *ring.SQE, n, size int32) int32 {
	if n <= 0 || s.OpFlags&unix.MSG_WAITALL == 0 || s.Link.Res+n >= size ||
		s.Flags&ring.Stream == 0 && !isStream(s.FD) {
		return partial(s, n)
	}
	s.Link.Res += n
	return partly
}

// partial returns the result of an operation that ends with res: bytes that have moved count more than
// the error or the end that came after them.
func partial(s *ring.SQE, res int32) int32 {
	if s.Opcode == ring.OpConnect || s.Link.Res == 0 || res == -int32(unix.EAGAIN) {
		return res
	}
	return s.Link.Res + max(res, 0)
}

// accept never blocks: the caller made the listener non-blocking, or poll(2) is asked first, and then the
// queue must be the only one who accepts from it.
func (q *Queue) accept(d *descriptor, s *ring.SQE) int32 {
	d.probe(s.FD)
	if !d.nonblock && pollNow(s.FD, pollIN) == 0 {
		return -int32(unix.EAGAIN)
	}
	fd := accept(s.FD, s.Addr, (*uint32)(s.Addr2), s.OpFlags)
	if fd >= 0 {
		q.adopt(fd)
	}
	return fd
}

// connecting in Link.Res says that the connection is being made.
const connecting = 1

// connect makes the socket non-blocking, for good, should it not be. The result -EAGAIN is final for a Unix
// socket whose peer has a full backlog, as it is for connect(2): [waits] tells it from the other.
func connect(s *ring.SQE) int32 {
	again := s.Link.Res == connecting
	if again {
		code, err := unix.GetsockoptInt(int(s.FD), unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			return result(err)
		}
		if code != 0 {
			return -int32(code)
		}
	} else if flags := statusFlags(s.FD); flags >= 0 && flags&unix.O_NONBLOCK == 0 {
		if err := unix.SetNonblock(int(s.FD), true); err != nil {
			return result(err)
		}
	}
	// Called again it tells whether the connection is there: the event may be older than the first call.
	res := connectFD(s.FD, s.Addr, uint32(s.Len))
	switch {
	case res == -int32(unix.EINPROGRESS), res == -int32(unix.EALREADY), res == -int32(unix.EINTR):
		s.Link.Res = connecting
		return -int32(unix.EAGAIN)
	case res == -int32(unix.EISCONN) && again:
		return 0
	}
	return res
}

// rest appends to dst what is left of vecs after the first moved bytes.
func rest(dst, vecs []ring.Iovec, moved int32) []ring.Iovec {
	skip := uint64(moved)
	for _, v := range vecs {
		if n := uint64(v.Len); skip >= n {
			skip -= n
			continue
		}
		v.Base = (*byte)(unsafe.Add(unsafe.Pointer(v.Base), skip))
		v.SetLen(int(uint64(v.Len) - skip))
		dst, skip = append(dst, v), 0
	}
	return dst
}

func total(vecs []ring.Iovec) int32 {
	var sum uint64
	for _, v := range vecs {
		sum = min(sum+uint64(v.Len), maxTransfer)
	}
	return int32(sum)
}
