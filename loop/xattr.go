package loop

import "github.com/proactor-go/proactor/internal/sys"

// Extended attributes. io_uring has opcodes for them since 5.19, which it always hands to a worker thread of its own: a lane does
// the same on every kernel, and finds out how large a value is in the same trip. An attribute's name has a namespace on Linux: "user." for the program's own. Where
// a file system or a system has none, they end with EOPNOTSUPP.

// NamesFunc is the callback of Listxattr.
type NamesFunc func(names []string, err error)

// Getxattr returns the value of an extended attribute of the file that name leads to, in a new slice. ENODATA (ENOATTR on BSD) says that it
// has none of this name. getxattr(2), on the file lane.
func (l *Loop) Getxattr(name, attr string, fn IOFunc) Op { return l.getxattr(nil, name, attr, fn) }

// Getxattr returns the value of an extended attribute of the open file. fgetxattr(2), on the file lane.
func (f *File) Getxattr(attr string, fn IOFunc) Op { return f.l.getxattr(f, f.name, attr, fn) }

// Listxattr returns the names of the extended attributes. listxattr(2), on the file lane.
func (l *Loop) Listxattr(name string, fn NamesFunc) Op { return l.listxattr(nil, name, fn) }

// Listxattr returns the names of the open file's extended attributes. flistxattr(2), on the file lane.
func (f *File) Listxattr(fn NamesFunc) Op { return f.l.listxattr(f, f.name, fn) }

// Setxattr sets an extended attribute, whether there was one of this name or not. value is lent. setxattr(2), on the file lane.
func (l *Loop) Setxattr(name, attr string, value []byte, fn DoneFunc) Op {
	return l.xattr("Setxattr", "setxattr", nil, name, func(name string, fd int) error { return sys.Setxattr(name, fd, attr, value) }, fn.report)
}

// Setxattr sets an extended attribute of the open file. value is lent. fsetxattr(2), on the file lane.
func (f *File) Setxattr(attr string, value []byte, fn DoneFunc) Op {
	return f.l.xattr("Setxattr", "setxattr", f, f.name, func(name string, fd int) error { return sys.Setxattr(name, fd, attr, value) }, fn.report)
}

// Removexattr removes an extended attribute. removexattr(2), on the file lane.
func (l *Loop) Removexattr(name, attr string, fn DoneFunc) Op {
	return l.xattr("Removexattr", "removexattr", nil, name, func(name string, fd int) error { return sys.Removexattr(name, fd, attr) }, fn.report)
}

// Removexattr removes an extended attribute of the open file. fremovexattr(2), on the file lane.
func (f *File) Removexattr(attr string, fn DoneFunc) Op {
	return f.l.xattr("Removexattr", "removexattr", f, f.name, func(name string, fd int) error { return sys.Removexattr(name, fd, attr) }, fn.report)
}

func (l *Loop) getxattr(f *File, name, attr string, fn IOFunc) Op {
	needCallback("Getxattr", fn == nil)
	var value []byte
	return l.xattr("Getxattr", "getxattr", f, name, func(name string, fd int) (err error) {
		value, err = sys.Getxattr(name, fd, attr)
		return err
	}, func(err error) {
		if err != nil {
			fn(nil, err)
			return
		}
		fn(value, nil)
	})
}

func (l *Loop) listxattr(f *File, name string, fn NamesFunc) Op {
	needCallback("Listxattr", fn == nil)
	var names []string
	return l.xattr("Listxattr", "listxattr", f, name, func(name string, fd int) (err error) {
		names, err = sys.Listxattr(name, fd)
		return err
	}, func(err error) {
		if err != nil {
			fn(nil, err)
			return
		}
		fn(names, nil)
	})
}

// xattr runs one of them on f, or on name if there is no f. Package sys takes an empty name for the descriptor; there is no file without a name.
func (l *Loop) xattr(method, action string, f *File, name string, run func(name string, fd int) error, report func(error)) Op {
	if f != nil {
		return f.call(method, action, func(fd int) error { return run("", fd) }, report)
	}
	return l.call(method, nil, fileLane, func() error {
		if name == "" {
			return pathError(action, name, sys.Access(name, AccessExists))
		}
		return pathError(action, name, run(name, -1))
	}, report)
}
