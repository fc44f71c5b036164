package loop

import (
	"time"
	"unsafe"

	"github.com/proactor-go/proactor/ring"
)

// Op names an operation that was started. It is a small value that may be copied and kept: once the
// operation has ended, whatever ran since in its place, every method does nothing. The zero Op is one that has ended. Use it only on
// the loop's goroutine.
type Op struct {
	l  *Loop
	id uint64
}

// Cancel asks for the end of the operation. Its one final callback still comes, later: with the natural result if the operation
// won the race, with what had moved before, else with [ErrCanceled].
func (o Op) Cancel() {
	if p := o.find(); p != nil {
		o.l.cancel(p, causeCancel)
	}
}

// Timeout cancels the operation when it has not ended after d; it then ends with [os.ErrDeadlineExceeded].
// For a repeating operation d is the time between two callbacks. A further call replaces d; d <= 0 takes it away.
// It returns o.
func (o Op) Timeout(d time.Duration) Op {
	if p := o.find(); p != nil {
		o.l.setTimeout(p, d)
	}
	return o
}

// Unref lets Run return although the operation is in flight. It returns o.
func (o Op) Unref() Op {
	if p := o.find(); p != nil && !p.unref {
		p.unref = true
		o.l.refs--
	}
	return o
}

// Ref undoes Unref. It returns o.
func (o Op) Ref() Op {
	if p := o.find(); p != nil && p.unref {
		p.unref = false
		o.l.refs++
	}
	return o
}

// HasRef reports whether the operation keeps Run from returning.
func (o Op) HasRef() bool {
	p := o.find()
	return p != nil && !p.unref
}

// Active reports whether the final callback is still to come.
func (o Op) Active() bool { return o.find() != nil }

func (o Op) find() *op {
	if o.l == nil {
		return nil
	}
	o.l.checkThread("Op")
	return o.l.slots.find(o.id)
}

// kind selects the case of an operation in complete.
type kind uint8

const (
	kindNone kind = iota
	kindRaw
	kindCancel
	kindRelease // the CLOSE of a descriptor that no handle owns
	kindClose   // the CLOSE of a handle
	kindPending
	kindWatch
	kindAccept
	kindConnect
	kindRecv
	kindRecvFull
	kindRecvMultishot
	kindSend // queued on its Conn, never pushed itself
	kindShutdown
	kindTransmit // the one entry that carries a Conn's queued sends
	kindRead
	kindWrite
	kindReadVec
	kindWriteVec
	kindSync
	kindFlush // the FSYNC that a group of kindSync shares
	kindOpen
	kindStat
	kindFile // one call on an open file that gives no more than success
	kindPath // the same on a name
	kindCall // a function on a lane
	kindReader
	kindMessage // wakes another loop
	kindFileWatch
	kindExit // of a child
	kindRecvFDs
	kindRecvPacket
	kindRecvPackets
	kindSendPacket
	kindReadDir
	kindSendFile // queued on its Conn, never pushed itself
	kindRecvFile
	kindCount
)

var kindNames = [...]string{
	kindRaw: "Submit", kindCancel: "cancel", kindRelease: "close", kindClose: "Close", kindPending: "NewOp",
	kindWatch: "Watch", kindAccept: "Accept", kindConnect: "Dial", kindRecv: "Recv", kindRecvFull: "RecvFull",
	kindRecvMultishot: "RecvMultishot", kindSend: "Send", kindShutdown: "CloseWrite", kindTransmit: "transmit",
	kindRead: "Read", kindWrite: "Write", kindReadVec: "ReadVecAt", kindWriteVec: "WriteVecAt",
	kindSync: "Sync", kindFlush: "fsync", kindOpen: "Open", kindStat: "Stat",
	kindFile: "file operation", kindPath: "path operation", kindCall: "call",
	kindReader: "Reader", kindMessage: "PostTo",
	kindFileWatch: "FileWatcher.Watch", kindExit: "Start",
	kindRecvFDs:    "RecvFDs",
	kindRecvPacket: "Recv", kindRecvPackets: "RecvMultishot", kindSendPacket: "Send",
	kindReadDir: "ReadDir", kindSendFile: "SendFile", kindRecvFile: "RecvFile",
}

// name is the method that started o.
func (o *op) name() string {
	if (o.kind == kindCall || o.kind == kindPending) && o.extra != nil && o.extra.syscall != "" {
		return o.extra.syscall
	}
	return kindNames[o.kind]
}

type state uint8

const (
	stateFree    state = iota
	statePending       // its result is known, its callback is still to come
	stateHeld          // waits in the loop: a queued send, a parked receive, a composite operation
	stateBacklog       // waits for room in the submission queue
	stateQueued        // pushed: the queue has it until the terminal completion
	stateWorker        // with a worker, because the queue lacks its opcode
)

// An op is one operation, from the call that starts it to its final callback. It roots for the garbage collector
// whatever the queue may touch: the entry itself, the lent buffer in sqe.Addr, and the extra block.
//
// sqe.Addr and sqe.Len are what is left of the lent buffer, done is what has moved before.
type op struct {
	sqe   ring.SQE
	fn    any // the callback: one pointer in an interface, so storing it allocates nothing
	h     *handle
	next  *op // in exactly one list: free, pending, ready, backlog, sends, parked
	extra *extra
	done  int
	res   int32
	kind  kind
	state state
	cause cause
	unref bool

	refused  bool // h was closing; h does not count this operation
	detoured bool // the present step runs or ran on a worker

	// An entry whose descriptor would block without io_uring's own poll goes through a POLL_ADD first
	// (kernels before 5.19 answer -EAGAIN for O_NONBLOCK); these bring it back. then is OpNop if there is none.
	then      ring.Opcode
	thenFlags ring.Flags
	thenOp    uint32
}

