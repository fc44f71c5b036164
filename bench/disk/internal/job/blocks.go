package job

import (
	"fmt"
	"math/bits"
	"os"
	"sync/atomic"

	"github.com/proactor-go/proactor/bench/disk/internal/pattern"
	"github.com/proactor-go/proactor/loop"
)

// Blocks says which block of the file, or which small file, is next.
type Blocks struct {
	size   int64
	count  uint64
	random bool
	cursor atomic.Uint64 // of all flows together, where the order matters
}

// Blocks lays the job's file out in blocks.
func (j *Job) Blocks() (*Blocks, error) {
	b := &Blocks{size: int64(j.BlockSize()), random: j.Work == RandRead || j.Work == HotRead}
	switch j.Work {
	case Append:
		return b, nil
	case Small:
		b.count = SmallFiles
		return b, nil
	}
	info, err := os.Stat(j.File)
	if err != nil {
		return nil, err
	}
	if b.count = uint64(info.Size() / b.size); b.count == 0 {
		return nil, fmt.Errorf("%s has only %d bytes", j.File, info.Size())
	}
	return b, nil
}

// Buffers returns memory for one block of each flow. It begins on pages, and is of one piece, so that large blocks lie in huge pages: those of all contestants do.
func (j *Job) Buffers() [][]byte {
	const page = 4096
	size := j.BlockSize()
	stride := (size + page - 1) &^ (page - 1)
	all := loop.AlignedBuffer(j.Depth * stride)
	list := make([][]byte, j.Depth)
	for i := range list {
		list[i] = all[i*stride:][:size:size]
	}
	return list
}

// A Flow is one of the job's operations in flight: they are independent of each other, and each
// has its own random numbers.
type Flow struct {
	blocks *Blocks
	state  uint64
}

// Flow returns flow number i.
func (b *Blocks) Flow(i int) Flow { return Flow{b, uint64(i+1) << 32} }

// Next returns the number of the next block.
func (f *Flow) Next() int {
	if !f.blocks.random {
		return int((f.blocks.cursor.Add(1) - 1) % f.blocks.count)
	}
	f.state += 0x9e3779b97f4a7c15 // splitmix64
	z := f.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	i, _ := bits.Mul64(z^z>>31, f.blocks.count)
	return int(i)
}

// NextOffset returns the offset of the next block.
func (f *Flow) NextOffset() int64 { return int64(f.Next()) * f.blocks.size }

// Check looks at what was read at off.
func (j *Job) Check(b []byte, off int64) error {
	switch {
	case len(b) != j.BlockSize():
		return fmt.Errorf("%d bytes at offset %d, not %d", len(b), off, j.BlockSize())
	case j.Full:
		return pattern.CheckAll(b, off, pattern.Base)
	}
	return pattern.Check(b, off, pattern.Base)
}

// Salt marks what this process writes.
func Salt() uint64 { return pattern.Generation(uint32(os.Getpid())) }
