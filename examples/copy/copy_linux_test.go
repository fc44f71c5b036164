package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/examples/internal/backends"
	"github.com/proactor-go/proactor/internal/testenv"
)

// A file of /proc has no size before it is read.
func TestCopiesWhatStatDoesNotTell(t *testing.T) {
	backends.Each(t, func(t *testing.T, backend string) {
		want, err := os.ReadFile("/proc/version")
		require.NoError(t, err)
		dst := filepath.Join(t.TempDir(), "target")
		succeed(t, "-backend", backend, "-block", "16", "/proc/version", dst)
		requireFile(t, dst, want, 0o444)
	})
}

func TestUnwritableDirectory(t *testing.T) {
	backends.Each(t, func(t *testing.T, backend string) {
		dir := testenv.Mount(t, "tmpfs", "size=1m", unix.MS_RDONLY)
		src := filepath.Join(t.TempDir(), "src")
		write(t, src, 5000, 0o600)
		dst := filepath.Join(dir, "target")
		fail(t, []string{dst, "read-only file system"}, "-backend", backend, src, dst)
	})
}

func TestFullDisk(t *testing.T) {
	backends.Each(t, func(t *testing.T, backend string) {
		dir := testenv.Mount(t, "tmpfs", "size=1m", 0)
		src := filepath.Join(t.TempDir(), "src")
		write(t, src, 4<<20, 0o600)
		dst := filepath.Join(dir, "target")
		old := write(t, dst, 1000, 0o600)
		fail(t, []string{dst, "no space left on device"}, "-backend", backend, "-block", "64k", src, dst)
		requireNames(t, dir, "target")
		requireFile(t, dst, old, 0o600)
	})
}

// ramfs knows no O_DIRECT.
func TestDirectRefused(t *testing.T) {
	backends.Each(t, func(t *testing.T, backend string) {
		dir := testenv.Mount(t, "ramfs", "", 0)
		src := filepath.Join(t.TempDir(), "src")
		data := write(t, src, 300_000, 0o640)
		dst := filepath.Join(dir, "target")
		said := succeed(t, "-backend", backend, "-direct", src, dst)
		require.Equal(t, "copy: "+dst+": no direct I/O on this file system, going through the page cache\n", said)
		requireFile(t, dst, data, 0o640)
	})
}
