package loop_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// TestN25Allocations: what a file costs on its way through a connection does not grow with its size.
func TestN25Allocations(t *testing.T) {
	const chunks = 256
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		from, _ := fileOf(t, l, chunks*64<<10)
		to := newFile(t, l)
		server, client := connectOurs(t, l)
		var before, after runtime.MemStats
		ended := 0
		through := func() {
			client.SendFile(from, 0, chunks*64<<10, func(int64, error) { ended++ })
			server.RecvFile(to, 0, chunks*64<<10, func(int64, error) { ended++ })
			require.NoError(t, l.Run())
		}
		through() // what is made once
		runtime.ReadMemStats(&before)
		through()
		runtime.ReadMemStats(&after)
		require.Equal(t, 4, ended)
		if !raceBuild() { // the detector allocates too
			require.Less(t, after.Mallocs-before.Mallocs, uint64(chunks))
		}
		for _, c := range []interface{ Close(loop.DoneFunc) }{server, client, from, to} {
			require.NoError(t, result(t, l, c.Close))
		}
	})
}
