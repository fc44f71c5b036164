//go:build unix

package sys

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Inspect finds out what fd is. The error is a *Refusal for what has no readiness, or is a socket that carries no stream.
func Inspect(fd int) (Stream, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Stream{}, refusal("", err)
	}
	mode, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return Stream{}, refusal("", err)
	}
	s := Stream{Network: "device", WriteOnly: mode&unix.O_ACCMODE == unix.O_WRONLY}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return s, refusal("a regular file is never unready, open it as a File", unix.EINVAL)
	case unix.S_IFDIR:
		return s, refusal("a directory", unix.EINVAL)
	case unix.S_IFBLK:
		return s, refusal("a block device is never unready, open it as a File", unix.EINVAL)
	case unix.S_IFIFO:
		s.Network = "pipe"
	case unix.S_IFSOCK:
		return inspectSocket(fd)
	}
	return s, nil
}

func inspectSocket(fd int) (s Stream, err error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return s, refusal("SO_TYPE", err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil && err != unix.EAFNOSUPPORT { // which is package unix's for what it does not know
		return s, refusal("getsockname", err)
	}
	_, local := sa.(*unix.SockaddrUnix)
	switch {
	case kind == unix.SOCK_SEQPACKET && local:
		s.Network = "unixpacket"
	case kind != unix.SOCK_STREAM:
		return s, refusal("not a stream socket", unix.EPROTOTYPE)
	case local:
		s.Network = "unix"
	default:
		s.Network = "stream"
		switch sa.(type) {
		case *unix.SockaddrInet4, *unix.SockaddrInet6:
			s.Network = "tcp"
		}
	}
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	s.Listening = err == nil && listening != 0
	return s, nil
}

func refusal(reason string, err error) error {
	errno, ok := err.(syscall.Errno)
	if !ok {
		errno = unix.EINVAL
	}
	return &Refusal{reason, errno}
}

// Connected returns an error if the socket fd has no peer.
func Connected(fd int) error {
	if _, err := unix.Getpeername(fd); err != nil {
		return refusal("not a connected socket", err)
	}
	return nil
}

// Prepare makes fd non-blocking and close-on-exec. The first is of the open file, and so of everyone who shares it.
func Prepare(fd int) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
	return err
}
