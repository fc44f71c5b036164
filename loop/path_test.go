package loop_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// Section I, the operations on names.

func TestF02OpenErrors(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(in("file"), nil, 0o600))
	require.NoError(t, os.Symlink(in("loop1"), in("loop2")))
	require.NoError(t, os.Symlink(in("loop2"), in("loop1")))
	cases := []struct {
		name string
		path string
		flag int
		want error
	}{
		{"missing", in("missing"), os.O_RDONLY, fs.ErrNotExist},
		{"missing directory", in("missing/file"), os.O_RDWR | os.O_CREATE, fs.ErrNotExist},
		{"empty name", "", os.O_RDONLY, fs.ErrNotExist},
		{"symbolic links in a circle", in("loop1"), os.O_RDONLY, syscall.ELOOP},
		{"name too long", in(strings.Repeat("x", 300)), os.O_RDONLY, syscall.ENAMETOOLONG},
		{"path too long", strings.Repeat("x/", 3000), os.O_RDONLY, syscall.ENAMETOOLONG},
		{"no directory", in("file/below"), os.O_RDONLY, syscall.ENOTDIR},
		{"exclusive creation", in("file"), os.O_RDWR | os.O_CREATE | os.O_EXCL, fs.ErrExist},
		{"directory for writing", dir, os.O_RDWR, syscall.EISDIR},
		{"NUL in the name", in("a\x00b"), os.O_RDONLY, syscall.EINVAL},
	}
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, c := range cases {
			calls := 0
			l.Open(c.path, c.flag, 0o600, func(f *loop.File, err error) {
				calls++
				require.Nil(t, f)
				require.ErrorIs(t, err, c.want, c.name)
				var path *fs.PathError
				require.True(t, errors.As(err, &path))
				_, want := os.OpenFile(c.path, c.flag, 0o600)
				requireSameError(t, want, err)
			})
			require.Zero(t, calls, "called back at once")
			require.NoError(t, l.Run())
			require.Equal(t, 1, calls)
		}
	})
}

func TestF02OpenMode(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		name := filepath.Join(t.TempDir(), "file")
		l.Open(name, os.O_WRONLY|os.O_CREATE, 0o640, func(f *loop.File, err error) {
			require.NoError(t, err)
			require.Equal(t, name, f.Name())
			f.Close(nil)
		})
		require.NoError(t, l.Run())
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o640), info.Mode())
	})
}

// TestF02CancelOpen cancels opens that may have succeeded: the file is delivered, or none was opened.
func TestF02CancelOpen(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, nil, 0o600))
		ended := 0
		for range 100 {
			l.Open(name, os.O_RDONLY, 0, func(f *loop.File, err error) {
				ended++
				if err != nil {
					require.ErrorIs(t, err, loop.ErrCanceled)
					return
				}
				f.Close(nil)
			}).Cancel()
		}
		require.NoError(t, l.Run())
		require.Equal(t, 100, ended)
	})
}

