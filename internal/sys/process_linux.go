package sys

import "syscall"

const maxSignal = 64

func wantPidFD(attr *syscall.SysProcAttr, fd *int) { attr.PidFD = fd }
