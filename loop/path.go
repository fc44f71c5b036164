package loop

import (
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// path makes an operation on a name, or one that is settled because no system call could take it.
func (l *Loop) path(k kind, action, name string, fn any) *op {
	o := l.start(k, nil, fn)
	x := l.slots.more(o)
	x.syscall, x.name = action, name
	o.sqe.FD = sys.CurrentDir
	var ok bool
	x.path, o.sqe.Addr, ok = cPath(x.path, name)
	switch {
	case l.shut:
		l.settle(o, resClosed)
	case !ok:
		l.settle(o, -int32(syscall.EINVAL))
	}
	return o
}

// cPath writes name to buf with a NUL behind it, and reports whether it had none within.
func cPath(buf []byte, name string) ([]byte, unsafe.Pointer, bool) {
	buf = append(append(buf[:0], name...), 0)
	return buf, unsafe.Pointer(unsafe.SliceData(buf)), strings.IndexByte(name, 0) < 0
}

// secondPath adds the new name of a Rename, Link or Symlink.
func (l *Loop) secondPath(o *op, name string) {
	x := o.extra
	x.name2 = name
	var ok bool
	x.path2, o.sqe.Addr2, ok = cPath(x.path2, name)
	if !ok && o.state != statePending {
		l.settle(o, -int32(syscall.EINVAL))
	}
}

// begin submits a path operation unless it is settled already.
func (l *Loop) begin(o *op) Op {
	if o.state != statePending {
		l.submit(o)
	}
	return l.op(o)
}

// Rename renames a file or directory, over an existing file if there is one, as [os.Rename] does. renameat(2):
// IORING_OP_RENAMEAT. Errors of Rename, Link and Symlink are [*os.LinkError].
func (l *Loop) Rename(oldname, newname string, fn DoneFunc) Op {
	return l.twoPaths(ring.OpRenameat, "rename", oldname, newname, fn)
}

// Link makes newname a hard link to oldname. linkat(2): IORING_OP_LINKAT.
func (l *Loop) Link(oldname, newname string, fn DoneFunc) Op {
	return l.twoPaths(ring.OpLinkat, "link", oldname, newname, fn)
}

// Symlink makes newname a symbolic link to oldname. symlinkat(2): IORING_OP_SYMLINKAT.
func (l *Loop) Symlink(oldname, newname string, fn DoneFunc) Op {
	return l.twoPaths(ring.OpSymlinkat, "symlink", oldname, newname, fn)
}

func (l *Loop) twoPaths(opcode ring.Opcode, action, oldname, newname string, fn DoneFunc) Op {
	o := l.path(kindPath, action, oldname, fn)
	l.secondPath(o, newname)
	o.sqe.Opcode = opcode
	if opcode != ring.OpSymlinkat {
		o.sqe.Arg = sys.CurrentDirArg
	}
	return l.begin(o)
}

// Remove removes a file or an empty directory, as [os.Remove] does. unlinkat(2): IORING_OP_UNLINKAT.
func (l *Loop) Remove(name string, fn DoneFunc) Op {
	o := l.path(kindPath, "remove", name, fn)
	o.sqe.Opcode = ring.OpUnlinkat
	return l.begin(o)
}

// Mkdir makes a directory. mkdirat(2): IORING_OP_MKDIRAT.
func (l *Loop) Mkdir(name string, perm fs.FileMode, fn DoneFunc) Op {
	o := l.path(kindPath, "mkdir", name, fn)
	o.sqe.Opcode = ring.OpMkdirat
	o.sqe.Arg = sys.FileMode(perm)
	return l.begin(o)
}

func (l *Loop) pathDone(o *op, res int32) {
	if res < 0 && l.retry(o, res) {
		return
	}
	if o.sqe.Opcode == ring.OpUnlinkat && sys.IsDirectory(res) && o.sqe.OpFlags == 0 {
		o.sqe.OpFlags = sys.RemoveDir
		if l.again(o) {
			return
		}
		res = -ecanceled
	}
	if o.sqe.Opcode == ring.OpUnlinkat && o.sqe.OpFlags != 0 && res == -int32(syscall.ENOTDIR) {
		res = -int32(syscall.EPERM) // no directory after all: what the first attempt said
	}
	fn := callback[DoneFunc](o)
	var err error
	if res < 0 {
		err = o.extra.wrap(o.fault(res))
	}
	l.retire(o)
	if fn != nil {
		fn(err)
	}
}

// Stat describes the file that name leads to. statx(2): IORING_OP_STATX.
func (l *Loop) Stat(name string, fn StatFunc) Op {
	needCallback("Stat", fn == nil)
	return l.startStat("stat", name, 0, fn)
}

// Lstat describes name itself, even if it is a symbolic link.
func (l *Loop) Lstat(name string, fn StatFunc) Op {
	needCallback("Lstat", fn == nil)
	return l.startStat("lstat", name, sys.NoFollow, fn)
}

func (l *Loop) startStat(action, name string, flags uint32, fn StatFunc) Op {
	o := l.path(kindStat, action, name, fn)
	o.prepareStat(flags)
	return l.begin(o)
}

func (o *op) prepareStat(flags uint32) {
	o.extra.stat = new(ring.Statx)
	o.sqe.Opcode = ring.OpStatx
	o.sqe.Addr2 = unsafe.Pointer(o.extra.stat)
	o.sqe.OpFlags = flags
	o.sqe.Arg = sys.StatMask
}

// Stat describes the open file. statx(2) with AT_EMPTY_PATH.
func (f *File) Stat(fn StatFunc) Op {
	needCallback("Stat", fn == nil)
	l := f.l
	if f.closing {
		return l.refuse(kindStat, &f.handle, fn)
	}
	o := l.start(kindStat, &f.handle, fn)
	x := l.slots.more(o)
	x.syscall, x.name = "stat", f.name
	x.path, o.sqe.Addr, _ = cPath(x.path, "")
	o.sqe.FD = f.fd
	o.prepareStat(sys.EmptyPath)
	l.submit(o)
	return l.op(o)
}

func (l *Loop) statted(o *op, res int32) {
	if res < 0 && l.retry(o, res) {
		return
	}
	fn, x := callback[StatFunc](o), o.extra
	var info fs.FileInfo
	var err error
	switch {
	case res >= 0:
		info = sys.FileInfo(x.name, x.stat)
	case x == nil: // refused
		err = o.fault(res)
	default:
		err = x.wrap(o.fault(res))
	}
	l.retire(o)
	fn(info, err)
}

// Truncate changes the file's size. ftruncate(2): IORING_OP_FTRUNCATE.
func (f *File) Truncate(size int64, fn DoneFunc) Op {
	return f.change("truncate", ring.OpFtruncate, size, 0, size < 0, fn)
}

// Allocate reserves the disk space of size bytes at offset off, so that writing them cannot fail for
// lack of it. fallocate(2): IORING_OP_FALLOCATE.
func (f *File) Allocate(off, size int64, fn DoneFunc) Op {
	return f.change("allocate", ring.OpFallocate, off, uint64(size), off < 0 || size <= 0, fn)
}

func (f *File) change(action string, opcode ring.Opcode, off int64, size uint64, invalid bool, fn DoneFunc) Op {
	l := f.l
	if f.closing {
		return l.refuse(kindFile, &f.handle, fn)
	}
	o := l.start(kindFile, &f.handle, fn)
	l.slots.more(o).syscall = action
	if invalid {
		return l.settle(o, -int32(syscall.EINVAL))
	}
	o.sqe.Opcode = opcode
	o.sqe.FD = f.fd
	o.sqe.Flags = ring.MayBlock
	o.sqe.Off, o.sqe.Len = off, size
	l.submit(o)
	return l.op(o)
}

func (l *Loop) fileDone(o *op, res int32) {
	if res < 0 && l.retry(o, res) {
		return
	}
	fn := callback[DoneFunc](o)
	var err error
	if res < 0 {
		err = o.fault(res)
		if o.extra != nil {
			err = pathError(o.extra.syscall, o.h.self.(*File).name, err)
		}
	}
	l.retire(o)
	if fn != nil {
		fn(err)
	}
}

// wrap gives an error of the system the operation and the names.
func (x *extra) wrap(err error) error {
	if bare(err) {
		return err
	}
	if len(x.path2) > 0 { // the name itself may be empty
		return &os.LinkError{Op: x.syscall, Old: x.name, New: x.name2, Err: err}
	}
	return &fs.PathError{Op: x.syscall, Path: x.name, Err: err}
}
