package ring

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the kernel can do is found once per process. A failure is not kept: a limit may be raised, a sysctl changed.
var probed struct {
	sync.Mutex
	features *Features
}

func kernelFeatures() (Features, error) {
	probed.Lock()
	defer probed.Unlock()
	if probed.features == nil {
		f, err := probe()
		if err != nil {
			return Features{}, err
		}
		probed.features = &f
	}
	return *probed.features, nil
}

// probe tries everything on a small ring that it throws away. That also proves that entries can be submitted: a
// seccomp filter may allow io_uring_setup(2) and refuse io_uring_enter(2), and a ring that is not bound could not tell.
//
// It runs on a goroutine of its own: the caller's thread may have rings, and what the kernel keeps with a thread (the
// limits of its workers, the registered rings) should stay as it is.
func probe() (f Features, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		f, err = probeHere()
	}()
	<-done
	return f, err
}

func probeHere() (Features, error) {
	r, err := open(Options{Entries: 8}, Features{Set: ^Feature(0), Ops: ^OpcodeSet(0)})
	if err != nil {
		return Features{}, err
	}
	defer r.Close()
	ops, err := probeOpcodes(r.fd)
	if err != nil {
		return Features{}, err
	}
	if err := r.Bind(); err != nil {
		return Features{}, err
	}
	t := trial{ring: r}
	if c := t.do(&SQE{Opcode: OpNop}); t.err != nil {
		return Features{}, t.err
	} else if c.Res != 0 {
		return Features{}, &refusal{"io_uring_enter", unix.Errno(-c.Res), "a no-op fails"}
	}
	set := r.features.Set & (SingleIssuer | DeferTaskrun | CoopTaskrun | NoSQArray | NoIowait | RegisteredRing)
	var unchanged [2]uint32
	if ioUringRegister(r.fd, registerIOWQMaxWorkers, unsafe.Pointer(&unchanged), 2) == 0 {
		set |= WorkerCap
	}
	if errno := r.registerTable(); errno == 0 {
		set |= FixedBuffers
	} else {
		t.lacking("IORING_REGISTER_BUFFERS2", errno)
	}
	set |= t.sockets()
	set |= t.listener()
	if t.err != nil {
		return Features{}, t.err
	}
	return Features{Set: set, Ops: ops}, nil
}

func probeOpcodes(fd int) (set OpcodeSet, err error) {
	res := new(probeResult)
	if errno := ioUringRegister(fd, registerProbe, unsafe.Pointer(res), uint32(len(res.ops))); errno != 0 {
		return 0, denied("IORING_REGISTER_PROBE", errno)
	}
	for _, op := range Opcodes() {
		if res.ops[op].flags&opSupported != 0 {
			set = set.With(op)
		}
	}
	return set, nil
}

// scratch is what the trials receive into; if a kernel never answers, it may still write there long after.
var scratch [256]byte

// A trial runs single entries, because a probe lists opcodes but not what they can do.
type trial struct {
	ring *Ring
	last uint64
	err  error
}

// lacking keeps err if it is a shortage, which may pass and must not be taken for a missing feature for ever. Any
// other error of a trial means just that.
func (t *trial) lacking(op string, err error) {
	for _, errno := range [...]unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM} {
		if errors.Is(err, errno) {
			t.err = fmt.Errorf("ring: %s: %w", op, errno)
		}
	}
}

// do returns the first completion of s. After an error of the ring there are only empty ones.
func (t *trial) do(s *SQE) CQE {
	if t.err != nil {
		return CQE{}
	}
	t.last++
	s.UserData = t.last
	t.ring.Push(s)
	return t.next(s)
}

func (t *trial) next(s *SQE) CQE {
	deadline := time.Now().Add(time.Second)
	for t.err == nil {
		if err := t.ring.Enter(100 * time.Millisecond); err != nil {
			t.err = err
			var errno unix.Errno
			if errors.As(err, &errno) {
				t.err = denied("io_uring_enter", errno)
			}
			break
		}
		var c [1]CQE
		if t.ring.Reap(c[:]) == 1 && c[0].UserData == s.UserData {
			t.lacking(s.Opcode.String(), unix.Errno(max(-c[0].Res, 0)))
			return c[0]
		}
		if time.Now().After(deadline) {
			t.err = &refusal{"io_uring_enter", unix.ETIME, s.Opcode.String() + " does not complete"}
		}
	}
	return CQE{}
}

