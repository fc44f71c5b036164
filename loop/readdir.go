package loop

import (
	"io/fs"
	"os"

	"github.com/proactor-go/proactor/internal/sys"
)

// DirFunc is the callback of ReadDir.
type DirFunc func(entries []fs.DirEntry, err error)

// dirBatch is how many entries of a directory one callback gets at most. It bounds what a large directory takes of memory, and how long
// a callback holds up the others.
const dirBatch = 256

// ReadDir reads a directory, in no particular order and without "." and "..", and calls fn with up to 256 entries at a time. It is one operation: the final callback is
// the one with an error, [io.EOF] after the last entry, and has no entries. The next entries are read when the callback before has returned; Cancel stops early.
// The slice belongs to fn. The type of an entry is known (where the file system does not tell, it was looked up); its Info calls lstat(2) then and there, which may
// block: [Loop.Lstat] does not. openat(2) and getdents64(2), on the file lane, on every backend: io_uring has no opcode for it.
func (l *Loop) ReadDir(name string, fn DirFunc) Op {
	needCallback("ReadDir", fn == nil)
	o := l.start(kindReadDir, nil, fn)
	if l.shut {
		return l.settle(o, resClosed)
	}
	l.slots.more(o).dir = &dirReader{name: name}
	l.readDir(o, (*dirReader).read)
	return l.op(o)
}

// A dirReader is a ReadDir's open directory. It belongs to the lane while a step of it is there, and to the loop's goroutine in between.
type dirReader struct {
	name    string
	file    *os.File // nil before the first step and after the last
	entries []fs.DirEntry
	err     error // why there are no more
}

// read fills one batch. Finding the end costs no step of its own, unless it falls on the end of a batch.
func (d *dirReader) read() error {
	if d.file == nil {
		if d.file, d.err = sys.OpenFile(d.name, sys.Directory, 0); d.err != nil {
			d.err = pathError("open", d.name, d.err)
			return nil
		}
	}
	d.entries = nil
	for len(d.entries) < dirBatch && d.err == nil {
		var more []fs.DirEntry
		more, d.err = d.file.ReadDir(dirBatch - len(d.entries))
		d.entries = append(d.entries, more...)
	}
	if d.err != nil {
		return d.close()
	}
	return nil
}

func (d *dirReader) close() error {
	d.file.Close()
	d.file = nil
	return nil
}

// readDir has a lane take the next step.
func (l *Loop) readDir(o *op, step func(*dirReader) error) {
	d := o.extra.dir
	l.enlist(o, fileLane, func() error { return step(d) })
}

// listed hands on the entries of one step.
func (l *Loop) listed(o *op, res int32) {
	fn := callback[DirFunc](o)
	if o.extra == nil || o.extra.dir == nil { // the loop was closed
		l.endReadDir(o, fn, o.fault(res))
		return
	}
	d := o.extra.dir
	switch {
	case res < 0 && d.err == nil: // the step was withdrawn
		d.err = o.fault(res)
	case o.extra.job.err != nil: // it panicked
		d.err = o.extra.job.err
	}
	if entries := d.entries; len(entries) > 0 {
		d.entries = nil
		o.called()
		defer l.readOn(o) // also if fn panics
		fn(entries, nil)
		return
	}
	if d.file != nil {
		l.readOn(o)
		return
	}
	l.endReadDir(o, fn, d.err)
}

// readOn takes the step after a callback: the next entries, or the end.
func (l *Loop) readOn(o *op) {
	d := o.extra.dir
	if d.err == nil && o.cause != causeNone {
		d.err = o.stopped()
	}
	switch {
	case d.err == nil:
		l.readDir(o, (*dirReader).read)
	case d.file != nil:
		l.readDir(o, (*dirReader).close)
	default:
		l.settle(o, 0)
	}
}

func (l *Loop) endReadDir(o *op, fn DirFunc, err error) {
	l.retire(o)
	fn(nil, err)
}
