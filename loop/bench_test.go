package loop_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// BenchmarkNop puts one NOP through a bare queue and through the loop, alone and in batches: what the loop costs.
func BenchmarkNop(b *testing.B) {
	for _, backend := range []string{"uring", "epoll"} {
		for _, batch := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("of=queue/backend=%s/batch=%d", backend, batch), func(b *testing.B) { nopQueue(b, backend, batch) })
			b.Run(fmt.Sprintf("of=loop/backend=%s/batch=%d", backend, batch), func(b *testing.B) { nopLoop(b, backend, batch) })
		}
	}
}

func nopQueue(b *testing.B, backend string, batch int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	q := openQueue(b, backend)
	defer q.Close()
	require.NoError(b, q.Bind())
	entries := make([]ring.SQE, batch)
	for i := range entries {
		entries[i].UserData = uint64(i)
	}
	cqes := make([]ring.CQE, batch)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += batch {
		for i := range entries {
			q.Push(&entries[i])
		}
		for done := 0; done < batch; {
			if err := q.Enter(-1); err != nil {
				b.Fatal(err)
			}
			done += q.Reap(cqes)
		}
	}
}

func openQueue(b *testing.B, backend string) loop.Queue {
	if backend == "uring" {
		r, err := ring.New(ring.Options{})
		require.NoError(b, err)
		return r
	}
	f, err := fallback.New(fallback.Options{Poller: backend})
	require.NoError(b, err)
	return f
}

func nopLoop(b *testing.B, backend string, batch int) {
	l, err := loop.New(loop.Options{Queue: openQueue(b, backend)})
	require.NoError(b, err)
	defer l.Close()
	left, running := b.N, 0
	var done loop.CQEFunc
	done = func(ring.CQE) {
		running--
		if running > 0 {
			return
		}
		for ; running < batch && left > 0; running++ {
			l.Submit(ring.SQE{}, done)
			left--
		}
	}
	running = 1
	l.NextTick(func() { done(ring.CQE{}) })
	b.ReportAllocs()
	b.ResetTimer()
	if err := l.Run(); err != nil {
		b.Fatal(err)
	}
}
