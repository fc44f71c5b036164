package loop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/loop"
)

const childVariable = "LOOP_TEST_CHILD"

// inChild runs body in a process of its own, which runs only the calling test: body may do to that process what it
// likes.
func inChild(t *testing.T, body func(t *testing.T)) {
	t.Helper()
	self := t.Name()
	const finished = "the child came to its end"
	if child := os.Getenv(childVariable); child != "" {
		if child == self {
			body(t)
			fmt.Println(finished)
		}
		return
	}
	parts := strings.Split(t.Name(), "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	args := []string{"-test.run=" + strings.Join(parts, "/"), "-test.count=1", "-test.v"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childVariable+"="+self)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), finished)
}

// filter is a seccomp filter that answers errno for system call nr, on all threads of this process, for good.
func filter(t *testing.T, nr uint32, errno unix.Errno) {
	t.Helper()
	require.NotEmpty(t, os.Getenv(childVariable), "a filter is for the whole process")
	const returnErrno, returnAllow = 0x00050000, 0x7fff0000
	// The architecture is not checked: this process makes no calls of another one.
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: nr},
		{Code: unix.BPF_RET | unix.BPF_K, K: returnErrno | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: returnAllow},
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	require.NoError(t, unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	_, _, failed := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&prog)))
	require.Zero(t, failed, "seccomp: %v", failed)
}

// requireFallback demands that a loop falls back by itself here, tells why, and works; and that who forces io_uring gets that error.
func requireFallback(t *testing.T, errno syscall.Errno, reason string) {
	t.Helper()
	require.Empty(t, os.Getenv("LOOP_BACKEND"), "this test is about the choice of the backend")
	_, err := loop.New(loop.Options{Backend: "uring"})
	require.ErrorIs(t, err, errno)
	require.ErrorContains(t, err, reason)

	before := snapshot()
	l, err := loop.New(loop.Options{})
	require.NoError(t, err)
	require.Equal(t, "epoll", l.Backend())
	require.ErrorIs(t, l.FallbackReason(), errno)
	require.ErrorContains(t, l.FallbackReason(), reason)
	roundTrips(t, l)
	require.NoError(t, l.Close())
	before.check(t)
}

func roundTrips(t *testing.T, l *loop.Loop) {
	t.Helper()
	echoThroughEverything(t, l)
	writeSyncRead(t, l)
}

func TestE05RingRefused(t *testing.T) {
	for _, blocked := range []struct {
		name   string
		call   uint32
		errno  unix.Errno
		reason string
	}{
		{"setup-EPERM", unix.SYS_IO_URING_SETUP, unix.EPERM, "seccomp"},
		{"setup-ENOSYS", unix.SYS_IO_URING_SETUP, unix.ENOSYS, "no io_uring"},
		{"setup-EINVAL", unix.SYS_IO_URING_SETUP, unix.EINVAL, "io_uring_setup"},
		{"setup-ENOMEM", unix.SYS_IO_URING_SETUP, unix.ENOMEM, "memory"},
		{"enter-EPERM", unix.SYS_IO_URING_ENTER, unix.EPERM, "io_uring_enter"},
		{"enter-ENOSYS", unix.SYS_IO_URING_ENTER, unix.ENOSYS, "io_uring_enter"},
		{"register-EPERM", unix.SYS_IO_URING_REGISTER, unix.EPERM, "REGISTER"},
	} {
		t.Run(blocked.name, func(t *testing.T) {
			inChild(t, func(t *testing.T) {
				require.NoError(t, os.Unsetenv("LOOP_BACKEND"))
				filter(t, blocked.call, blocked.errno)
				requireFallback(t, blocked.errno, blocked.reason)
				for _, backend := range []string{"epoll", "poll"} { // which nobody refuses
					l, err := loop.New(loop.Options{Backend: backend})
					require.NoError(t, err)
					require.Equal(t, backend, l.Backend())
					require.NoError(t, l.FallbackReason())
					roundTrips(t, l)
					require.NoError(t, l.Close())
				}
			})
		})
	}
}

func TestE05NothingRefused(t *testing.T) {
	inChild(t, func(t *testing.T) { // where the environment does not decide
		require.NoError(t, os.Unsetenv("LOOP_BACKEND"))
		l, err := loop.New(loop.Options{Backend: "uring"})
		if err != nil {
			testenv.Ring(t, err)
		}
		require.NoError(t, l.Close())
		l, err = loop.New(loop.Options{})
		require.NoError(t, err)
		require.Equal(t, "uring", l.Backend())
		require.NoError(t, l.FallbackReason())
		roundTrips(t, l)
		require.NoError(t, l.Close())

		t.Setenv("LOOP_BACKEND", "poll")
		l, err = loop.New(loop.Options{Backend: "uring"})
		require.NoError(t, err)
		require.Equal(t, "poll", l.Backend())
		require.NoError(t, l.Close())
		t.Setenv("LOOP_BACKEND", "none")
		_, err = loop.New(loop.Options{})
		require.ErrorContains(t, err, "none")
	})
}

func TestE05NoLockedMemory(t *testing.T) {
	inChild(t, func(t *testing.T) {
		require.NoError(t, os.Unsetenv("LOOP_BACKEND"))
		if os.Getenv(lockedVariable) == "" {
			require.NoError(t, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{}))
			withoutIPCLock(t)
		}
		if l, err := loop.New(loop.Options{Backend: "uring"}); err == nil {
			// A kernel that does not charge rings to the limit, as 5.12 to 6.13.
			require.Equal(t, "uring", l.Backend())
			roundTrips(t, l)
			require.NoError(t, l.Close())
			return
		}
		requireFallback(t, unix.ENOMEM, "RLIMIT_MEMLOCK")
	})
}

const lockedVariable = "LOOP_TEST_NO_IPC_LOCK"

// withoutIPCLock executes the process anew without the capability that lifts the limit of locked memory. To drop
// it from the running process would take a system call on each of its threads.
func withoutIPCLock(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_IPC_LOCK, 0, 0, 0); err != nil {
		require.Equal(t, unix.EPERM, err) // who may not drop it does not have it
	}
	require.NoError(t, syscall.Exec(os.Args[0], os.Args, append(os.Environ(), lockedVariable+"=1")))
}

func TestE06UnsupportedIsFinalOnAWorker(t *testing.T) {
	// A file system without fallocate: the ring says so, a worker tries the system call, and that is that.
	name := filepath.Join("/proc", fmt.Sprint(os.Getpid()), "comm")
	for _, backend := range []string{"uring", "epoll", "poll"} {
		t.Run(backend, func(t *testing.T) {
			t.Setenv("LOOP_BACKEND", "")
			l, err := loop.New(loop.Options{Backend: backend})
			if err != nil {
				testenv.Ring(t, err)
			}
			calls := 0
			l.Open(name, os.O_WRONLY, 0, func(f *loop.File, err error) {
				require.NoError(t, err)
				f.Allocate(0, 4096, func(err error) {
					calls++
					require.ErrorIs(t, err, syscall.EOPNOTSUPP)
					f.Close(nil)
				})
			})
			require.NoError(t, l.Run())
			require.Equal(t, 1, calls)
			require.NoError(t, l.Close())
		})
	}
}
