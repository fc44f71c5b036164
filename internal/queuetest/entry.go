//go:build unix

package queuetest

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// current is the Off of an entry that uses the file's own position.
const current = -1

// badFD is a descriptor number that no process opens.
const badFD = 1<<30 - 1

func on(op ring.Opcode, fd int) *ring.SQE { return &ring.SQE{Opcode: op, FD: int32(fd)} }

func buffer(op ring.Opcode, fd int, b []byte, off int64, flags int) *ring.SQE {
	s := on(op, fd)
	s.Addr = unsafe.Pointer(unsafe.SliceData(b))
	s.Len = uint64(len(b))
	s.Off = off
	s.OpFlags = uint32(flags)
	return s
}

func read(fd int, b []byte, off int64) *ring.SQE  { return buffer(ring.OpRead, fd, b, off, 0) }
func write(fd int, b []byte, off int64) *ring.SQE { return buffer(ring.OpWrite, fd, b, off, 0) }
func recv(fd int, b []byte, flags int) *ring.SQE  { return buffer(ring.OpRecv, fd, b, 0, flags) }
func send(fd int, b []byte, flags int) *ring.SQE {
	return buffer(ring.OpSend, fd, b, 0, flags|unix.MSG_NOSIGNAL)
}

// onFile marks an entry as one on a regular file.
func onFile(s *ring.SQE) *ring.SQE {
	s.Flags |= ring.MayBlock
	return s
}

func iovecs(bufs [][]byte) []ring.Iovec {
	iov := make([]ring.Iovec, len(bufs))
	for i, b := range bufs {
		iov[i].Base = unsafe.SliceData(b)
		iov[i].SetLen(len(b))
	}
	return iov
}

func vector(op ring.Opcode, fd int, bufs [][]byte, off int64) *ring.SQE {
	s := on(op, fd)
	s.Addr = unsafe.Pointer(unsafe.SliceData(iovecs(bufs)))
	s.Len = uint64(len(bufs))
	s.Off = off
	return s
}

// message makes a header of bufs and of name, the room for a socket address.
func message(name []byte, bufs ...[]byte) *ring.Msghdr {
	m := &ring.Msghdr{Iov: unsafe.SliceData(iovecs(bufs))}
	m.SetIovlen(len(bufs))
	if len(name) > 0 {
		m.Name = &name[0]
		m.Namelen = uint32(len(name))
	}
	return m
}

func sendmsg(fd int, m *ring.Msghdr, flags int) *ring.SQE {
	s := on(ring.OpSendmsg, fd)
	s.Addr = unsafe.Pointer(m)
	s.OpFlags = uint32(flags | unix.MSG_NOSIGNAL)
	return s
}

func recvmsg(fd int, m *ring.Msghdr, flags int) *ring.SQE {
	s := on(ring.OpRecvmsg, fd)
	s.Addr = unsafe.Pointer(m)
	s.OpFlags = uint32(flags)
	return s
}

func accept(fd int) *ring.SQE {
	s := on(ring.OpAccept, fd)
	s.OpFlags = acceptFlags
	return s
}

func connect(fd int, addr []byte) *ring.SQE { return buffer(ring.OpConnect, fd, addr, 0, 0) }

func shutdown(fd, how int) *ring.SQE {
	s := on(ring.OpShutdown, fd)
	s.OpFlags = uint32(how)
	return s
}

func poll(fd, events int) *ring.SQE {
	s := on(ring.OpPollAdd, fd)
	s.OpFlags = uint32(events)
	return s
}

func multishot(s *ring.SQE) *ring.SQE {
	s.Flags |= ring.Multishot
	return s
}

// selecting makes a receive that takes a buffer of the group.
func selecting(fd int, group uint16) *ring.SQE {
	s := on(ring.OpRecv, fd)
	s.Flags = ring.BufferSelect
	s.Group = group
	return s
}

func fsync(fd, flags int) *ring.SQE {
	s := on(ring.OpFsync, fd)
	s.OpFlags = uint32(flags)
	return s
}

func cstring(s string) unsafe.Pointer {
	b := append([]byte(s), 0)
	return unsafe.Pointer(&b[0])
}

// at makes an entry on a path, relative to the directory dir.
func at(op ring.Opcode, dir int, path string, flags int, arg uint32) *ring.SQE {
	s := on(op, dir)
	s.Addr = cstring(path)
	s.OpFlags = uint32(flags)
	s.Arg = arg
	return s
}

func openat(path string, flags int, mode uint32) *ring.SQE {
	return at(ring.OpOpenat, unix.AT_FDCWD, path, flags|unix.O_CLOEXEC, mode)
}

func mkdir(path string, mode uint32) *ring.SQE {
	return at(ring.OpMkdirat, unix.AT_FDCWD, path, 0, mode)
}

func unlink(path string, flags int) *ring.SQE {
	return at(ring.OpUnlinkat, unix.AT_FDCWD, path, flags, 0)
}

// between makes an entry on two paths.
func between(op ring.Opcode, from, to string, flags int) *ring.SQE {
	cwd := int64(unix.AT_FDCWD)
	s := at(op, unix.AT_FDCWD, from, flags, uint32(cwd))
	s.Addr2 = cstring(to)
	return s
}

func symlink(target, path string) *ring.SQE {
	s := at(ring.OpSymlinkat, unix.AT_FDCWD, target, 0, 0)
	s.Addr2 = cstring(path)
	return s
}

func statx(dir int, path string, flags int, st *ring.Statx) *ring.SQE {
	s := at(ring.OpStatx, dir, path, flags, statMask)
	s.Addr2 = unsafe.Pointer(st)
	return s
}

// cancel makes an entry that cancels target, which has been pushed.
func cancel(target *ring.SQE) *ring.SQE {
	s := on(ring.OpCancel, -1)
	s.Addr = unsafe.Pointer(target)
	s.Off = int64(target.UserData)
	return s
}

func cancelBy(keys uint32, fd int) *ring.SQE {
	s := on(ring.OpCancel, fd)
	s.OpFlags = keys
	return s
}

// bytesOf returns the buffer of an entry.
func bytesOf(s *ring.SQE) []byte { return unsafe.Slice((*byte)(s.Addr), s.Len) }
