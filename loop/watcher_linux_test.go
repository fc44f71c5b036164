package loop_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// seen collects what a FileWatcher reports.
type seen struct {
	l      *loop.Loop
	w      *loop.FileWatcher
	watch  loop.Op
	events []loop.FileEvent
	err    error
}

func watchFiles(t *testing.T, l *loop.Loop) *seen {
	t.Helper()
	w, err := l.NewFileWatcher()
	require.NoError(t, err)
	s := &seen{l: l, w: w}
	s.watch = w.Watch(func(e loop.FileEvent, err error) {
		if err != nil {
			s.err = err
			return
		}
		s.events = append(s.events, e)
	})
	return s
}

func (s *seen) add(t *testing.T, name string, recursive bool) {
	t.Helper()
	added := false
	s.w.Add(name, recursive, func(err error) {
		require.NoError(t, err)
		added = true
	})
	for !added {
		require.NoError(t, s.l.RunOnce())
	}
}

// await turns the loop until there was an event of name with op. What never comes is found by the watchdog.
func (s *seen) await(t *testing.T, name string, op loop.FileOp) {
	t.Helper()
	for !s.has(name, op) {
		require.NoError(t, s.err)
		require.NoError(t, s.l.RunOnce())
	}
}

func (s *seen) has(name string, op loop.FileOp) bool {
	for _, e := range s.events {
		if e.Name == name && e.Op&op == op {
			return true
		}
	}
	return false
}

func write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

func TestFileWatcherOfADirectory(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		s := watchFiles(t, l)
		s.add(t, dir, false)
		write(t, a, "text")
		s.await(t, a, loop.FileCreated)
		s.await(t, a, loop.FileWritten)
		require.NoError(t, os.Chmod(a, 0o644))
		s.await(t, a, loop.FileChanged)
		require.NoError(t, os.Rename(a, b))
		s.await(t, a, loop.FileRenamed)
		s.await(t, b, loop.FileCreated)
		require.NoError(t, os.Remove(b))
		s.await(t, b, loop.FileRemoved)
		require.NoError(t, s.w.Remove(dir))
		require.ErrorIs(t, s.w.Remove(dir), fs.ErrNotExist)
		before := len(s.events)
		write(t, a, "more")
		require.NoError(t, l.Poll())
		require.Len(t, s.events, before, "told of what was removed")
		s.watch.Cancel()
		require.NoError(t, l.Run())
		require.ErrorIs(t, s.err, loop.ErrCanceled)
	})
}

func TestFileWatcherOfAFile(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		name := filepath.Join(t.TempDir(), "file")
		write(t, name, "1")
		s := watchFiles(t, l)
		s.add(t, name, false)
		write(t, name, "2")
		s.await(t, name, loop.FileWritten)
		require.NoError(t, os.Remove(name))
		s.await(t, name, loop.FileRemoved)
		closed := false
		s.w.Close(func(err error) {
			require.NoError(t, err)
			require.ErrorIs(t, s.err, loop.ErrClosed, "the close callback is the last")
			closed = true
		})
		require.NoError(t, l.Run())
		require.True(t, closed)
	})
}

func TestFileWatcherRecursive(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		root := t.TempDir()
		old, deep := filepath.Join(root, "old"), filepath.Join(root, "x", "y", "z")
		require.NoError(t, os.Mkdir(old, 0o700))
		s := watchFiles(t, l)
		s.add(t, root, true)
		write(t, filepath.Join(old, "file"), "in a directory that was there")
		s.await(t, filepath.Join(old, "file"), loop.FileCreated)

		// However much is made before the loop hears of the first directory: all of it is told of.
		require.NoError(t, os.MkdirAll(deep, 0o700))
		for i := range 20 {
			write(t, filepath.Join(deep, fmt.Sprint(i)), "early")
		}
		for i := range 20 {
			s.await(t, filepath.Join(deep, fmt.Sprint(i)), loop.FileCreated)
		}
		write(t, filepath.Join(deep, "late"), "late")
		s.await(t, filepath.Join(deep, "late"), loop.FileWritten)

		// What is moved out of the tree is no longer watched, what is moved in is.
		elsewhere := filepath.Join(t.TempDir(), "y")
		require.NoError(t, os.Rename(filepath.Join(root, "x", "y"), elsewhere))
		s.await(t, filepath.Join(root, "x", "y"), loop.FileRenamed)
		before := len(s.events)
		write(t, filepath.Join(elsewhere, "z", "gone"), "")
		require.NoError(t, l.Poll())
		require.NoError(t, l.Poll())
		require.Len(t, s.events, before)
		require.NoError(t, os.Rename(elsewhere, filepath.Join(old, "y")))
		s.await(t, filepath.Join(old, "y", "z", "gone"), loop.FileCreated)
		write(t, filepath.Join(old, "y", "z", "again"), "")
		s.await(t, filepath.Join(old, "y", "z", "again"), loop.FileCreated)

		require.NoError(t, os.RemoveAll(old))
		s.await(t, old, loop.FileRemoved)
		require.NoError(t, s.w.Remove(root))
		s.w.Close(nil)
		require.NoError(t, l.Run())
	})
}

