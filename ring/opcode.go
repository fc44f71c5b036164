package ring

import "strconv"

// Opcode names an operation. The values are the kernel's (enum io_uring_op), so that a queue
// on io_uring passes them through and a trace of the system calls reads the same.
type Opcode uint8

// The operations that a queue of this project carries. The comment gives the kernel that introduced
// the opcode; [Features.Supports] tells what the running one has.
const (
	OpNop       Opcode = 0  // 5.1
	OpReadv     Opcode = 1  // 5.1, preadv2(2)
	OpWritev    Opcode = 2  // 5.1, pwritev2(2)
	OpFsync     Opcode = 3  // 5.1, fsync(2), fdatasync(2)
	OpPollAdd   Opcode = 6  // 5.1, poll(2)
	OpSendmsg   Opcode = 9  // 5.3, sendmsg(2)
	OpRecvmsg   Opcode = 10 // 5.3, recvmsg(2)
	OpAccept    Opcode = 13 // 5.5, accept4(2); multishot 5.19
	OpCancel    Opcode = 14 // 5.5, IORING_OP_ASYNC_CANCEL; by descriptor 5.19
	OpConnect   Opcode = 16 // 5.5, connect(2)
	OpFallocate Opcode = 17 // 5.6, fallocate(2)
	OpOpenat    Opcode = 18 // 5.6, openat(2)
	OpClose     Opcode = 19 // 5.6, close(2)
	OpStatx     Opcode = 21 // 5.6, statx(2)
	OpRead      Opcode = 22 // 5.6, pread(2)
	OpWrite     Opcode = 23 // 5.6, pwrite(2)
	OpSend      Opcode = 26 // 5.6, send(2)
	OpRecv      Opcode = 27 // 5.6, recv(2); multishot 6.0
	OpShutdown  Opcode = 34 // 5.11, shutdown(2)
	OpRenameat  Opcode = 35 // 5.11, renameat2(2)
	OpUnlinkat  Opcode = 36 // 5.11, unlinkat(2)
	OpMkdirat   Opcode = 37 // 5.15, mkdirat(2)
	OpSymlinkat Opcode = 38 // 5.15, symlinkat(2)
	OpLinkat    Opcode = 39 // 5.15, linkat(2)
	OpMsgRing   Opcode = 40 // 5.18, IORING_OP_MSG_RING
	OpFtruncate Opcode = 55 // 6.9, ftruncate(2)
)

var opcodeNames = map[Opcode]string{
	OpNop: "NOP", OpReadv: "READV", OpWritev: "WRITEV", OpFsync: "FSYNC", OpPollAdd: "POLL_ADD",
	OpSendmsg: "SENDMSG", OpRecvmsg: "RECVMSG", OpAccept: "ACCEPT", OpCancel: "ASYNC_CANCEL",
	OpConnect: "CONNECT", OpFallocate: "FALLOCATE", OpOpenat: "OPENAT", OpClose: "CLOSE",
	OpStatx: "STATX", OpRead: "READ", OpWrite: "WRITE", OpSend: "SEND", OpRecv: "RECV",
	OpShutdown: "SHUTDOWN", OpRenameat: "RENAMEAT", OpUnlinkat: "UNLINKAT", OpMkdirat: "MKDIRAT",
	OpSymlinkat: "SYMLINKAT", OpLinkat: "LINKAT", OpMsgRing: "MSG_RING", OpFtruncate: "FTRUNCATE",
}

// Opcodes lists every operation of the vocabulary.
func Opcodes() []Opcode {
	ops := make([]Opcode, 0, len(opcodeNames))
	for op := range 64 {
		if _, ok := opcodeNames[Opcode(op)]; ok {
			ops = append(ops, Opcode(op))
		}
	}
	return ops
}

// String returns the kernel's name without its prefix, such as "RECV".
func (op Opcode) String() string {
	if name, ok := opcodeNames[op]; ok {
		return name
	}
	return "opcode " + strconv.Itoa(int(op))
}
