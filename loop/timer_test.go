package loop_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// What cannot exist here: T08's "again" of a timer that was never started, because Repeat names its period; T10's start of a
// closing timer, because a Timer holds nothing that had to be closed.

func TestT01OneShotsAndARepeatingOne(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var shots [10]int
		for i := range shots {
			l.After(time.Duration(10-i)*time.Millisecond, func() { shots[i]++ })
		}
		repeats := 0
		var every *loop.Timer
		every = l.Every(time.Millisecond, func() {
			if repeats++; repeats == 5 {
				require.True(t, every.Active())
				require.True(t, every.Stop())
				require.False(t, every.Active())
			}
		})
		require.NoError(t, l.Run())
		for _, n := range shots {
			require.Equal(t, 1, n)
		}
		require.Equal(t, 5, repeats)
	})
}

func TestT02EqualDeadlinesRunInTheOrderOfTheirStart(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var ran []int
		timers := make([]*loop.Timer, 100)
		for i := range timers {
			timers[i] = l.NewTimer(func() { ran = append(ran, i) })
		}
		order := rand.Perm(len(timers))
		for _, i := range append(rand.Perm(len(timers)), order...) {
			timers[i].Reset(math.MaxInt64) // the end of time, which is the one deadline that two timers are sure to share
		}
		l.SetClock(math.MaxInt64)
		require.NoError(t, l.Run())
		require.Equal(t, order, ran)
	})
}

func TestT03ResetReplaces(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ran := 0
		timer := l.After(time.Hour, func() { ran++ })
		timer.Reset(time.Millisecond)
		require.NoError(t, l.Run(), "an hour later it would be over, too, but nobody waits for that")
		require.Equal(t, 1, ran)

		timer.Repeat(time.Millisecond)
		timer.Reset(time.Millisecond)
		require.NoError(t, l.Run(), "the period is replaced as well")
		require.Equal(t, 2, ran)
	})
}

func TestT04NeverEarly(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		check := func(d time.Duration) {
			armed := time.Now()
			l.After(d, func() { require.GreaterOrEqual(t, time.Since(armed), d) })
		}
		for range 100 {
			check(time.Duration(rand.Int64N(int64(5 * time.Millisecond))))
		}
		l.After(time.Millisecond, func() {
			time.Sleep(3 * time.Millisecond) // the loop's time is old now
			for d := range 20 {
				check(time.Duration(d) * 100 * time.Microsecond)
			}
		})
		require.NoError(t, l.Run())
	})
}

func TestT04RepeatingNeverEarly(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		const period = 2 * time.Millisecond
		start, ran := time.Now(), 0
		var every *loop.Timer
		every = l.Every(period, func() {
			ran++
			require.GreaterOrEqual(t, time.Since(start), time.Duration(ran)*period)
			if ran == 3 {
				time.Sleep(5 * period)
			}
			if ran == 10 {
				every.Stop()
			}
		})
		require.NoError(t, l.Run())
	})
}

// The wait must be as fine as the deadlines: one that is cut to whole milliseconds would either come early or turn the loop for nothing.
func TestT04FineTimersDoNotSpin(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ran := 0
		var timer *loop.Timer
		timer = l.NewTimer(func() {
			if ran++; ran < 50 {
				timer.Reset(300 * time.Microsecond)
			}
		})
		timer.Reset(300 * time.Microsecond)
		before := l.Metrics().Turns
		require.NoError(t, l.Run())
		require.LessOrEqual(t, l.Metrics().Turns-before, uint64(3*ran))
	})
}

func TestT06ZeroTimerDoesNotStarveSockets(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		conn, peer := connectPeer(t, l)
		ran, turns := 0, l.Metrics().Turns
		var timer *loop.Timer
		timer = l.NewTimer(func() {
			ran++
			timer.Reset(0)
		})
		timer.Reset(0)
		conn.Recv(make([]byte, 10), func(_ []byte, err error) {
			require.NoError(t, err)
			require.LessOrEqual(t, uint64(ran), l.Metrics().Turns-turns+1, "at most once a turn, and once as Run begins")
			timer.Stop()
		})
		l.After(5*time.Millisecond, func() {
			require.Positive(t, ran)
			_, err := peer.Write([]byte("x"))
			require.NoError(t, err)
		})
		require.NoError(t, l.Run())
	})
}

