package loop_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/loop"
)

// TestF15ReadFileOdd reads what has no size, or no offsets.
func TestF15ReadFileOdd(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, name := range []string{"/proc/filesystems", "/proc/self/limits", "/sys/kernel/mm/transparent_hugepage/enabled", os.DevNull} {
			want, err := os.ReadFile(name)
			require.NoError(t, err)
			got, err := contents(t, l, name)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		}
		want := noise(300_000) // more than a pipe holds
		written := make(chan error, 1)
		go func() { written <- os.WriteFile(fifo, want, 0) }()
		got, err := contents(t, l, fifo)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
		require.NoError(t, <-written)
	})
}

// TestF08WriteFileFullDisk: without room for the new content there is the old one, and nothing beside it.
func TestF08WriteFileFullDisk(t *testing.T) {
	dir := testenv.Mount(t, "tmpfs", "size=256k", 0)
	name := filepath.Join(dir, "file")
	old := noise(100_000)
	big := filepath.Join(t.TempDir(), "big") // on another file system
	require.NoError(t, os.WriteFile(big, noise(1<<20), 0o600))
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.WriteFile(name, old, 0o600, fn) }))
		for _, err := range []error{
			result(t, l, func(fn loop.DoneFunc) { l.WriteFile(name, noise(1<<20), 0o600, fn) }),
			result(t, l, func(fn loop.DoneFunc) { l.CopyFile(name, big, nil, fn) }),
		} {
			require.ErrorIs(t, err, syscall.ENOSPC)
			got, err := os.ReadFile(name)
			require.NoError(t, err)
			require.True(t, bytes.Equal(old, got))
			require.Empty(t, leftovers(t, dir))
		}
		small := filepath.Join(filepath.Dir(big), "small")
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { l.CopyFile(small, name, nil, fn) }), "across file systems")
		got, err := os.ReadFile(small)
		require.NoError(t, err)
		require.True(t, bytes.Equal(old, got))
	})
}

func TestCopyFileNamesWhatCannotBeRead(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dst := filepath.Join(t.TempDir(), "dst")
		err := result(t, l, func(fn loop.DoneFunc) { l.CopyFile(dst, "/proc/self/mem", nil, fn) })
		var p *fs.PathError
		require.ErrorAs(t, err, &p)
		require.Equal(t, "/proc/self/mem", p.Path, err)
	})
}
