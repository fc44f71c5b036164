package sys

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What posix_fadvise(2) knows.
const (
	AdviceNormal     = unix.FADV_NORMAL
	AdviceSequential = unix.FADV_SEQUENTIAL
	AdviceRandom     = unix.FADV_RANDOM
	AdviceWillNeed   = unix.FADV_WILLNEED
	AdviceDontNeed   = unix.FADV_DONTNEED
	AdviceNoReuse    = unix.FADV_NOREUSE
)

// Advise is posix_fadvise(2).
func Advise(fd int, off, n int64, advice int) error {
	return uninterrupted(func() error { return unix.Fadvise(fd, off, n, advice) })
}

// SetTimes is futimens(3). A zero time leaves what there is.
func SetTimes(fd int, atime, mtime time.Time) error {
	times := [2]unix.Timespec{timespec(atime), timespec(mtime)}
	return uninterrupted(func() error {
		_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
}

// SetLinkTimes is SetTimes of name itself, even if it is a symbolic link.
func SetLinkTimes(name string, atime, mtime time.Time) error {
	times := []unix.Timespec{timespec(atime), timespec(mtime)}
	return uninterrupted(func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, name, times, unix.AT_SYMLINK_NOFOLLOW) })
}

func timespec(t time.Time) unix.Timespec {
	if t.IsZero() {
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	}
	return unix.NsecToTimespec(t.UnixNano())
}

// CopyRange copies up to n bytes from the position of one file to that of the other, and returns how many it did. copy_file_range(2).
func CopyRange(dst, src, n int) (moved int, err error) {
	err = uninterrupted(func() (err error) {
		moved, err = unix.CopyFileRange(src, nil, dst, nil, n, 0)
		return err
	})
	return moved, err
}

// SizeNow returns the size of an open file as far as this machine knows it: it asks no server and cannot block. statx(2) with AT_STATX_DONT_SYNC.
func SizeNow(fd int32) int64 {
	var st unix.Statx_t
	if unix.Statx(int(fd), "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_SIZE, &st) != nil {
		return 0
	}
	return int64(st.Size)
}
