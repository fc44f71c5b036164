package loop

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/proactor-go/proactor/internal/sys"
)

// ReadFile reads a whole file, as [os.ReadFile] does, into a new slice. The size that the file has says how large to make it, its end is where
// the end is: files of /proc, whose size is 0, are read too. What was read before an error comes with it.
//
// It is an open, as many reads as it takes and a close, each by the loop's usual route.
func (l *Loop) ReadFile(name string, fn IOFunc) Op {
	needCallback("ReadFile", fn == nil)
	r := &fileReader{}
	r.p = l.compose("ReadFile", nil, func() { r.step.Cancel() }, func(err error) { fn(r.data, err) })
	if !r.p.settled() {
		r.step = l.Open(name, os.O_RDONLY, 0, r.opened)
	}
	return r.p.Op()
}

// minRead is how much ReadFile asks for at least, of a file whose size is 0 or not known.
const minRead = 512

// A fileReader is a ReadFile. One step of it is in flight until its end.
type fileReader struct {
	p      *Pending
	step   Op
	f      *File
	data   []byte
	stream bool // it has a position only
}

func (r *fileReader) opened(f *File, err error) {
	if err != nil {
		r.p.Finish(err)
		return
	}
	r.f = f
	size := min(sys.SizeNow(f.fd), maxIO)               // some files of /proc claim more than there is memory
	r.data = make([]byte, 0, max(int(size)+1, minRead)) // one more, to see the end in the same read
	r.next()
}

func (r *fileReader) next() {
	if r.p.stopping() { // between two steps
		r.end(ErrCanceled)
		return
	}
	n := len(r.data)
	if n == cap(r.data) {
		r.data = append(r.data, 0)[:n]
	}
	if r.stream {
		r.step = r.f.Read(r.data[n:cap(r.data)], r.read)
	} else {
		r.step = r.f.ReadAt(r.data[n:cap(r.data)], int64(n), r.read)
	}
}

func (r *fileReader) read(b []byte, err error) {
	r.data = r.data[:len(r.data)+len(b)]
	switch {
	case err == nil:
		r.next()
	case err == io.EOF:
		r.end(nil)
	case errors.Is(err, syscall.ESPIPE) && !r.stream: // a pipe has no offsets
		r.stream = true
		r.next()
	default:
		r.end(err)
	}
}

func (r *fileReader) end(err error) {
	r.f.Close(func(error) { r.p.Finish(err) })
}

// WriteFile replaces the content of a file by data, or makes the file with perm (before umask): after a crash, or for whoever opens it meanwhile, it has the
// old content or the new one, never a part. It writes a new file in the same directory, syncs it, renames it and syncs the directory. On
// an error or after Cancel that file is gone and the old one untouched; only an error of the very last step comes after the replacement. A file that exists keeps its mode, but not
// its owner or its hard links; symbolic links are followed; what is no regular file is refused. data is lent.
//
// It is one function on the file lane, on every backend: io_uring would hand each of its steps to a kernel thread, and a function cleans up after itself
// even when the loop is closed. Cancel is heard between the steps.
func (l *Loop) WriteFile(name string, data []byte, perm fs.FileMode, fn DoneFunc) Op {
	return l.callStoppable("WriteFile", func(stopped func() error) error {
		r := replacement{action: "write", perm: perm, durable: true, stopped: stopped}
		return r.run(name, func(to *os.File) error {
			for rest := data; len(rest) > 0; {
				n, err := to.Write(rest[:min(len(rest), copyChunk)])
				if err != nil {
					return err
				}
				rest = rest[n:]
				if err := stopped(); err != nil {
					return err
				}
			}
			return nil
		})
	}, fn.report)
}

// callStoppable is call, on the file lane, for a function that can be told to end: it asks stopped from time to time, which then returns an error.
func (l *Loop) callStoppable(method string, run func(stopped func() error) error, report func(error)) Op {
	var stop atomic.Bool
	stopped := func() error {
		if stop.Load() {
			return context.Canceled
		}
		return nil
	}
	op := l.call(method, nil, fileLane, func() error { return run(stopped) }, report)
	op.find().extra.cancel = func() { stop.Store(true) }
	return op
}

// A replacement puts a new file in the place of another, or makes it where there was none.
type replacement struct {
	action  string // for errors
	perm    fs.FileMode
	durable bool
	stopped func() error
}

// run has fill write the new file, and puts it in its place if that succeeds.
func (r *replacement) run(name string, fill func(to *os.File) error) error {
	place := placeOf(name)
	old, err := os.Stat(place)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return r.wrap(name, err)
	case old.IsDir():
		return &fs.PathError{Op: r.action, Path: name, Err: syscall.EISDIR}
	case !old.Mode().IsRegular():
		return &fs.PathError{Op: r.action, Path: name, Err: syscall.EINVAL}
	}
	dir := filepath.Dir(place)
	temp, fd, err := createTemp(dir, ".loop-*.tmp", r.perm)
	if err != nil {
		return r.wrap(name, err)
	}
	to := os.NewFile(uintptr(fd), temp)
	err = r.complete(to, old, fill)
	if e := to.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = r.stopped()
	}
	if err == nil {
		err = os.Rename(temp, place)
	}
	if err != nil {
		_ = os.Remove(temp)
		return r.wrap(name, err)
	}
	if r.durable {
		return r.wrap(name, syncDir(dir))
	}
	return nil
}

// placeOf returns where the links of name lead, be there a file or not.
func placeOf(name string) string {
	for range maxLinks {
		if place, err := filepath.EvalSymlinks(name); err == nil {
			return place
		}
		dir, base := filepath.Split(name)
		if dir == "" {
			dir = "."
		}
		dir, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return name
		}
		place := filepath.Join(dir, base)
		target, err := os.Readlink(place)
		if err != nil {
			return place
		}
		if name = target; !filepath.IsAbs(target) {
			name = join(dir, target) // not cleaned: a link may come before its ".."
		}
	}
	return name
}

// maxLinks is how many links Linux follows.
const maxLinks = 40

func (r *replacement) complete(to *os.File, old fs.FileInfo, fill func(to *os.File) error) error {
	if old != nil {
		if err := to.Chmod(old.Mode()); err != nil {
			return err
		}
	}
	if err := fill(to); err != nil {
		return err
	}
	if r.durable {
		return to.Sync()
	}
	return nil
}

// wrap names the file that the program asked for instead of the temporary one.
func (r *replacement) wrap(name string, err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		if err = e.Err; e.Op == "read" { // the one thing that is not done to the new file
			name = e.Path
		}
	case *os.LinkError:
		err = e.Err
	}
	return pathError(r.action, name, err)
}

func syncDir(name string) error {
	d, err := sys.OpenFile(name, sys.Directory, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
