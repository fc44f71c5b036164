package ring

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// maxTransfer is the kernel's MAX_RW_COUNT: no call moves more, and the field of an entry is 32 bits wide.
const maxTransfer = 0x7ffff000

var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// prep writes s the way the kernel reads it. Modifiers that set does not have are dropped, for they only ask:
// a Multishot completes once then, a PollFirst tries at once.
func prep(e *entry, s *SQE, set Feature) {
	// A slot is used again and again, and the kernel refuses what it finds in a field that the operation does not use.
	*e = entry{opcode: s.Opcode, fd: s.FD, userData: s.UserData}
	multishot := s.Flags&Multishot != 0
	switch s.Opcode {
	case OpRead, OpWrite, OpReadv, OpWritev:
		e.off = uint64(s.Off)
		e.addr = address(s.Addr)
		e.len = uint32(min(s.Len, maxTransfer))
		e.opFlags = s.OpFlags
		switch {
		case s.Opcode == OpRead && s.Flags&BufferSelect != 0:
			e.flags = sqeBufferSelect
			e.bufGroup = s.Group
		case s.Flags&FixedBuffer == 0 || set&FixedBuffers == 0:
		case s.Opcode == OpRead:
			e.opcode, e.bufGroup = opReadFixed, s.Group
		case s.Opcode == OpWrite:
			e.opcode, e.bufGroup = opWriteFixed, s.Group
		}
	case OpFsync:
		e.opFlags = s.OpFlags
	case OpPollAdd:
		e.opFlags = s.OpFlags
		if bigEndian {
			e.opFlags = bits.RotateLeft32(e.opFlags, 16) // once a 16-bit field, at the same address
		}
		if multishot && set&MultishotPoll != 0 {
			e.len = pollAddMulti
		}
	case OpSend, OpRecv:
		e.opFlags = s.OpFlags
		if s.Opcode == OpRecv && s.Flags&BufferSelect != 0 {
			e.flags = sqeBufferSelect
			e.bufGroup = s.Group
		} else {
			e.addr = address(s.Addr)
			e.len = uint32(min(s.Len, maxTransfer))
		}
		if s.Opcode == OpRecv && multishot && set&MultishotRecv != 0 {
			e.ioprio = recvMultishot
		}
		if s.Flags&PollFirst != 0 && set&PollFirstHint != 0 {
			e.ioprio |= recvsendPollFirst
		}
	case OpSendmsg, OpRecvmsg:
		e.addr = address(s.Addr)
		e.len = 1
		e.opFlags = s.OpFlags
		if s.Opcode == OpRecvmsg && s.Flags&BufferSelect != 0 {
			e.flags = sqeBufferSelect
			e.bufGroup = s.Group
			if multishot && set&MultishotRecvmsg != 0 {
				e.ioprio = recvMultishot
			}
		}
	case OpAccept:
		e.addr = address(s.Addr)
		e.off = address(s.Addr2)
		e.opFlags = s.OpFlags
		if multishot && set&MultishotAccept != 0 {
			e.ioprio = acceptMultishot
		}
		if s.Flags&PollFirst != 0 && set&PollFirstHint != 0 && set&hintedAccept != 0 {
			e.ioprio |= acceptPollFirst
		}
	case OpConnect:
		e.addr = address(s.Addr)
		e.off = s.Len
	case OpShutdown:
		e.len = s.OpFlags
	case OpOpenat, OpStatx, OpUnlinkat, OpMkdirat, OpRenameat, OpLinkat, OpSymlinkat:
		e.addr = address(s.Addr)
		e.off = address(s.Addr2)
		e.len = s.Arg // the mode, the mask, or the new directory
		e.opFlags = s.OpFlags
	case OpFallocate:
		e.off = uint64(s.Off)
		e.addr = s.Len // the 64 bits that there are
		e.len = s.Arg
	case OpFtruncate:
		e.off = uint64(s.Off)
	case OpCancel:
		e.opFlags = s.OpFlags
		if s.OpFlags&(CancelFD|CancelAny) == 0 {
			e.addr = uint64(s.Off)
		}
	case OpMsgRing:
		e.off = uint64(s.Off)
		e.len = s.Arg
	}
}

// address is for the kernel only. What p points to is kept alive by whoever pushed the entry, and
// does not move because it is on the heap.
func address(p unsafe.Pointer) uint64 { return uint64(uintptr(p)) }

// Encode returns s as struct io_uring_sqe, as a ring with the features of f would push it: for
// tests, traces, and rings that are not ours. What s points to is not kept alive by the result.
func Encode(s *SQE, f Features) [64]byte {
	var e entry
	prep(&e, s, f.Set)
	return *(*[64]byte)(unsafe.Pointer(&e))
}

// simple are the operations that the kernel carries out or parks within a few microseconds, but for the copying of their
// bytes. Others may look up names, shake hands or flush before an enter returns.
const simple OpcodeSet = 1<<OpNop | 1<<OpPollAdd | 1<<OpSend | 1<<OpRecv | 1<<OpAccept | 1<<OpCancel | 1<<OpMsgRing | 1<<OpRead | 1<<OpWrite

const (
	// maxWork is how many bytes may be copied while the thread cannot be stopped: some 100 us, as long as maxRaw sends take.
	maxWork = 1 << 20
	// fileWork is what it takes besides to look into the page cache and to start a disk request, in bytes that take as long to copy.
	fileWork  = 16 << 10
	maxIovecs = 1024 // UIO_MAXIOV; the kernel refuses more
)

// weigh counts what an entry adds to the next submission.
func (r *Ring) weigh(s *SQE) {
	bytes, known := s.Len, true
	if s.Flags&MayBlock != 0 || !simple.Has(s.Opcode) {
		bytes, known = transfer(s)
		r.work += fileWork
	}
	r.work += bytes
	r.heavy = r.heavy || !known || bytes > maxWork
}

// transfer returns how many bytes s moves, if it does no more than that.
func transfer(s *SQE) (bytes uint64, known bool) {
	var vecs *Iovec
	var n uint64
	switch s.Opcode {
	case OpRead, OpWrite:
		return s.Len, true
	case OpSendmsg, OpRecvmsg:
		if m := (*Msghdr)(s.Addr); m != nil {
			vecs, n = m.Iov, uint64(m.Iovlen)
		}
	case OpReadv, OpWritev:
		vecs, n = (*Iovec)(s.Addr), s.Len
	default:
		return 0, false
	}
	if vecs == nil || n > maxIovecs {
		return 0, true
	}
	for _, v := range unsafe.Slice(vecs, int(n)) {
		bytes += uint64(v.Len)
	}
	return bytes, true
}
