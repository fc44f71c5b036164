//go:build unix

package sys

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// What a lock may be.
const (
	LockShared    = unix.LOCK_SH
	LockExclusive = unix.LOCK_EX
	LockRelease   = unix.LOCK_UN
)

// Directory lets open(2) fail on what is none, instead of waiting for the other end of a pipe.
const Directory = unix.O_DIRECTORY

// Open opens a file and returns its descriptor, close-on-exec.
func Open(name string, flag int, perm fs.FileMode) (fd int, err error) {
	err = uninterrupted(func() (err error) {
		fd, err = unix.Open(name, int(OpenFlags(flag)), FileMode(perm))
		return err
	})
	return fd, err
}

// OpenFile is [os.OpenFile] without the Go runtime's own poller, which a loop has no use for. Its errors are those of the system, not wrapped.
func OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	fd, err := Open(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Access is access(2).
func Access(name string, mode uint32) error {
	return uninterrupted(func() error { return unix.Access(name, mode) })
}

// Chmod is fchmod(2).
func Chmod(fd int, mode fs.FileMode) error {
	return uninterrupted(func() error { return unix.Fchmod(fd, FileMode(mode)) })
}

// Chown is fchown(2).
func Chown(fd, uid, gid int) error {
	return uninterrupted(func() error { return unix.Fchown(fd, uid, gid) })
}

// TryLock is flock(2) with LOCK_NB: EWOULDBLOCK says that another has the lock.
func TryLock(fd, how int) error {
	return uninterrupted(func() error { return unix.Flock(fd, how|unix.LOCK_NB) })
}

func uninterrupted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
