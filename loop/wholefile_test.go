package loop_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// contents is what ReadFile gives.
func contents(t *testing.T, l *loop.Loop, name string) (data []byte, err error) {
	t.Helper()
	calls := 0
	l.ReadFile(name, func(b []byte, e error) { data, err, calls = b, e, calls+1 })
	require.Zero(t, calls, "called back at once")
	require.NoError(t, l.Run())
	require.Equal(t, 1, calls)
	return data, err
}

// leftovers are the temporary files that are still in a directory.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, ".loop-*"))
	require.NoError(t, err)
	return names
}

func TestF15ReadFile(t *testing.T) {
	dir := t.TempDir()
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, size := range []int{0, 1, 511, 512, 513, 64 << 10, 64<<10 + 1, 5 << 20} {
			name := filepath.Join(dir, "file")
			want := noise(size)
			require.NoError(t, os.WriteFile(name, want, 0o600))
			got, err := contents(t, l, name)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "%d bytes", size)
		}
		_, err := contents(t, l, dir)
		require.ErrorIs(t, err, syscall.EISDIR)
	})
}

// TestF15ReadFileCancel cancels at one turn after the other, until the read has won. No descriptor stays behind.
func TestF15ReadFileCancel(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, noise(200_000), 0o600))
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		canceled := 0
		for turns := range 30 {
			calls := 0
			op := l.ReadFile(name, func(b []byte, err error) {
				calls++
				if err != nil {
					require.Equal(t, loop.ErrCanceled, err)
					canceled++
					return
				}
				require.Len(t, b, 200_000)
			})
			for range turns {
				require.NoError(t, l.Poll())
			}
			op.Cancel()
			require.NoError(t, l.Run())
			require.Equal(t, 1, calls)
		}
		require.Positive(t, canceled)
		l.ReadFile(name, func(b []byte, err error) { require.ErrorIs(t, err, loop.ErrClosed) })
		require.NoError(t, l.Poll())
		require.NoError(t, l.Close())
	})
}

func TestF15WriteFile(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		name := filepath.Join(dir, "file")
		write := func(name string, data []byte, perm fs.FileMode) error {
			return result(t, l, func(fn loop.DoneFunc) { l.WriteFile(name, data, perm, fn) })
		}
		require.NoError(t, write(name, []byte("first"), 0o640))
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o640), info.Mode())

		reader, err := os.Open(name)
		require.NoError(t, err)
		defer reader.Close()
		long := noise(9 << 20)
		require.NoError(t, os.Chmod(name, 0o604))
		link := filepath.Join(dir, "link")
		require.NoError(t, os.Symlink("file", link))
		require.NoError(t, write(link, long, 0o640))
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, bytes.Equal(long, got))
		info, err = os.Lstat(link)
		require.NoError(t, err)
		require.Equal(t, fs.ModeSymlink, info.Mode().Type(), "the link was followed, not replaced")
		info, err = os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o604), info.Mode(), "a file that exists keeps its mode")
		b := make([]byte, 100)
		n, err := reader.Read(b)
		require.NoError(t, err)
		require.Equal(t, "first", string(b[:n]), "whoever had it open has the old content")

		for _, c := range []struct {
			name string
			want error
		}{
			{dir, syscall.EISDIR}, {os.DevNull, syscall.EINVAL}, {filepath.Join(dir, "missing/file"), syscall.ENOENT},
			{name + "/below", syscall.ENOTDIR}, {filepath.Join(dir, strings.Repeat("x", 300)), syscall.ENAMETOOLONG},
		} {
			require.EqualError(t, write(c.name, nil, 0o600), (&fs.PathError{Op: "write", Path: c.name, Err: c.want}).Error())
		}
		require.Empty(t, leftovers(t, dir))
	})
}

// TestF15WriteFileCancel: whenever the cancel comes, the file has the old content or the new one, as the callback says, and nothing lies beside it.
func TestF15WriteFileCancel(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		name := filepath.Join(dir, "file")
		contents := [][]byte{noise(6 << 20), noise(7 << 20)}
		require.NoError(t, os.WriteFile(name, contents[0], 0o600))
		now := 0
		for round := range 12 {
			next, ends := 1-now, 0
			op := l.WriteFile(name, contents[next], 0o600, func(err error) {
				ends++
				if err == nil {
					now = next
				} else {
					require.ErrorIs(t, err, []error{loop.ErrCanceled, os.ErrDeadlineExceeded}[round%2])
				}
			})
			if round%2 == 1 {
				op.Timeout(time.Duration(round) * time.Millisecond)
			} else if round > 0 {
				require.NoError(t, l.Poll())
				time.Sleep(time.Duration(round-1) * time.Millisecond)
				op.Cancel()
			} else {
				op.Cancel()
			}
			require.NoError(t, l.Run())
			require.Equal(t, 1, ends)
			got, err := os.ReadFile(name)
			require.NoError(t, err)
			require.True(t, bytes.Equal(contents[now], got))
			require.Empty(t, leftovers(t, dir))
		}
		l.WriteFile(name, contents[1-now], 0o600, func(err error) {
			if err == nil {
				now = 1 - now
			} else {
				require.ErrorIs(t, err, loop.ErrClosed)
			}
		})
		require.NoError(t, l.Poll())
		require.NoError(t, l.Close())
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, bytes.Equal(contents[now], got))
		require.Empty(t, leftovers(t, dir), "also when the loop is closed meanwhile")
	})
}

