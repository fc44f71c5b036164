package ring

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's side of the interface: include/uapi/linux/io_uring.h, as far as it is used here.
// Every structure has the same layout on 32 and 64 bits.

const (
	setupSQPoll       = 1 << 1
	setupCQSize       = 1 << 3
	setupClamp        = 1 << 4
	setupRDisabled    = 1 << 6
	setupSubmitAll    = 1 << 7
	setupCoopTaskrun  = 1 << 8
	setupTaskrunFlag  = 1 << 9
	setupSingleIssuer = 1 << 12
	setupDeferTaskrun = 1 << 13
	setupNoSQArray    = 1 << 16
)

const (
	featNoDrop       = 1 << 1
	featSubmitStable = 1 << 2
	featRWCurPos     = 1 << 3
	featFastPoll     = 1 << 5
	featExtArg       = 1 << 8
	featNoIowait     = 1 << 17
)

const (
	enterGetEvents      = 1 << 0
	enterSQWakeup       = 1 << 1
	enterSQWait         = 1 << 2
	enterExtArg         = 1 << 3
	enterRegisteredRing = 1 << 4
	enterNoIowait       = 1 << 7
)

const (
	sqNeedWakeup = 1 << 0
	sqCQOverflow = 1 << 1
	sqTaskrun    = 1 << 2
)

const (
	registerEventFD        = 4
	unregisterEventFD      = 5
	registerProbe          = 8
	registerEnableRings    = 12
	registerBuffers2       = 15
	registerBuffersUpdate  = 16
	registerIOWQMaxWorkers = 19
	registerRingFDs        = 20
	unregisterRingFDs      = 21
	registerPbufRing       = 22
)

// Modifiers that are not in a field of their own.
const (
	sqeBufferSelect   = 1 << 5 // flags
	recvsendPollFirst = 1 << 0 // ioprio
	recvMultishot     = 1 << 1 // ioprio
	acceptMultishot   = 1 << 0 // ioprio
	acceptPollFirst   = 1 << 2 // ioprio
	pollAddMulti      = 1 << 0 // len
)

// Opcodes of which the vocabulary has a modifier, FixedBuffer.
const (
	opReadFixed  = 4
	opWriteFixed = 5
)

const (
	offSQRing   = 0
	offSQEs     = 0x10000000
	opSupported = 1 << 0
	rsrcSparse  = 1 << 0
)

type params struct {
	sqEntries    uint32
	cqEntries    uint32
	flags        uint32
	sqThreadCPU  uint32
	sqThreadIdle uint32 // milliseconds
	features     uint32
	wqFD         uint32
	_            [3]uint32
	sqOff        struct {
		head, tail, ringMask, ringEntries, flags, dropped, array, _ uint32
		userAddr                                                    uint64
	}
	cqOff struct {
		head, tail, ringMask, ringEntries, overflow, cqes, flags, _ uint32
		userAddr                                                    uint64
	}
}

// entry is struct io_uring_sqe; its unions carry the name of the field that most operations use.
type entry struct {
	opcode      Opcode
	flags       uint8
	ioprio      uint16
	fd          int32
	off         uint64 // or a second address
	addr        uint64
	len         uint32
	opFlags     uint32
	userData    uint64
	bufGroup    uint16
	personality uint16
	fileIndex   uint32
	addr3       uint64
	pad         uint64
}

type getEventsArg struct {
	sigmask     uint64
	sigmaskSize uint32
	minWaitUsec uint32
	ts          uint64
}

// timespec is struct __kernel_timespec, which has 64 bits for the seconds everywhere.
type timespec struct{ sec, nsec int64 }

type rsrcUpdate struct {
	offset uint32
	_      uint32
	data   uint64
}

type rsrcUpdate2 struct {
	offset uint32
	_      uint32
	data   uint64
	tags   uint64
	nr     uint32
	_      uint32
}

type rsrcRegister struct {
	nr    uint32
	flags uint32
	_     uint64
	data  uint64
	tags  uint64
}

type bufReg struct {
	ringAddr uint64
	entries  uint32
	group    uint16
	flags    uint16
	_        [3]uint64
}

// buf is struct io_uring_buf. In the first one of a ring, resv holds the tail.
type buf struct {
	addr uint64
	len  uint32
	bid  uint16
	resv uint16
}

type probeResult struct {
	lastOp uint8
	opsLen uint8
	_      uint16
	_      [3]uint32
	ops    [256]struct {
		op    uint8
		_     uint8
		flags uint16
		_     uint32
	}
}

func ioUringSetup(entries uint32, p *params) (fd int, err unix.Errno) {
	n, _, err := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(p)), 0)
	return int(n), err
}

func ioUringRegister(fd int, op uint32, arg unsafe.Pointer, n uint32) unix.Errno {
	_, _, err := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(fd), uintptr(op), uintptr(arg), uintptr(n), 0, 0)
	return err
}
