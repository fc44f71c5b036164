// Walk is our contestant for trees: one loop lists directories and has many files described at the same time, as examples/walk does.
package main

import (
	"flag"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/proactor-go/proactor/bench/disk/internal/job"
	"github.com/proactor-go/proactor/loop"
)

func main() {
	backend := flag.String("backend", "auto", "auto, uring, epoll or poll")
	job.Main([]string{job.Walk}, func(j *job.Job, m *job.Meter) error { return run(j, m, *backend) })
}

func run(j *job.Job, m *job.Meter, backend string) error {
	l, err := loop.New(loop.Options{Backend: backend})
	if err != nil {
		return err
	}
	defer l.Close()
	w := &walker{job: j, meter: m, lane: m.Lane(), l: l}
	w.round()
	return l.Run()
}

// maxDirs is how many directories are listed at the same time.
const maxDirs = 8

// A walker goes round and round. All of it belongs to the loop, so that one lane will do.
type walker struct {
	job       *job.Job
	meter     *job.Meter
	lane      *job.Lane
	l         *loop.Loop
	reading   int
	statting  int
	unread    []string
	unstatted []string
	files     int // in this round
}

func (w *walker) round() {
	w.files = 0
	w.unread = append(w.unread, w.job.Dir)
	w.start()
}

func (w *walker) start() {
	if w.meter.Stopped() {
		return
	}
	for w.statting < w.job.Depth && len(w.unstatted) > 0 {
		w.describe(pop(&w.unstatted))
	}
	for w.reading < maxDirs && len(w.unread) > 0 && len(w.unstatted) == 0 {
		w.read(pop(&w.unread))
	}
	if w.reading+w.statting > 0 {
		return
	}
	if w.files != job.WideFiles {
		w.meter.Fail(fmt.Errorf("%d files, not %d", w.files, job.WideFiles))
		return
	}
	w.l.Immediate(w.round)
}

func (w *walker) read(dir string) {
	w.reading++
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
		}
		if err != nil && err != io.EOF {
			w.meter.Fail(err)
		}
		w.start()
	})
}

func (w *walker) describe(name string) {
	w.statting++
	begin := w.lane.Begin()
	w.l.Lstat(name, func(_ fs.FileInfo, err error) { w.described(begin, err) })
}

func (w *walker) described(begin time.Duration, err error) {
	w.statting--
	if err != nil {
		w.meter.Fail(err)
		return
	}
	w.files++
	w.lane.Done(begin)
	w.start()
}

func pop(names *[]string) string {
	last := len(*names) - 1
	name := (*names)[last]
	*names = (*names)[:last]
	return name
}
