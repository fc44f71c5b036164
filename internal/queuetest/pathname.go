//go:build unix

package queuetest

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

var pathScenarios = []scenario{
	{name: "open", onFiles: true, run: opening},
	{name: "open errors", onFiles: true, run: openErrors},
	{name: "stat", onFiles: true, run: stating},
	{name: "mkdir and unlink", onFiles: true, run: mkdirUnlink},
	{name: "rename", onFiles: true, run: renaming},
	{name: "link and symlink", onFiles: true, run: linking},
	{name: "relative to a directory", onFiles: true, run: relativePaths},
	{name: "many at once", onFiles: true, run: manyPaths},
}

func (h *harness) touch(name, content string) string {
	name = h.path(name)
	h.NoError(os.WriteFile(name, []byte(content), 0o644))
	return name
}

func (h *harness) content(name string) string {
	b, err := os.ReadFile(name)
	h.NoError(err)
	return string(b)
}

func opening(h *harness) {
	name := h.path("new")
	fd := h.own(h.result(openat(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o640)))
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	h.NoError(err)
	h.Equal(unix.FD_CLOEXEC, flags&unix.FD_CLOEXEC)
	info, err := os.Stat(name)
	h.NoError(err)
	umask := unix.Umask(0)
	unix.Umask(umask)
	h.Equal(os.FileMode(0o640&^umask), info.Mode())
	h.gives(4, onFile(write(fd, []byte("data"), 0)))
	again := h.own(h.result(openat(name, unix.O_RDONLY, 0)))
	h.NotEqual(fd, again)
	h.gives(4, onFile(read(again, make([]byte, 10), 0)))
	h.gives(0, on(ring.OpClose, h.disown(again)))
	h.gives(0, on(ring.OpClose, h.disown(h.result(openat(name, unix.O_WRONLY|unix.O_TRUNC, 0)))))
	h.Empty(h.content(name))
	h.fails(unix.EBADF, on(ring.OpClose, again))
}

func openErrors(h *harness) {
	file := h.touch("file", "")
	loop := h.path("loop")
	h.NoError(os.Symlink(loop, loop))
	h.fails(unix.ENOENT, openat(h.path("missing"), unix.O_RDONLY, 0))
	h.fails(unix.ENOENT, openat(h.path("missing/file"), unix.O_RDWR|unix.O_CREAT, 0o600))
	h.fails(unix.ENOENT, openat("", unix.O_RDONLY, 0))
	h.fails(unix.EEXIST, openat(file, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600))
	h.fails(unix.ENOTDIR, openat(file+"/below", unix.O_RDONLY, 0))
	h.fails(unix.ENOTDIR, openat(file, unix.O_RDONLY|unix.O_DIRECTORY, 0))
	h.fails(unix.ELOOP, openat(loop, unix.O_RDONLY, 0))
	h.fails(unix.ENAMETOOLONG, openat(h.path(strings.Repeat("x", 300)), unix.O_RDONLY, 0))
	h.fails(unix.ENAMETOOLONG, openat(strings.Repeat("/x", 3000), unix.O_RDONLY, 0))
	h.fails(unix.EISDIR, openat(h.path("."), unix.O_RDWR, 0))
	relative := openat("file", unix.O_RDONLY, 0)
	relative.FD = badFD
	h.fails(unix.EBADF, relative)
	relative = openat("below", unix.O_RDONLY, 0)
	relative.FD = int32(h.own(h.result(openat(file, unix.O_RDONLY, 0))))
	h.fails(unix.ENOTDIR, relative)
}

func stating(h *harness) {
	var st ring.Statx
	file := h.touch("file", "twelve bytes")
	link := h.path("link")
	h.NoError(os.Symlink(file, link))
	h.gives(0, statx(unix.AT_FDCWD, file, 0, &st))
	h.Equal(int64(12), statSize(&st))
	h.Equal(uint32(unix.S_IFREG|0o644), statMode(&st))
	h.gives(0, statx(unix.AT_FDCWD, link, 0, &st))
	h.Equal(int64(12), statSize(&st))
	h.gives(0, statx(unix.AT_FDCWD, link, unix.AT_SYMLINK_NOFOLLOW, &st))
	h.Equal(uint32(unix.S_IFLNK), statMode(&st)&unix.S_IFMT)
	h.Equal(int64(len(file)), statSize(&st))
	h.gives(0, statx(unix.AT_FDCWD, h.path("."), 0, &st))
	h.Equal(uint32(unix.S_IFDIR), statMode(&st)&unix.S_IFMT)
	h.fails(unix.ENOENT, statx(unix.AT_FDCWD, h.path("missing"), 0, &st))
	h.fails(unix.ENOTDIR, statx(unix.AT_FDCWD, file+"/below", 0, &st))
	h.fails(unix.EBADF, statx(badFD, "file", 0, &st))
}

