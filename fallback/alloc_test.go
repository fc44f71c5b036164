//go:build (linux || darwin || freebsd || netbsd || dragonfly) && !race

package fallback_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/ring"
)

// Nothing allocates per operation: not on sockets, not inline, not through a worker.
func TestNoAllocations(t *testing.T) {
	q := open(t, fallback.Options{})
	peers := newEchoes(q, 4)
	runEchoes(q, peers, 100)
	require.Zero(t, testing.AllocsPerRun(100, func() { runEchoes(q, peers, 8) }), "echo")
	q.closePeers(peers)

	fd := temporary(t, string(text(4096)))
	buf := make([]byte, 4096)
	hot, cold := read(fd, buf, 0), write(fd, buf, 0)
	for name, s := range map[string]*ring.SQE{
		"read": hot, "write": cold, "sync": {Opcode: ring.OpFsync, FD: int32(fd)}, "nop": {},
	} {
		s.Flags, s.UserData = ring.MayBlock, 7
		var cqes [8]ring.CQE
		require.Zero(t, testing.AllocsPerRun(100, func() {
			q.Push(s)
			for n := 0; n == 0; n = q.Reap(cqes[:]) {
				if err := q.Enter(-1); err != nil {
					t.Fatal(err)
				}
			}
		}), name)
	}
}
