package main

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/proactor-go/proactor/loop"
)

// A walker visits a tree. Everything but newWalker and walk are callbacks: they run one at a time, on the loop's goroutine, so nothing needs
// a lock, however much is under way.
type walker struct {
	l                  *loop.Loop
	maxDirs, maxStats  int
	reading, statting  int      // how many are under way
	unread, unstatted  []string // names that wait; the last one is the next, so that a deep tree is finished before a wide one is begun
	described          loop.StatFunc
	dirs, files, bytes int64
	errs               []error
}

func newWalker(l *loop.Loop, maxDirs, maxStats int) *walker {
	w := &walker{l: l, maxDirs: maxDirs, maxStats: maxStats}
	w.described = w.onDescribed
	return w
}

// walk visits root and what is below it. It returns at once; Run returns when all is visited.
func (w *walker) walk(root string) {
	w.unread = append(w.unread, root)
	w.start()
}

// start begins as much as may be under way. While there are files to describe no further directory is read: what waits in memory is
// what the directories under way have in them.
func (w *walker) start() {
	for w.statting < w.maxStats && len(w.unstatted) > 0 {
		w.statting++
		w.l.Lstat(pop(&w.unstatted), w.described)
	}
	for w.reading < w.maxDirs && len(w.unread) > 0 && len(w.unstatted) == 0 {
		w.reading++
		w.read(pop(&w.unread))
	}
}

func (w *walker) read(dir string) {
	w.dirs++
	w.l.ReadDir(dir, func(entries []fs.DirEntry, err error) {
		for _, e := range entries {
			name := filepath.Join(dir, e.Name())
			if e.IsDir() {
				w.unread = append(w.unread, name)
			} else {
				w.unstatted = append(w.unstatted, name)
			}
		}
		if err != nil {
			w.reading--
			if err != io.EOF {
				w.errs = append(w.errs, err)
			}
		}
		w.start()
	})
}

func (w *walker) onDescribed(info fs.FileInfo, err error) {
	w.statting--
	switch {
	case err == nil:
		w.files++
		w.bytes += info.Size()
	case !errors.Is(err, fs.ErrNotExist): // it may be gone since its directory was read
		w.errs = append(w.errs, err)
	}
	w.start()
}

func pop(names *[]string) string {
	last := len(*names) - 1
	name := (*names)[last]
	(*names)[last] = ""
	*names = (*names)[:last]
	return name
}
