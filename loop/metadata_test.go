package loop_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// Section I, what an application asks of names and open files beside reading and writing.

// named runs the loop until an operation has found a name.
func named(t *testing.T, l *loop.Loop, start func(fn loop.NameFunc) loop.Op) (name string, err error) {
	t.Helper()
	calls := 0
	start(func(n string, e error) { name, err, calls = n, e, calls+1 })
	require.Zero(t, calls, "called back at once")
	require.NoError(t, l.Run())
	require.Equal(t, 1, calls)
	return name, err
}

func TestF10Mode(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		mode := func() fs.FileMode {
			info, err := os.Stat(f.Name())
			require.NoError(t, err)
			return info.Mode()
		}
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Chmod(f.Name(), 0o640|fs.ModeSetuid, fn) }))
		require.Equal(t, 0o640|fs.ModeSetuid, mode())
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Chmod(0o604|fs.ModeSticky, fn) }))
		require.Equal(t, 0o604|fs.ModeSticky, mode())
		l.Chmod(f.Name(), 0o600, nil)
		require.NoError(t, l.Run(), "a callback may be missing")
		require.Equal(t, fs.FileMode(0o600), mode())
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF10Owner(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		link := f.Name() + ".link"
		require.NoError(t, os.Symlink("nowhere", link))
		uid, gid := os.Getuid(), os.Getgid()
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Chown(f.Name(), uid, gid, fn) }))
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Chown(-1, -1, fn) }))
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Lchown(link, uid, gid, fn) }), "the link itself, which leads nowhere")
		requireSameError(t, os.Chown(link, uid, gid), result(t, l, func(fn loop.DoneFunc) { l.Chown(link, uid, gid, fn) }))
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF10Times(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		modified := func() time.Time {
			info, err := os.Stat(f.Name())
			require.NoError(t, err)
			return info.ModTime()
		}
		at := time.Unix(1_000_000_000, 123_456_000)
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Chtimes(f.Name(), time.Time{}, at, fn) }))
		require.True(t, modified().Equal(at))
		at = at.Add(time.Hour)
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Chtimes(time.Time{}, at, fn) }))
		require.True(t, modified().Equal(at))
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Chtimes(at, time.Time{}, fn) }))
		require.True(t, modified().Equal(at), "a zero time leaves what there is")
		link, other := f.Name()+".link", at.Add(time.Hour)
		require.NoError(t, os.Symlink(f.Name(), link))
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Lchtimes(link, time.Time{}, other, fn) }))
		info, err := os.Lstat(link)
		require.NoError(t, err)
		require.True(t, info.ModTime().Equal(other), "of the link itself")
		require.True(t, modified().Equal(at))
		require.EqualError(t, result(t, l, func(fn loop.DoneFunc) { l.Lchtimes("missing", at, at, fn) }), "lchtimes missing: no such file or directory")
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF10Access(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		access := func(name string, mode uint32) error {
			return result(t, l, func(fn loop.DoneFunc) { l.Access(name, mode, fn) })
		}
		require.NoError(t, access(f.Name(), loop.AccessExists))
		require.NoError(t, access(f.Name(), loop.AccessRead|loop.AccessWrite))
		require.ErrorIs(t, access(f.Name(), loop.AccessExecute), fs.ErrPermission, "not even root executes what has no x")
		require.NoError(t, os.Chmod(f.Name(), 0o700))
		require.NoError(t, access(f.Name(), loop.AccessExecute))
		err := access(f.Name()+"x", loop.AccessExists)
		require.EqualError(t, err, "access "+f.Name()+"x: no such file or directory")
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF10TruncateName(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.Truncate(f.Name(), 1234, fn) }))
		require.EqualValues(t, 1234, sizeOf(t, l, f))
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF10Statfs(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		calls := 0
		l.Statfs(t.TempDir(), func(info loop.FSInfo, err error) {
			calls++
			require.NoError(t, err)
			require.Positive(t, info.BlockSize)
			require.Positive(t, info.Size)
			require.LessOrEqual(t, info.Free, info.Size)
			require.LessOrEqual(t, info.Available, info.Free)
			require.LessOrEqual(t, info.FreeFiles, info.Files)
		})
		require.NoError(t, l.Run())
		l.Statfs("missing", func(info loop.FSInfo, err error) {
			calls++
			require.Zero(t, info)
			require.EqualError(t, err, "statfs missing: no such file or directory")
			require.ErrorIs(t, err, fs.ErrNotExist)
		})
		require.NoError(t, l.Run())
		require.Equal(t, 2, calls)
	})
}

