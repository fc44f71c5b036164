//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A group is memory for receives that takes a buffer only when data is there. Its free buffers are used
// in the order they were given back.
type group struct {
	mem   []byte
	size  int
	free  []uint16 // a ring; the length is the number of buffers
	head  int
	count int
}

// Provide lends the queue the memory for a group of buffers of size bytes each. Their number, len(mem)/size, is
// a power of two of at most 32768. None of them is free yet: Recycle hands them over. The queue keeps mem alive until it is garbage itself.
func (q *Queue) Provide(id uint16, mem []byte, size int) error {
	count := 0
	if size > 0 {
		count = len(mem) / size
	}
	if count == 0 || count&(count-1) != 0 || count > 1<<15 {
		return fmt.Errorf("fallback: provide: %d buffers of %d bytes: %w", count, size, unix.EINVAL)
	}
	if int(id) < len(q.groups) && q.groups[id] != nil {
		return fmt.Errorf("fallback: provide: group %d: %w", id, unix.EEXIST)
	}
	if n := int(id) + 1 - len(q.groups); n > 0 {
		q.groups = append(q.groups, make([]*group, n)...)
	}
	q.groups[id] = &group{mem: mem, size: size, free: make([]uint16, count)}
	return nil
}

// Recycle gives a buffer to its group, for the first time or back. It panics if all of the group are free already.
func (q *Queue) Recycle(id, buffer uint16) {
	g := q.groups[id]
	if g.count == len(g.free) || int(buffer) >= len(g.free) {
		panic(fmt.Sprintf("fallback: recycle: buffer %d of group %d is not out", buffer, id))
	}
	g.free[(g.head+g.count)&(len(g.free)-1)] = buffer
	g.count++
}

func (q *Queue) hasBuffer(id uint16) bool {
	return int(id) < len(q.groups) && q.groups[id] != nil && q.groups[id].count > 0
}

// peek returns the next free buffer without taking it.
func (g *group) peek() (unsafe.Pointer, int32) {
	return unsafe.Pointer(&g.mem[int(g.free[g.head])*g.size]), int32(g.size)
}

func (g *group) take() uint16 {
	buffer := g.free[g.head]
	g.head = (g.head + 1) & (len(g.free) - 1)
	g.count--
	return buffer
}
