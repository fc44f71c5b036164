package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const maxSignal = 64

func wantPidFD(attr *syscall.SysProcAttr, fd *int) { attr.PidFD = fd }

// sharePidFD gives who asked for a descriptor of the child one of its own.
func sharePidFD(attr *syscall.SysProcAttr, fd int) {
	if attr == nil || attr.PidFD == nil {
		return
	}
	*attr.PidFD = -1
	if fd >= 0 {
		if own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
			*attr.PidFD = own
		}
	}
}
