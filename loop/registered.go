package loop

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/proactor-go/proactor/ring"
)

// registered is memory that the queue knows by a number.
type registered struct {
	mem    []byte
	number uint16
}

// RegisteredBuffers returns n buffers of size bytes each, which begin on pages and are cut from one [AlignedBuffer], and has the kernel keep their
// memory at hand. ReadAt, WriteAt, Read, Write and Append of a [File] with one of them, or with a part of one, then save the kernel to look up
// and to pin pages each time: of a 4 KiB read with O_DIRECT that is more than a tenth of the CPU time. Other operations take them as they take any buffer.
//
// The program may use the buffers as long as it likes, but their memory is resident from now on and the loop's until Close. So ask once for all
// that are needed, not for one at a time: the loop can register 64 times, up to 1 GiB each.
//
// ok reports whether the kernel keeps them. It does not without io_uring, before Linux 5.19, beyond RLIMIT_MEMLOCK (8 MiB of a user's processes
// together unless they have CAP_IPC_LOCK), and after Close. The buffers are good then too, just not faster.
//
// RegisteredBuffers belongs to the loop's goroutine, or may be called before the first Run. It panics unless n and size are positive, and if there is no such memory.
// IORING_REGISTER_BUFFERS_UPDATE, IORING_OP_READ_FIXED, IORING_OP_WRITE_FIXED.
func (l *Loop) RegisteredBuffers(n, size int) (buffers [][]byte, ok bool) {
	l.checkThread("RegisteredBuffers")
	if n <= 0 || size <= 0 || size > math.MaxInt-2*hugePage || n > (math.MaxInt-hugePage)/(size+pageSize) {
		panic(fmt.Sprintf("loop: RegisteredBuffers: %d buffers of %d bytes", n, size))
	}
	stride := (size + pageSize - 1) &^ (pageSize - 1)
	mem := AlignedBuffer(n * stride)
	buffers = make([][]byte, n)
	for i := range buffers {
		at := i * stride
		buffers[i] = mem[at : at+size : at+size]
	}
	if q, can := l.queue.(Registrar); can && l.features.Has(ring.FixedBuffers) {
		if number, err := q.Register(mem); err == nil {
			l.registered = append(l.registered, registered{mem, number})
			ok = true
		}
	}
	return buffers, ok
}

// useRegistered tells the queue if the buffer of o, a read or write of a file, is memory that it knows.
func (l *Loop) useRegistered(o *op) {
	for i := range l.registered {
		r := &l.registered[i]
		skipped := uintptr(o.sqe.Addr) - uintptr(unsafe.Pointer(unsafe.SliceData(r.mem)))
		if size := uintptr(len(r.mem)); skipped < size && uintptr(o.sqe.Len) <= size-skipped {
			o.sqe.Flags |= ring.FixedBuffer
			o.sqe.Group = r.number
			return
		}
	}
}
