//go:build unix

package queuetest_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/internal/queuetest"
	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/ring"
)

func TestRing(t *testing.T) {
	for name, o := range map[string]ring.Options{
		"default":               {},
		"tiny":                  {Entries: 1, CQEntries: 2},
		"without multishot":     {Without: ring.MultishotAccept | ring.MultishotRecv | ring.MultishotPoll | ring.BufferRings},
		"without defer taskrun": {Without: ring.DeferTaskrun},
	} {
		t.Run(name, func(t *testing.T) {
			queuetest.Run(t, func(t testing.TB) queuetest.Queue {
				r, err := queuetest.Patiently(func() (*ring.Ring, error) { return ring.New(o) })
				testenv.Ring(t, err)
				return r
			})
		})
	}
}

func TestFallback(t *testing.T) {
	pollers := []string{"poll"}
	if runtime.GOOS == "linux" {
		pollers = append(pollers, "epoll")
	}
	for _, poller := range pollers {
		t.Run(poller, func(t *testing.T) {
			queuetest.Run(t, func(t testing.TB) queuetest.Queue {
				q, err := fallback.New(fallback.Options{Poller: poller})
				require.NoError(t, err)
				return q
			})
		})
	}
}
