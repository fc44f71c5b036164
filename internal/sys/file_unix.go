//go:build unix

package sys

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

var currentDir int64 = unix.AT_FDCWD // a variable, because DragonFly's does not fit a constant of 32 bits

var (
	// CurrentDir is the directory that relative names start from, as a descriptor.
	CurrentDir = int32(currentDir)
	// CurrentDirArg is CurrentDir for the second directory of an entry.
	CurrentDirArg = uint32(currentDir)
)

const (
	// RemoveDir makes an unlinkat(2) an rmdir(2).
	RemoveDir = unix.AT_REMOVEDIR
	// NoFollow keeps a stat from following a symbolic link.
	NoFollow = unix.AT_SYMLINK_NOFOLLOW
)

// OpenFlags returns open(2)'s flags for those of package os.
func OpenFlags(flag int) uint32 { return uint32(flag) | unix.O_CLOEXEC | largeFile }

// FileMode returns the permission bits of perm as the system has them.
func FileMode(perm fs.FileMode) uint32 {
	mode := uint32(perm.Perm())
	if perm&fs.ModeSetuid != 0 {
		mode |= unix.S_ISUID
	}
	if perm&fs.ModeSetgid != 0 {
		mode |= unix.S_ISGID
	}
	if perm&fs.ModeSticky != 0 {
		mode |= unix.S_ISVTX
	}
	return mode
}

// IsDirectory reports whether an unlink ended with res because the name is a directory's: EISDIR on Linux, EPERM by
// POSIX.
func IsDirectory(res int32) bool {
	return res == -int32(syscall.EISDIR) || res == -int32(syscall.EPERM)
}

// goMode translates the mode of a file.
func goMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	switch mode & unix.S_IFMT {
	case unix.S_IFBLK:
		m |= fs.ModeDevice
	case unix.S_IFCHR:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFDIR:
		m |= fs.ModeDir
	case unix.S_IFIFO:
		m |= fs.ModeNamedPipe
	case unix.S_IFLNK:
		m |= fs.ModeSymlink
	case unix.S_IFSOCK:
		m |= fs.ModeSocket
	}
	if mode&unix.S_ISGID != 0 {
		m |= fs.ModeSetgid
	}
	if mode&unix.S_ISUID != 0 {
		m |= fs.ModeSetuid
	}
	if mode&unix.S_ISVTX != 0 {
		m |= fs.ModeSticky
	}
	return m
}
