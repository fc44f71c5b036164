package main

import (
	"time"

	"github.com/proactor-go/proactor/bench/disk/internal/pattern"
	"github.com/proactor-go/proactor/loop"
)

// A client appends a record, waits until it is durable, and appends the next. It asks for a sync of its own: that many of them
// become one system call is the loop's business.
type client struct {
	*contestant
	id       uint64
	seq      uint64
	record   []byte
	begin    time.Duration
	onWrote  loop.IOFunc
	onSynced loop.DoneFunc
}

func newClient(c *contestant, i int) *client {
	k := &client{contestant: c, id: uint64(i), record: make([]byte, pattern.RecordSize)}
	k.onWrote, k.onSynced = k.wrote, k.synced
	return k
}

func (k *client) next() {
	pattern.Record(k.record, k.id, k.seq)
	k.seq++
	k.begin = k.lane.Begin()
	k.file.Append(k.record, k.onWrote)
}

func (k *client) wrote(_ []byte, err error) {
	if err != nil {
		k.meter.Fail(err)
		return
	}
	k.file.Datasync(k.onSynced)
}

func (k *client) synced(err error) {
	if err == nil {
		k.lane.Done(k.begin)
	}
	if !k.over(err) {
		k.next()
	}
}
