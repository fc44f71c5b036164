//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// The system calls of the package, with a completion's result: a count, or a negated errno. Those that cannot
// block are raw: to tell the scheduler costs more than some of them, and it would take the P away from
// a loop that is busy.

func value(r, _ uintptr, code unix.Errno) int32 {
	if code != 0 {
		return -int32(code)
	}
	return int32(r)
}

// maxRaw bounds the copies that are made without telling the scheduler, since a garbage collection cannot
// start meanwhile.
const maxRaw = 64 << 10

func recvfrom(fd int32, buf unsafe.Pointer, n int32, flags uint32) int32 {
	if n > maxRaw {
		return value(unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(buf), uintptr(n), noWaiting(flags), 0, 0))
	}
	return value(unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(buf), uintptr(n), noWaiting(flags), 0, 0))
}

func sendto(fd int32, buf unsafe.Pointer, n int32, flags uint32) int32 {
	if n > maxRaw {
		return value(unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(buf), uintptr(n), noWaiting(flags)|noSignal, 0, 0))
	}
	return value(unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(buf), uintptr(n), noWaiting(flags)|noSignal, 0, 0))
}

func recvmsg(fd int32, header *ring.Msghdr, flags uint32) int32 {
	if isShort(header) {
		return value(unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(header)), noWaiting(flags)))
	}
	return value(unix.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(header)), noWaiting(flags)))
}

func sendmsg(fd int32, header *ring.Msghdr, flags uint32) int32 {
	if isShort(header) {
		return value(unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(header)), noWaiting(flags)|noSignal))
	}
	return value(unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(header)), noWaiting(flags)|noSignal))
}

// isShort tells a message that is copied at once, as a datagram is.
func isShort(header *ring.Msghdr) bool {
	return header.Iovlen == 1 && header.Iov != nil && uint64(header.Iov.Len) <= maxRaw
}

// noWaiting replaces MSG_WAITALL, which the queue takes care of: a receive would wait for all in spite of MSG_DONTWAIT.
func noWaiting(flags uint32) uintptr {
	return uintptr(flags&^unix.MSG_WAITALL | unix.MSG_DONTWAIT)
}

func connectFD(fd int32, addr unsafe.Pointer, n uint32) int32 {
	return value(unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(addr), uintptr(n)))
}

func shutdown(fd int32, how uint32) int32 { return result(unix.Shutdown(int(fd), int(how))) }

// closeFD takes EINTR for success: the number is gone, and to try again could close its next owner.
func closeFD(fd int32) int32 {
	if err := unix.Close(int(fd)); err != unix.EINTR {
		return result(err)
	}
	return 0
}

func statusFlags(fd int32) int32 {
	return value(unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_GETFL, 0))
}

func isFile(fd int32) bool {
	var st unix.Stat_t
	err := unix.Fstat(int(fd), &st)
	return err == nil && (st.Mode&unix.S_IFMT == unix.S_IFREG || st.Mode&unix.S_IFMT == unix.S_IFBLK)
}

func isStream(fd int32) bool {
	kind, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE)
	return err == nil && (kind == unix.SOCK_STREAM || kind == unix.SOCK_SEQPACKET)
}

// pollNow returns the events of poll(2) that are there now, out of events, errors and hang-up.
func pollNow(fd int32, events uint32) int32 {
	set := [1]unix.PollFd{{Fd: fd, Events: int16(events)}}
	for {
		_, err := unix.Poll(set[:], 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return result(err)
		case set[0].Revents&unix.POLLNVAL != 0:
			return -int32(unix.EBADF)
		}
		return int32(uint16(set[0].Revents))
	}
}
