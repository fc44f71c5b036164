package loop_test

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// libuv's async handle may merge what is sent to it; a post is a function of its own and runs exactly once. So A01 and A03 demand
// as many callbacks as posts, where libuv's tests demand one.

func TestA01PostsRunOnTheLoop(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		const posts = 1000
		l.Ref()
		inRun, ran := false, 0
		check := l.OnCheck(func() { inRun = false })
		prepare := l.OnPrepare(func() { inRun = true })
		go func() {
			for i := range posts {
				err := l.Post(func() {
					// That nobody locks these is the point: the race detector looks on.
					require.True(t, inRun)
					require.Equal(t, i, ran)
					if ran++; ran == posts {
						l.Unref()
						check.Stop()
						prepare.Stop()
					}
				})
				if err != nil {
					t.Error(err)
				}
			}
		}()
		require.NoError(t, l.Run())
		require.Equal(t, posts, ran)
	})
}

func TestA02PostBeforeTheFirstRun(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ran := false
		require.NoError(t, elsewhere(func() error { return l.Post(func() { ran = true }) }))
		require.True(t, l.Alive())
		require.NoError(t, l.Run())
		require.True(t, ran)
		require.False(t, l.Alive())
	})
}

func TestA03SixPostsInOnePoll(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var ran []int
		for i := range 6 {
			require.NoError(t, l.Post(func() { ran = append(ran, i) }))
		}
		require.NoError(t, l.Poll())
		require.Equal(t, []int{0, 1, 2, 3, 4, 5}, ran)
		for range 10 {
			require.NoError(t, l.Poll())
		}
		require.Len(t, ran, 6)
	})
}

func TestA03PostFromAPostRunsInTheNextTurn(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var turns [2]uint64
		require.NoError(t, l.Post(func() {
			turns[0] = l.Metrics().Turns
			require.NoError(t, l.Post(func() { turns[1] = l.Metrics().Turns }))
		}))
		require.NoError(t, l.Run())
		require.Equal(t, turns[0]+1, turns[1])
	})
}

// Each poster waits for its post before the next one, so that the loop falls asleep all the time: a lost wake hangs.
func TestA04NoWakeIsLost(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		l.Ref()
		var posters sync.WaitGroup
		for range 8 {
			posters.Add(1)
			go func() {
				defer posters.Done()
				ran := make(chan struct{}, 1)
				for range 500 {
					if err := l.Post(func() { ran <- struct{}{} }); err != nil {
						t.Error(err)
						return
					}
					<-ran
				}
			}()
		}
		go func() {
			posters.Wait()
			if err := l.Post(l.Unref); err != nil {
				t.Error(err)
			}
		}()
		require.NoError(t, l.Run())
	})
}

func TestA04Storm(t *testing.T) {
	posts := 100_000
	if testing.Short() || raceBuild() {
		posts = 5_000
	}
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		const posters = 8
		l.Ref()
		var ran [posters]int
		ordered, ended := true, 0
		for p := range posters {
			go func() {
				for i := range posts {
					err := l.Post(func() {
						ordered = ordered && ran[p] == i
						ran[p]++
						if ran[p] == posts {
							if ended++; ended == posters {
								l.Unref()
							}
						}
					})
					if err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
		require.NoError(t, l.Run())
		require.True(t, ordered, "each poster's in its order")
		for p := range ran {
			require.Equal(t, posts, ran[p])
		}
	})
}

// What was accepted runs, exactly once, and what comes after Close is told so: by whomever and whenever the loop is closed.
func TestA04PostsRacingClose(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) { stormAndClose(t, l, false) })
	forEachQueue(t, func(t *testing.T, l *loop.Loop) { stormAndClose(t, l, true) })
}

