package ring

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the table of registered memory can hold, and how long one piece may be (the kernel's limit).
const (
	maxFixed      = 64
	maxFixedBytes = 1 << 30
)

// Register has the kernel pin mem for as long as the ring lives, and returns the number to put into Group of entries with [FixedBuffer]. A
// read or write of such memory past the page cache saves the kernel the look-up of its pages each time.
//
// There is room for 64 pieces of up to 1 GiB each. mem is Go or anonymous memory that the ring keeps alive until Close; that all of it is in
// physical memory from now on is what it costs, and it counts towards RLIMIT_MEMLOCK: the error is ENOMEM then. It needs [FixedBuffers] and
// belongs to the bound thread, or before Bind to any one. (IORING_REGISTER_BUFFERS2, IORING_REGISTER_BUFFERS_UPDATE)
func (r *Ring) Register(mem []byte) (number uint16, err error) {
	const op = "ring: IORING_REGISTER_BUFFERS_UPDATE"
	switch {
	case r.fd < 0:
		return 0, errClosed("Register")
	case r.features.Set&FixedBuffers == 0:
		return 0, fmt.Errorf("%s: %w", op, unix.EOPNOTSUPP)
	case len(mem) == 0 || len(mem) > maxFixedBytes:
		return 0, fmt.Errorf("%s: %w: %d bytes", op, unix.EINVAL, len(mem))
	case len(r.fixed) == maxFixed:
		return 0, fmt.Errorf("%s: %w: there are %d pieces already", op, unix.ENOSPC, maxFixed)
	}
	if r.fixed == nil {
		if errno := r.registerTable(); errno != 0 {
			return 0, r.misuse("IORING_REGISTER_BUFFERS2", errno)
		}
		r.fixed = make([]unix.Iovec, 0, maxFixed)
	}
	n := len(r.fixed)
	r.fixed = append(r.fixed, unix.Iovec{Base: unsafe.SliceData(mem)}) // the kernel reads it there: a stack may move
	r.fixed[n].SetLen(len(mem))
	up := rsrcUpdate2{offset: uint32(n), data: address(unsafe.Pointer(&r.fixed[n])), nr: 1}
	if errno := ioUringRegister(r.fd, registerBuffersUpdate, unsafe.Pointer(&up), uint32(unsafe.Sizeof(up))); errno != 0 {
		r.fixed[n] = unix.Iovec{}
		r.fixed = r.fixed[:n]
		return 0, r.misuse("IORING_REGISTER_BUFFERS_UPDATE", errno)
	}
	return uint16(n), nil
}

// registerTable makes an empty table, so that pieces can come one by one.
func (r *Ring) registerTable() unix.Errno {
	table := rsrcRegister{nr: maxFixed, flags: rsrcSparse}
	return ioUringRegister(r.fd, registerBuffers2, unsafe.Pointer(&table), uint32(unsafe.Sizeof(table)))
}