// TestF10Errors compares the errors of operations on names with those of package os, to the letter.
func TestF10Errors(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		in := func(name string) string { return filepath.Join(dir, name) }
		require.NoError(t, os.WriteFile(in("file"), nil, 0o600))
		require.NoError(t, os.Mkdir(in("full"), 0o700))
		require.NoError(t, os.WriteFile(in("full/file"), nil, 0o600))
		stat := func(stat func(string, loop.StatFunc) loop.Op, name string) func(loop.DoneFunc) {
			return func(fn loop.DoneFunc) { stat(name, func(_ fs.FileInfo, err error) { fn(err) }) }
		}
		second := func(_ any, err error) error { return err }
		for _, c := range []struct {
			name string
			ours func(loop.DoneFunc)
			os   func() error
			want error
		}{
			{"rename of nothing", func(fn loop.DoneFunc) { l.Rename(in("missing"), in("new"), fn) },
				func() error { return os.Rename(in("missing"), in("new")) }, fs.ErrNotExist},
			{"rename to an empty name", func(fn loop.DoneFunc) { l.Rename(in("file"), "", fn) },
				func() error { return os.Rename(in("file"), "") }, fs.ErrNotExist},
			{"rename from a name with NUL", func(fn loop.DoneFunc) { l.Rename("a\x00b", in("new"), fn) },
				func() error { return os.Rename("a\x00b", in("new")) }, syscall.EINVAL},
			{"rename to a name with NUL", func(fn loop.DoneFunc) { l.Rename(in("missing"), "a\x00b", fn) },
				func() error { return os.Rename(in("missing"), "a\x00b") }, nil},
			{"link to what exists", func(fn loop.DoneFunc) { l.Link(in("file"), in("full"), fn) },
				func() error { return os.Link(in("file"), in("full")) }, fs.ErrExist},
			{"link of nothing", func(fn loop.DoneFunc) { l.Link(in("missing"), in("new"), fn) },
				func() error { return os.Link(in("missing"), in("new")) }, fs.ErrNotExist},
			{"symlink to what exists", func(fn loop.DoneFunc) { l.Symlink("target", in("file"), fn) },
				func() error { return os.Symlink("target", in("file")) }, fs.ErrExist},
			{"remove of nothing", func(fn loop.DoneFunc) { l.Remove(in("missing"), fn) },
				func() error { return os.Remove(in("missing")) }, fs.ErrNotExist},
			{"remove of a full directory", func(fn loop.DoneFunc) { l.Remove(in("full"), fn) },
				func() error { return os.Remove(in("full")) }, syscall.ENOTEMPTY},
			{"remove below a file", func(fn loop.DoneFunc) { l.Remove(in("file/below"), fn) },
				func() error { return os.Remove(in("file/below")) }, syscall.ENOTDIR},
			{"mkdir of what exists", func(fn loop.DoneFunc) { l.Mkdir(in("full"), 0o700, fn) },
				func() error { return os.Mkdir(in("full"), 0o700) }, fs.ErrExist},
			{"mkdir in nothing", func(fn loop.DoneFunc) { l.Mkdir(in("missing/dir"), 0o700, fn) },
				func() error { return os.Mkdir(in("missing/dir"), 0o700) }, fs.ErrNotExist},
			{"stat of nothing", stat(l.Stat, in("missing")),
				func() error { return second(os.Stat(in("missing"))) }, fs.ErrNotExist},
			{"lstat of nothing", stat(l.Lstat, in("missing")),
				func() error { return second(os.Lstat(in("missing"))) }, fs.ErrNotExist},
			{"stat of a name with NUL", stat(l.Stat, "a\x00b"),
				func() error { return second(os.Stat("a\x00b")) }, syscall.EINVAL},
		} {
			err := result(t, l, c.ours)
			requireSameError(t, c.os(), err)
			if c.want != nil {
				require.ErrorIs(t, err, c.want, c.name)
			}
		}
	})
}

func TestF10Names(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		in := func(name string) string { return filepath.Join(dir, name) }
		require.NoError(t, os.WriteFile(in("a"), []byte("from a"), 0o600))
		require.NoError(t, os.WriteFile(in("b"), []byte("from b"), 0o600))

		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Rename(in("a"), in("b"), fn) }))
		content, err := os.ReadFile(in("b"))
		require.NoError(t, err)
		require.Equal(t, "from a", string(content), "over an existing file")
		require.NoFileExists(t, in("a"))

		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Link(in("b"), in("hard"), fn) }))
		hard, err := os.Stat(in("hard"))
		require.NoError(t, err)
		b, err := os.Stat(in("b"))
		require.NoError(t, err)
		require.True(t, os.SameFile(b, hard))

		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Symlink("b", in("soft"), fn) }))
		target, err := os.Readlink(in("soft"))
		require.NoError(t, err)
		require.Equal(t, "b", target)

		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Mkdir(in("dir"), 0o750, fn) }))
		info, err := os.Stat(in("dir"))
		require.NoError(t, err)
		require.Equal(t, fs.ModeDir|0o750, info.Mode())
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Remove(in("dir"), fn) }))
		require.NoDirExists(t, in("dir"))
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Remove(in("soft"), fn) }))
		require.FileExists(t, in("b"), "the link was removed, not its target")
	})
}

func TestF10RemoveOpenFile(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		writeAt(t, l, f, []byte("still here"), 0)
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Remove(f.Name(), fn) }))
		b := make([]byte, 10)
		n, err := readAt(t, l, f, b, 0)
		require.NoError(t, err)
		require.Equal(t, "still here", string(b[:n]))
		require.NoError(t, result(t, l, f.Close))
	})
}