// A directory of a recursive watch that is also added by itself stays part of the tree.
func TestFileWatcherOverlap(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		root := t.TempDir()
		sub := filepath.Join(root, "sub")
		made := filepath.Join(sub, "made")
		require.NoError(t, os.Mkdir(sub, 0o700))
		s := watchFiles(t, l)
		s.add(t, root, true)
		s.add(t, sub, false)
		require.NoError(t, os.Mkdir(made, 0o700))
		s.await(t, made, loop.FileCreated)
		write(t, filepath.Join(made, "file"), "below")
		s.await(t, filepath.Join(made, "file"), loop.FileCreated)

		require.NoError(t, os.RemoveAll(sub))
		s.await(t, sub, loop.FileRemoved)
		require.NoError(t, s.w.Remove(root))
		s.w.Close(nil)
		require.NoError(t, l.Run())
	})
}

func TestFileWatcherReferences(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		s := watchFiles(t, l)
		s.watch.Unref()
		s.add(t, t.TempDir(), false)
		require.NoError(t, l.Run(), "an unreferenced watch holds nothing")
		require.Empty(t, s.events)
		require.True(t, s.watch.Active())
		busy := error(nil)
		s.w.Watch(func(_ loop.FileEvent, err error) { busy = err })
		require.NoError(t, l.Run())
		require.ErrorIs(t, busy, loop.ErrBusy)
	})
}

func TestFileWatcherRefusals(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		w, err := l.NewFileWatcher()
		require.NoError(t, err)
		missing := filepath.Join(t.TempDir(), "missing")
		var errs []error
		collect := func(err error) { errs = append(errs, err) }
		w.Add(missing, false, collect)
		w.Add(missing, true, collect)
		require.Empty(t, errs)
		require.NoError(t, l.Run())
		w.Close(nil)
		w.Add(missing, true, collect)
		w.Watch(func(_ loop.FileEvent, err error) { collect(err) })
		require.NoError(t, l.Run())
		require.ErrorIs(t, w.Remove(missing), loop.ErrClosed)
		require.Len(t, errs, 4)
		for i, want := range []error{fs.ErrNotExist, fs.ErrNotExist, loop.ErrClosed, loop.ErrClosed} {
			require.ErrorIs(t, errs[i], want)
		}
		require.EqualError(t, errs[0], "watch "+missing+": no such file or directory")
	})
}

// More events than the kernel keeps.
func TestFileWatcherOverflow(t *testing.T) {
	limit := queuedEvents(t)
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		s := watchFiles(t, l)
		s.add(t, dir, false)
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		write(t, a, "")
		for range limit/2 + 100 { // two events each
			require.NoError(t, os.Rename(a, b))
			a, b = b, a
		}
		s.await(t, "", loop.FileOverflow)
	})
}

func queuedEvents(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	require.NoError(t, err)
	_, err = fmt.Sscan(string(text), &n)
	require.NoError(t, err)
	return n
}

// A callback that panics loses no event.
func TestFileWatcherPanic(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		w, err := l.NewFileWatcher()
		require.NoError(t, err)
		var names []string
		w.Watch(func(e loop.FileEvent, err error) {
			if err == nil && e.Op == loop.FileCreated {
				names = append(names, filepath.Base(e.Name))
				panic(e.Name)
			}
		})
		added := false
		w.Add(dir, false, func(error) { added = true })
		for !added {
			require.NoError(t, l.RunOnce())
		}
		for i := range 3 {
			write(t, filepath.Join(dir, fmt.Sprint(i)), "")
		}
		for len(names) < 3 {
			func() {
				defer func() { _ = recover() }()
				_ = l.RunOnce()
			}()
		}
		require.Equal(t, []string{"0", "1", "2"}, names)
	})
}