// extra is what only some operations need: pooled, and the operation's until its last completion.
type extra struct {
	next    *extra
	timeout *timeout
	err     error
	name    string
	name2   string
	syscall string
	path    []byte
	path2   []byte
	flag    int
	msg     ring.Msghdr
	addr    ring.RawSockaddrAny
	iov     []ring.Iovec
	bufs    [][]byte
	fds     []int  // that a send carries
	control []byte // of msg
	packet  datagram
	stat    *ring.Statx
	cancel  func()
	job     job
	began   time.Duration // when it was started, if it is traced
	dir     *dirReader
	source  *fileSource
	sink    *fileSink
	reader  *Reader
	process *Process
	where   []uintptr
}

// lend records b as the operation's buffer.
func (o *op) lend(b []byte) {
	o.sqe.Addr = unsafe.Pointer(unsafe.SliceData(b))
	o.sqe.Len = uint64(len(b))
}

// advance moves past n bytes, fewer than are left: a pointer to the buffer's end would keep
// another object alive and not this one.
func (o *op) advance(n int) {
	o.sqe.Addr = unsafe.Add(o.sqe.Addr, n)
	o.sqe.Len -= uint64(n)
	o.done += n
}

// lent returns the lent buffer, cut to what moved before and n bytes more.
func (o *op) lent(n int) []byte {
	size := o.done + int(o.sqe.Len)
	if size == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Add(o.sqe.Addr, -o.done)), size)[:o.done+n]
}

// callback returns o's function with its type. A nil function stays nil.
func callback[F any](o *op) F {
	fn, _ := o.fn.(F)
	return fn
}

const (
	indexBits = 24
	chunkBits = 8
	chunkSize = 1 << chunkBits
	maxOps    = 1<<indexBits - 1 // the last index is part of the user data that queues keep for themselves
)

// slots holds every op. Chunks never move and are never freed, so the kernel's and a queue's pointers stay good. The user data
// is an index and a generation of 40 bits, which a slot in constant use needs months to wrap.
type slots struct {
	chunks []*[chunkSize]op
	free   *op
	live   int
	extras *extra
}

func (s *slots) find(id uint64) *op {
	i := id & (1<<indexBits - 1)
	if i>>chunkBits >= uint64(len(s.chunks)) {
		return nil
	}
	o := &s.chunks[i>>chunkBits][i&(chunkSize-1)]
	if o.sqe.UserData != id || o.state == stateFree {
		return nil
	}
	return o
}

// take returns a free op, with next still set.
func (s *slots) take() (o *op) {
	if s.free == nil {
		s.grow()
	}
	o = s.free
	s.free = o.next
	s.live++
	return
}

//go:noinline
func (s *slots) grow() {
	first := len(s.chunks) * chunkSize
	if first+chunkSize > maxOps {
		panic("loop: more than 16 million operations in flight")
	}
	chunk := new([chunkSize]op)
	s.chunks = append(s.chunks, chunk)
	for i := chunkSize - 1; i >= 0; i-- {
		chunk[i].sqe.UserData = 1<<indexBits | uint64(first+i) // never 0, which means none
		chunk[i].next = s.free
		s.free = &chunk[i]
	}
}

// put frees o, whose extra block was given up before: its generation moves on, so that every Op and completion that
// names it is stale from here.
func (s *slots) put(o *op) {
	id := o.sqe.UserData + 1<<indexBits
	*o = op{} // in one go: to name fields here would build the op elsewhere and copy it
	o.sqe.UserData = id
	o.next = s.free
	s.free = o
	s.live--
}

// putExtra frees the extra block of an op.
func (s *slots) putExtra(x *extra) {
	iov, path, path2, control := x.iov[:0], x.path[:0], x.path2[:0], x.control[:0]
	clear(x.iov)
	*x = extra{}
	x.iov, x.path, x.path2, x.control = iov, path, path2, control
	x.next, s.extras = s.extras, x
}

// more returns o's extra block.
func (s *slots) more(o *op) *extra {
	if o.extra == nil {
		if s.extras == nil {
			o.extra = new(extra)
		} else {
			o.extra = s.extras
			s.extras = o.extra.next
			o.extra.next = nil
		}
	}
	return o.extra
}

// all calls fn with every op that is not free.
func (s *slots) all(fn func(*op)) {
	for _, chunk := range s.chunks {
		for i := range chunk {
			if chunk[i].state != stateFree {
				fn(&chunk[i])
			}
		}
	}
}

// opList is a first-in-first-out list of ops, linked in place.
type opList struct {
	head, tail *op
	len        int
}

func (q *opList) push(o *op) {
	if q.tail == nil {
		q.head = o
	} else {
		q.tail.next = o
	}
	q.tail = o
	q.len++
}

// prepend puts the ops of p before those of q, and leaves p empty.
func (q *opList) prepend(p *opList) {
	if p.head == nil {
		return
	}
	p.tail.next = q.head
	if q.tail == nil {
		q.tail = p.tail
	}
	q.head = p.head
	q.len += p.len
	*p = opList{}
}

func (q *opList) pop() *op {
	o := q.head
	if o == nil {
		return nil
	}
	q.head = o.next
	if q.head == nil {
		q.tail = nil
	}
	o.next = nil
	q.len--
	return o
}

// remove takes o out, wherever it stands, and reports whether it was there.
func (q *opList) remove(o *op) bool {
	var before *op
	for at := q.head; at != nil; before, at = at, at.next {
		if at != o {
			continue
		}
		if before == nil {
			q.head = o.next
		} else {
			before.next = o.next
		}
		if q.tail == o {
			q.tail = before
		}
		o.next = nil
		q.len--
		return true
	}
	return false
}
