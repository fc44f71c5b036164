package ring

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const maxBuffers = 32768

// A bufferGroup is a provided buffer ring (struct io_uring_buf_ring): a queue of free buffers that the
// kernel takes from its head whenever data arrives for an entry with BufferSelect.
type bufferGroup struct {
	bufs   []buf  // in header; the queue
	header []byte // mapped, because the kernel pins its pages
	mem    []byte // the buffers themselves
	size   int
	tail   uint16
	dirty  bool
}

// Provide makes mem a group of buffers of size bytes each. Their number, len(mem)/size, is a power of two up to 32768. None of
// them is free yet: [Ring.Recycle] hands them over. The ring keeps mem alive until Close.
//
// It belongs to the bound thread, or before Bind to any one. It needs [BufferRings], and each group can be
// provided once. (IORING_REGISTER_PBUF_RING)
func (r *Ring) Provide(group uint16, mem []byte, size int) error {
	const op = "ring: IORING_REGISTER_PBUF_RING"
	if r.fd < 0 {
		return errClosed("Provide")
	}
	if r.features.Set&BufferRings == 0 {
		return fmt.Errorf("%s: %w", op, unix.EOPNOTSUPP)
	}
	if size <= 0 || int64(size) > maxTransfer {
		return fmt.Errorf("%s: %w: buffers of %d bytes", op, unix.EINVAL, size)
	}
	n := len(mem) / size
	if n == 0 || n > maxBuffers || n&(n-1) != 0 {
		return fmt.Errorf("%s: %w: %d buffers, not a power of two up to %d", op, unix.EINVAL, n, maxBuffers)
	}
	header, err := unix.Mmap(-1, 0, n*int(unsafe.Sizeof(buf{})), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		return fmt.Errorf("ring: mmap of a buffer ring: %w", err)
	}
	g := &bufferGroup{
		bufs:   unsafe.Slice((*buf)(unsafe.Pointer(&header[0])), n),
		header: header,
		mem:    mem[:n*size],
		size:   size,
	}
	reg := bufReg{ringAddr: address(unsafe.Pointer(&header[0])), entries: uint32(n), group: group}
	if errno := ioUringRegister(r.fd, registerPbufRing, unsafe.Pointer(&reg), 1); errno != 0 {
		_ = unix.Munmap(header)
		return r.misuse("IORING_REGISTER_PBUF_RING", errno)
	}
	if missing := int(group) + 1 - len(r.groups); missing > 0 {
		r.groups = append(r.groups, make([]*bufferGroup, missing)...)
	}
	r.groups[group] = g
	r.recycled = append(make([]*bufferGroup, 0, cap(r.recycled)+1), r.recycled...)
	return nil
}

// Recycle gives buffer id to its group, for the first time or back. The kernel sees it from the next Enter on, and may write to it until its
// number comes in a [CQE]; only then it may be given again. The kernel takes the buffers in the order they were given.
// Bound thread, or before Bind one goroutine at a time; it panics if there is no such group or buffer.
func (r *Ring) Recycle(group, id uint16) {
	g := r.groups[group]
	g.put(id)
	if !g.dirty {
		g.dirty = true
		r.recycled = append(r.recycled, g) // Provide made room for every group
	}
}

// publishBuffers lets the kernel see what was recycled.
func (r *Ring) publishBuffers() {
	for i, g := range r.recycled {
		g.publish()
		g.dirty = false
		r.recycled[i] = nil
	}
	r.recycled = r.recycled[:0]
}

func (g *bufferGroup) put(id uint16) {
	start := int(id) * g.size
	b := &g.bufs[int(g.tail)&(len(g.bufs)-1)]
	b.addr = address(unsafe.Pointer(&g.mem[start : start+g.size][0]))
	b.len = uint32(g.size)
	b.bid = id
	g.tail++ // and leave resv alone, it may be the tail that the kernel sees
}

// publish stores the tail, which shares a word with the number in the first entry: there is no atomic store of 16 bits.
func (g *bufferGroup) publish() {
	first := &g.bufs[0]
	var word [4]byte
	binary.NativeEndian.PutUint16(word[:2], first.bid)
	binary.NativeEndian.PutUint16(word[2:], g.tail)
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&first.bid)), binary.NativeEndian.Uint32(word[:]))
}
