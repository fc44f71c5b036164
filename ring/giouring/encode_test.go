//go:build giouring && linux

package giouring_test

import (
	"syscall"
	"testing"
	"unsafe"

	upstream "github.com/pawelgaczynski/giouring"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

type entry = upstream.SubmissionQueueEntry

// everything is what a ring would have that can do all, so that no modifier is dropped.
var everything = ring.Features{Set: ^ring.Feature(0), Ops: ^ring.OpcodeSet(0)}

// arguments are what the entries of both sides point to.
type arguments struct {
	b    [64]byte
	iov  [2]ring.Iovec
	msg  ring.Msghdr
	addr ring.RawSockaddrAny
	size uint32
	path []byte
	to   []byte
	st   ring.Statx
}

func address[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// A pair is the same operation in both languages.
type pair struct {
	name    string
	ours    ring.SQE
	prepare func(e *entry)
}

// pairs lists every operation of the vocabulary, with each of its modifiers, that a Prepare method gets right.
func pairs(a *arguments) []pair {
	buf, iov := unsafe.Pointer(&a.b), unsafe.Pointer(&a.iov)
	const n, off, fd = 64, 1 << 40, 7
	return []pair{
		{"PrepareNop", ring.SQE{Opcode: ring.OpNop, FD: -1}, func(e *entry) { e.PrepareNop() }},
		{"PrepareRead", ring.SQE{Opcode: ring.OpRead, FD: fd, Addr: buf, Len: n, Off: off},
			func(e *entry) { e.PrepareRead(fd, uintptr(buf), n, off) }},
		{"PrepareRead at the position", ring.SQE{Opcode: ring.OpRead, FD: fd, Addr: buf, Len: n, Off: -1, Flags: ring.MayBlock},
			func(e *entry) { e.PrepareRead(fd, uintptr(buf), n, ^uint64(0)) }},
		{"PrepareWrite", ring.SQE{Opcode: ring.OpWrite, FD: fd, Addr: buf, Len: n, Off: off},
			func(e *entry) { e.PrepareWrite(fd, uintptr(buf), n, off) }},
		{"PrepareReadv", ring.SQE{Opcode: ring.OpReadv, FD: fd, Addr: iov, Len: 2, Off: off},
			func(e *entry) { e.PrepareReadv(fd, uintptr(iov), 2, off) }},
		{"PrepareReadv2", ring.SQE{Opcode: ring.OpReadv, FD: fd, Addr: iov, Len: 2, Off: off, OpFlags: unix.RWF_NOWAIT},
			func(e *entry) { e.PrepareReadv2(fd, uintptr(iov), 2, off, unix.RWF_NOWAIT) }},
		{"PrepareWritev", ring.SQE{Opcode: ring.OpWritev, FD: fd, Addr: iov, Len: 2, Off: off},
			func(e *entry) { e.PrepareWritev(fd, uintptr(iov), 2, off) }},
		{"PrepareWritev2", ring.SQE{Opcode: ring.OpWritev, FD: fd, Addr: iov, Len: 2, Off: off, OpFlags: unix.RWF_APPEND},
			func(e *entry) { e.PrepareWritev2(fd, uintptr(iov), 2, off, unix.RWF_APPEND) }},
		{"PrepareFsync", ring.SQE{Opcode: ring.OpFsync, FD: fd}, func(e *entry) { e.PrepareFsync(fd, 0) }},
		{"PrepareFsync of data", ring.SQE{Opcode: ring.OpFsync, FD: fd, OpFlags: ring.FsyncData},
			func(e *entry) { e.PrepareFsync(fd, upstream.FsyncDatasync) }},
		{"PreparePollAdd", ring.SQE{Opcode: ring.OpPollAdd, FD: fd, OpFlags: unix.POLLIN | unix.POLLRDHUP},
			func(e *entry) { e.PreparePollAdd(fd, unix.POLLIN|unix.POLLRDHUP) }},
		{"PreparePollMultishot", ring.SQE{Opcode: ring.OpPollAdd, FD: fd, OpFlags: unix.POLLIN, Flags: ring.Multishot},
			func(e *entry) { e.PreparePollMultishot(fd, unix.POLLIN) }},
		{"PrepareSend", ring.SQE{Opcode: ring.OpSend, FD: fd, Addr: buf, Len: n, OpFlags: unix.MSG_NOSIGNAL},
			func(e *entry) { e.PrepareSend(fd, uintptr(buf), n, unix.MSG_NOSIGNAL) }},
		{"PrepareSend, poll first", ring.SQE{Opcode: ring.OpSend, FD: fd, Addr: buf, Len: n, Flags: ring.PollFirst},
			func(e *entry) {
				e.PrepareSend(fd, uintptr(buf), n, 0)
				e.IoPrio = upstream.RecvsendPollFirst
			}},
		{"PrepareRecv", ring.SQE{Opcode: ring.OpRecv, FD: fd, Addr: buf, Len: n, OpFlags: unix.MSG_WAITALL, Flags: ring.Stream},
			func(e *entry) { e.PrepareRecv(fd, uintptr(buf), n, unix.MSG_WAITALL) }},
		{"PrepareRecv, selecting", ring.SQE{Opcode: ring.OpRecv, FD: fd, Flags: ring.BufferSelect, Group: 515},
			func(e *entry) {
				e.PrepareRecv(fd, 0, 0, 0)
				e.Flags, e.BufIG = upstream.SqeBufferSelect, 515
			}},
		{"PrepareRecvMultishot", ring.SQE{Opcode: ring.OpRecv, FD: fd, Flags: ring.BufferSelect | ring.Multishot, Group: 3},
			func(e *entry) {
				e.PrepareRecvMultishot(fd, 0, 0, 0)
				e.Flags, e.BufIG = upstream.SqeBufferSelect, 3
			}},
		{"PrepareSendMsg", ring.SQE{Opcode: ring.OpSendmsg, FD: fd, Addr: unsafe.Pointer(&a.msg), OpFlags: unix.MSG_NOSIGNAL},
			func(e *entry) { e.PrepareSendMsg(fd, (*syscall.Msghdr)(unsafe.Pointer(&a.msg)), unix.MSG_NOSIGNAL) }},
		{"PrepareRecvMsg", ring.SQE{Opcode: ring.OpRecvmsg, FD: fd, Addr: unsafe.Pointer(&a.msg), OpFlags: unix.MSG_PEEK},
			func(e *entry) { e.PrepareRecvMsg(fd, (*syscall.Msghdr)(unsafe.Pointer(&a.msg)), unix.MSG_PEEK) }},
		{"PrepareRecvMsgMultishot", ring.SQE{Opcode: ring.OpRecvmsg, FD: fd, Addr: unsafe.Pointer(&a.msg),
			Flags: ring.BufferSelect | ring.Multishot, Group: 3},
			func(e *entry) {
				e.PrepareRecvMsgMultishot(fd, (*syscall.Msghdr)(unsafe.Pointer(&a.msg)), 0)
				e.Flags, e.BufIG = upstream.SqeBufferSelect, 3
			}},
		{"PrepareAccept", ring.SQE{Opcode: ring.OpAccept, FD: fd, Addr: unsafe.Pointer(&a.addr), Addr2: unsafe.Pointer(&a.size),
			OpFlags: unix.SOCK_CLOEXEC},
			func(e *entry) { e.PrepareAccept(fd, address(&a.addr), uint64(address(&a.size)), unix.SOCK_CLOEXEC) }},
		{"PrepareMultishotAccept", ring.SQE{Opcode: ring.OpAccept, FD: fd, OpFlags: unix.SOCK_NONBLOCK, Flags: ring.Multishot},
			func(e *entry) { e.PrepareMultishotAccept(fd, 0, 0, unix.SOCK_NONBLOCK) }},
		{"PrepareCancel64", ring.SQE{Opcode: ring.OpCancel, FD: -1, Addr: buf, Off: 1 << 50},
			func(e *entry) { e.PrepareCancel64(1<<50, 0) }},
		{"PrepareCancel64 of any", ring.SQE{Opcode: ring.OpCancel, FD: -1, OpFlags: ring.CancelAny | ring.CancelAll},
			func(e *entry) { e.PrepareCancel64(0, int(upstream.AsyncCancelAny|upstream.AsyncCancelAll)) }},
		{"PrepareCancelFd", ring.SQE{Opcode: ring.OpCancel, FD: fd, OpFlags: ring.CancelFD | ring.CancelAll},
			func(e *entry) { e.PrepareCancelFd(fd, upstream.AsyncCancelAll) }},
		{"PrepareClose", ring.SQE{Opcode: ring.OpClose, FD: fd}, func(e *entry) { e.PrepareClose(fd) }},
		{"PrepareFallocate", ring.SQE{Opcode: ring.OpFallocate, FD: fd, Off: off, Len: 1 << 35, Arg: unix.FALLOC_FL_KEEP_SIZE},
			func(e *entry) { e.PrepareFallocate(fd, unix.FALLOC_FL_KEEP_SIZE, off, 1<<35) }},
		{"PrepareShutdown", ring.SQE{Opcode: ring.OpShutdown, FD: fd, OpFlags: unix.SHUT_RDWR},
			func(e *entry) { e.PrepareShutdown(fd, unix.SHUT_RDWR) }},
		{"PrepareUnlinkat", ring.SQE{Opcode: ring.OpUnlinkat, FD: fd, Addr: unsafe.Pointer(&a.path[0]), OpFlags: unix.AT_REMOVEDIR},
			func(e *entry) { e.PrepareUnlinkat(fd, address(&a.path[0]), unix.AT_REMOVEDIR) }},
		{"PrepareMsgRing", ring.SQE{Opcode: ring.OpMsgRing, FD: fd, Off: 1 << 60, Arg: 1 << 31},
			func(e *entry) { e.PrepareMsgRing(fd, 1<<31, 1<<60, 0) }},
	}
}

// mistaken lists the operations of the vocabulary whose Prepare method stores the address of a Go variable that holds
// the argument (a slice's header, an interface) instead of what the kernel needs, the address of its bytes.
// The header is on a stack frame that is gone by then.
func mistaken(a *arguments) []pair {
	const fd, other = 7, 9
	path, to := unsafe.Pointer(&a.path[0]), unsafe.Pointer(&a.to[0])
	return []pair{
		{"PrepareOpenat", ring.SQE{Opcode: ring.OpOpenat, FD: fd, Addr: path, OpFlags: unix.O_CREAT, Arg: 0o644},
			func(e *entry) { e.PrepareOpenat(fd, a.path, unix.O_CREAT, 0o644) }},
		{"PrepareStatx", ring.SQE{Opcode: ring.OpStatx, FD: fd, Addr: path, OpFlags: unix.AT_EMPTY_PATH, Arg: unix.STATX_SIZE,
			Addr2: unsafe.Pointer(&a.st)},
			func(e *entry) { e.PrepareStatx(fd, a.path, unix.AT_EMPTY_PATH, unix.STATX_SIZE, &a.st) }},
		{"PrepareMkdirat", ring.SQE{Opcode: ring.OpMkdirat, FD: fd, Addr: path, Arg: 0o755},
			func(e *entry) { e.PrepareMkdirat(fd, a.path, 0o755) }},
		{"PrepareRenameat", ring.SQE{Opcode: ring.OpRenameat, FD: fd, Addr: path, Arg: other, Addr2: to, OpFlags: unix.RENAME_NOREPLACE},
			func(e *entry) { e.PrepareRenameat(fd, a.path, other, a.to, unix.RENAME_NOREPLACE) }},
		{"PrepareLinkat", ring.SQE{Opcode: ring.OpLinkat, FD: fd, Addr: path, Arg: other, Addr2: to, OpFlags: unix.AT_SYMLINK_FOLLOW},
			func(e *entry) { e.PrepareLinkat(fd, a.path, other, a.to, unix.AT_SYMLINK_FOLLOW) }},
		{"PrepareSymlinkat", ring.SQE{Opcode: ring.OpSymlinkat, FD: fd, Addr: path, Addr2: to},
			func(e *entry) { e.PrepareSymlinkat(a.path, fd, a.to) }},
		{"PrepareConnect", ring.SQE{Opcode: ring.OpConnect, FD: fd, Addr: unsafe.Pointer(&a.addr), Len: 16},
			func(e *entry) {
				// It takes no other address than a pointer to an interface.
				var sa syscall.Sockaddr = &syscall.SockaddrInet4{Port: 80}
				e.PrepareConnect(fd, &sa, 16)
			}},
	}
}

// absent are operations that giouring knows nothing of, because it ends with kernel 6.1.
var absent = []ring.Opcode{ring.OpFtruncate}

func newArguments() *arguments {
	return &arguments{path: []byte("from\x00"), to: []byte("to\x00")}
}

func (p *pair) encode() (ours, theirs entry) {
	p.ours.UserData = 0x0123456789abcdef
	b := ring.Encode(&p.ours, everything)
	ours = *(*entry)(unsafe.Pointer(&b))
	p.prepare(&theirs)
	theirs.UserData = p.ours.UserData
	return ours, theirs
}

func TestEncoding(t *testing.T) {
	require.Equal(t, uintptr(64), unsafe.Sizeof(entry{}))
	for _, p := range pairs(newArguments()) {
		t.Run(p.name, func(t *testing.T) {
			ours, theirs := p.encode()
			require.Equal(t, theirs, ours)
		})
	}
}

// TestEncodingMistaken shows that nothing but the addresses differs, and that they are not what was given.
func TestEncodingMistaken(t *testing.T) {
	for _, p := range mistaken(newArguments()) {
		t.Run(p.name, func(t *testing.T) {
			ours, theirs := p.encode()
			require.Equal(t, uint64(uintptr(p.ours.Addr)), ours.Addr)
			require.NotEqual(t, ours.Addr, theirs.Addr)
			theirs.Addr = ours.Addr
			switch p.ours.Opcode {
			case ring.OpRenameat, ring.OpLinkat, ring.OpSymlinkat:
				require.Equal(t, uint64(uintptr(p.ours.Addr2)), ours.Off)
				require.NotEqual(t, ours.Off, theirs.Off)
				theirs.Off = ours.Off
			}
			require.Equal(t, theirs, ours)
		})
	}
}

// TestEncodingIsComplete leaves no operation out.
func TestEncodingIsComplete(t *testing.T) {
	var listed []ring.Opcode
	seen := map[ring.Opcode]bool{}
	for _, p := range append(pairs(newArguments()), mistaken(newArguments())...) {
		if !seen[p.ours.Opcode] {
			seen[p.ours.Opcode] = true
			listed = append(listed, p.ours.Opcode)
		}
	}
	require.ElementsMatch(t, ring.Opcodes(), append(listed, absent...))
	for _, op := range absent {
		require.GreaterOrEqual(t, uint8(op), upstream.OpLast)
	}
}