func TestF16CopyFile(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		in := func(name string) string { return filepath.Join(dir, name) }
		copyFile := func(dst, src string, progress func(done, total int64)) error {
			return result(t, l, func(fn loop.DoneFunc) { l.CopyFile(dst, src, progress, fn) })
		}
		want := noise(10<<20 + 17)
		require.NoError(t, os.WriteFile(in("src"), want, 0o600))
		require.NoError(t, os.Chmod(in("src"), 0o666))
		last := int64(0)
		require.NoError(t, copyFile(in("dst"), in("src"), func(done, total int64) {
			require.EqualValues(t, len(want), total)
			require.Greater(t, done, last)
			last = done
		}))
		require.EqualValues(t, len(want), last)
		got, err := os.ReadFile(in("dst"))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
		info, err := os.Stat(in("dst"))
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o666), info.Mode(), "whatever umask says")

		require.NoError(t, copyFile(in("src"), in("src"), nil), "onto itself")
		require.NoError(t, os.WriteFile(in("empty"), nil, 0o600))
		require.NoError(t, copyFile(in("dst"), in("empty"), func(int64, int64) { t.Error("nothing was copied") }))
		info, err = os.Stat(in("dst"))
		require.NoError(t, err)
		require.Zero(t, info.Size())
		require.NoError(t, copyFile(in("dst"), "/proc/filesystems", nil), "what copy_file_range sees nothing in")
		got, err = os.ReadFile(in("dst"))
		require.NoError(t, err)
		want, err = os.ReadFile("/proc/filesystems")
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))

		require.EqualError(t, copyFile(in("dst"), in("missing"), nil), "copy "+in("missing")+": no such file or directory")
		require.EqualError(t, copyFile(in("dst"), dir, nil), "copy "+dir+": is a directory")
		require.EqualError(t, copyFile(dir, in("src"), nil), "copy "+dir+": is a directory")
		require.ErrorIs(t, copyFile(in("dst"), os.DevNull, nil), syscall.EINVAL)
		require.ErrorIs(t, copyFile(in("missing/dst"), in("src"), nil), fs.ErrNotExist)
		require.Empty(t, leftovers(t, dir))
	})
}

// TestF16CopyFileCancel cancels in the first progress, and at once: the target is what it was.
func TestF16CopyFileCancel(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
		require.NoError(t, os.WriteFile(src, noise(64<<20), 0o600))
		require.NoError(t, os.WriteFile(dst, []byte("old"), 0o600))
		for range 3 {
			var err error
			var op loop.Op
			ended := false
			op = l.CopyFile(dst, src, func(done, total int64) {
				require.False(t, ended)
				op.Cancel()
			}, func(e error) { err, ended = e, true })
			require.NoError(t, l.Run())
			require.True(t, ended)
			got, readErr := os.ReadFile(dst)
			require.NoError(t, readErr)
			if err == nil { // it was faster than the news of its first chunk
				require.Len(t, got, 64<<20)
				require.NoError(t, os.WriteFile(dst, []byte("old"), 0o600))
			} else {
				require.Equal(t, loop.ErrCanceled, err)
				require.Equal(t, "old", string(got))
			}
			require.Empty(t, leftovers(t, dir))
		}
		canceled := false
		l.CopyFile(dst, src, nil, func(err error) { canceled = err == loop.ErrCanceled }).Cancel()
		require.NoError(t, l.Run())
		require.True(t, canceled)
	})
}

func TestReplaceThroughADanglingLink(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, how := range []string{"WriteFile", "CopyFile"} {
			dir := t.TempDir()
			link, target, src := filepath.Join(dir, "link"), filepath.Join(dir, "target"), filepath.Join(dir, "src")
			require.NoError(t, os.Symlink("target", link))
			require.NoError(t, os.WriteFile(src, []byte("text"), 0o600))
			err := result(t, l, func(fn loop.DoneFunc) {
				if how == "WriteFile" {
					l.WriteFile(link, []byte("text"), 0o600, fn)
				} else {
					l.CopyFile(link, src, nil, fn)
				}
			})
			require.NoError(t, err)
			info, err := os.Lstat(link)
			require.NoError(t, err)
			assert.NotZero(t, info.Mode()&fs.ModeSymlink, how+": the link was replaced")
			got, err := os.ReadFile(target)
			assert.NoError(t, err, how)
			assert.Equal(t, "text", string(got), how)
		}
	})
}

func TestReplaceALinkToItself(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		link := filepath.Join(t.TempDir(), "link")
		require.NoError(t, os.Symlink("link", link))
		err := result(t, l, func(fn loop.DoneFunc) { l.WriteFile(link, []byte("text"), 0o600, fn) })
		require.ErrorIs(t, err, syscall.ELOOP)
	})
}

func TestCopyFileProgressPanics(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		src := filepath.Join(dir, "src")
		require.NoError(t, os.WriteFile(src, []byte("text"), 0o600))
		ended := 0
		l.CopyFile(filepath.Join(dir, "dst"), src, func(int64, int64) { panic("progress") }, func(err error) {
			assert.NoError(t, err)
			ended++
		})
		require.Panics(t, func() { _ = l.Run() })
		require.NoError(t, l.Run())
		require.Equal(t, 1, ended, "final callbacks")
	})
}