func TestT06StopInItsOwnCallback(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ran := 0
		var timer *loop.Timer
		timer = l.NewTimer(func() {
			ran++
			timer.Reset(0)
			require.True(t, timer.Stop())
			require.False(t, timer.Stop())
		})
		timer.Reset(0)
		require.NoError(t, l.Run())
		require.Equal(t, 1, ran)
	})
}

func TestT08RepeatInItsOwnCallback(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ran := 0
		var changed time.Time
		var every *loop.Timer
		every = l.Every(time.Millisecond, func() {
			switch ran++; ran {
			case 1:
				changed = time.Now()
				every.Repeat(5 * time.Millisecond)
			case 2:
				require.GreaterOrEqual(t, time.Since(changed), 5*time.Millisecond)
			case 3:
				require.GreaterOrEqual(t, time.Since(changed), 10*time.Millisecond, "the new period holds")
				every.Reset(time.Millisecond)
			}
		})
		require.NoError(t, l.Run())
		require.Equal(t, 4, ran, "Reset ends the repetition")
	})
}

func TestT08RepeatBeginsAPeriodAnew(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		const period = 8 * time.Millisecond
		var every, again *loop.Timer
		begun, restarts := time.Now(), 0
		every = l.Every(period, func() {
			require.GreaterOrEqual(t, time.Since(begun), period)
			every.Stop()
			again.Stop()
		})
		again = l.Every(period/4, func() {
			if restarts++; restarts == 8 {
				again.Stop()
			}
			begun = time.Now()
			every.Repeat(period)
		})
		require.NoError(t, l.Run())
		require.Positive(t, restarts)
	})
}

func TestT09StoppedAndStartedInACheckHook(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ran, prepares := 0, 0
		var restarted time.Time
		prepare := l.OnPrepare(func() { prepares++ })
		timer := l.NewTimer(func() {
			ran++
			require.Positive(t, prepares)
			require.GreaterOrEqual(t, time.Since(restarted), 20*time.Millisecond)
			prepare.Stop()
		})
		timer.Reset(time.Hour)
		var check *loop.Hook
		check = l.OnCheck(func() {
			check.Stop()
			require.True(t, timer.Stop())
			restarted = time.Now()
			timer.Reset(20 * time.Millisecond)
		})
		l.Immediate(func() {}) // so that the first turn does not wait for the hour
		require.NoError(t, l.Run())
		require.Equal(t, 1, ran)
	})
}

func TestT10NilCallbackPanics(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		require.PanicsWithValue(t, "loop: NewTimer: nil function", func() { l.NewTimer(nil) })
		for _, misuse := range []func(){
			func() { l.After(1, nil) },
			func() { l.Every(1, nil) },
			func() { l.Every(0, func() {}) },
			func() { l.NewTimer(func() {}).Repeat(-1) },
		} {
			require.Contains(t, panicOf(misuse), "loop: ")
		}
		require.False(t, l.Alive())
	})
}

func TestT10StartOnAClosedLoop(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		timer := l.NewTimer(func() { t.Error("the loop is closed") })
		require.NoError(t, l.Close())
		timer.Reset(0)
		require.False(t, timer.Active())
		timer.Repeat(time.Second)
		require.False(t, timer.Active())
		require.False(t, timer.Stop())
	})
}

func TestT12StopOneOfThree(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var ran [3]bool
		var timers [3]*loop.Timer
		for i := range timers {
			timers[i] = l.After(time.Duration(i+1)*time.Millisecond, func() { ran[i] = true })
		}
		require.True(t, timers[1].Stop())
		require.False(t, timers[1].Stop())
		require.NoError(t, l.Run())
		require.Equal(t, [3]bool{true, false, true}, ran)
	})
}

