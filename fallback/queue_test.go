//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/internal/queuetest"
)

func TestQueue(t *testing.T) {
	variants := map[string]fallback.Options{
		"epoll": {Poller: "epoll"},
		"poll":  {Poller: "poll"},
		"tiny":  {Entries: 1, Workers: 1},
	}
	for name, opts := range variants {
		if opts.Poller == "epoll" && runtime.GOOS != "linux" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			queuetest.Run(t, func(t testing.TB) queuetest.Queue {
				q, err := fallback.New(opts)
				require.NoError(t, err)
				return q
			})
		})
	}
}
