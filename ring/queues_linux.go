package ring

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// submission is the queue that we fill and the kernel empties.
type submission struct {
	entries []entry
	next    uint32  // where the next entry goes: the tail, before it is published
	seen    uint32  // the kernel's head when we last had to look
	head    *uint32 // the kernel's
	tail    *uint32 // ours
	flags   *uint32
}

// slot returns the next free entry, with the remains of an older one in it, or nil.
func (q *submission) slot() *entry {
	size := uint32(len(q.entries))
	if q.next-q.seen == size {
		if q.seen = atomic.LoadUint32(q.head); q.next-q.seen == size {
			return nil
		}
	}
	e := &q.entries[q.next&(size-1)]
	q.next++
	return e
}

// flush publishes the tail and returns how many entries the kernel has not taken yet. That
// number is always read from the queue: what an enter returned says nothing after a signal.
func (q *submission) flush() uint32 {
	if atomic.LoadUint32(q.tail) != q.next {
		atomic.StoreUint32(q.tail, q.next)
	}
	return q.next - atomic.LoadUint32(q.head)
}

// completion is the queue that the kernel fills and we empty. [CQE] has the kernel's layout.
type completion struct {
	entries []CQE
	next    uint32  // the next one to read: the head, before it is published
	head    *uint32 // ours
	tail    *uint32 // the kernel's
}

func (q *completion) empty() bool { return q.next == atomic.LoadUint32(q.tail) }

// mapping is the memory that a ring shares with the kernel.
type mapping struct {
	rings []byte // both queues' heads and tails, and the completions; one mapping since 5.4
	sqes  []byte
}

func mapQueues(fd int, p *params) (m mapping, sq submission, cq completion, err error) {
	size := p.cqOff.cqes + p.cqEntries*uint32(unsafe.Sizeof(CQE{}))
	if p.flags&setupNoSQArray == 0 {
		size = max(size, p.sqOff.array+p.sqEntries*4)
	}
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	if m.rings, err = unix.Mmap(fd, offSQRing, int(size), prot, flags); err != nil {
		return m, sq, cq, fmt.Errorf("ring: mmap of the queues: %w", err)
	}
	m.sqes, err = unix.Mmap(fd, offSQEs, int(p.sqEntries)*int(unsafe.Sizeof(entry{})), prot, flags)
	if err != nil {
		m.unmap()
		return m, sq, cq, fmt.Errorf("ring: mmap of the entries: %w", err)
	}

	at := func(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&m.rings[off])) }
	sq = submission{
		entries: unsafe.Slice((*entry)(unsafe.Pointer(&m.sqes[0])), p.sqEntries),
		head:    at(p.sqOff.head),
		tail:    at(p.sqOff.tail),
		flags:   at(p.sqOff.flags),
	}
	cq = completion{
		entries: unsafe.Slice((*CQE)(unsafe.Pointer(&m.rings[p.cqOff.cqes])), p.cqEntries),
		head:    at(p.cqOff.head),
		tail:    at(p.cqOff.tail),
	}
	if p.flags&setupNoSQArray == 0 {
		// The kernel takes entries through an array of indexes. Entries are never reordered here.
		array := unsafe.Slice(at(p.sqOff.array), p.sqEntries)
		for i := range array {
			array[i] = uint32(i)
		}
	}
	return m, sq, cq, nil
}

func (m *mapping) unmap() {
	for _, mem := range [...][]byte{m.rings, m.sqes} {
		if mem != nil {
			_ = unix.Munmap(mem)
		}
	}
	*m = mapping{}
}
