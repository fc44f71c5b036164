// Loop is our file contestant: one loop on one thread keeps all operations in flight. The functions that are called back are made once
// per flow, so that an operation allocates nothing.
package main

import (
	"errors"
	"flag"

	"github.com/proactor-go/proactor/bench/disk/internal/job"
	"github.com/proactor-go/proactor/loop"
)

func main() {
	backend := flag.String("backend", "auto", "auto, uring, epoll or poll")
	fixed := flag.Bool("fixed", false, "register the buffers of reads and writes with the ring")
	job.Main(job.All, func(j *job.Job, m *job.Meter) error { return run(j, m, *backend, *fixed) })
}

func run(j *job.Job, m *job.Meter, backend string, fixed bool) error {
	l, err := loop.New(loop.Options{Backend: backend})
	if err != nil {
		return err
	}
	defer l.Close()
	blocks, err := j.Blocks()
	if err != nil {
		return err
	}
	c := &contestant{job: j, meter: m, lane: m.Lane(), l: l, blocks: blocks, salt: job.Salt()}
	if c.buffers, err = buffers(j, l, fixed); err != nil {
		return err
	}
	if j.Work == job.Small {
		c.startSmall()
	} else {
		l.Open(j.File, j.Flags(), 0, c.opened)
	}
	return l.Run()
}

// A contestant runs the flows of one job. All of it belongs to the loop, so that one lane will do.
type contestant struct {
	job     *job.Job
	meter   *job.Meter
	lane    *job.Lane
	l       *loop.Loop
	file    *loop.File
	blocks  *job.Blocks
	buffers [][]byte // one per flow
	names   []string
	salt    uint64
}

func buffers(j *job.Job, l *loop.Loop, fixed bool) ([][]byte, error) {
	if !fixed {
		return j.Buffers(), nil
	}
	list, ok := l.RegisteredBuffers(j.Depth, j.BlockSize())
	if !ok {
		return nil, errors.New("the kernel does not register the buffers")
	}
	return list, nil
}

func (c *contestant) opened(f *loop.File, err error) {
	if err != nil {
		c.meter.Fail(err)
		return
	}
	c.file = f // the loop closes it
	for i := range c.job.Depth {
		switch c.job.Work {
		case job.SeqWrite:
			newWriter(c, i).next()
		case job.Append:
			newClient(c, i).next()
		default:
			newReader(c, i).next()
		}
	}
}

func (c *contestant) startSmall() {
	c.names = c.job.SmallNames()
	for i := range c.job.Depth {
		newVisitor(c, i).next()
	}
}

// over reports whether a flow ends here: with an error, or because the time is up.
func (c *contestant) over(err error) bool {
	if err != nil {
		c.meter.Fail(err)
	}
	return c.meter.Stopped()
}
