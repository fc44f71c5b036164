// Package blocking is the workloads as calls that return when they are done: what goroutines, a pool of workers and a plain
// loop have in common. They differ in who calls.
package blocking

import (
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/bench/disk/internal/job"
	"github.com/proactor-go/proactor/bench/disk/internal/pattern"
)

// File is what the workloads need of a file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Writer
	io.Closer
	Fd() uintptr
	Size() (int64, error)
}

// Open opens a file as os.OpenFile does.
type Open func(name string, flag int) (File, error)

// OS opens an *os.File.
func OS(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0)
	return osFile{f}, err
}

type osFile struct{ *os.File }

// Size is what (*os.File).Stat says.
func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Shared is what all flows of a run use together.
type Shared struct {
	job    *job.Job
	blocks *job.Blocks
	open   Open
	names  []string
	bufs   [][]byte // one per flow
	file   File
	fd     int        // for fdatasync, which *os.File does not offer
	mu     sync.Mutex // around a write at the end and its sync
	salt   uint64
}

// New opens what j works on.
func New(j *job.Job, open Open) (*Shared, error) {
	blocks, err := j.Blocks()
	if err != nil {
		return nil, err
	}
	s := &Shared{job: j, blocks: blocks, open: open, bufs: j.Buffers(), salt: job.Salt()}
	if j.Work == job.Small {
		s.names = j.SmallNames()
		return s, nil
	}
	if s.file, err = open(j.File, j.Flags()); err != nil {
		return nil, err
	}
	s.fd = int(s.file.Fd())
	return s, nil
}

// Close closes the file. What was written is read back later, so that it has nothing to report.
func (s *Shared) Close() {
	if s.file != nil {
		_ = s.file.Close()
	}
}

// A Flow does one operation after the other, on one goroutine at a time.
type Flow struct {
	*Shared
	flow job.Flow
	lane *job.Lane
	buf  []byte
	id   uint64
	seq  uint64
	step func(*Flow) error
}

var steps = map[string]func(*Flow) error{
	job.RandRead: (*Flow).read,
	job.HotRead:  (*Flow).read,
	job.SeqRead:  (*Flow).read,
	job.SeqWrite: (*Flow).write,
	job.Append:   (*Flow).append,
	job.Small:    (*Flow).small,
}

// Flow returns flow number i, which counts in lane.
func (s *Shared) Flow(i int, lane *job.Lane) *Flow {
	return &Flow{
		Shared: s,
		flow:   s.blocks.Flow(i),
		lane:   lane,
		buf:    s.bufs[i],
		id:     uint64(i),
		step:   steps[s.job.Work],
	}
}

// Step does the next operation.
func (f *Flow) Step() error {
	begin := f.lane.Begin()
	if err := f.step(f); err != nil {
		return err
	}
	f.lane.Done(begin)
	return nil
}

func (f *Flow) read() error {
	off := f.flow.NextOffset()
	n, err := f.file.ReadAt(f.buf, off)
	if err != nil {
		return err
	}
	return f.job.Check(f.buf[:n], off)
}

func (f *Flow) write() error {
	off := f.flow.NextOffset()
	pattern.Stamp(f.buf, off, f.salt)
	_, err := f.file.WriteAt(f.buf, off)
	return err
}

func (f *Flow) append() error {
	pattern.Record(f.buf, f.id, f.seq)
	f.seq++
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.file.Write(f.buf); err != nil {
		return err
	}
	return unix.Fdatasync(f.fd)
}

func (f *Flow) small() error {
	i := f.flow.Next()
	file, err := f.open(f.names[i], os.O_RDONLY)
	if err != nil {
		return err
	}
	size, err := file.Size()
	if err == nil && size != job.SmallSize {
		err = fmt.Errorf("%s has %d bytes", f.names[i], size)
	}
	if err == nil {
		_, err = file.ReadAt(f.buf, 0)
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return f.job.Check(f.buf, int64(i)*job.SmallSize)
}
