package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"

	"github.com/proactor-go/proactor/loop"
)

const (
	maxBlock = 1 << 30
	maxDepth = 4096
	// sector is the alignment that satisfies O_DIRECT everywhere.
	sector = 4096
)

var errInterrupted = errors.New("interrupted")

// job is how to copy.
type job struct {
	block, depth int
	direct       bool
}

func (j job) validate() error {
	switch {
	case j.depth < 1 || j.depth > maxDepth:
		return fmt.Errorf("-depth %d: not within 1 and %d", j.depth, maxDepth)
	case j.direct && j.block%sector != 0:
		return fmt.Errorf("-block %d: not a multiple of %d, as -direct needs", j.block, sector)
	case j.direct && openDirect == 0:
		return errors.New("-direct: not on this system")
	}
	return nil
}

// A copier copies one file. After start, all its methods are callbacks: they run one at a time, on the loop's goroutine, so
// nothing here needs a lock.
type copier struct {
	job
	l              *loop.Loop
	src, dst, temp string
	size           int64 // of the source when the copy began, for estimates only
	mode           fs.FileMode
	from, to       side
	tempExists     bool

	next   int64 // offset of the next block to read
	end    int64 // where the source ends, once a read has found out
	copied int64
	active int // blocks that have something to do
	err    error
}

// A side is the source or the target. Whole blocks go through direct, if there is one; a last, partial block is not
// aligned as O_DIRECT wants it.
type side struct {
	file, direct *loop.File
}

func (s *side) at(whole bool) *loop.File {
	if whole && s.direct != nil {
		return s.direct
	}
	return s.file
}

func (s *side) close(fn loop.DoneFunc) {
	if s.direct != nil {
		s.direct.Close(nil)
	}
	if s.file != nil {
		s.file.Close(fn)
	}
}

// newCopier finds out what can be known before anything is copied. It blocks: no loop runs yet.
func newCopier(j job, src, dst string) (*copier, error) {
	from, err := os.Stat(src)
	if err != nil {
		return nil, err
	}
	if err := regular(src, from); err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(dst); err == nil {
		dst = real // to write to the file, not to replace the link
	}
	switch to, err := os.Stat(dst); {
	case errors.Is(err, fs.ErrNotExist): // as it should be
	case err != nil:
		return nil, err
	case os.SameFile(from, to):
		return nil, fmt.Errorf("%s: same file as %s", dst, src)
	default:
		if err := regular(dst, to); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(dst, os.O_WRONLY, 0) // a rename would replace a read-only file
		if err != nil {
			return nil, err
		}
		f.Close()
	}
	temp := filepath.Join(filepath.Dir(dst), fmt.Sprintf(".copy-%016x.part", rand.Uint64()))
	return &copier{job: j, src: src, dst: dst, temp: temp, size: from.Size(), mode: from.Mode().Perm(), end: math.MaxInt64}, nil
}

func regular(name string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return fmt.Errorf("%s: %w", name, syscall.EISDIR)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: not a regular file", name)
	}
	return nil
}

func (c *copier) start(l *loop.Loop) {
	c.l = l
	c.open(&c.from, c.src, os.O_RDONLY, func() {
		c.open(&c.to, c.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, c.startBlocks)
	})
}

// open opens one side and goes on with next.
func (c *copier) open(s *side, name string, flag int, next func()) {
	c.l.Open(name, flag, 0o600, func(f *loop.File, err error) {
		s.file = f
		c.tempExists = c.tempExists || err == nil && flag&os.O_CREATE != 0
		switch {
		case c.failed(err):
		case c.direct:
			c.openDirect(s, name, flag&^(os.O_CREATE|os.O_EXCL)|openDirect, next)
		default:
			next()
		}
	})
}

func (c *copier) openDirect(s *side, name string, flag int, next func()) {
	c.l.Open(name, flag, 0, func(f *loop.File, err error) {
		s.direct = f
		if errors.Is(err, syscall.EINVAL) {
			err = nil
			fmt.Fprintf(os.Stderr, "copy: %s: no direct I/O on this file system, going through the page cache\n", c.shown(name))
		}
		if !c.failed(err) {
			next()
		}
	})
}

