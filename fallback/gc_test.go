//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// Only the queue knows the entries and their buffers while the collector runs and the heap is written over.
func TestQueueKeepsEntriesAlive(t *testing.T) {
	each(t, func(q *harness) {
		a, b := q.pair()
		const count = 50
		collected := make(chan struct{}, count)
		for i := range count {
			buf := make([]byte, 64)
			s := recv(a, buf)
			s.UserData = uint64(i)
			runtime.SetFinalizer(s, func(*ring.SQE) { collected <- struct{}{} })
			for !q.Push(s) {
				require.NoError(q, q.Enter(0))
			}
		}
		require.NoError(q, q.Enter(0))
		for range 3 {
			runtime.GC()
			for range 1000 {
				_ = make([]byte, 64)
			}
		}
		require.Empty(q, collected, "an entry in flight was collected")
		for i := range count {
			_, err := unix.Write(b, []byte{byte(i)})
			require.NoError(q, err)
			require.NoError(q, q.Enter(-1))
			var cqes [2]ring.CQE
			require.Equal(q, 1, q.Reap(cqes[:]))
			require.Equal(q, ring.CQE{UserData: uint64(i), Res: 1}, cqes[0])
		}
		// Now the queue has let go of them. (A stale register may hold on to one or two.)
		for deadline := time.Now().Add(patience); len(collected) < count/2; runtime.GC() {
			require.True(q, time.Now().Before(deadline), "the queue keeps what has completed")
		}
		q.closeFD(a)
		q.closeFD(b)
	})
}
