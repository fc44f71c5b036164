// Walkdir is what every Go programmer would walk a tree with: filepath.WalkDir, and lstat for each file, one after the other.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/proactor-go/proactor/bench/disk/internal/job"
)

func main() { job.Main([]string{job.Walk}, run) }

func run(j *job.Job, m *job.Meter) error {
	lane := m.Lane()
	for !m.Stopped() {
		files := 0
		err := filepath.WalkDir(j.Dir, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			begin := lane.Begin()
			if _, err := os.Lstat(name); err != nil {
				return err
			}
			lane.Done(begin)
			files++
			if m.Stopped() {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			return err
		}
		if !m.Stopped() && files != job.WideFiles {
			return fmt.Errorf("%d files, not %d", files, job.WideFiles)
		}
	}
	return nil
}