func (c *copier) startBlocks() {
	n := int(min(int64(c.depth), c.size/int64(c.block)+1)) // one read must find the end
	c.active = n
	buffers, _ := c.l.RegisteredBuffers(n, c.block)
	for _, buf := range buffers {
		b := &block{c: c, buf: buf}
		b.onRead, b.onWritten = b.read, b.written
		b.next()
	}
}

// A block is one buffer on its way through the file. Its callbacks are made once, so that reads and writes
// allocate nothing.
type block struct {
	c                 *copier
	buf               []byte
	off               int64
	onRead, onWritten loop.IOFunc
}

// next reads the next part of the file that no block has taken.
func (b *block) next() {
	c := b.c
	if c.next >= c.end {
		if c.active--; c.active == 0 {
			c.allWritten()
		}
		return
	}
	b.off = c.next
	c.next += int64(c.block)
	c.from.at(b.whole()).ReadAt(b.buf, b.off, b.onRead)
}

func (b *block) whole() bool { return b.off+int64(len(b.buf)) <= b.c.size }

func (b *block) read(data []byte, err error) {
	c := b.c
	if err == io.EOF {
		c.end = min(c.end, b.off+int64(len(data)))
		err = nil
	}
	switch {
	case c.failed(err):
	case len(data) == 0:
		b.next()
	default:
		c.to.at(b.whole()).WriteAt(data, b.off, b.onWritten)
	}
}

func (b *block) written(data []byte, err error) {
	if b.c.failed(err) {
		return
	}
	b.c.copied += int64(len(data))
	b.next()
}

// allWritten begins the end: mode, sync, close, rename, and a sync of the directory, each when the one before is done.
func (c *copier) allWritten() {
	if c.copied != c.end {
		c.failed(fmt.Errorf("%s: changed while it was copied", c.src))
		return
	}
	if c.failed(os.Chmod(c.temp, c.mode)) { // io_uring has no chmod
		return
	}
	c.to.file.Sync(c.synced)
}

func (c *copier) synced(err error) {
	if !c.failed(err) {
		c.from.close(nil)
		c.to.close(c.closed)
	}
}

func (c *copier) closed(err error) {
	if !c.failed(err) {
		c.l.Rename(c.temp, c.dst, c.renamed)
	}
}

func (c *copier) renamed(err error) {
	c.tempExists = c.tempExists && err != nil
	if !c.failed(err) {
		c.l.Open(filepath.Dir(c.dst), os.O_RDONLY, 0, c.directoryOpened)
	}
}

func (c *copier) directoryOpened(d *loop.File, err error) {
	if err != nil {
		c.failed(err)
		return
	}
	d.Sync(func(err error) {
		c.failed(err)
		d.Close(nil)
	})
}

func (c *copier) interrupt() { c.failed(fmt.Errorf("%s: %w", c.dst, errInterrupted)) }

// failed reports whether the copy has failed, with err or before. It closes and removes what there is by then; what is in
// flight ends with an error of its own and comes here again.
func (c *copier) failed(err error) bool {
	if c.err == nil {
		c.err = c.explain(err)
	}
	if c.err == nil {
		return false
	}
	c.from.close(nil)
	c.to.close(nil)
	if c.tempExists {
		c.tempExists = false
		c.l.Remove(c.temp, nil)
	}
	return true
}

// explain names the target where err names the temporary file, of which the user knows nothing.
func (c *copier) explain(err error) error {
	if link := (*os.LinkError)(nil); errors.As(err, &link) {
		return &fs.PathError{Op: link.Op, Path: c.dst, Err: link.Err}
	}
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return &fs.PathError{Op: path.Op, Path: c.shown(path.Path), Err: path.Err}
	}
	return err
}

func (c *copier) shown(name string) string {
	if name == c.temp {
		return c.dst
	}
	return name
}
