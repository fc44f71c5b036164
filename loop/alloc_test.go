package loop_test

import (
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireAllocs demands that a round of operations allocates at most limit objects, once it has warmed up. What
// the race detector allocates itself cannot be told apart.
//
// Unlike testing.AllocsPerRun it does not round down, so that a slice shows that grows every tenth time. The runtime allocates
// too, for its threads and collections, but not in every pass.
func requireAllocs(t *testing.T, limit float64, round func(), what ...any) {
	t.Helper()
	for range 50 {
		round()
	}
	if raceBuild() { // the detector allocates itself, and there is no telling whose it was
		return
	}
	const rounds, forgiven = 500, 0.02
	least := math.Inf(1)
	for pass := 0; pass < 3 && least > limit+forgiven; pass++ {
		least = min(least, float64(mallocs(func() {
			for range rounds {
				round()
			}
		}))/rounds)
	}
	require.LessOrEqual(t, least, limit+forgiven, what...)
}

// mallocs returns how many objects the program allocates while fn runs, on whatever goroutine: the fallback's workers count. With
// one processor only, as in testing.AllocsPerRun, every sleep of the loop would keep the others waiting for the scheduler's monitor.
func mallocs(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}