func stormAndClose(t *testing.T, l *loop.Loop, fromElsewhere bool) {
	const posters = 4
	var ran [posters]int // owned by the loop until it is closed
	var accepted [posters]int
	var closed atomic.Bool
	var ended sync.WaitGroup
	for p := range posters {
		ended.Add(1)
		go func() {
			defer ended.Done()
			for {
				err := l.Post(func() {
					if closed.Load() {
						t.Error("a post ran after Close")
					}
					ran[p]++
				})
				if errors.Is(err, loop.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				accepted[p]++
				runtime.Gosched()
			}
		}()
	}
	l.Ref()
	if fromElsewhere {
		require.NoError(t, l.Post(func() {
			go func() {
				time.Sleep(time.Millisecond)
				if err := l.Close(); err != nil {
					t.Error(err)
				}
				closed.Store(true)
			}()
		}))
		require.NoError(t, l.Run())
	} else {
		for range 100 {
			require.NoError(t, l.Poll())
		}
		require.NoError(t, l.Close())
		closed.Store(true)
	}
	ended.Wait()
	require.Equal(t, accepted, ran)
}

// without hides opcodes of the queue below, so that the loop has a worker carry them out.
type without struct {
	loop.Queue
	ops ring.OpcodeSet
}

func (q without) Features() ring.Features {
	f := q.Queue.Features()
	f.Ops &^= q.ops
	return f
}

// The end of a worker's job wakes the loop, whether it sleeps already or is about to.
func TestA04WorkerWakesTheLoop(t *testing.T) {
	for _, c := range columns {
		open := c.open
		c.open = func() (loop.Queue, error) {
			q, err := open()
			if err != nil {
				return nil, err
			}
			return without{q, ring.OpcodeSet(0).With(ring.OpStatx)}, nil
		}
		t.Run(c.name, func(t *testing.T) {
			runCase(t, c, loop.Options{}, func(t *testing.T, l *loop.Loop) {
				left := 2000
				var again loop.StatFunc
				again = func(_ os.FileInfo, err error) {
					require.NoError(t, err)
					if left--; left > 0 {
						l.Stat(os.DevNull, again)
					}
				}
				l.Stat(os.DevNull, again)
				require.NoError(t, l.Run())
				require.Zero(t, left)
			})
		})
	}
}

// A wake is spent on whichever Enter comes next, be it one that only makes room in a full queue: the loop must look at
// its workers again before it sleeps.
func TestA04WakeSpentOnAFullQueue(t *testing.T) {
	for _, c := range columns {
		open := c.open
		c.open = func() (loop.Queue, error) {
			q, err := open()
			if err != nil {
				return nil, err
			}
			return &oneEntry{Queue: without{q, ring.OpcodeSet(0).With(ring.OpStatx)}}, nil
		}
		t.Run(c.name, func(t *testing.T) {
			runCase(t, c, loop.Options{}, func(t *testing.T, l *loop.Loop) {
				var watches []loop.Op
				l.Immediate(func() {
					l.Stat(os.DevNull, func(_ os.FileInfo, err error) {
						require.NoError(t, err)
						for _, op := range watches {
							op.Cancel()
						}
					})
					time.Sleep(20 * time.Millisecond) // the worker is done by now
					pipe := silentPipe(t)
					for range 3 {
						watches = append(watches, l.Watch(pipe, loop.Readable, func(loop.Events, error) {}))
					}
				})
				late := l.After(10*time.Second, func() {}).Unref()
				start := time.Now()
				require.NoError(t, l.Run())
				require.Less(t, time.Since(start), 9*time.Second, "slept with work pending")
				late.Stop()
			})
		})
	}
}

// oneEntry has room for one entry.
type oneEntry struct {
	loop.Queue
	full bool
}

func (q *oneEntry) Push(s *ring.SQE) bool {
	if q.full || !q.Queue.Push(s) {
		return false
	}
	q.full = true
	return true
}

func (q *oneEntry) Enter(timeout time.Duration) error {
	q.full = false
	return q.Queue.Enter(timeout)
}

func TestA04StopWakesTheLoop(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		watch := l.Watch(silentPipe(t), loop.Readable, func(loop.Events, error) {})
		stopped := make(chan struct{})
		require.NoError(t, l.Post(func() {
			go func() {
				time.Sleep(time.Millisecond) // the loop is asleep by now, or about to be
				l.Stop()
				close(stopped)
			}()
		}))
		require.NoError(t, l.Run())
		<-stopped
		require.True(t, watch.Active())
		watch.Cancel()
		require.NoError(t, l.Run())
	})
}

func TestPostOfNilPanics(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		require.PanicsWithValue(t, "loop: Post: nil function", func() { _ = l.Post(nil) })
		require.False(t, l.Alive())
	})
}

func TestPostAllocatesNothing(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		posted, ran := 0, 0
		fn := func() { ran++ }
		var failed error
		requireAllocs(t, 0, func() {
			posted++
			failed = errors.Join(failed, l.Post(fn), l.Poll())
		})
		require.NoError(t, failed)
		require.Positive(t, posted)
		require.Equal(t, posted, ran)
	})
}
