package ring

import (
	"os"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// anonymous maps memory that is not touched, and so costs nothing.
func (f *fixture) anonymous(size int) []byte {
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	f.NoError(err)
	f.t.Cleanup(func() { _ = unix.Munmap(mem) })
	return mem
}

func TestRegister(t *testing.T) {
	f := bound(t, Options{})
	f.need(FixedBuffers, "5.19")
	for _, mem := range [][]byte{nil, {}, f.anonymous(1<<30 + 1)} {
		_, err := f.Register(mem)
		f.ErrorIs(err, unix.EINVAL)
	}
	for want := range maxFixed {
		n, err := f.Register(make([]byte, 100))
		f.NoError(err)
		f.EqualValues(want, n)
	}
	_, err := f.Register(make([]byte, 100))
	f.ErrorIs(err, unix.ENOSPC)
	f.NoError(f.Close())
	_, err = f.Register(make([]byte, 100))
	f.ErrorIs(err, os.ErrClosed)
}

func TestRegisterWithout(t *testing.T) {
	f := bound(t, Options{Without: FixedBuffers})
	_, err := f.Register(make([]byte, 100))
	f.ErrorIs(err, unix.EOPNOTSUPP)
}

func TestRegisterOnAnotherThread(t *testing.T) {
	f := bound(t, Options{})
	f.need(FixedBuffers, "5.19")
	errs := make(chan error)
	go func() {
		_, err := f.Register(make([]byte, 100))
		errs <- err
	}()
	f.ErrorContains(<-errs, "is bound to thread")
	_, err := f.Register(make([]byte, 100))
	f.NoError(err)
}

// A piece that the kernel refuses does not take a number, and the memory of those before stays in use.
func TestRegisterBeyondTheLimit(t *testing.T) {
	runtime.LockOSThread() // for good: the thread loses a capability, and dies with the goroutine of the test
	limitLocked(t, 1<<20)
	f := unbound(t, Options{})
	f.need(FixedBuffers, "5.19")
	f.NoError(f.Bind())
	first, second := []byte("first"), []byte("second")
	n, err := f.Register(first)
	f.NoError(err)
	_, err = f.Register(f.anonymous(64 << 20))
	f.ErrorIs(err, unix.ENOMEM)
	m, err := f.Register(second)
	f.NoError(err)
	f.Equal(n+1, m)

	var pipe [2]int
	f.NoError(unix.Pipe2(pipe[:], unix.O_CLOEXEC))
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	for i, mem := range [][]byte{first, second} {
		f.EqualValues(len(mem), f.do(&SQE{
			Opcode: OpWrite, FD: int32(pipe[1]), Addr: unsafe.Pointer(&mem[0]), Len: uint64(len(mem)), Off: -1,
			Flags: FixedBuffer, Group: n + uint16(i),
		}))
	}
	got := make([]byte, 20)
	size, err := unix.Read(pipe[0], got)
	f.NoError(err)
	f.Equal("firstsecond", string(got[:size]))
}

// limitLocked lets this thread lock so many bytes of memory. The limit is the process's and comes back after the test; that it counts, for root too,
// is the thread's.
func limitLocked(t *testing.T, bytes uint64) {
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_MEMLOCK, &old))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: min(bytes, old.Max), Max: old.Max}))
	t.Cleanup(func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &old)) })

	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	require.NoError(t, unix.Capget(&header, &sets[0]))
	sets[0].Effective &^= 1 << unix.CAP_IPC_LOCK
	require.NoError(t, unix.Capset(&header, &sets[0]))
}
