package queuetest

import (
	"errors"
	"syscall"
	"time"
)

// Patiently opens a ring in a test that opens many: without CAP_IPC_LOCK they soon have as much memory as the user may lock,
// and the kernel gives that of closed ones back at its leisure.
func Patiently[Q any](open func() (Q, error)) (Q, error) {
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		q, err := open()
		if !errors.Is(err, syscall.ENOMEM) || time.Now().After(end) {
			return q, err
		}
	}
}
