package fallback

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

const (
	defaultPoller = "epoll"
	pollRDHUP     = uint32(unix.POLLRDHUP)
	noSignal      = unix.MSG_NOSIGNAL
	direct        = unix.O_DIRECT
	notARing      = -int32(unix.EBADFD)
	noWait        = unix.RWF_NOWAIT
)

var pollers = map[string]func(controls *uint64) (poller, error){"epoll": newEpoll, "poll": newPoll}

func supported(ring.Opcode) bool { return true }

func accept(fd int32, addr unsafe.Pointer, n *uint32, flags uint32) int32 {
	return value(unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(addr),
		uintptr(unsafe.Pointer(n)), uintptr(flags), 0, 0))
}

// vectored is preadv2(2) or pwritev2(2), whose offset -1 is the file's own position.
func vectored(write bool, fd int32, vecs []ring.Iovec, off int64, flags, mode uint32) int32 {
	trap := uintptr(unix.SYS_PREADV2)
	if write {
		trap = unix.SYS_PWRITEV2
	}
	first := unsafe.Pointer(unsafe.SliceData(vecs)) // a number only in the call itself: vecs may be on the stack
	// The offset goes in two halves. A 64-bit kernel takes the first as a whole and shifts the second out.
	low, high := uintptr(off), uintptr(uint64(off)>>32)
	if mode&noWait != 0 {
		return value(unix.RawSyscall6(trap, uintptr(fd), uintptr(first), uintptr(len(vecs)), low, high, uintptr(flags|mode)))
	}
	return value(unix.Syscall6(trap, uintptr(fd), uintptr(first), uintptr(len(vecs)), low, high, uintptr(flags)))
}

func fsync(fd int32, data bool) int32 {
	if data {
		return result(unix.Fdatasync(int(fd)))
	}
	return result(unix.Fsync(int(fd)))
}

func fallocate(fd int32, mode uint32, off, n int64) int32 {
	return result(unix.Fallocate(int(fd), mode, off, n))
}

// The paths are passed on as they are: the wrappers of package unix take strings, which would have to be made.

func openat(dir int32, path *byte, flags, mode uint32) int32 {
	return value(unix.Syscall6(unix.SYS_OPENAT, uintptr(dir),
		uintptr(unsafe.Pointer(path)), uintptr(flags|unix.O_LARGEFILE), uintptr(mode), 0, 0))
}

func statx(dir int32, path *byte, flags, mask uint32, st *ring.Statx) int32 {
	return value(unix.Syscall6(unix.SYS_STATX, uintptr(dir),
		uintptr(unsafe.Pointer(path)), uintptr(flags), uintptr(mask), uintptr(unsafe.Pointer(st)), 0))
}

func unlinkat(dir int32, path *byte, flags uint32) int32 {
	return value(unix.Syscall(unix.SYS_UNLINKAT, uintptr(dir), uintptr(unsafe.Pointer(path)), uintptr(flags)))
}

func mkdirat(dir int32, path *byte, mode uint32) int32 {
	return value(unix.Syscall(unix.SYS_MKDIRAT, uintptr(dir), uintptr(unsafe.Pointer(path)), uintptr(mode)))
}

func renameat(dir int32, path *byte, newDir int32, newPath *byte, flags uint32) int32 {
	return value(unix.Syscall6(unix.SYS_RENAMEAT2, uintptr(dir),
		uintptr(unsafe.Pointer(path)), uintptr(newDir), uintptr(unsafe.Pointer(newPath)), uintptr(flags), 0))
}

func linkat(dir int32, path *byte, newDir int32, newPath *byte, flags uint32) int32 {
	return value(unix.Syscall6(unix.SYS_LINKAT, uintptr(dir),
		uintptr(unsafe.Pointer(path)), uintptr(newDir), uintptr(unsafe.Pointer(newPath)), uintptr(flags), 0))
}

func symlinkat(target *byte, dir int32, path *byte) int32 {
	return value(unix.Syscall(unix.SYS_SYMLINKAT,
		uintptr(unsafe.Pointer(target)), uintptr(dir), uintptr(unsafe.Pointer(path))))
}
