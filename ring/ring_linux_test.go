package ring

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// A fixture is a ring bound to the test's thread.
type fixture struct {
	*Ring
	*require.Assertions
	t    testing.TB
	last uint64
}

func unbound(t testing.TB, o Options) *fixture {
	t.Helper()
	r, err := New(o)
	for tries := 0; errors.Is(err, unix.ENOMEM) && tries < 100; tries++ { // see queuetest.Patiently
		time.Sleep(200 * time.Millisecond)
		r, err = New(o)
	}
	testenv.Ring(t, err)
	f := &fixture{Ring: r, Assertions: require.New(t), t: t}
	t.Cleanup(func() {
		if r.fd >= 0 {
			f.NoError(r.Close())
		}
	})
	return f
}

func bound(t testing.TB, o Options) *fixture {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	f := unbound(t, o)
	f.NoError(f.Bind())
	return f
}

// need skips the test on a kernel without a feature, which came with the version since.
func (f *fixture) need(feature Feature, since string) {
	f.t.Helper()
	if !f.Features().Has(feature) {
		f.t.Skipf("this kernel has no %v (%s)", feature, since)
	}
}

// start pushes s under a new UserData, and makes room for it if there is none.
func (f *fixture) start(s *SQE) *SQE {
	f.t.Helper()
	f.last++
	s.UserData = f.last
	for !f.Push(s) {
		f.NoError(f.Enter(0))
	}
	return s
}

// next returns the next completion, whosever it is.
func (f *fixture) next() CQE {
	f.t.Helper()
	var c [1]CQE
	for deadline := time.Now().Add(patience); f.Reap(c[:]) == 0; {
		f.True(time.Now().Before(deadline), "no completion")
		f.NoError(f.Enter(patience))
	}
	return c[0]
}

// do runs s, with nothing else in flight, and returns its result.
func (f *fixture) do(s *SQE) int32 {
	f.t.Helper()
	f.start(s)
	c := f.next()
	f.Equal(s.UserData, c.UserData)
	f.False(c.More())
	return c.Res
}

// results reaps one completion for each entry.
func (f *fixture) results(entries ...*SQE) []int32 {
	f.t.Helper()
	res := make([]int32, len(entries))
	seen := make([]bool, len(entries))
	for range entries {
		c := f.next()
		i := 0
		for entries[i].UserData != c.UserData {
			i++
		}
		f.False(seen[i], "completed twice")
		res[i], seen[i] = c.Res, true
	}
	return res
}

// idle requires that nothing completes.
func (f *fixture) idle() {
	f.t.Helper()
	var c [1]CQE
	f.NoError(f.Enter(0))
	f.Zero(f.Reap(c[:]))
}

func (f *fixture) pair() (a, b int32) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	f.NoError(err)
	f.t.Cleanup(func() { _, _ = unix.Close(p[0]), unix.Close(p[1]) })
	return int32(p[0]), int32(p[1])
}

func (f *fixture) write(fd int32, data string) {
	f.t.Helper()
	n, err := unix.Write(int(fd), []byte(data))
	f.NoError(err)
	f.Equal(len(data), n)
}

func recv(fd int32, b []byte) *SQE {
	return &SQE{Opcode: OpRecv, FD: fd, Addr: unsafe.Pointer(&b[0]), Len: uint64(len(b)), Flags: Stream}
}

func cancel(s *SQE) *SQE {
	return &SQE{Opcode: OpCancel, FD: -1, Addr: unsafe.Pointer(s), Off: int64(s.UserData)}
}

func path(name string) unsafe.Pointer { return unsafe.Pointer(&append([]byte(name), 0)[0]) }

func errno(e unix.Errno) int32 { return -int32(e) }

