package loop

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/proactor-go/proactor/internal/sys"
)

// NameFunc is the callback of what finds or makes a name.
type NameFunc func(name string, err error)

// named starts a function on the file lane that finds a name.
func (l *Loop) named(method string, find func() (string, error), fn NameFunc) Op {
	needCallback(method, fn == nil)
	var name string
	return l.call(method, nil, fileLane, func() (err error) {
		name, err = find()
		return err
	}, func(err error) {
		if err != nil {
			fn("", err)
			return
		}
		fn(name, nil)
	})
}

// Readlink returns where a symbolic link points. readlink(2), on the file lane.
func (l *Loop) Readlink(name string, fn NameFunc) Op {
	return l.named("Readlink", func() (string, error) { return os.Readlink(name) }, fn)
}

// RealPath returns the absolute name, without symbolic links, of the file that name leads to, as realpath(3) does. Errors are [*fs.PathError] of name.
// lstat(2) and readlink(2) for each part of it, on the file lane.
func (l *Loop) RealPath(name string, fn NameFunc) Op {
	return l.named("RealPath", func() (string, error) {
		real, err := realPath(name)
		if err != nil {
			return "", &fs.PathError{Op: "realpath", Path: name, Err: err}
		}
		return real, nil
	}, fn)
}

func realPath(name string) (string, error) {
	if name == "" {
		return "", syscall.ENOENT
	}
	real, err := filepath.EvalSymlinks(name)
	var errno syscall.Errno
	switch {
	case err == nil:
		return filepath.Abs(real)
	case errors.As(err, &errno):
		return "", errno
	}
	return "", syscall.ELOOP // the one thing that it has no errno for
}

// MkdirTemp makes a new directory in dir as [os.MkdirTemp] does, and returns its name. mkdir(2), on the file lane.
func (l *Loop) MkdirTemp(dir, pattern string, fn NameFunc) Op {
	return l.named("MkdirTemp", func() (string, error) { return os.MkdirTemp(dir, pattern) }, fn)
}

// CreateTemp makes and opens a new file in dir as [os.CreateTemp] does: its name is pattern with a random number for the last star,
// or at its end. The program removes it. openat(2), on the file lane.
func (l *Loop) CreateTemp(dir, pattern string, fn FileFunc) Op {
	needCallback("CreateTemp", fn == nil)
	name, fd := "", -1
	return l.call("CreateTemp", nil, fileLane, func() (err error) {
		name, fd, err = createTemp(dir, pattern, 0o600)
		return err
	}, func(err error) {
		switch {
		case err != nil:
			fn(nil, err)
		case l.shut:
			l.release(int32(fd))
			fn(nil, ErrClosed)
		default:
			f := &File{name: name}
			f.open(l, f, int32(fd))
			fn(f, nil)
		}
	})
}

const tempTries = 10_000

func createTemp(dir, pattern string, perm fs.FileMode) (name string, fd int, err error) {
	if dir == "" {
		dir = os.TempDir()
	}
	if strings.ContainsRune(pattern, os.PathSeparator) {
		return "", -1, &fs.PathError{Op: "createtemp", Path: pattern, Err: errors.New("pattern contains path separator")}
	}
	prefix, suffix := pattern, ""
	if i := strings.LastIndexByte(pattern, '*'); i >= 0 {
		prefix, suffix = pattern[:i], pattern[i+1:]
	}
	for range tempTries {
		name = filepath.Join(dir, prefix+strconv.FormatUint(uint64(rand.Uint32()), 10)+suffix)
		fd, err = sys.Open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
		if err != syscall.EEXIST {
			break
		}
	}
	if err != nil {
		return "", -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return name, fd, nil
}

// MkdirAll makes a directory and those above it that are missing, as [os.MkdirAll] does. mkdir(2) for each, on the file lane.
func (l *Loop) MkdirAll(name string, perm fs.FileMode, fn DoneFunc) Op {
	return l.call("MkdirAll", nil, fileLane, func() error { return os.MkdirAll(name, perm) }, fn.report)
}

// RemoveAll removes name and all that is below it, as [os.RemoveAll] does; if there is nothing, that is no error. Once it has started it
// goes on to the end, whoever cancels it. unlinkat(2) for each, on the file lane.
func (l *Loop) RemoveAll(name string, fn DoneFunc) Op {
	return l.call("RemoveAll", nil, fileLane, func() error { return os.RemoveAll(name) }, fn.report)
}