func mkdirUnlink(h *harness) {
	dir := h.path("dir")
	h.gives(0, mkdir(dir, 0o700))
	info, err := os.Stat(dir)
	h.NoError(err)
	h.Equal(os.ModeDir|0o700, info.Mode())
	h.fails(unix.EEXIST, mkdir(dir, 0o700))
	h.fails(unix.ENOENT, mkdir(h.path("missing/dir"), 0o700))
	file := h.touch("dir/file", "")
	h.fails(unix.ENOTDIR, mkdir(file+"/dir", 0o700))
	h.fails(unix.ENOTEMPTY, unlink(dir, unix.AT_REMOVEDIR))
	h.fails(unix.ENOTDIR, unlink(file, unix.AT_REMOVEDIR))
	h.gives(0, unlink(file, 0))
	h.fails(unix.ENOENT, unlink(file, 0))
	h.gives(0, unlink(dir, unix.AT_REMOVEDIR))
	h.NoFileExists(file)
	h.NoDirExists(dir)

	// A file without a name is still there for those who have it open.
	fd := h.file("")
	name := h.touch("open", "content")
	h.close(fd)
	fd = h.own(h.result(openat(name, unix.O_RDONLY, 0)))
	h.gives(0, unlink(name, 0))
	h.gives(7, onFile(read(fd, make([]byte, 10), 0)))
}

func renaming(h *harness) {
	from, to := h.touch("from", "new"), h.touch("to", "old")
	h.gives(0, between(ring.OpRenameat, from, to, 0))
	h.NoFileExists(from)
	h.Equal("new", h.content(to))
	h.fails(unix.ENOENT, between(ring.OpRenameat, from, to, 0))
	h.fails(unix.ENOENT, between(ring.OpRenameat, to, h.path("missing/to"), 0))
	h.gives(0, mkdir(h.path("dir"), 0o700))
	h.fails(unix.EISDIR, between(ring.OpRenameat, to, h.path("dir"), 0))
	h.fails(unix.EINVAL, between(ring.OpRenameat, h.path("dir"), h.path("dir/below"), 0))
	h.Equal("new", h.content(to))
}

func linking(h *harness) {
	file := h.touch("file", "content")
	hard, soft, second := h.path("hard"), h.path("soft"), h.path("second")
	h.gives(0, between(ring.OpLinkat, file, hard, 0))
	h.Equal("content", h.content(hard))
	h.fails(unix.EEXIST, between(ring.OpLinkat, file, hard, 0))
	h.fails(unix.ENOENT, between(ring.OpLinkat, h.path("missing"), second, 0))

	h.gives(0, symlink("file", soft))
	target, err := os.Readlink(soft)
	h.NoError(err)
	h.Equal("file", target)
	h.fails(unix.EEXIST, symlink("file", soft))
	h.fails(unix.ENOENT, symlink("file", h.path("missing/link")))

	h.gives(0, between(ring.OpLinkat, soft, second, unix.AT_SYMLINK_FOLLOW))
	info, err := os.Lstat(second)
	h.NoError(err)
	h.True(info.Mode().IsRegular())
}

func relativePaths(h *harness) {
	h.gives(0, mkdir(h.path("a"), 0o700))
	h.gives(0, mkdir(h.path("b"), 0o700))
	a := h.own(h.result(openat(h.path("a"), unix.O_RDONLY|unix.O_DIRECTORY, 0)))
	b := h.own(h.result(openat(h.path("b"), unix.O_RDONLY|unix.O_DIRECTORY, 0)))

	fd := h.own(h.result(at(ring.OpOpenat, a, "file", unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)))
	h.gives(3, onFile(write(fd, []byte("abc"), 0)))
	h.gives(0, at(ring.OpMkdirat, a, "dir", 0, 0o700))
	var st ring.Statx
	h.gives(0, statx(a, "file", 0, &st))
	h.Equal(int64(3), statSize(&st))
	s := symlink("../a/file", "link")
	s.FD = int32(b)
	h.gives(0, s)
	for _, op := range []ring.Opcode{ring.OpLinkat, ring.OpRenameat} {
		s := between(op, "file", op.String(), 0)
		s.FD, s.Arg = int32(a), uint32(b)
		h.gives(0, s)
	}
	h.gives(0, at(ring.OpUnlinkat, a, "dir", unix.AT_REMOVEDIR, 0))
	h.gives(0, at(ring.OpUnlinkat, b, "link", 0, 0))
	h.Equal([]string{"a", "b", "b/LINKAT", "b/RENAMEAT"}, h.tree())
	h.gives(0, at(ring.OpUnlinkat, b, "LINKAT", 0, 0))
	h.gives(0, at(ring.OpUnlinkat, b, "RENAMEAT", 0, 0))
}

// tree lists what is below the directory of the scenario.
func (h *harness) tree() []string {
	var names []string
	root := h.path(".")
	h.NoError(filepath.Walk(root, func(path string, _ os.FileInfo, err error) error {
		if name, _ := filepath.Rel(root, path); name != "." {
			names = append(names, name)
		}
		return err
	}))
	return names
}

func manyPaths(h *harness) {
	const count = 150
	file := h.touch("file", "content")
	stats := make([]ring.Statx, count)
	uds := make([]uint64, 0, 2*count)
	for i := range count {
		uds = append(uds,
			h.push(statx(unix.AT_FDCWD, file, 0, &stats[i])),
			h.push(mkdir(h.path(strings.Repeat("d", i+1)), 0o700)))
	}
	for _, ud := range uds {
		h.Zero(h.wait(ud).Res)
	}
	for i := range stats {
		h.Equal(int64(7), statSize(&stats[i]))
	}
	h.Len(h.tree(), count+1)
}
