package sys

import (
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

const (
	// SendFlags are those of every send: no SIGPIPE, and the kernel goes on until all is sent.
	SendFlags = unix.MSG_NOSIGNAL | unix.MSG_WAITALL
	// SendOnce are those of a send that carries descriptors: they go with its first byte, and with no other.
	SendOnce = unix.MSG_NOSIGNAL
	// RecvRights are those of a receive of descriptors.
	RecvRights = unix.MSG_CMSG_CLOEXEC
	// AcceptFlags are those of every accepted socket.
	AcceptFlags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	// AppendFlag makes a write an append; it is 0 where there is none.
	AppendFlag = unix.RWF_APPEND
	// EmptyPath makes a stat with an empty path one of the descriptor.
	EmptyPath = unix.AT_EMPTY_PATH
	// StatMask asks for what a fs.FileInfo shows.
	StatMask = unix.STATX_BASIC_STATS
	// MaxIov is how many buffers one system call takes.
	MaxIov = 1024
	// abstractNames: a Unix socket may have a name that is no path.
	abstractNames = true
	// Direct opens a file past the page cache.
	Direct = unix.O_DIRECT
)

// ThreadID identifies the calling OS thread.
func ThreadID() int64 { return int64(unix.Gettid()) }

// ReadNow reads what the page cache has of fd at off into b, without waiting for a disk, and returns the number of
// bytes or a negated errno: EAGAIN if there is nothing. preadv2(2) with RWF_NOWAIT.
func ReadNow(fd int32, b []byte, off int64) int32 {
	vec := unix.Iovec{Base: unsafe.SliceData(b)}
	vec.SetLen(len(b))
	// A 64-bit kernel takes the first half of the offset as a whole. Nothing here can block, so the scheduler need not know.
	n, _, errno := unix.RawSyscall6(unix.SYS_PREADV2, uintptr(fd), uintptr(unsafe.Pointer(&vec)), 1,
		uintptr(off), uintptr(uint64(off)>>32), unix.RWF_NOWAIT)
	if errno != 0 {
		return -int32(errno)
	}
	return int32(n)
}

// UseHugePages asks for huge pages where b has none yet. It is an advice: without such pages, or without room for them, nothing changes.
// MADV_COLLAPSE would replace small pages as well, in 4 to 7 ms for each 2 MiB on a virtual machine.
func UseHugePages(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }

func socket(family, kind int) (int, error) {
	return unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}

func setLen(*ring.RawSockaddrAny, uint8) {}

func keepAliveTimes(fd, idle int) error {
	for _, option := range [...]struct{ name, value int }{
		{unix.TCP_KEEPIDLE, idle}, {unix.TCP_KEEPINTVL, 15}, {unix.TCP_KEEPCNT, 9},
	} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, option.name, option.value); err != nil {
			return err
		}
	}
	return nil
}

var maxBacklog = sync.OnceValue(func() int {
	// Not os.ReadFile: that would start the Go runtime's own poller, an epoll that nobody here needs.
	fd, err := unix.Open("/proc/sys/net/core/somaxconn", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return unix.SOMAXCONN
	}
	defer Close(fd)
	var text [32]byte
	size, err := unix.Read(fd, text[:])
	if err != nil {
		return unix.SOMAXCONN
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text[:size])))
	if err != nil || n <= 0 {
		return unix.SOMAXCONN
	}
	return n
})

// Pipe makes a pipe whose ends are non-blocking and close-on-exec.
func Pipe() (r, w int, err error) {
	var ends [2]int
	err = unix.Pipe2(ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC)
	return ends[0], ends[1], err
}

// PeerCred returns who is at the other end of a Unix socket, or was when it was connected. SO_PEERCRED.
func PeerCred(fd int) (pid, uid, gid int, err error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, 0, 0, err
	}
	return int(c.Pid), int(c.Uid), int(c.Gid), nil
}
