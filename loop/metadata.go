package loop

import (
	"io/fs"
	"os"
	"time"

	"github.com/proactor-go/proactor/internal/sys"
)

// What has no opcode that the kernel would carry out without a thread of its own runs on the file lane, as one function: an
// opcode that io_uring hands to its own workers (on Linux 6.18 and ext4 that is every change of metadata) gains nothing over a lane of ours, which also
// combines several system calls. Cancel withdraws what has not started there; what runs ends with its result.

// report calls fn unless there is none.
func (fn DoneFunc) report(err error) {
	if fn != nil {
		fn(err)
	}
}

// call carries out run on the file lane; the file stays open until it is done. Errors of the system become [*fs.PathError]s of action.
func (f *File) call(method, action string, run func(fd int) error, fn DoneFunc) Op {
	fd := int(f.fd)
	return f.l.call(method, &f.handle, fileLane, func() error { return pathError(action, f.name, run(fd)) }, fn.report)
}

// Chmod changes the mode of a file as [os.Chmod] does. chmod(2), on the file lane.
func (l *Loop) Chmod(name string, mode fs.FileMode, fn DoneFunc) Op {
	return l.call("Chmod", nil, fileLane, func() error { return os.Chmod(name, mode) }, fn.report)
}

// Chmod changes the mode of the open file. fchmod(2), on the file lane.
func (f *File) Chmod(mode fs.FileMode, fn DoneFunc) Op {
	return f.call("Chmod", "chmod", func(fd int) error { return sys.Chmod(fd, mode) }, fn)
}

// Chown changes the owner of the file that name leads to, as [os.Chown] does: -1 leaves the user or the group as it is. chown(2), on the file lane.
func (l *Loop) Chown(name string, uid, gid int, fn DoneFunc) Op {
	return l.call("Chown", nil, fileLane, func() error { return os.Chown(name, uid, gid) }, fn.report)
}

// Lchown changes the owner of name itself, even if it is a symbolic link. lchown(2), on the file lane.
func (l *Loop) Lchown(name string, uid, gid int, fn DoneFunc) Op {
	return l.call("Lchown", nil, fileLane, func() error { return os.Lchown(name, uid, gid) }, fn.report)
}

// Chown changes the owner of the open file. fchown(2), on the file lane.
func (f *File) Chown(uid, gid int, fn DoneFunc) Op {
	return f.call("Chown", "chown", func(fd int) error { return sys.Chown(fd, uid, gid) }, fn)
}

// Chtimes changes the times of access and of modification as [os.Chtimes] does: a zero time leaves what there is. utimensat(2), on the file lane.
func (l *Loop) Chtimes(name string, atime, mtime time.Time, fn DoneFunc) Op {
	return l.call("Chtimes", nil, fileLane, func() error { return os.Chtimes(name, atime, mtime) }, fn.report)
}

// Lchtimes changes the times of name itself, even if it is a symbolic link. utimensat(2) with AT_SYMLINK_NOFOLLOW, on the file lane.
func (l *Loop) Lchtimes(name string, atime, mtime time.Time, fn DoneFunc) Op {
	return l.call("Lchtimes", nil, fileLane, func() error { return pathError("lchtimes", name, sys.SetLinkTimes(name, atime, mtime)) }, fn.report)
}

// Chtimes changes the times of the open file. futimens(3), on the file lane.
func (f *File) Chtimes(atime, mtime time.Time, fn DoneFunc) Op {
	return f.call("Chtimes", "chtimes", func(fd int) error { return sys.SetTimes(fd, atime, mtime) }, fn)
}

// What Access asks for. They may be combined.
const (
	AccessExists  = 0
	AccessExecute = 1 // or search, a directory
	AccessWrite   = 2
	AccessRead    = 4
)

// Access reports, as an error, what the process's real user may not do with a file. The answer may be out of date when it arrives: to open
// the file tells more. access(2), on the file lane.
func (l *Loop) Access(name string, mode uint32, fn DoneFunc) Op {
	needCallback("Access", fn == nil)
	return l.call("Access", nil, fileLane, func() error { return pathError("access", name, sys.Access(name, mode)) }, fn)
}

// Truncate changes the size of a file as [os.Truncate] does. truncate(2), on the file lane.
func (l *Loop) Truncate(name string, size int64, fn DoneFunc) Op {
	return l.call("Truncate", nil, fileLane, func() error { return os.Truncate(name, size) }, fn.report)
}

// An FSInfo describes a file system.
type FSInfo struct {
	Type      int64  // the system's number for its kind: on Linux 0xEF53 is ext4, see statfs(2)
	BlockSize int64  // bytes, of the unit in which it allocates
	Size      uint64 // bytes
	Free      uint64 // bytes
	Available uint64 // bytes that are free to users without privileges
	Files     uint64 // how many files (inodes) it can have; 0 if there is no limit
	FreeFiles uint64 // how many more it can have
}

// FSInfoFunc is the callback of Statfs.
type FSInfoFunc func(info FSInfo, err error)

// Statfs describes the file system that name is on. statfs(2), on the file lane.
func (l *Loop) Statfs(name string, fn FSInfoFunc) Op {
	needCallback("Statfs", fn == nil)
	var info sys.FSInfo
	return l.call("Statfs", nil, fileLane, func() (err error) {
		info, err = sys.Statfs(name)
		return pathError("statfs", name, err)
	}, func(err error) {
		if err != nil { // one that was canceled meanwhile still may be under way
			fn(FSInfo{}, err)
			return
		}
		fn(FSInfo(info), nil)
	})
}

// An Advice is what a program intends with a part of a file.
type Advice int

// The advice that [File.Advise] passes on.
const (
	AdviceNormal     Advice = sys.AdviceNormal     // nothing in particular
	AdviceSequential Advice = sys.AdviceSequential // it is read from the front to the end: read ahead more
	AdviceRandom     Advice = sys.AdviceRandom     // it is read here and there: do not read ahead
	AdviceWillNeed   Advice = sys.AdviceWillNeed   // it is read soon: start now
	AdviceDontNeed   Advice = sys.AdviceDontNeed   // it is not read soon: drop it from the page cache
	AdviceNoReuse    Advice = sys.AdviceNoReuse    // it is read once
)

// Advise tells the kernel what the program intends with n bytes from off, to the end of the file if n is 0. Systems other than Linux ignore it.
// posix_fadvise(2), on the file lane: to start a read or to drop pages may wait for the disk.
func (f *File) Advise(off, n int64, advice Advice, fn DoneFunc) Op {
	return f.call("Advise", "advise", func(fd int) error { return sys.Advise(fd, off, n, int(advice)) }, fn)
}