// TestF10Stat compares what Stat and Lstat tell with what package os does.
func TestF10Stat(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(name, []byte("0123456789"), 0o644))
	require.NoError(t, os.Chmod(name, 0o644|fs.ModeSetuid|fs.ModeSticky))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink("file", link))
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, path := range []string{name, link, dir, os.DevNull, "."} {
			for _, c := range []struct {
				ours func(string, loop.StatFunc) loop.Op
				os   func(string) (fs.FileInfo, error)
			}{{l.Stat, os.Stat}, {l.Lstat, os.Lstat}} {
				want, err := c.os(path)
				require.NoError(t, err)
				c.ours(path, func(got fs.FileInfo, err error) {
					require.NoError(t, err)
					requireSameInfo(t, want, got)
				})
				require.NoError(t, l.Run())
			}
		}
		f := openNamed(t, l, link, os.O_RDONLY)
		want, err := os.Stat(name)
		require.NoError(t, err)
		f.Stat(func(got fs.FileInfo, err error) {
			require.NoError(t, err)
			require.Equal(t, "link", got.Name(), "the name that it was opened with")
			require.Equal(t, want.Size(), got.Size())
			require.Equal(t, want.Mode(), got.Mode())
		})
		require.NoError(t, l.Run())
		require.NoError(t, result(t, l, f.Close))
	})
}

func requireSameInfo(t *testing.T, want, got fs.FileInfo) {
	t.Helper()
	require.Equal(t, want.Name(), got.Name())
	require.Equal(t, want.Size(), got.Size())
	require.Equal(t, want.Mode(), got.Mode(), want.Name())
	require.True(t, want.ModTime().Equal(got.ModTime()), want.Name())
	require.Equal(t, want.IsDir(), got.IsDir())
}

func TestF10Truncate(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		writeAt(t, l, f, []byte("0123456789"), 0)
		truncate := func(size int64) error {
			return result(t, l, func(fn loop.DoneFunc) { f.Truncate(size, fn) })
		}
		require.NoError(t, truncate(4))
		require.EqualValues(t, 4, sizeOf(t, l, f))
		require.NoError(t, truncate(8))
		b := make([]byte, 8)
		n, err := readAt(t, l, f, b, 0)
		require.NoError(t, err)
		require.Equal(t, "0123\x00\x00\x00\x00", string(b[:n]))
		require.ErrorIs(t, truncate(-1), syscall.EINVAL)

		other, err := os.Open(f.Name())
		require.NoError(t, err)
		want := other.Truncate(0)
		require.NoError(t, other.Close())
		reader := openNamed(t, l, f.Name(), os.O_RDONLY)
		requireSameError(t, want, result(t, l, func(fn loop.DoneFunc) { reader.Truncate(0, fn) }))
		require.NoError(t, result(t, l, reader.Close))
		require.NoError(t, result(t, l, f.Close))
	})
}

// TestF13ManyStatsThenClose has more in flight than a small submission queue takes, and closes the loop at once.
func TestF13ManyStatsThenClose(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		stats := make([]int, 300)
		for i := range stats {
			l.Stat(dir, func(info fs.FileInfo, err error) {
				stats[i]++
				if err != nil {
					require.ErrorIs(t, err, loop.ErrClosed)
				} else {
					require.True(t, info.IsDir())
				}
			})
		}
		require.NoError(t, l.Poll())
		require.NoError(t, l.Close())
		for i := range stats {
			require.Equal(t, 1, stats[i])
		}
	})
}

func TestF13ManyStats(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		found, missing := 0, 0
		for i := range 300 {
			name := filepath.Join(dir, strconv.Itoa(i))
			if i%2 == 0 {
				require.NoError(t, os.WriteFile(name, make([]byte, i), 0o600))
			}
			l.Stat(name, func(info fs.FileInfo, err error) {
				if i%2 == 0 {
					require.NoError(t, err)
					require.EqualValues(t, i, info.Size())
					found++
				} else {
					require.ErrorIs(t, err, fs.ErrNotExist)
					missing++
				}
			})
		}
		require.NoError(t, l.Run())
		require.Equal(t, 150, found)
		require.Equal(t, 150, missing)
	})
}

// TestF10ClosedLoop starts operations on names while the loop closes.
func TestF10ClosedLoop(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		refused := 0
		closed := func(err error) {
			require.ErrorIs(t, err, loop.ErrClosed)
			refused++
		}
		var pending *loop.Pending
		pending = l.NewOp(func() { pending.Finish(loop.ErrCanceled) }, func(err error) {
			require.ErrorIs(t, err, loop.ErrClosed)
			l.Open(os.DevNull, os.O_RDONLY, 0, func(_ *loop.File, err error) { closed(err) })
			l.Stat(".", func(_ fs.FileInfo, err error) { closed(err) })
			l.Mkdir("never", 0o700, closed)
			l.Rename("never", "never", closed)
		})
		require.NoError(t, l.Poll())
		require.NoError(t, l.Close())
		require.Equal(t, 4, refused)
	})
}
