package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/bench/disk/internal/job"
	"github.com/proactor-go/proactor/loop"
)

// TestWalk walks the tree for a moment on each backend. That a round finds every file, the contestant itself checks.
func TestWalk(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, job.MakeWide(dir))
	backends := []string{"epoll"}
	if l, err := loop.New(loop.Options{Backend: "uring"}); err == nil {
		require.NoError(t, l.Close())
		backends = append(backends, "uring")
	}
	for _, backend := range backends {
		j := &job.Job{Work: job.Walk, Dir: dir, Depth: 64}
		ops := uint64(0)
		for d := 20 * time.Millisecond; ops <= job.WideFiles && d < time.Minute; d *= 4 { // more than a round, whatever else the machine does
			j.Duration = d
			r, err := j.Run(func(j *job.Job, m *job.Meter) error { return run(j, m, backend) })
			require.NoError(t, err)
			ops = r.Ops
		}
		require.Greater(t, ops, uint64(job.WideFiles))
	}
}
