//go:build unix && !linux

package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	AdviceNormal = iota
	AdviceSequential
	AdviceRandom
	AdviceWillNeed
	AdviceDontNeed
	AdviceNoReuse
)

// Advise does nothing: advice may be ignored.
func Advise(int, int64, int64, int) error { return nil }

// SetTimes has microseconds here.
func SetTimes(fd int, atime, mtime time.Time) error {
	var st unix.Stat_t
	if err := uninterrupted(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return err
	}
	times := []unix.Timeval{unix.NsecToTimeval(unix.TimespecToNsec(st.Atim)), unix.NsecToTimeval(unix.TimespecToNsec(st.Mtim))}
	for i, t := range []time.Time{atime, mtime} {
		if !t.IsZero() {
			times[i] = unix.NsecToTimeval(t.UnixNano())
		}
	}
	return uninterrupted(func() error { return unix.Futimes(fd, times) })
}

// SetLinkTimes asks what there is first, because not every system can leave a time as it is.
func SetLinkTimes(name string, atime, mtime time.Time) error {
	var st unix.Stat_t
	if err := uninterrupted(func() error { return unix.Lstat(name, &st) }); err != nil {
		return err
	}
	times := []unix.Timespec{st.Atim, st.Mtim}
	for i, t := range []time.Time{atime, mtime} {
		if !t.IsZero() {
			times[i] = unix.NsecToTimespec(t.UnixNano())
		}
	}
	return uninterrupted(func() error { return unix.UtimesNanoAt(int(currentDir), name, times, unix.AT_SYMLINK_NOFOLLOW) })
}

func CopyRange(int, int, int) (int, error) { return 0, unix.EOPNOTSUPP }

// SizeNow does not know.
func SizeNow(int32) int64 { return 0 }