// Once Stop has returned the function does not run, even if it was due in this very phase.
func TestT12StopOneThatIsDue(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, later := range []time.Duration{0, time.Hour} {
			var ran []int
			var timers [3]*loop.Timer
			for i := range timers {
				timers[i] = l.NewTimer(func() {
					ran = append(ran, i)
					if i == 0 {
						require.True(t, timers[1].Stop())
						if later > 0 {
							timers[1].Reset(later)
						}
					}
					if i == 2 && later > 0 {
						require.True(t, timers[1].Active())
						timers[1].Stop()
					}
				})
				timers[i].Reset(0)
			}
			require.NoError(t, l.Run())
			require.Equal(t, []int{0, 2}, ran)
		}
	})
}

// What is started in a timer phase waits for the next one, so that no phase is endless.
func TestT06StartedInAPhaseWaitsForTheNext(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var trace []string
		l.After(0, func() {
			trace = append(trace, "first")
			time.Sleep(time.Millisecond)
			l.UpdateNow()
			l.After(-time.Hour, func() { trace = append(trace, "started in the phase") })
		})
		l.After(0, func() { trace = append(trace, "second") })
		var check *loop.Hook
		check = l.OnCheck(func() {
			check.Stop()
			trace = append(trace, "check")
		})
		require.NoError(t, l.Run())
		require.Equal(t, []string{"first", "second", "check", "started in the phase"}, trace)
	})
}

func TestRepeatRunsOnceATurnAndLeavesMissedPeriodsOut(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var turns []uint64
		var every *loop.Timer
		every = l.Every(time.Millisecond, func() {
			turns = append(turns, l.Metrics().Turns)
			time.Sleep(5 * time.Millisecond) // several periods
			if len(turns) == 5 {
				every.Stop()
			}
		})
		require.NoError(t, l.Run())
		require.Len(t, slices.Compact(turns), 5)
	})
}

func TestFarTimers(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, d := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1, 1 << 62, 100 * 365 * 24 * time.Hour} {
			far := l.After(d, func() { t.Error("that is centuries away") })
			every := l.Every(d, func() { t.Error("that is centuries away") })
			near := false
			l.After(time.Millisecond, func() {
				near = true
				l.Stop()
			})
			require.NoError(t, l.Run())
			require.True(t, near)
			// The wait itself must stand such a number, and a wake must end it.
			require.NoError(t, l.Post(func() { go l.Stop() }))
			require.NoError(t, l.Run())
			far.Stop()
			every.Stop()
		}
		past := false
		l.After(math.MinInt64, func() { past = true })
		require.NoError(t, l.Run())
		require.True(t, past)
	})
}

func TestT13OneMillionTimers(t *testing.T) {
	count := 1_000_000
	if testing.Short() || raceBuild() {
		count = 50_000
	}
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		before := heapInUse()
		ran, last, ordered := 0, 0, true
		timers := make([]*loop.Timer, count)
		for i := range timers {
			hour := rand.IntN(1000) // arming all of them takes less than one
			timers[i] = l.NewTimer(func() {
				ordered = ordered && last <= hour
				last = hour
				ran++
			})
			timers[i].Reset(time.Duration(hour) * time.Hour)
		}
		for i := 0; i < count; i += 2 {
			timers[i].Stop()
		}
		clear(timers)
		l.SetClock(1001 * time.Hour)
		require.NoError(t, l.Run())
		require.Equal(t, count/2, ran)
		require.True(t, ordered)
		require.Less(t, heapInUse(), before+uint64(count)*8, "memory returns")
	})
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestTimersAllocateNothing(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		due, ran := 0, 0
		timer := l.NewTimer(func() { ran++ })
		requireAllocs(t, 0, func() {
			timer.Reset(time.Hour)
			timer.Repeat(time.Minute)
			timer.Stop()
		})
		var failed error
		requireAllocs(t, 0, func() {
			due++
			timer.Reset(0)
			failed = errors.Join(failed, l.Poll())
		})
		require.NoError(t, failed)
		require.Positive(t, due)
		require.Equal(t, due, ran)
	})
}
