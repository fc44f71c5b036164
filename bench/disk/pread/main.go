// Pread is the file contestant that does one system call after the other on one locked thread. It has no depth and no overhead: where the
// data is in the page cache, nothing that ends in a callback can be faster.
package main

import (
	"runtime"

	"github.com/proactor-go/proactor/bench/disk/internal/blocking"
	"github.com/proactor-go/proactor/bench/disk/internal/job"
)

func main() { job.Main(job.All, run) }

func run(j *job.Job, m *job.Meter) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s, err := blocking.New(j, blocking.Bare)
	if err != nil {
		return err
	}
	defer s.Close()
	for f := s.Flow(0, m.Lane()); !m.Stopped(); {
		if err := f.Step(); err != nil {
			return err
		}
	}
	return nil
}