// A directory that is moved away while it is about to be watched is not told of by its old name.
func TestFileWatcherMovedWhileItIsAdded(t *testing.T) {
	forEachQueueWith(t, loop.Options{}, func(t *testing.T, l *loop.Loop) {
		root, away := t.TempDir(), t.TempDir()
		s := watchFiles(t, l)
		s.add(t, root, true)
		for i := range 50 {
			sub, gone := filepath.Join(root, fmt.Sprint(i)), filepath.Join(away, fmt.Sprint(i))
			require.NoError(t, os.Mkdir(sub, 0o700))
			if i%2 == 0 {
				s.await(t, sub, loop.FileCreated) // its watch is under way, or there
			}
			require.NoError(t, os.Rename(sub, gone))
			s.await(t, sub, loop.FileRenamed)
		}
		require.NoError(t, os.Mkdir(filepath.Join(root, "last"), 0o700))
		write(t, filepath.Join(root, "last", "file"), "")
		s.await(t, filepath.Join(root, "last", "file"), loop.FileCreated) // all Adds before it have reported
		before := len(s.events)
		for i := range 50 {
			write(t, filepath.Join(away, fmt.Sprint(i), "file"), "")
		}
		write(t, filepath.Join(root, "last", "end"), "")
		s.await(t, filepath.Join(root, "last", "end"), loop.FileCreated)
		for _, e := range s.events[before:] {
			require.Contains(t, e.Name, filepath.Join(root, "last"))
		}
	})
}

// A callback of Add that panics holds back no event that had to wait for it.
func TestFileWatcherPanicInAdd(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		root := t.TempDir()
		for i := range 1500 { // to be added these take a while
			require.NoError(t, os.Mkdir(filepath.Join(root, fmt.Sprint("d", i)), 0o700))
		}
		s := watchFiles(t, l)
		panicked, n := false, 0
		s.w.Add(root, true, func(error) { panic("callback") })
		for !panicked {
			if n < 5 { // the first of which may come before the watch
				n++
				time.Sleep(time.Millisecond)
				write(t, filepath.Join(root, fmt.Sprint("f", n)), "")
			}
			func() {
				defer func() { panicked = recover() != nil }()
				require.NoError(t, l.Poll())
			}()
		}
		for last := filepath.Join(root, fmt.Sprint("f", n)); !s.has(last, loop.FileCreated); {
			require.NoError(t, s.err, "an event waits")
			require.NoError(t, l.RunOnce())
		}
	})
}

func TestFileWatcherRemoveOfAParent(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		sub := filepath.Join(dir, "sub")
		require.NoError(t, os.Mkdir(sub, 0o700))
		s := watchFiles(t, l)
		s.add(t, sub, true)
		assert.ErrorIs(t, s.w.Remove(dir), fs.ErrNotExist, "it was never added")
		s.add(t, sub, true)
		s.add(t, dir, false)
		assert.NoError(t, s.w.Remove(dir), "which is not recursive")
		write(t, filepath.Join(sub, "file"), "text")
		end := time.Now().Add(30 * time.Second)
		for !s.has(filepath.Join(sub, "file"), loop.FileCreated) && time.Now().Before(end) {
			require.NoError(t, l.Poll())
		}
		assert.True(t, s.has(filepath.Join(sub, "file"), loop.FileCreated), "the watch of what is below is gone")
		s.w.Close(nil)
		require.NoError(t, l.Run())
	})
}

func TestFileWatcherOrderWhileOthersAreAdded(t *testing.T) {
	forEachQueueWith(t, loop.Options{Workers: 2}, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		small, large := filepath.Join(dir, "small"), filepath.Join(dir, "large")
		for i := range 300 {
			require.NoError(t, os.MkdirAll(filepath.Join(small, fmt.Sprint(i)), 0o700))
		}
		for i := range 3000 {
			require.NoError(t, os.MkdirAll(filepath.Join(large, fmt.Sprint(i)), 0o700))
		}
		file := filepath.Join(small, "file")
		wrong := 0
		for range 4 {
			s := watchFiles(t, l)
			largeDone, smallDone := false, false
			s.w.Add(large, true, func(err error) { require.NoError(t, err); largeDone = true })
			s.w.Add(small, true, func(err error) {
				require.NoError(t, err)
				smallDone = true
				_ = os.Remove(file)
			})
			stopped := make(chan struct{})
			go func() { // while small is added
				time.Sleep(time.Millisecond)
				_ = os.WriteFile(file, nil, 0o600)
				close(stopped)
			}()
			for !largeDone || !smallDone {
				require.NoError(t, l.RunOnce())
			}
			<-stopped
			_ = os.Remove(file)
			mark := filepath.Join(small, "mark")
			write(t, mark, "")
			s.await(t, mark, loop.FileCreated)
			require.NoError(t, os.Remove(mark))
			created, removed := -1, -1
			for i, e := range s.events {
				if e.Name == file && e.Op&loop.FileCreated != 0 {
					created = i
				}
				if e.Name == file && e.Op&loop.FileRemoved != 0 {
					removed = i
				}
			}
			if created >= 0 && removed >= 0 && removed < created {
				wrong++
			}
			s.w.Close(nil)
			require.NoError(t, l.Run())
		}
		require.Zero(t, wrong, "times the removal came before the creation")
	})
}
