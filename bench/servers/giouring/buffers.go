package main

import (
	"fmt"
	"unsafe"

	"github.com/pawelgaczynski/giouring"
	"golang.org/x/sys/unix"
)

// The kernel goes round all buffers, however few are in use. 16 MiB stay in the caches, and with 64 MiB a message of 64 KiB costs nearly
// twice as much. One buffer for such a message is cheaper than several. There is no hurry to have more: what
// a receive that finds none costs is hardly measurable. (More than 4,096 giouring cannot address.)
const (
	bufferCount = 256
	bufferSize  = 64 << 10
	bufferGroup = 0
)

// buffers are what the kernel receives into. Each is in the ring, for the kernel to take, or ours.
type buffers struct {
	ring   *giouring.BufAndRing
	memory []byte // mapped
	inRing int
	added  int // of those in the ring, not yet published
}

func newBuffers(ring *giouring.Ring) (*buffers, error) {
	memory, err := unix.Mmap(-1, 0, bufferCount*bufferSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("mmap of buffers: %w", err)
	}
	entries, err := ring.SetupBufRing(bufferCount, bufferGroup, 0)
	if err != nil {
		return nil, fmt.Errorf("IORING_REGISTER_PBUF_RING: %w", err)
	}
	b := &buffers{ring: entries, memory: memory}
	for id := range bufferCount {
		b.put(id)
	}
	b.publish()
	return b, nil
}

// take returns the bytes that the kernel has put into a buffer, which is ours now.
func (b *buffers) take(id, size int) []byte {
	b.inRing--
	return b.memory[id*bufferSize:][:size]
}

// put gives a buffer back to the kernel, at the next publish.
func (b *buffers) put(id int) {
	address := uintptr(unsafe.Pointer(&b.memory[id*bufferSize]))
	b.ring.BufRingAdd(address, bufferSize, uint16(id), giouring.BufRingMask(bufferCount), b.added)
	b.added++
	b.inRing++
}

func (b *buffers) publish() {
	if b.added > 0 {
		b.ring.BufRingAdvance(b.added)
		b.added = 0
	}
}
