package loop

import (
	"io"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/proactor-go/proactor/internal/sys"
)

// copyChunk is how much is written or copied between two looks at whether to stop.
const copyChunk = 4 << 20

// CopyFile copies the content and the permissions of src to dst. Like WriteFile it writes a new file beside dst and renames it when it is complete, but syncs
// nothing: on an error or after Cancel dst is what it was. A copy of a file onto itself does nothing. progress, if it is not nil, is called on
// the loop's goroutine now and then, with the bytes that are copied and the size that src had at the beginning, and for the last time, before fn, when all are.
//
// copy_file_range(2), where a file system may share the blocks instead, else read(2) and write(2): on the file lane.
// Cancel is heard every 4 MiB.
func (l *Loop) CopyFile(dst, src string, progress func(done, total int64), fn DoneFunc) Op {
	c := &fileCopy{l: l, dst: dst, src: src, progress: progress}
	return l.callStoppable("CopyFile", c.run, func(err error) {
		c.ended = true
		if done := c.done.Load(); err == nil && progress != nil && done != c.told {
			returned := false
			defer func() {
				if !returned { // it panicked: fn runs when the loop goes on
					l.NextTick(func() { fn.report(err) })
				}
			}()
			progress(done, c.total.Load())
			l.drainTicks()
			returned = true
		}
		fn.report(err)
	})
}

type fileCopy struct {
	l        *Loop
	dst, src string
	progress func(done, total int64)
	stopped  func() error // on the lane
	from     *os.File

	done, total atomic.Int64
	posted      atomic.Bool

	ended bool  // on the loop's goroutine
	told  int64 // what progress was called with
}

func (c *fileCopy) run(stopped func() error) (err error) {
	c.stopped = stopped
	info, err := os.Stat(c.src) // before it is opened: to open a pipe waits for its other end
	switch {
	case err != nil:
	case info.IsDir():
		err = syscall.EISDIR
	case !info.Mode().IsRegular():
		err = syscall.EINVAL
	default:
		c.from, err = sys.OpenFile(c.src, os.O_RDONLY, 0)
	}
	r := replacement{action: "copy", stopped: stopped}
	if err != nil {
		return r.wrap(c.src, err)
	}
	defer c.from.Close()
	if there, err := os.Stat(c.dst); err == nil && os.SameFile(there, info) {
		return nil
	}
	c.total.Store(info.Size())
	r.perm = info.Mode().Perm()
	return r.run(c.dst, func(to *os.File) error {
		if err := to.Chmod(r.perm); err != nil { // whatever umask says, or dst had
			return err
		}
		return c.copy(to)
	})
}

// copy copies chunk by chunk, at the positions of both files.
func (c *fileCopy) copy(to *os.File) error {
	chunk := c.share
	for {
		n, err := chunk(to)
		c.count(int64(n))
		switch {
		case err == errNotShared:
			chunk = c.readWrite
			continue
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if err := c.stopped(); err != nil {
			return err
		}
	}
}

// errNotShared says that copy_file_range(2) is not for these files.
const errNotShared = syscall.EXDEV

func (c *fileCopy) share(to *os.File) (int, error) {
	n, err := sys.CopyRange(int(to.Fd()), int(c.from.Fd()), copyChunk)
	switch err {
	case nil:
		if n > 0 {
			return n, nil
		}
		if c.done.Load() > 0 {
			return 0, io.EOF
		}
		return 0, errNotShared // it sees nothing in files that are made up as they are read, such as those of /proc
	case syscall.EXDEV, syscall.EINVAL, syscall.ENOSYS, syscall.EOPNOTSUPP, syscall.EPERM:
		return 0, errNotShared
	}
	return 0, err
}

func (c *fileCopy) readWrite(to *os.File) (int, error) {
	n, err := io.CopyN(writerOnly{to}, readerOnly{c.from}, copyChunk)
	return int(n), err
}

// These keep package io from finding the methods that do what was tried before.
type (
	writerOnly struct{ io.Writer }
	readerOnly struct{ io.Reader }
)

// count has the loop report progress, unless such a report is on its way.
func (c *fileCopy) count(n int64) {
	if c.done.Add(n); n == 0 || c.progress == nil || c.posted.Swap(true) {
		return
	}
	_ = c.l.Post(func() { // a closed loop has nobody to tell
		c.posted.Store(false)
		if done := c.done.Load(); !c.ended && done != c.told {
			c.told = done
			c.progress(done, c.total.Load())
		}
	})
}
