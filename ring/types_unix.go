//go:build unix && !linux

package ring

import "golang.org/x/sys/unix"

// The structures that an operation hands to the system, in the system's own layout.
type (
	// Msghdr is the message header of OpSendmsg and OpRecvmsg.
	Msghdr = unix.Msghdr
	// Iovec is one buffer of a vectored operation.
	Iovec = unix.Iovec
	// RawSockaddrAny has room for any socket address.
	RawSockaddrAny = unix.RawSockaddrAny
	// Statx is what OpStatx, here fstatat(2), fills in.
	Statx = unix.Stat_t
)
