package micro

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/bench/internal/result"
)

func TestRun(t *testing.T) {
	var sink [][]byte
	works := Works{"count": func(o *Options) error {
		o.Note = "counted"
		for ops := uint64(0); !o.Over(ops); ops++ {
			sink = append(sink[:0], make([]byte, 1024))
			time.Sleep(10 * time.Microsecond)
		}
		return nil
	}}
	var out bytes.Buffer
	require.NoError(t, run([]string{"-work", "count", "-warmup", "20ms", "-duration", "50ms"}, &out, works, nil))
	r, err := result.Parse(out.Bytes())
	require.NoError(t, err)
	require.InDelta(t, 0.05, r.Seconds, 0.04)
	require.Positive(t, r.Ops)
	require.Positive(t, r.CPUS)
	require.Positive(t, r.RSSBytes)
	require.NotNil(t, r.Allocs)
	require.InEpsilon(t, float64(r.Ops), float64(*r.Allocs), 0.1, "one allocation for each")
	require.Equal(t, "counted", r.Note)
}

func TestRunRefuses(t *testing.T) {
	works := Works{"early": func(*Options) error { return nil }}
	for _, args := range [][]string{{}, {"-work", "other"}, {"-work", "early", "-batch", "0"}, {"-work", "early"}} {
		require.Error(t, run(args, new(bytes.Buffer), works, nil), "%v", args)
	}
}

func TestRandom(t *testing.T) {
	random, again := Random(1), Random(1)
	seen := map[uint64]bool{}
	for range 1000 {
		n := random.Next(1 << 20)
		require.Less(t, n, uint64(1<<20))
		require.Equal(t, n, again.Next(1<<20))
		seen[n] = true
	}
	require.Greater(t, len(seen), 990)
	require.GreaterOrEqual(t, random.Hours(), time.Hour)
}
