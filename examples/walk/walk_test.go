package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/examples/internal/backends"
	"github.com/proactor-go/proactor/loop"
)

// count is what package filepath finds.
func count(t *testing.T, root string) (dirs, files, bytes int64) {
	require.NoError(t, filepath.WalkDir(root, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			dirs++
			return err
		}
		info, err := e.Info()
		files++
		bytes += info.Size()
		return err
	}))
	return dirs, files, bytes
}

// tree makes directories of several shapes: deep, wide and empty.
func tree(t *testing.T) string {
	root := t.TempDir()
	at := root
	for i := range 30 {
		at = filepath.Join(at, "deeper")
		require.NoError(t, os.Mkdir(at, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(at, "file"), make([]byte, i), 0o600))
	}
	for i := range 20 {
		dir := filepath.Join(root, fmt.Sprint(i))
		require.NoError(t, os.Mkdir(dir, 0o700))
		for j := range i * 40 {
			require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(j)), make([]byte, j%7), 0o600))
		}
	}
	require.NoError(t, os.Symlink(root, filepath.Join(root, "round and round")))
	return root
}

func TestWalk(t *testing.T) {
	root := tree(t)
	dirs, files, bytes := count(t, root)
	backends.Each(t, func(t *testing.T, backend string) {
		for _, limit := range []int{1, 3, 500} {
			l, err := loop.New(loop.Options{Backend: backend})
			require.NoError(t, err)
			w := newWalker(l, limit, limit)
			w.walk(root)
			require.NoError(t, l.Run())
			require.Empty(t, w.errs)
			require.Equal(t, dirs, w.dirs)
			require.Equal(t, files, w.files)
			require.Equal(t, bytes, w.bytes)
			require.NoError(t, l.Close())
		}
	})
}

func TestWalkOfNothing(t *testing.T) {
	backends.Each(t, func(t *testing.T, backend string) {
		missing := filepath.Join(t.TempDir(), "missing")
		require.EqualError(t, run(backend, 1, 1, missing), "open "+missing+": no such file or directory")
		require.NoError(t, run(backend, 1, 1, t.TempDir()), "an empty one is a directory")
	})
}
