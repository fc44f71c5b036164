package ring

import (
	"errors"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// forbid makes a system call fail on this thread, from here to its end.
func forbid(nr uint32, errno unix.Errno) error {
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		ret   = unix.BPF_RET | unix.BPF_K
	)
	filter := []unix.SockFilter{
		{Code: load, K: 0}, // seccomp_data.nr
		{Code: equal, K: nr, Jt: 0, Jf: 1},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: ret, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}

// A sandbox may allow part of io_uring. Whatever it refuses, there is a reason and nothing is left open.
func TestSeccomp(t *testing.T) {
	unbound(t, Options{})
	for _, c := range []struct {
		nr    uint32
		errno unix.Errno
		text  string
	}{
		{unix.SYS_IO_URING_SETUP, unix.EPERM, "io_uring_setup: operation not permitted (io_uring is disabled by"},
		{unix.SYS_IO_URING_SETUP, unix.ENOSYS, "io_uring_setup: function not implemented (the kernel has no"},
		{unix.SYS_IO_URING_ENTER, unix.EPERM, "io_uring_enter: operation not permitted (io_uring is disabled by"},
		{unix.SYS_IO_URING_REGISTER, unix.EPERM, "IORING_REGISTER_PROBE: operation not permitted (io_uring is"},
	} {
		before := openFDs(t)
		failed := make(chan error)
		go func() {
			runtime.LockOSThread() // for good: the thread and its filter end together
			if err := forbid(c.nr, c.errno); err != nil {
				failed <- err
				return
			}
			_, err := probeHere()
			failed <- err
		}()
		err := <-failed
		require.ErrorContains(t, err, "ring: "+c.text)
		require.ErrorIs(t, err, c.errno)
		require.True(t, errors.Is(err, ErrUnsupported))
		require.Equal(t, before, openFDs(t))
	}
}
