package loop_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// dirOf makes a directory of n empty files, named by number.
func dirOf(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		f, err := os.Create(filepath.Join(dir, strconv.Itoa(i)))
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	return dir
}

// TestF11Batches reads directories of sizes around those of a batch: each name once, no batch without entries or with too many, then io.EOF.
func TestF11Batches(t *testing.T) {
	dirs := map[int]string{}
	for _, n := range []int{0, 1, 255, 256, 257, 512, 10_000} {
		dirs[n] = dirOf(t, n)
	}
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for n, dir := range dirs {
			seen, ended := map[string]bool{}, false
			l.ReadDir(dir, func(entries []fs.DirEntry, err error) {
				require.False(t, ended)
				if err != nil {
					require.Equal(t, io.EOF, err)
					require.Empty(t, entries)
					ended = true
					return
				}
				require.NotEmpty(t, entries)
				require.LessOrEqual(t, len(entries), 256)
				for _, e := range entries {
					require.False(t, seen[e.Name()], "twice")
					seen[e.Name()] = true
				}
			})
			require.Empty(t, seen, "called back at once")
			require.NoError(t, l.Run())
			require.True(t, ended)
			require.Len(t, seen, n)
			for i := range n {
				require.True(t, seen[strconv.Itoa(i)])
			}
		}
	})
}

func TestF11Entries(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "dir"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("12345"), 0o600))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "link")))
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var got []fs.DirEntry
		l.ReadDir(dir, func(entries []fs.DirEntry, err error) { got = append(got, entries...) })
		require.NoError(t, l.Run())
		slices.SortFunc(got, func(a, b fs.DirEntry) int { return int(a.Name()[0]) - int(b.Name()[0]) })
		want, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, want[i].Name(), got[i].Name())
			require.Equal(t, want[i].Type(), got[i].Type())
			info, err := got[i].Info()
			require.NoError(t, err)
			wanted, err := want[i].Info()
			require.NoError(t, err)
			require.Equal(t, wanted.Size(), info.Size())
			require.Equal(t, wanted.Mode(), info.Mode())
		}
	})
}

func TestF11Errors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, name := range []string{filepath.Join(dir, "missing"), file, ""} {
			calls := 0
			l.ReadDir(name, func(entries []fs.DirEntry, err error) {
				calls++
				_, want := os.ReadDir(name)
				requireSameError(t, want, err)
				require.Empty(t, entries)
			})
			require.NoError(t, l.Run())
			require.Equal(t, 1, calls)
		}
		require.PanicsWithValue(t, "loop: ReadDir: nil callback", func() { l.ReadDir(dir, nil) })
	})
}

// TestF11Cancel stops at each of the moments that there are: before the first step, while one runs, in a callback and right after it. What
// that leaves open, the harness finds.
func TestF11Cancel(t *testing.T) {
	dir := dirOf(t, 1000)
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for round := range 20 {
			batches, ends := 0, 0
			var op loop.Op
			op = l.ReadDir(dir, func(entries []fs.DirEntry, err error) {
				require.Zero(t, ends)
				if err != nil {
					require.ErrorIs(t, err, loop.ErrCanceled)
					ends++
					return
				}
				batches++
				switch round % 4 {
				case 2:
					op.Cancel()
				case 3:
					l.NextTick(op.Cancel)
				}
			})
			switch round % 4 {
			case 0:
				op.Cancel()
			case 1:
				require.NoError(t, l.Poll())
				op.Cancel()
			}
			require.NoError(t, l.Run())
			require.Equal(t, 1, ends)
			require.LessOrEqual(t, batches, 2)
			if round%4 == 2 { // a tick is too late: by then the next ones may have been read
				require.Equal(t, 1, batches, "none is read after the callback that cancels")
			}
			op.Cancel()
		}
	})
}

// TestF11Timeout: the time of a repeating operation is that between two callbacks, and the time that a callback takes is not the lister's.
func TestF11Timeout(t *testing.T) {
	dir := dirOf(t, 600)
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		total, end := 0, error(nil)
		l.ReadDir(dir, func(entries []fs.DirEntry, err error) {
			total += len(entries)
			end = err
		}).Timeout(time.Hour)
		require.NoError(t, l.Run())
		require.Equal(t, io.EOF, end)
		require.Equal(t, 600, total)
	})
}

// TestF11Panic: a callback that panics leaves Run; the next Run goes on with the entries after.
func TestF11Panic(t *testing.T) {
	dir := dirOf(t, 600)
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		total, end := 0, error(nil)
		l.ReadDir(dir, func(entries []fs.DirEntry, err error) {
			first := total == 0
			total += len(entries)
			end = err
			if first {
				panic("in the callback")
			}
		})
		require.PanicsWithValue(t, "in the callback", func() { _ = l.Run() })
		require.NoError(t, l.Run())
		require.Equal(t, io.EOF, end)
		require.Equal(t, 600, total)
	})
}

// TestF11Close closes the loop with directories half read.
func TestF11Close(t *testing.T) {
	dir := dirOf(t, 1000)
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		const n = 50
		ends, batches := 0, 0
		for range n {
			l.ReadDir(dir, func(entries []fs.DirEntry, err error) {
				if err == nil {
					batches++
					l.Stop()
					return
				}
				if err != io.EOF {
					require.ErrorIs(t, err, loop.ErrClosed)
				}
				ends++
			})
		}
		require.NoError(t, l.Run())
		require.Positive(t, batches)
		require.NoError(t, l.Close())
		require.Equal(t, n, ends)
	})
}