// repeats reports whether s, which is multishot, completes with a good result and stays. It then ends it.
func (t *trial) repeats(s *SQE) (res int32, ok bool) {
	c := t.do(s)
	res, ok = c.Res, c.Res > 0 && c.More()
	if ok {
		t.last++
		t.ring.Push(&SQE{Opcode: OpCancel, Addr: unsafe.Pointer(s), Off: int64(s.UserData), UserData: t.last})
		for t.err == nil && c.More() {
			c = t.next(s)
		}
	}
	return res, ok
}

// sockets tries what a connected socket shows.
func (t *trial) sockets() (set Feature) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.err = fmt.Errorf("ring: socketpair: %w", err)
		return 0
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	fd := int32(pair[0])
	fill := func() { _, _ = unix.Write(pair[1], []byte{1}) }
	drain := func() { _, _ = unix.Read(pair[0], make([]byte, 16)) }

	fill()
	if _, ok := t.repeats(&SQE{Opcode: OpPollAdd, FD: fd, OpFlags: unix.POLLIN, Flags: Multishot}); ok {
		set |= MultishotPoll
	}
	c := t.do(&SQE{Opcode: OpRecv, FD: fd, Addr: unsafe.Pointer(&scratch), Len: 16, Flags: PollFirst})
	if c.Res == 1 {
		set |= PollFirstHint
	}
	drain()
	c = t.do(&SQE{Opcode: OpCancel, FD: fd, OpFlags: CancelFD | CancelAll})
	if t.err == nil && (c.Res >= 0 || c.Res == -int32(unix.ENOENT)) {
		set |= CancelByFD
	}
	if err := t.ring.Provide(0, scratch[:], len(scratch)/4); err != nil {
		t.lacking("IORING_REGISTER_PBUF_RING", err)
		return set
	}
	for id := range uint16(4) {
		t.ring.Recycle(0, id)
	}
	fill()
	c = t.do(&SQE{Opcode: OpRecv, FD: fd, Flags: BufferSelect})
	if _, ok := c.Buffer(); ok && c.Res == 1 {
		set |= BufferRings
	}
	drain()
	fill()
	if _, ok := t.repeats(&SQE{Opcode: OpRecv, FD: fd, Flags: BufferSelect | Multishot}); ok {
		set |= MultishotRecv
	}
	drain()
	// One more buffer, for the trials took one each; what the header and so short a payload need fits.
	t.ring.Recycle(0, 0)
	fill()
	m := new(Msghdr)
	if res, ok := t.repeats(&SQE{Opcode: OpRecvmsg, FD: fd, Addr: unsafe.Pointer(m), Flags: BufferSelect | Multishot}); ok &&
		res == int32(unsafe.Sizeof(RecvmsgOut{}))+1 {
		set |= MultishotRecvmsg
	}
	return set
}

// listener tries what a listening socket shows.
func (t *trial) listener() (set Feature) {
	const kind = unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	ln, err := unix.Socket(unix.AF_UNIX, kind, 0)
	if err != nil {
		t.lacking("socket", err)
		return 0
	}
	defer unix.Close(ln)
	// An empty name makes the kernel choose one that is nowhere in the file system.
	if unix.Bind(ln, &unix.SockaddrUnix{}) != nil || unix.Listen(ln, 4) != nil {
		return 0
	}
	name, err := unix.Getsockname(ln)
	if err != nil {
		return 0
	}
	connect := func() func() {
		fd, err := unix.Socket(unix.AF_UNIX, kind, 0)
		if err == nil {
			err = unix.Connect(fd, name)
		}
		t.lacking("connect", err)
		return func() { _ = unix.Close(fd) }
	}

	defer connect()()
	fd, ok := t.repeats(&SQE{Opcode: OpAccept, FD: int32(ln), OpFlags: unix.SOCK_CLOEXEC, Flags: Multishot})
	if ok {
		set |= MultishotAccept
	}
	if fd > 0 {
		_ = unix.Close(int(fd))
	}
	defer connect()()
	c := t.do(&SQE{Opcode: OpAccept, FD: int32(ln), OpFlags: unix.SOCK_CLOEXEC, Flags: PollFirst})
	if c.Res > 0 {
		set |= hintedAccept
		_ = unix.Close(int(c.Res))
	}
	return set
}