func openFDs(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

func TestLifeCycle(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f := unbound(t, Options{})
	f.ErrorContains(f.Enter(0), "before Bind")
	f.NoError(f.Bind())
	f.ErrorContains(f.Bind(), "already bound")
	f.Zero(f.do(&SQE{Opcode: OpNop}))
	f.NoError(f.Close())

	f.Equal(-1, f.FD())
	f.False(f.Push(&SQE{Opcode: OpNop}))
	f.Zero(f.Reap(make([]CQE, 1)))
	for _, err := range []error{f.Close(), f.Bind(), f.Enter(0), f.Provide(1, make([]byte, 1), 1), f.Wake()} {
		f.ErrorIs(err, fs.ErrClosed)
	}
}

func TestManyRingsInSequence(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	unbound(t, Options{}) // so that whatever is opened once is open
	before := openFDs(t)
	for i := range 200 {
		r, err := New(Options{Entries: 64})
		require.NoError(t, err)
		if i%2 == 0 {
			require.NoError(t, r.Bind())
			require.True(t, r.Push(&SQE{Opcode: OpNop}))
			require.NoError(t, r.Enter(-1))
		}
		require.NoError(t, r.Close())
	}
	require.Equal(t, before, openFDs(t))
}

// A thread has room for 16 registered rings.
func TestManyRingsOnOneThread(t *testing.T) {
	var rings []*fixture
	for range 20 {
		rings = append(rings, bound(t, Options{Entries: 8}))
	}
	registered := 0
	for _, f := range rings {
		f.Zero(f.do(&SQE{Opcode: OpNop}))
		f.Equal(f.waitFlags&enterRegisteredRing != 0, f.Features().Has(RegisteredRing))
		if f.Features().Has(RegisteredRing) {
			registered++
		}
	}
	require.LessOrEqual(t, registered, 16)
}

func TestPushBeforeBindOnAnotherThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f := unbound(t, Options{})
	a, b := f.pair()
	buf := make([]byte, 8)
	pushed := make(chan *SQE)
	go func() {
		runtime.LockOSThread() // and never unlocks: the thread dies
		s := recv(a, buf)
		s.UserData = 7
		f.Push(s)
		pushed <- s
	}()
	s := <-pushed
	f.NoError(f.Bind())
	f.idle()
	f.write(b, "hello")
	f.Equal([]int32{5}, f.results(s))
	f.Equal("hello", string(buf[:5]))
}

func TestWrongThread(t *testing.T) {
	f := bound(t, Options{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		f.ErrorContains(f.Close(), "bound to thread")
		f.ErrorContains(f.Provide(1, make([]byte, 4096), 4096), "bound to thread")
		f.Push(&SQE{Opcode: OpNop})
		f.ErrorContains(f.Enter(0), "bound to thread")
	}()
	<-done
	f.NoError(f.Enter(-1))
	f.Zero(f.next().Res)
}

func TestCloseAfterBoundThreadDied(t *testing.T) {
	f := unbound(t, Options{})
	tid, done := make(chan int), make(chan struct{})
	defer close(done)
	var bindAndDie func()
	bindAndDie = func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() { // the first thread of a process never dies
			go bindAndDie()
			<-done
			runtime.UnlockOSThread()
			return
		}
		f.NoError(f.Bind())
		tid <- unix.Gettid()
	}
	go bindAndDie()
	id := <-tid
	for deadline := time.Now().Add(patience); unix.Tgkill(os.Getpid(), id, 0) == nil; {
		f.True(time.Now().Before(deadline))
		time.Sleep(time.Millisecond)
	}
	f.NoError(f.Close())
}

// What is in flight must not keep a socket open after Close: the peer sees the end.
func TestCloseReleasesSockets(t *testing.T) {
	f := bound(t, Options{})
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	f.NoError(err)
	defer unix.Close(p[1])
	s := f.start(recv(int32(p[0]), make([]byte, 8)))
	f.idle()
	f.NoError(unix.Close(p[0]))
	f.NoError(f.Close())
	limit := unix.NsecToTimeval(int64(patience))
	f.NoError(unix.SetsockoptTimeval(p[1], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit))
	n, err := unix.Read(p[1], make([]byte, 1))
	for err == unix.EINTR {
		n, err = unix.Read(p[1], make([]byte, 1))
	}
	f.NoError(err)
	f.Zero(n)
	runtime.KeepAlive(s)
}

func TestUnsupported(t *testing.T) {
	f := bound(t, Options{Without: CancelByFD | BufferRings, Entries: 1})
	var entries []*SQE
	for _, s := range []*SQE{
		{Opcode: 4},
		{Opcode: 200},
		{Opcode: OpRecv, Flags: BufferSelect},
		{Opcode: OpCancel, OpFlags: CancelFD},
		{Opcode: OpCancel, OpFlags: CancelAny | CancelAll},
	} {
		entries = append(entries, f.start(s))
	}
	nop := f.start(&SQE{Opcode: OpNop})
	f.NoError(f.Enter(-1)) // or it would wait
	no, bad := errno(unix.EOPNOTSUPP), errno(unix.EINVAL)
	f.Equal([]int32{no, no, bad, bad, bad, 0}, f.results(append(entries, nop)...))
	f.False(f.Features().Has(MultishotRecv))
	err := f.Provide(0, make([]byte, 4096), 4096)
	f.ErrorIs(err, unix.EOPNOTSUPP)
	f.ErrorIs(err, errors.ErrUnsupported)
}

func TestStats(t *testing.T) {
	f := bound(t, Options{Entries: 16, CQEntries: 16})
	f.NoError(f.Enter(0))
	f.Zero(f.Stats())
	for range 10 {
		f.start(&SQE{Opcode: OpNop})
	}
	f.NoError(f.Enter(-1))
	f.Equal(10, f.Reap(make([]CQE, 100)))
	f.Equal(Stats{Enters: 1, Submitted: 10, Completed: 10}, f.Stats())
}
