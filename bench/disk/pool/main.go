// Pool is the file contestant with a bounded pool of workers: one goroutine hands operations to 16 others over a
// channel and takes them back over a second one, as a program does that wants its logic in one place.
package main

import (
	"sync"

	"github.com/proactor-go/proactor/bench/disk/internal/blocking"
	"github.com/proactor-go/proactor/bench/disk/internal/job"
)

const workers = 16

func main() { job.Main(job.All, run) }

func run(j *job.Job, m *job.Meter) error {
	s, err := blocking.New(j, blocking.OS)
	if err != nil {
		return err
	}
	defer s.Close()
	todo := make(chan *blocking.Flow, j.Depth)
	done := make(chan *blocking.Flow, j.Depth)
	for i := range j.Depth {
		todo <- s.Flow(i, m.Lane())
	}
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for f := range todo {
				if err := f.Step(); err != nil {
					m.Fail(err)
				}
				done <- f
			}
		})
	}
	for !m.Stopped() {
		todo <- <-done
	}
	close(todo)
	all.Wait()
	return nil
}
