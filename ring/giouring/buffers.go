//go:build giouring && linux

package giouring

import (
	"fmt"
	"unsafe"

	"github.com/pawelgaczynski/giouring"
	"golang.org/x/sys/unix"
)

const maxBuffers = 32768

// A bufferGroup is a provided buffer ring. Its entries are written here, because
// giouring's BufRingAdd cannot reach those from 4096 on.
type bufferGroup struct {
	bufs   []giouring.BufAndRing // in header
	header []byte                // mapped, the kernel pins its pages
	mem    []byte
	size   int
	added  int // not published
}

// Provide makes mem a group of buffers of size bytes each, a power of two of them up to 32768. (IORING_REGISTER_PBUF_RING)
func (q *Queue) Provide(group uint16, mem []byte, size int) error {
	if q.closed {
		return errClosed("Provide")
	}
	n := len(mem) / max(size, 1)
	if size <= 0 || n == 0 || n > maxBuffers || n&(n-1) != 0 {
		return fmt.Errorf("giouring: IORING_REGISTER_PBUF_RING: %w: %d bytes in buffers of %d", unix.EINVAL, len(mem), size)
	}
	header, err := unix.Mmap(-1, 0, n*int(unsafe.Sizeof(giouring.BufAndRing{})), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("giouring: mmap of a buffer ring: %w", err)
	}
	reg := giouring.BufReg{RingAddr: uint64(uintptr(unsafe.Pointer(&header[0]))), RingEntries: uint32(n), Bgid: group}
	if _, err := q.ring.RegisterBufferRing(&reg, 0); err != nil {
		_ = unix.Munmap(header)
		return fmt.Errorf("giouring: IORING_REGISTER_PBUF_RING: %w", err)
	}
	g := &bufferGroup{
		bufs:   unsafe.Slice((*giouring.BufAndRing)(unsafe.Pointer(&header[0])), n),
		header: header,
		mem:    mem[:n*size],
		size:   size,
	}
	if missing := int(group) + 1 - len(q.groups); missing > 0 {
		q.groups = append(q.groups, make([]*bufferGroup, missing)...)
	}
	q.groups[group] = g
	return nil
}

// Recycle gives buffer id to its group at the next Enter.
func (q *Queue) Recycle(group, id uint16) { q.groups[group].add(id) }

func (g *bufferGroup) add(id uint16) {
	start := int(id) * g.size
	b := &g.bufs[(int(g.bufs[0].Tail)+g.added)&(len(g.bufs)-1)]
	b.Addr = uint64(uintptr(unsafe.Pointer(&g.mem[start : start+g.size][0])))
	b.Len = uint32(g.size)
	b.Bid = id // and not Tail, which in the first one is the group's
	g.added++
}

func (g *bufferGroup) publish() {
	if g.added > 0 {
		g.bufs[0].BufRingAdvance(g.added)
		g.added = 0
	}
}
