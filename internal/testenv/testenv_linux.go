package testenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Mount returns a directory with a new file system of a kind that needs no device. It is unmounted at the end of the test, which is skipped for
// who may not mount, or if the kernel lacks the kind.
func Mount(t testing.TB, kind, options string, flags uintptr) string {
	t.Helper()
	dir := t.TempDir()
	switch err := unix.Mount(kind, dir, kind, flags, options); {
	case errors.Is(err, unix.EPERM):
		t.Skipf("mounting a %s takes CAP_SYS_ADMIN, which this process lacks: %v", kind, err)
	case errors.Is(err, unix.ENODEV):
		t.Skipf("this kernel has no %s: mount: %v", kind, err)
	case err != nil:
		t.Fatalf("mount %s: %v", kind, err)
	}
	t.Cleanup(func() {
		// When a process with a ring has ended, the kernel goes on to free what its workers did last. Until then, 1 to 11 ms (6.18), they hold the files.
		err := unix.Unmount(dir, 0)
		for pause := time.Millisecond; err == unix.EBUSY && pause < 10*time.Second; pause *= 2 {
			time.Sleep(pause)
			err = unix.Unmount(dir, 0)
		}
		if err != nil {
			t.Errorf("unmount %s: %v", kind, err)
		}
	})
	return dir
}

// CachedReads skips the test if the file system of dir cannot read from the page cache only (preadv2(2) with RWF_NOWAIT).
func CachedReads(t testing.TB, dir string) {
	t.Helper()
	f, err := os.CreateTemp(dir, "cached")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Preadv2(int(f.Fd()), [][]byte{make([]byte, 1)}, 0, unix.RWF_NOWAIT); errors.Is(err, unix.EOPNOTSUPP) {
		t.Skipf("%s has no RWF_NOWAIT: preadv2: %v", fileSystem(dir), err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// DirectIO skips the test if the file system of dir has no O_DIRECT.
func DirectIO(t testing.TB, dir string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "direct"), os.O_RDWR|os.O_CREATE|unix.O_DIRECT, 0o600)
	if errors.Is(err, unix.EINVAL) {
		t.Skipf("%s has no O_DIRECT: %v", fileSystem(dir), err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		t.Fatal(err)
	}
}

// fileSystem names that of dir by its magic number (statfs(2)).
func fileSystem(dir string) string {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "the file system of " + dir
	}
	return fmt.Sprintf("the file system of %s (type %#x)", dir, s.Type)
}
