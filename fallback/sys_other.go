//go:build darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

const (
	defaultPoller = "poll"
	pollRDHUP     = 0
	noSignal      = 0 // Go ignores SIGPIPE for all but standard output and error
	direct        = 0
	notARing      = -int32(unix.EBADF)
	noWait        = 1
)

var pollers = map[string]func(controls *uint64) (poller, error){"poll": newPoll}

func supported(op ring.Opcode) bool { return op != ring.OpFallocate }

// accept makes the descriptor close-on-exec and non-blocking, whatever the flags: not all of these systems have
// accept4(2). A fork in between inherits it.
func accept(fd int32, addr unsafe.Pointer, n *uint32, _ uint32) int32 {
	res := value(unix.RawSyscall(unix.SYS_ACCEPT, uintptr(fd), uintptr(addr), uintptr(unsafe.Pointer(n))))
	if res >= 0 {
		unix.CloseOnExec(int(res))
		_ = unix.SetNonblock(int(res), true)
	}
	return res
}

// vectored makes a call for each buffer: not all of these systems have preadv(2).
func vectored(write bool, fd int32, vecs []ring.Iovec, off int64, flags, mode uint32) int32 {
	if flags|mode != 0 {
		return -int32(unix.EOPNOTSUPP)
	}
	var sum int32
	for _, v := range vecs {
		var n int
		var err error
		b := unsafe.Slice(v.Base, int(v.Len))
		switch {
		case write && off < 0:
			n, err = unix.Write(int(fd), b)
		case write:
			n, err = unix.Pwrite(int(fd), b, off+int64(sum))
		case off < 0:
			n, err = unix.Read(int(fd), b)
		default:
			n, err = unix.Pread(int(fd), b, off+int64(sum))
		}
		if err != nil {
			if sum > 0 {
				return sum
			}
			return result(err)
		}
		if sum += int32(n); n < len(b) {
			break
		}
	}
	return sum
}

func fsync(fd int32, _ bool) int32 { return result(unix.Fsync(int(fd))) }

func fallocate(int32, uint32, int64, int64) int32 { return -int32(unix.EOPNOTSUPP) }

func openat(dir int32, path *byte, flags, mode uint32) int32 {
	fd, err := unix.Openat(int(dir), unix.BytePtrToString(path), int(flags), mode)
	if err != nil {
		return result(err)
	}
	return int32(fd)
}

// statx is fstatat(2): the mask has no meaning.
func statx(dir int32, path *byte, flags, _ uint32, st *ring.Statx) int32 {
	return result(unix.Fstatat(int(dir), unix.BytePtrToString(path), st, int(flags)))
}

func unlinkat(dir int32, path *byte, flags uint32) int32 {
	return result(unix.Unlinkat(int(dir), unix.BytePtrToString(path), int(flags)))
}

func mkdirat(dir int32, path *byte, mode uint32) int32 {
	return result(unix.Mkdirat(int(dir), unix.BytePtrToString(path), mode))
}

func renameat(dir int32, path *byte, newDir int32, newPath *byte, flags uint32) int32 {
	if flags != 0 {
		return -int32(unix.EINVAL)
	}
	return result(unix.Renameat(int(dir), unix.BytePtrToString(path), int(newDir), unix.BytePtrToString(newPath)))
}

func linkat(dir int32, path *byte, newDir int32, newPath *byte, flags uint32) int32 {
	return result(unix.Linkat(int(dir), unix.BytePtrToString(path), int(newDir), unix.BytePtrToString(newPath), int(flags)))
}

func symlinkat(target *byte, dir int32, path *byte) int32 {
	return result(unix.Symlinkat(unix.BytePtrToString(target), int(dir), unix.BytePtrToString(path)))
}
