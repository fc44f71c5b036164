//go:build unix

package sys

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Catchable reports whether a program can have sig delivered to it.
func Catchable(sig os.Signal) bool {
	n, ok := sig.(syscall.Signal)
	return ok && n > 0 && n <= maxSignal && n != unix.SIGKILL && n != unix.SIGSTOP
}

// SIGCHLD is what a process gets when a child of its ends.
const SIGCHLD = unix.SIGCHLD

// A Child is how to start a process.
type Child struct {
	Path     string
	Args     []string // the program's name first
	Env      []string
	Dir      string
	Files    []int // the child's descriptors from 0 on, as this process has them
	Detached bool
	Attr     *syscall.SysProcAttr // nil for none; not changed
}

// Start starts the child and returns its number, and a descriptor of it, or -1 if the system has none. It returns once the new program
// runs, or could not be run. fork(2), execve(2)
func (c *Child) Start() (pid, pidfd int, err error) {
	var attr syscall.SysProcAttr
	if c.Attr != nil {
		attr = *c.Attr
	}
	if c.Detached {
		attr.Setsid = true
	}
	pidfd = -1
	wantPidFD(&attr, &pidfd)
	files := make([]uintptr, len(c.Files))
	for i, fd := range c.Files {
		files[i] = uintptr(fd)
	}
	pid, err = syscall.ForkExec(c.Path, c.Args, &syscall.ProcAttr{Dir: c.Dir, Env: c.Env, Files: files, Sys: &attr})
	if err != nil {
		return 0, -1, err
	}
	sharePidFD(c.Attr, pidfd)
	return pid, pidfd, nil
}

// An Exit is how a process ended.
type Exit struct {
	Code         int // -1 if a signal ended it
	Signal       syscall.Signal
	User, System time.Duration
}

// Reap takes the exit of a child, if it has ended. wait4(2) with WNOHANG
func Reap(pid int) (e Exit, ended bool, err error) {
	var status unix.WaitStatus
	var usage unix.Rusage
	for {
		n, err := unix.Wait4(pid, &status, unix.WNOHANG, &usage)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return Exit{}, false, err
		}
		break
	}
	e = Exit{Code: status.ExitStatus(), User: time.Duration(usage.Utime.Nano()), System: time.Duration(usage.Stime.Nano())}
	if status.Signaled() {
		e.Signal = status.Signal()
	}
	return e, true, nil
}

// ReapLater takes the exit of a child that nobody asks for any more, so that it does not stay a zombie.
func ReapLater(pid int) {
	go func() {
		for {
			if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
				return
			}
		}
	}()
}

// Kill sends a signal to a child that was not reaped, so that the number is still its own.
func Kill(pid int, sig syscall.Signal) error { return unix.Kill(pid, sig) }

// ChildPipe makes a pipe between this process and a child: the end here does not block, the child's does. read says that this one reads.
func ChildPipe(read bool) (mine, childs int, err error) {
	r, w, err := Pipe()
	if err != nil {
		return -1, -1, err
	}
	mine, childs = w, r
	if read {
		mine, childs = r, w
	}
	if err := unix.SetNonblock(childs, false); err != nil {
		Close(r)
		Close(w)
		return -1, -1, err
	}
	return mine, childs, nil
}

// OpenNull opens /dev/null to read and write.
func OpenNull() (fd int, err error) { return unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0) }
