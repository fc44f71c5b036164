// Goroutines is the file contestant that every Go programmer would write: as many goroutines as operations in flight, and
// package os. Set GOMAXPROCS in the environment to see how much depends on it.
package main

import (
	"sync"

	"github.com/proactor-go/proactor/bench/disk/internal/blocking"
	"github.com/proactor-go/proactor/bench/disk/internal/job"
)

func main() { job.Main(job.All, run) }

func run(j *job.Job, m *job.Meter) error {
	s, err := blocking.New(j, blocking.OS)
	if err != nil {
		return err
	}
	defer s.Close()
	var all sync.WaitGroup
	for i := range j.Depth {
		f := s.Flow(i, m.Lane())
		all.Go(func() {
			for !m.Stopped() {
				if err := f.Step(); err != nil {
					m.Fail(err)
				}
			}
		})
	}
	all.Wait()
	return nil
}
