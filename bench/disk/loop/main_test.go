package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/bench/disk/internal/blocking"
	"github.com/proactor-go/proactor/bench/disk/internal/job"
	"github.com/proactor-go/proactor/loop"
)

// TestWorkloads runs every workload for a moment, ours on each backend and the blocking ones for comparison.
func TestWorkloads(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, job.Prepare(dir, 4<<20, 4<<20))
	contestants := map[string]func(*job.Job, *job.Meter) error{
		"epoll": func(j *job.Job, m *job.Meter) error { return run(j, m, "epoll", false) },
		"os":    func(j *job.Job, m *job.Meter) error { return block(j, m, blocking.OS) },
		"bare":  func(j *job.Job, m *job.Meter) error { return block(j, m, blocking.Bare) },
	}
	if l, err := loop.New(loop.Options{Backend: "uring"}); err == nil {
		require.NoError(t, l.Close())
		contestants["uring"] = func(j *job.Job, m *job.Meter) error { return run(j, m, "uring", false) }
		contestants["uring-fixed"] = func(j *job.Job, m *job.Meter) error { return run(j, m, "uring", true) }
	}
	files := map[string]string{
		job.RandRead: "blocks", job.HotRead: "hot", job.SeqRead: "hot", job.SeqWrite: "written", job.Append: "log",
	}
	for name, contestant := range contestants {
		for _, work := range job.All {
			t.Run(name+"/"+work, func(t *testing.T) {
				j := &job.Job{
					Work: work, File: filepath.Join(dir, files[work]), Dir: filepath.Join(dir, "tree"), Depth: 4, Full: true,
				}
				ops := uint64(0)
				for d := 20 * time.Millisecond; ops == 0 && d < 10*time.Second; d *= 4 { // the machine may be busy
					j.Duration = d
					r, err := j.Run(contestant)
					require.NoError(t, err)
					ops = r.Ops
				}
				require.NotZero(t, ops)
			})
		}
	}
}

func block(j *job.Job, m *job.Meter, open blocking.Open) error {
	s, err := blocking.New(j, open)
	if err != nil {
		return err
	}
	defer s.Close()
	for f := s.Flow(0, m.Lane()); !m.Stopped(); {
		if err := f.Step(); err != nil {
			return err
		}
	}
	return nil
}
