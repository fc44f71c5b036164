package sys

import (
	"net"
	"strings"
	"syscall"
)

// UnixAddr is the name of a Unix socket: a path, "@" and a name in the abstract space of Linux, or, to bind to there, nothing for a
// name that the kernel chooses.
type UnixAddr struct {
	Name    string
	Network string // "unix" or "unixpacket"
}

// IsUnix tells the networks of UnixAddr.
func IsUnix(network string) bool { return network == "unix" || network == "unixpacket" }

// Check returns why the kernel would not, or not as it is meant, take the name: EINVAL or ENAMETOOLONG.
func (a UnixAddr) Check() error {
	switch {
	case strings.IndexByte(a.Name, 0) >= 0:
		return syscall.EINVAL
	case len(a.Name) > maxUnixName:
		return syscall.ENAMETOOLONG
	}
	return nil
}

// IsPath reports whether binding makes a file.
func (a UnixAddr) IsPath() bool { return a.Name != "" && (a.Name[0] != '@' || !abstractNames) }

// Net returns a as package net has it.
func (a UnixAddr) Net() net.Addr { return &net.UnixAddr{Name: a.Name, Net: a.Network} }
