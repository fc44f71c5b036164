package loop_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

func operations(m loop.Metrics, name string) loop.OperationMetrics {
	for _, o := range m.Operations {
		if o.Name == name {
			return o
		}
	}
	return loop.OperationMetrics{Name: name}
}

func TestM01Counts(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		require.Equal(t, loop.Metrics{}.Turns, l.Metrics().Turns)
		require.Empty(t, l.Metrics().Operations)
		c, peer := connectPeer(t, l)
		for range 10 {
			c.Recv(make([]byte, 1), func([]byte, error) {})
			_, err := peer.Write([]byte("x"))
			require.NoError(t, err)
			require.NoError(t, l.Run())
		}
		op := c.Recv(make([]byte, 1), func([]byte, error) {})
		require.NoError(t, l.Poll())
		m := l.Metrics()
		recv := operations(m, "Recv")
		require.EqualValues(t, 11, recv.Started)
		require.EqualValues(t, 10, recv.Finished)
		require.EqualValues(t, 1, recv.InFlight())
		require.Positive(t, m.Turns)
		require.Positive(t, m.Enters)
		require.GreaterOrEqual(t, m.Entries, uint64(11))
		require.GreaterOrEqual(t, m.Completions, uint64(10))
		require.Less(t, m.Waiting, m.Completions, "the loop had to wait for some")
		op.Cancel()
		require.NoError(t, l.Run())
		require.Zero(t, operations(l.Metrics(), "Recv").InFlight())
		require.NoError(t, l.Close())
		for _, o := range l.Metrics().Operations {
			require.Zero(t, o.InFlight(), o.Name)
		}
	})
}

func TestM01IdleTime(t *testing.T) {
	forEachQueueWith(t, loop.Options{Timing: true}, func(t *testing.T, l *loop.Loop) {
		require.Zero(t, l.Metrics().Elapsed)
		for range 100 {
			require.NoError(t, l.Poll())
		}
		m := l.Metrics()
		require.Zero(t, m.Idle, "polling waits for nothing")
		require.Positive(t, m.Elapsed)
		require.InDelta(t, 1, m.Utilization(), 0)

		const wait = 30 * time.Millisecond
		start := time.Now()
		l.After(wait, func() {})
		require.NoError(t, l.Run())
		m = l.Metrics()
		require.GreaterOrEqual(t, m.Idle, wait-time.Millisecond, "it did nothing but wait")
		require.LessOrEqual(t, m.Idle, time.Since(start), "more than there was")
		require.Less(t, m.Utilization(), 1.0)

		idle := m.Idle
		l.After(0, func() { time.Sleep(wait) })
		require.NoError(t, l.Run())
		m = l.Metrics()
		require.Less(t, m.Idle-idle, wait, "a callback that sleeps is no idle loop")
		sum := time.Duration(0)
		for _, p := range m.Phases {
			sum += p.Time
		}
		require.Equal(t, m.Elapsed, sum)
	})
}

// Any goroutine may look at any time.
func TestM01FromOtherGoroutines(t *testing.T) {
	forEachQueueWith(t, loop.Options{Timing: true, UserWorkers: 1}, func(t *testing.T, l *loop.Loop) {
		var stop atomic.Bool
		looked := make(chan int)
		for range 2 {
			go func() {
				n, last := 0, uint64(0)
				for ; !stop.Load(); n++ {
					m := l.Metrics()
					if m.Turns < last {
						panic("a counter went back")
					}
					last = m.Turns
					for _, o := range m.Operations {
						if o.Finished > o.Started {
							panic("more finished than started: " + o.Name)
						}
					}
					_ = l.MetricsVar().String()
				}
				looked <- n
			}()
		}
		n := 0
		var again func(error)
		again = func(err error) {
			if n++; n < 500 {
				l.Work(func() error { return nil }, again)
				l.After(0, func() {})
			}
		}
		again(nil)
		require.NoError(t, l.Run())
		stop.Store(true)
		require.Positive(t, <-looked)
		require.Positive(t, <-looked)
		m := l.Metrics()
		require.EqualValues(t, 499, operations(m, "call").Started)
		require.EqualValues(t, 499, m.TimerLag.Count)
	})
}

func TestMetricsOfLanes(t *testing.T) {
	forEachQueueWith(t, loop.Options{UserWorkers: 1}, func(t *testing.T, l *loop.Loop) {
		release := occupy(t, l, 1)
		for range 3 {
			l.Work(func() error { return nil }, func(error) {})
		}
		require.NoError(t, l.Poll())
		i := slices.IndexFunc(l.Metrics().Lanes, func(m loop.LaneMetrics) bool { return m.Name == "work" })
		require.Equal(t, loop.LaneMetrics{Name: "work", Waiting: 3, Running: 1}, l.Metrics().Lanes[i])
		release()
		require.NoError(t, l.Run())
	})
}