func TestF10Advise(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		writeAt(t, l, f, noise(100_000), 0)
		for advice := loop.AdviceNormal; advice <= loop.AdviceNoReuse; advice++ {
			require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Advise(0, 0, advice, fn) }))
		}
		b := make([]byte, 1000)
		_, err := readAt(t, l, f, b, 5000)
		require.NoError(t, err)
		require.Equal(t, noise(100_000)[5000:6000], b)
		require.NoError(t, result(t, l, f.Close))
		require.ErrorIs(t, result(t, l, func(fn loop.DoneFunc) { f.Advise(0, 0, loop.AdviceNormal, fn) }), loop.ErrClosed)
	})
}

func TestF10Readlink(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		require.NoError(t, err)
		in := func(name string) string { return filepath.Join(dir, name) }
		require.NoError(t, os.Mkdir(in("dir"), 0o700))
		require.NoError(t, os.WriteFile(in("dir/file"), nil, 0o600))
		require.NoError(t, os.Symlink("dir", in("soft")))
		require.NoError(t, os.Symlink("../soft/file", in("dir/there")))
		require.NoError(t, os.Symlink("circle", in("circle")))

		readlink := func(name string) (string, error) {
			return named(t, l, func(fn loop.NameFunc) loop.Op { return l.Readlink(name, fn) })
		}
		name, err := readlink(in("dir/there"))
		require.NoError(t, err)
		require.Equal(t, "../soft/file", name)
		for _, bad := range []string{in("missing"), in("dir"), in("dir/file"), ""} {
			_, want := os.Readlink(bad)
			_, err = readlink(bad)
			requireSameError(t, want, err)
		}

		realPath := func(name string) (string, error) {
			return named(t, l, func(fn loop.NameFunc) loop.Op { return l.RealPath(name, fn) })
		}
		name, err = realPath(in("soft/there"))
		require.NoError(t, err)
		require.Equal(t, in("dir/file"), name)
		t.Chdir(dir)
		name, err = realPath("soft/../dir/./there")
		require.NoError(t, err)
		require.Equal(t, in("dir/file"), name)
		for bad, want := range map[string]error{
			"missing": syscall.ENOENT, "": syscall.ENOENT, "circle": syscall.ELOOP, "dir/file/below": syscall.ENOTDIR,
			strings.Repeat("x", 300): syscall.ENAMETOOLONG,
		} {
			_, err = realPath(bad)
			require.EqualError(t, err, (&fs.PathError{Op: "realpath", Path: bad, Err: want}).Error())
		}
	})
}

func TestF10Temp(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		made, err := named(t, l, func(fn loop.NameFunc) loop.Op { return l.MkdirTemp(dir, "a*z", fn) })
		require.NoError(t, err)
		require.DirExists(t, made)
		require.Regexp(t, `/a\d+z$`, made)

		names := map[string]bool{}
		for range 20 {
			l.CreateTemp(dir, "b*.txt", func(f *loop.File, err error) {
				require.NoError(t, err)
				require.Regexp(t, `/b\d+\.txt$`, f.Name())
				names[f.Name()] = true
				f.WriteAt([]byte("mine"), 0, func(b []byte, err error) {
					require.NoError(t, err)
					f.Close(nil)
				})
			})
		}
		require.NoError(t, l.Run())
		require.Len(t, names, 20)
		for name := range names {
			info, err := os.Stat(name)
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o600), info.Mode())
			require.EqualValues(t, 4, info.Size())
		}
		failed := 0
		for _, c := range []struct{ dir, pattern string }{{filepath.Join(dir, "missing"), "x"}, {dir, "a/b"}} {
			l.CreateTemp(c.dir, c.pattern, func(f *loop.File, err error) {
				_, want := os.CreateTemp(c.dir, c.pattern)
				var path *fs.PathError
				require.True(t, errors.As(err, &path))
				require.Nil(t, f)
				require.Equal(t, errors.Is(want, fs.ErrNotExist), errors.Is(err, fs.ErrNotExist))
				failed++
			})
		}
		require.NoError(t, l.Run())
		require.Equal(t, 2, failed)
	})
}

