package loop

import (
	"unsafe"

	"github.com/proactor-go/proactor/internal/sys"
)

// What buffers begin on: pageSize is what O_DIRECT wants at most, hugePage what most machines map as one. The machine's own
// may be larger.
const (
	pageSize = 4 << 10
	hugePage = 2 << 20
)

// AlignedBuffer returns size bytes that begin on a page: what O_DIRECT asks of a buffer. Offset and length
// must be multiples of the device's block, 4096 to be sure. For many reads see [Loop.RegisteredBuffers].
//
// From 2 MiB on, the memory begins on a huge page and asks for such. A device takes so many pieces of memory at once, and pages that are
// not neighbors are a piece each: with a limit of 254, a read of 1 MiB into pages of 4 KiB is two requests for it, and into a huge page
// one. So for large transfers ask for one buffer and cut it, and ask early: memory that the program has used before keeps the pages it has.
// (madvise(2), MADV_HUGEPAGE)
func AlignedBuffer(size int) []byte {
	if size < 0 {
		panic("loop: AlignedBuffer: negative size")
	}
	if size < hugePage {
		return aligned(size, pageSize)
	}
	b := aligned(size, hugePage)
	sys.UseHugePages(b[:size&^(hugePage-1)])
	return b
}

// aligned returns size bytes that begin at a multiple of align, a power of two.
func aligned(size, align int) []byte {
	b := make([]byte, size+align)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (align - 1)
	return b[skip : skip+size : skip+size]
}
