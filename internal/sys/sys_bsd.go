//go:build unix && !linux

package sys

import (
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

const (
	SendFlags   = 0
	SendOnce    = 0
	RecvRights  = 0 // close-on-exec is set afterwards
	AcceptFlags = 0 // the queue sets what accept4(2) would
	AppendFlag  = 0
	EmptyPath   = 0
	StatMask    = 0
	MaxIov      = 1024
	Direct      = 0

	abstractNames = false
)

// ReadNow cannot be done here.
func ReadNow(int32, []byte, int64) int32 { return -int32(unix.EOPNOTSUPP) }

// UseHugePages does nothing: there is no such advice here, or the system knows better.
func UseHugePages([]byte) {}

// ThreadID returns 0: there is no portable id, and a call on the wrong thread goes unnoticed.
func ThreadID() int64 { return 0 }

func socket(family, kind int) (int, error) {
	fd, err := unix.Socket(family, kind, 0)
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		Close(fd)
		return -1, err
	}
	return fd, nil
}

// setLen fills the length that a BSD socket address begins with.
func setLen(to *ring.RawSockaddrAny, n uint8) { to.Addr.Len = n }

func keepAliveTimes(int, int) error { return nil }

func maxBacklog() int { return unix.SOMAXCONN }

// Pipe makes a pipe whose ends are non-blocking and close-on-exec.
func Pipe() (r, w int, err error) {
	var ends [2]int
	if err = unix.Pipe(ends[:]); err != nil {
		return -1, -1, err
	}
	for _, fd := range ends {
		if err == nil {
			err = Prepare(fd)
		}
	}
	if err != nil {
		Close(ends[0])
		Close(ends[1])
	}
	return ends[0], ends[1], err
}

// PeerCred cannot be done in one way here.
func PeerCred(int) (pid, uid, gid int, err error) { return 0, 0, 0, unix.EOPNOTSUPP }
