package main

import (
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/proactor-go/proactor/bench/disk/internal/job"
	"github.com/proactor-go/proactor/loop"
)

// A visitor opens one small file after the other, looks at its size, reads it and closes it.
type visitor struct {
	*contestant
	flow     job.Flow
	current  int
	visiting *loop.File
	err      error
	buf      []byte
	begin    time.Duration

	onOpened  loop.FileFunc
	onStatted loop.StatFunc
	onRead    loop.IOFunc
	onClosed  loop.DoneFunc
}

func newVisitor(c *contestant, i int) *visitor {
	v := &visitor{contestant: c, flow: c.blocks.Flow(i), buf: make([]byte, job.SmallSize)}
	v.onOpened, v.onStatted, v.onRead, v.onClosed = v.opened, v.statted, v.read, v.closed
	return v
}

func (v *visitor) next() {
	v.current = v.flow.Next()
	v.begin = v.lane.Begin()
	v.l.Open(v.names[v.current], os.O_RDONLY, 0, v.onOpened)
}

func (v *visitor) opened(f *loop.File, err error) {
	if err != nil {
		v.meter.Fail(err)
		return
	}
	v.visiting = f
	f.Stat(v.onStatted)
}

func (v *visitor) statted(info fs.FileInfo, err error) {
	if err == nil && info.Size() != job.SmallSize {
		err = fmt.Errorf("%s has %d bytes", v.visiting.Name(), info.Size())
	}
	if err != nil {
		v.leave(err)
		return
	}
	v.visiting.ReadAt(v.buf, 0, v.onRead)
}

func (v *visitor) read(b []byte, err error) {
	if err == nil {
		err = v.job.Check(b, int64(v.current)*job.SmallSize)
	}
	v.leave(err)
}

func (v *visitor) leave(err error) {
	v.err = err
	v.visiting.Close(v.onClosed)
}

func (v *visitor) closed(err error) {
	if v.err != nil {
		err = v.err
	}
	if err == nil {
		v.lane.Done(v.begin)
	}
	if !v.over(err) {
		v.next()
	}
}
