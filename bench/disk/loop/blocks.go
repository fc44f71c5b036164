package main

import (
	"time"

	"github.com/proactor-go/proactor/bench/disk/internal/job"
	"github.com/proactor-go/proactor/bench/disk/internal/pattern"
	"github.com/proactor-go/proactor/loop"
)

// A reader has one read in flight.
type reader struct {
	*contestant
	flow   job.Flow
	buf    []byte
	off    int64
	begin  time.Duration
	onRead loop.IOFunc
}

func newReader(c *contestant, i int) *reader {
	r := &reader{contestant: c, flow: c.blocks.Flow(i), buf: c.buffers[i]}
	r.onRead = r.read
	return r
}

func (r *reader) next() {
	r.off = r.flow.NextOffset()
	r.begin = r.lane.Begin()
	r.file.ReadAt(r.buf, r.off, r.onRead)
}

func (r *reader) read(b []byte, err error) {
	if err == nil {
		err = r.job.Check(b, r.off)
	}
	if err == nil {
		r.lane.Done(r.begin)
	}
	if !r.over(err) {
		r.next()
	}
}

// A writer has one write in flight.
type writer struct {
	*contestant
	flow    job.Flow
	buf     []byte
	begin   time.Duration
	onWrote loop.IOFunc
}

func newWriter(c *contestant, i int) *writer {
	w := &writer{contestant: c, flow: c.blocks.Flow(i), buf: c.buffers[i]}
	w.onWrote = w.wrote
	return w
}

func (w *writer) next() {
	off := w.flow.NextOffset()
	w.begin = w.lane.Begin()
	pattern.Stamp(w.buf, off, w.salt)
	w.file.WriteAt(w.buf, off, w.onWrote)
}

func (w *writer) wrote(_ []byte, err error) {
	if err == nil {
		w.lane.Done(w.begin)
	}
	if !w.over(err) {
		w.next()
	}
}
