package job

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/bench/disk/internal/pattern"
	"github.com/proactor-go/proactor/bench/internal/result"
)

// Main is the whole of a contestant: run does j's work until m has Stopped.
func Main(works []string, run func(j *Job, m *Meter) error) {
	j, err := Parse(works...)
	if err == nil {
		var r result.Result
		if r, err = j.Run(run); err == nil {
			err = r.Write(os.Stdout)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
		os.Exit(1)
	}
}

// Run is one run, with all that comes before and after the measured window.
func (j *Job) Run(run func(j *Job, m *Meter) error) (result.Result, error) {
	if err := j.Settle(); err != nil {
		return result.Result{}, err
	}
	m := &Meter{Warmup: j.Warmup, Duration: j.Duration, Untimed: j.Work == HotRead}
	r, err := m.Measure(func() error { return run(j, m) })
	if err != nil {
		return r, err
	}
	r.Bytes = r.Ops * uint64(j.BlockSize())
	return r, j.verify(m.total())
}

// Settle makes every run begin alike: with the file in the page cache, or none of it, and with an empty log.
func (j *Job) Settle() error {
	switch j.Work {
	case Small, Walk:
		return nil
	case Append:
		return os.WriteFile(j.File, nil, 0o644)
	}
	f, err := os.Open(j.File)
	if err != nil {
		return err
	}
	defer f.Close()
	if j.Direct {
		return errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
	}
	_, err = io.Copy(io.Discard, f)
	return err
}

// verify reads back what a run wrote: ops operations, all of them, with the warm-up.
func (j *Job) verify(ops uint64) error {
	switch j.Work {
	case SeqWrite:
		return j.verifyBlocks(ops)
	case Append:
		return j.verifyLog(ops)
	}
	return nil
}

func (j *Job) verifyBlocks(ops uint64) error {
	return j.scan(func(b []byte, off int64) error {
		if uint64(off)/uint64(len(b)) >= ops {
			return io.EOF
		}
		return pattern.Check(b, off, Salt())
	})
}

func (j *Job) verifyLog(ops uint64) error {
	log := pattern.NewLog(j.Depth)
	err := j.scan(func(b []byte, off int64) error {
		if err := log.Add(b); err != nil {
			return fmt.Errorf("at offset %d: %w", off, err)
		}
		return nil
	})
	if err == nil && log.Len() != ops {
		err = fmt.Errorf("%d records in the file, %d were durable", log.Len(), ops)
	}
	return err
}

// scan calls fn with the blocks of the file until it returns an error, io.EOF to end it.
func (j *Job) scan(fn func(b []byte, off int64) error) error {
	f, err := os.Open(j.File)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, j.BlockSize())
	for off := int64(0); err == nil; off += int64(len(b)) {
		var n int
		if n, err = f.ReadAt(b, off); n == len(b) {
			err = fn(b, off)
		} else if n > 0 {
			err = fmt.Errorf("%d bytes are left at offset %d", n, off)
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}
