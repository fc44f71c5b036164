//go:build unix && !linux

package sys

import "syscall"

const maxSignal = 31

func wantPidFD(*syscall.SysProcAttr, *int) {}

func sharePidFD(*syscall.SysProcAttr, int) {}
