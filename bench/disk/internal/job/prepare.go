package job

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/bench/disk/internal/pattern"
)

// Prepare makes the files in dir, of the sizes given. What is there already stays.
func Prepare(dir string, blocks, hot int64) error {
	for _, f := range []struct {
		name string
		size int64
	}{{"blocks", blocks}, {"hot", hot}, {"written", hot}} {
		if err := MakeFile(filepath.Join(dir, f.name), f.size); err != nil {
			return err
		}
	}
	return makeTree(filepath.Join(dir, "tree"))
}

// MakeFile writes a file of patterns, for real: a hole, or blocks that were only allocated, would be read without the disk.
func MakeFile(name string, size int64) error {
	if info, err := os.Stat(name); err == nil && info.Size() == size {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(b)) {
		part := b[:min(size-off, int64(len(b)))]
		pattern.Fill(part, off, pattern.Base)
		if _, err := f.Write(part); err != nil {
			return err
		}
	}
	// Nothing that was written here may still be on its way to the disk while somebody measures.
	return errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}

func makeTree(dir string) error {
	if _, err := os.Stat(SmallName(dir, SmallFiles-1)); err == nil {
		return nil
	}
	b := make([]byte, SmallSize)
	for i := range SmallFiles {
		name := SmallName(dir, i)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		pattern.Fill(b, int64(i)*SmallSize, pattern.Base)
		if err := os.WriteFile(name, b, 0o644); err != nil {
			return err
		}
	}
	unix.Sync()
	return nil
}

// MakeWide makes the tree that Walk visits, unless it is there.
func MakeWide(dir string) error {
	name := func(i int) string { return filepath.Join(dir, fmt.Sprintf("%03d", i/wideDir), fmt.Sprintf("%06d", i)) }
	if _, err := os.Stat(name(WideFiles - 1)); err == nil {
		return nil
	}
	for i := range WideFiles {
		if i%wideDir == 0 {
			if err := os.MkdirAll(filepath.Dir(name(i)), 0o755); err != nil {
				return err
			}
		}
		if err := os.WriteFile(name(i), nil, 0o644); err != nil {
			return err
		}
	}
	unix.Sync()
	return nil
}