func TestMetricsVar(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		l.After(0, func() {})
		require.NoError(t, l.Run())
		var m loop.Metrics
		require.NoError(t, json.Unmarshal([]byte(l.MetricsVar().String()), &m))
		require.Equal(t, l.Metrics(), m)
	})
}

func TestMetricsLag(t *testing.T) {
	forEachQueueWith(t, loop.Options{Timing: true}, func(t *testing.T, l *loop.Loop) {
		const busy = 5 * time.Millisecond
		l.After(0, func() {
			l.After(0, func() {})
			require.NoError(t, l.Post(func() {}))
			time.Sleep(busy) // who waits now is late
		})
		require.NoError(t, l.Run())
		m := l.Metrics()
		require.EqualValues(t, 2, m.TimerLag.Count)
		require.GreaterOrEqual(t, m.TimerLag.Max, busy-time.Millisecond)
		require.GreaterOrEqual(t, m.TimerLag.P99, m.TimerLag.P50)
		require.EqualValues(t, 1, m.PostLag.Count)
		require.GreaterOrEqual(t, m.PostLag.P50, busy)
		require.LessOrEqual(t, m.PostLag.P99, m.PostLag.Max)
	})
}

// The histogram's percentiles against those of a sorted list.
func TestHistogram(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var h loop.Histogram
		all := make([]time.Duration, 1+random.IntN(3000))
		for i := range all {
			all[i] = time.Duration(random.Uint64() >> (1 + random.IntN(63)))
			h.Record(all[i])
		}
		slices.Sort(all)
		m := h.Metrics()
		require.EqualValues(t, len(all), m.Count)
		require.Equal(t, all[len(all)-1], m.Max)
		for share, got := range map[int]time.Duration{50: m.P50, 99: m.P99} {
			want := all[(len(all)*share+99)/100-1]
			require.GreaterOrEqual(t, got, want)
			require.LessOrEqual(t, float64(got), 1.13*float64(want)+1)
		}
	}
}

// A loop with nothing to do turns no more than it has to.
func TestM02IdleLoop(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, _ := connectPeer(t, l)
		c.Recv(make([]byte, 1), func([]byte, error) {}).Unref()
		before := l.Metrics().Turns
		l.After(300*time.Millisecond, func() {})
		require.NoError(t, l.Run())
		require.Less(t, l.Metrics().Turns-before, uint64(60), "one per nap at the most, and it takes naps only while it is busy")
	})
}

// However many completions are there, a turn dispatches MaxEvents of them and then looks at timers, posts and immediates.
func TestM04FloodAndTimers(t *testing.T) {
	const budget = 256
	flood := 100_000
	if loop.Poisons() {
		flood = 20_000 // the race detector takes its time
	}
	forEachQueueWith(t, loop.Options{MaxEvents: budget}, func(t *testing.T, l *loop.Loop) {
		done, atTimer, atPost, atImmediate := 0, 0, 0, 0
		stopped := false
		var again loop.CQEFunc
		started := 0
		again = func(ring.CQE) {
			if done++; started < flood {
				started++
				l.Submit(ring.SQE{Opcode: ring.OpNop}, again)
			}
		}
		for range 1000 {
			started++
			l.Submit(ring.SQE{Opcode: ring.OpNop}, again)
		}
		var tick func()
		turns := func() uint64 { return l.Metrics().Turns }
		first := turns()
		tick = func() {
			if atTimer++; !stopped && done < flood {
				l.After(0, tick)
			}
		}
		l.After(0, tick)
		var immediate func()
		immediate = func() {
			if atImmediate++; done < flood {
				l.Immediate(immediate)
			}
		}
		l.Immediate(immediate)
		var post func()
		post = func() {
			if atPost++; done < flood {
				require.NoError(t, l.Post(post))
			}
		}
		require.NoError(t, l.Post(post))
		require.NoError(t, l.Run())
		stopped = true
		require.Equal(t, flood, done)
		n := int(turns() - first)
		require.GreaterOrEqual(t, n, flood/budget, "a turn dispatched more than its budget")
		for what, count := range map[string]int{"timers": atTimer, "posts": atPost, "immediates": atImmediate} {
			require.GreaterOrEqual(t, count, n-3, "%s did not run in every turn", what)
		}
	})
}
