package ring

import "unsafe"

// An SQE is a submission queue entry: one operation, described once, for the kernel or for the
// queue in user space. It holds Go pointers, never their integer values, so that the garbage
// collector sees what an operation uses for as long as the entry itself is reachable.
//
// Whoever pushes an entry keeps it reachable, unmoved (on the heap, not in a slice that may grow)
// and unchanged until its terminal [CQE], and with it everything that it points to. A queue may
// write to Link at any time in between, and to nothing else.
//
// What the fields mean depends on Opcode; the ones that are not named must be zero:
//
//	OpNop
//	OpRead, OpWrite    FD, Addr and Len: the buffer; Off (-1: the file's own position); OpFlags: RWF_*
//	                   FixedBuffer with Group: the number of the registered memory that the buffer lies in
//	                   OpRead of what can be polled also BufferSelect with Group, and Len: at most so many bytes; the
//	                   end of file may come with a buffer too
//	OpReadv, OpWritev  FD, Addr: the first of Len Iovecs; Off and OpFlags as above
//	OpFsync            FD; OpFlags: FsyncData for fdatasync
//	OpPollAdd          FD, OpFlags: POLL* events; the result is the events, and POLLERR, POLLHUP and
//	                   (Linux) POLLRDHUP unasked; Multishot
//	OpSend             FD, Addr and Len: the buffer; OpFlags: MSG_*
//	OpRecv             FD, Addr and Len, or BufferSelect with Group; OpFlags: MSG_*; Multishot
//	OpSendmsg          FD, Addr: *Msghdr; OpFlags: MSG_*
//	OpRecvmsg          FD, Addr: *Msghdr; OpFlags: MSG_*; with BufferSelect, Group and Multishot, all or none, the
//	                   header names no buffers, and of name and control data only the room: see RecvmsgOut
//	OpAccept           FD; OpFlags: SOCK_* of the new descriptor; Addr: *RawSockaddrAny and Addr2: *uint32,
//	                   its length, or both nil; Multishot (then both nil)
//	OpConnect          FD, Addr and Len: the socket address
//	OpShutdown         FD, OpFlags: SHUT_*
//	OpClose            FD
//	OpOpenat           FD: the directory, Addr: the path, OpFlags: O_*, Arg: the mode
//	OpStatx            FD: the directory, Addr: the path, OpFlags: AT_*, Arg: the mask, Addr2: *Statx
//	OpFallocate        FD, Off, Len: the length in bytes; Arg: the mode
//	OpFtruncate        FD, Off: the new size
//	OpUnlinkat         FD: the directory, Addr: the path, OpFlags: AT_REMOVEDIR or 0
//	OpMkdirat          FD: the directory, Addr: the path, Arg: the mode
//	OpRenameat, OpLinkat FD and Arg: the old and the new directory, Addr and Addr2: the old and the new path, OpFlags
//	OpSymlinkat        Addr: the target, FD: the directory, Addr2: the new path
//	OpCancel           Addr: the *SQE to cancel and Off: its UserData; or OpFlags with CancelFD, CancelAny, CancelAll
//	OpMsgRing          FD: the other queue's descriptor, Off: the UserData and Arg: the result of the CQE to post there
//
// A path ends with a NUL byte.
type SQE struct {
	Opcode   Opcode
	Flags    Flags
	Group    uint16 // the buffer group for BufferSelect, the memory's number for FixedBuffer
	FD       int32
	Off      int64
	Addr     unsafe.Pointer
	Addr2    unsafe.Pointer
	Len      uint64
	OpFlags  uint32
	Arg      uint32
	UserData uint64 // comes back in the CQE; ^uint64(0) is the queue's own
	Link     Link
}

// Flags are an entry's modifiers and hints.
type Flags uint8

const (
	// Multishot asks for many completions from one entry: every one but the last has [CQEMore].
	// For OpAccept, OpRecv, OpRecvmsg and OpPollAdd. A queue may end it at any time; to go on, push it again.
	Multishot Flags = 1 << iota
	// BufferSelect makes OpRecv or OpRecvmsg, or OpRead of a pipe or the like, take a buffer of Group when data is there. Its number comes in the CQE.
	BufferSelect
	// MayBlock says that FD is a regular file or block device: reads and writes always
	// "succeed" without readiness and may wait for a disk. The queue in user space hands them to a worker.
	MayBlock
	// Stream says that FD is a stream socket, where a receive shorter than the buffer means that
	// nothing is left to receive now.
	Stream
	// PollFirst skips the attempt at once and waits for readiness, for a socket known to be
	// empty (OpRecv, OpAccept) or full (OpSend). IORING_RECVSEND_POLL_FIRST, 5.19.
	PollFirst
	// FixedBuffer says that the whole buffer of OpRead or OpWrite lies in the memory that was registered under the number in Group, which
	// saves the kernel to look up and to pin its pages. A queue without FixedBuffers ignores it.
	// IORING_OP_READ_FIXED, IORING_OP_WRITE_FIXED, 5.1.
	FixedBuffer
)

// A RecvmsgOut is what a provided buffer begins with after OpRecvmsg with Multishot (struct io_uring_recvmsg_out). The name follows it, in as
// many bytes as Msghdr.Namelen left for it, then control data in Msghdr.Controllen bytes, then the payload, as far as it fits. The result of
// the completion counts all of that.
type RecvmsgOut struct {
	Namelen    uint32 // the length of the name, perhaps more than there was room for
	Controllen uint32
	Payloadlen uint32
	Flags      uint32 // MSG_*
}

// FsyncData in OpFlags turns OpFsync into fdatasync(2).
const FsyncData = 1

// Keys of OpCancel, in OpFlags (IORING_ASYNC_CANCEL_*, 5.19). Without any, the one entry named by Addr and
// Off is canceled, and the result is 0, -ENOENT when it is not there, or -EALREADY when it runs and cannot be stopped. With
// CancelAll or CancelAny it is the number of entries found, perhaps 0, and with CancelFD -EBADF for a number that is not in use.
// Either way the canceled entry has its own completion, with -ECANCELED or with its natural result: only that one says
// what happened.
const (
	CancelAll = 1 << 0 // every entry that matches, not only the first
	CancelFD  = 1 << 1 // match by FD; io_uring compares the open file, so a dup(2) of it matches too
	CancelAny = 1 << 2 // match every entry
)

// Link is the place that an entry offers to the queue that holds it: io_uring copies an
// entry and needs none of it, a queue in user space chains entries through it without allocating.
type Link struct {
	Next, Prev *SQE
	State      uint32
	Res        int32
}
