//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// Execute performs an operation that may block, as a worker does, and returns its result.
func Execute(s *ring.SQE) int32 {
	for {
		res := executeOnce(s)
		if res != -int32(unix.EINTR) {
			return res
		}
	}
}

func executeOnce(s *ring.SQE) int32 {
	switch s.Opcode {
	case ring.OpRead, ring.OpReadv, ring.OpWrite, ring.OpWritev:
		res := move(s, 0)
		switch {
		case res == -int32(unix.EINTR):
			return res
		case res == -int32(unix.EAGAIN) && s.Link.Res > 0:
			return s.Link.Res
		}
		return partial(s, res)
	case ring.OpFsync:
		return fsync(s.FD, s.OpFlags&ring.FsyncData != 0)
	case ring.OpFallocate:
		return fallocate(s.FD, s.Arg, s.Off, int64(s.Len))
	case ring.OpFtruncate:
		return result(unix.Ftruncate(int(s.FD), s.Off))
	case ring.OpClose:
		return closeFD(s.FD)
	case ring.OpOpenat:
		return openat(s.FD, (*byte)(s.Addr), s.OpFlags, s.Arg)
	case ring.OpStatx:
		return statx(s.FD, (*byte)(s.Addr), s.OpFlags, s.Arg, (*ring.Statx)(s.Addr2))
	case ring.OpUnlinkat:
		return unlinkat(s.FD, (*byte)(s.Addr), s.OpFlags)
	case ring.OpMkdirat:
		return mkdirat(s.FD, (*byte)(s.Addr), s.Arg)
	case ring.OpRenameat:
		return renameat(s.FD, (*byte)(s.Addr), int32(s.Arg), (*byte)(s.Addr2), s.OpFlags)
	case ring.OpLinkat:
		return linkat(s.FD, (*byte)(s.Addr), int32(s.Arg), (*byte)(s.Addr2), s.OpFlags)
	case ring.OpSymlinkat:
		return symlinkat((*byte)(s.Addr), s.FD, (*byte)(s.Addr2))
	default:
		return -int32(unix.EOPNOTSUPP)
	}
}

// result turns an error of package unix into the result of a completion.
func result(err error) int32 {
	if err == nil {
		return 0
	}
	if code, ok := err.(unix.Errno); ok {
		return -int32(code)
	}
	return -int32(unix.EIO)
}

// slice is [unsafe.Slice] for a length that came as a number.
func slice[T any](p unsafe.Pointer, n uint64) []T {
	if p == nil {
		return nil
	}
	return unsafe.Slice((*T)(p), int(n))
}