// TestF10CancelTemp cancels what may have made a file: it is delivered, or there is none.
func TestF10CancelTemp(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		ended, made := 0, 0
		for i := range 100 {
			op := l.CreateTemp(dir, "x", func(f *loop.File, err error) {
				ended++
				if err != nil {
					require.ErrorIs(t, err, loop.ErrCanceled)
					return
				}
				made++
				f.Close(nil)
			})
			if i%10 == 0 {
				require.NoError(t, l.Poll())
			}
			op.Cancel()
		}
		require.NoError(t, l.Run())
		require.Equal(t, 100, ended)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, made)
	})
}

func TestF10Tree(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		deep := filepath.Join(dir, "a/b/c/d")
		mkdirAll := func(name string) error {
			return result(t, l, func(fn loop.DoneFunc) { l.MkdirAll(name, 0o700, fn) })
		}
		removeAll := func(name string) error {
			return result(t, l, func(fn loop.DoneFunc) { l.RemoveAll(name, fn) })
		}
		require.NoError(t, mkdirAll(deep))
		require.NoError(t, mkdirAll(deep), "it exists")
		require.DirExists(t, deep)
		require.NoError(t, os.WriteFile(filepath.Join(deep, "file"), nil, 0o600))
		require.NoError(t, os.Symlink(dir, filepath.Join(deep, "link")))
		below := filepath.Join(deep, "file/below")
		requireSameError(t, os.MkdirAll(below, 0o700), mkdirAll(below))
		require.NoError(t, removeAll(filepath.Join(dir, "a")))
		require.DirExists(t, dir, "the link was removed, not what it leads to")
		require.NoDirExists(t, filepath.Join(dir, "a"))
		require.NoError(t, removeAll(filepath.Join(dir, "a")), "there is nothing left")
		requireSameError(t, os.RemoveAll("."), removeAll("."))
	})
}

// TestF10SameErrors is the difference between the loop's errors and package os's, on each kind of bad name.
func TestF10SameErrors(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(in("file"), nil, 0o600))
	require.NoError(t, os.Symlink("circle", in("circle")))
	bad := map[string]string{
		"missing": in("missing"), "missing directory": in("missing/below"), "empty": "", "circle": in("circle/below"),
		"too long": in(strings.Repeat("x", 300)), "path too long": strings.Repeat("x/", 3000), "no directory": in("file/below"), "NUL": "a\x00b",
	}
	second := func(_ any, err error) error { return err }
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for kind, name := range bad {
			for _, c := range []struct {
				method string
				ours   func(loop.DoneFunc)
				os     func() error
			}{
				{"Open", func(fn loop.DoneFunc) { l.Open(name, os.O_RDWR, 0, func(_ *loop.File, err error) { fn(err) }) },
					func() error { return second(os.OpenFile(name, os.O_RDWR, 0)) }},
				{"Stat", func(fn loop.DoneFunc) { l.Stat(name, func(_ fs.FileInfo, err error) { fn(err) }) },
					func() error { return second(os.Stat(name)) }},
				{"Lstat", func(fn loop.DoneFunc) { l.Lstat(name, func(_ fs.FileInfo, err error) { fn(err) }) },
					func() error { return second(os.Lstat(name)) }},
				{"Remove", func(fn loop.DoneFunc) { l.Remove(name, fn) }, func() error { return os.Remove(name) }},
				{"Rename", func(fn loop.DoneFunc) { l.Rename(name, in("new"), fn) }, func() error { return os.Rename(name, in("new")) }},
				{"Link", func(fn loop.DoneFunc) { l.Link(name, in("new"), fn) }, func() error { return os.Link(name, in("new")) }},
				{"Chmod", func(fn loop.DoneFunc) { l.Chmod(name, 0o600, fn) }, func() error { return os.Chmod(name, 0o600) }},
				{"Chown", func(fn loop.DoneFunc) { l.Chown(name, -1, -1, fn) }, func() error { return os.Chown(name, -1, -1) }},
				{"Lchown", func(fn loop.DoneFunc) { l.Lchown(name, -1, -1, fn) }, func() error { return os.Lchown(name, -1, -1) }},
				{"Chtimes", func(fn loop.DoneFunc) { l.Chtimes(name, time.Now(), time.Now(), fn) },
					func() error { return os.Chtimes(name, time.Now(), time.Now()) }},
				{"Truncate", func(fn loop.DoneFunc) { l.Truncate(name, 0, fn) }, func() error { return os.Truncate(name, 0) }},
				{"Readlink", func(fn loop.DoneFunc) { l.Readlink(name, func(_ string, err error) { fn(err) }) },
					func() error { return second(os.Readlink(name)) }},
				{"ReadDir", func(fn loop.DoneFunc) { l.ReadDir(name, func(_ []fs.DirEntry, err error) { fn(err) }) },
					func() error { return second(os.ReadDir(name)) }},
				{"ReadFile", func(fn loop.DoneFunc) { l.ReadFile(name, func(_ []byte, err error) { fn(err) }) },
					func() error { return second(os.ReadFile(name)) }},
			} {
				want, got := c.os(), result(t, l, c.ours)
				require.Error(t, got, "%s of %s", c.method, kind)
				requireSameError(t, want, got)
			}
		}
	})
}

