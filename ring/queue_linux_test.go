package ring_test

import (
	"testing"

	"github.com/proactor-go/proactor/internal/queuetest"
	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/ring"
)

func TestQueue(t *testing.T) {
	const newest = ring.NoSQArray | ring.DeferTaskrun | ring.NoIowait | ring.RegisteredRing
	for _, c := range []struct {
		name    string
		options ring.Options
	}{
		{"default", ring.Options{}},
		{"tiny", ring.Options{Entries: 1, CQEntries: 2}},
		{"like 6.0", ring.Options{Without: newest}},
		{"like 5.18", ring.Options{Without: newest | ring.SingleIssuer | ring.CoopTaskrun | ring.MultishotAccept |
			ring.MultishotRecv | ring.BufferRings | ring.PollFirstHint | ring.CancelByFD | ring.FixedBuffers}},
		{"plain", ring.Options{Without: ring.AllFeatures}},
		{"tiny and plain", ring.Options{Entries: 1, CQEntries: 2, Without: ring.AllFeatures}},
		{"no buffers", ring.Options{Without: ring.BufferRings}},
	} {
		t.Run(c.name, func(t *testing.T) {
			queuetest.Run(t, func(t testing.TB) queuetest.Queue {
				r, err := queuetest.Patiently(func() (*ring.Ring, error) { return ring.New(c.options) })
				testenv.Ring(t, err)
				return r
			})
		})
	}
}