// TestF13ManyOnLanes has more in flight than a lane has workers, and closes the loop at once.
func TestF13ManyOnLanes(t *testing.T) {
	dir := dirOf(t, 300)
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ends := map[string]int{}
		end := func(name string) loop.DoneFunc {
			return func(err error) {
				ends[name]++
				if err != nil && err != io.EOF {
					require.ErrorIs(t, err, loop.ErrClosed)
				}
			}
		}
		for i := range 300 {
			name := filepath.Join(dir, strconv.Itoa(i))
			l.Chmod(name, 0o600, end(name+" chmod"))
			read := end(name + " read")
			l.ReadFile(name, func(_ []byte, err error) { read(err) })
			list := end(name + " list")
			l.ReadDir(dir, func(entries []fs.DirEntry, err error) {
				if err != nil {
					list(err)
				}
			})
		}
		require.NoError(t, l.Poll())
		require.NoError(t, l.Close())
		require.Len(t, ends, 900)
		for name, n := range ends {
			require.Equal(t, 1, n, name)
		}
	})
}

// TestF10ClosedFile: what is started on a closed file ends with ErrClosed, before nothing else of it does.
func TestF10ClosedFile(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		require.NoError(t, result(t, l, f.Close))
		for _, start := range []func(loop.DoneFunc){
			func(fn loop.DoneFunc) { f.Chmod(0o600, fn) }, func(fn loop.DoneFunc) { f.Chown(-1, -1, fn) },
			func(fn loop.DoneFunc) { f.Chtimes(time.Now(), time.Now(), fn) }, func(fn loop.DoneFunc) { f.Lock(fn) },
			func(fn loop.DoneFunc) { f.TryLock(fn) }, func(fn loop.DoneFunc) { f.Unlock(fn) },
			func(fn loop.DoneFunc) { f.Setxattr("user.a", nil, fn) }, func(fn loop.DoneFunc) { f.Removexattr("user.a", fn) },
			func(fn loop.DoneFunc) { f.Getxattr("user.a", func(_ []byte, err error) { fn(err) }) },
			func(fn loop.DoneFunc) { f.Listxattr(func(_ []string, err error) { fn(err) }) },
		} {
			require.Equal(t, loop.ErrClosed, result(t, l, start))
		}
	})
}

// TestF10OnAClosedLoop starts what runs on lanes while the loop closes.
func TestF10OnAClosedLoop(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir, refused := t.TempDir(), 0
		closed := func(err error) {
			require.ErrorIs(t, err, loop.ErrClosed)
			refused++
		}
		var pending *loop.Pending
		pending = l.NewOp(func() { pending.Finish(loop.ErrCanceled) }, func(error) {
			name := filepath.Join(dir, "never")
			l.Chmod(dir, 0o700, closed)
			l.MkdirAll(name, 0o700, closed)
			l.WriteFile(name, []byte("x"), 0o600, closed)
			l.CopyFile(name, name, nil, closed)
			l.ReadFile(name, func(_ []byte, err error) { closed(err) })
			l.ReadDir(dir, func(_ []fs.DirEntry, err error) { closed(err) }).Timeout(time.Hour)
			l.CreateTemp(dir, "x", func(_ *loop.File, err error) { closed(err) })
		})
		require.NoError(t, l.Poll())
		require.NoError(t, l.Close())
		require.Equal(t, 7, refused)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries)
	})
}
