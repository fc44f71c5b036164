//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback_test

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/ring"
)

// Each message is followed by a wake, and a queue that slept in spite of one would sleep for ever.
func TestWakeStorm(t *testing.T) {
	each(t, func(q *harness) {
		const posters, posts = 4, 2000
		var inbox atomic.Int64
		var wg sync.WaitGroup
		for range posters {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := range posts {
					inbox.Add(1)
					if err := q.Wake(); err != nil {
						q.Error(err)
					}
					if i%64 == 0 {
						time.Sleep(time.Microsecond) // let it fall asleep
					}
				}
			}()
		}
		for seen := int64(0); seen < posters*posts; seen += inbox.Swap(0) {
			require.NoError(q, q.Enter(-1))
			var cqes [1]ring.CQE
			require.Zero(q, q.Reap(cqes[:]), "a wake is no completion")
		}
		wg.Wait()
	})
}

// Wake and Close at the same time: the descriptor of the wake may have a new owner right after Close, who must
// not find anything in it.
func TestWakeDuringClose(t *testing.T) {
	for range 200 {
		runtime.LockOSThread()
		q, err := fallback.New(fallback.Options{})
		require.NoError(t, err)
		require.NoError(t, q.Bind())
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 2 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for {
					select {
					case <-stop:
						return
					default:
						_ = q.Wake()
					}
				}
			}()
		}
		require.NoError(t, q.Enter(-1))
		require.NoError(t, q.Close())
		r, w, err := os.Pipe() // takes over the numbers
		require.NoError(t, err)
		require.ErrorIs(t, q.Wake(), os.ErrClosed)
		close(stop)
		wg.Wait()
		require.NoError(t, w.Close())
		n, _ := r.Read(make([]byte, 8))
		require.Zero(t, n, "a wake went to the next owner of the descriptor")
		require.NoError(t, r.Close())
		runtime.UnlockOSThread()
	}
}

func TestClosedQueue(t *testing.T) {
	each(t, func(q *harness) {
		require.NoError(q, q.Close())
		require.NoError(q, q.Close())
		require.False(q, q.Push(&ring.SQE{}))
		require.ErrorIs(q, q.Enter(0), os.ErrClosed)
		require.ErrorIs(q, q.Wake(), os.ErrClosed)
	})
}

// Queues of several threads send each other messages around a circle.
func TestMessagesAroundACircle(t *testing.T) {
	const queues, laps = 3, 500
	var fds [queues]atomic.Int64
	var ready, wg sync.WaitGroup
	ready.Add(queues)
	for i := range queues {
		wg.Add(1)
		go func() {
			defer wg.Done()
			runtime.LockOSThread()
			q, err := fallback.New(fallback.Options{})
			if err != nil {
				t.Error(err)
			}
			fds[i].Store(int64(q.FD()))
			_ = q.Bind()
			ready.Done()
			ready.Wait()
			next := int32(fds[(i+1)%queues].Load())
			send := func(lap uint32) {
				s := &ring.SQE{Opcode: ring.OpMsgRing, FD: next, Off: 7, Arg: lap, UserData: 8}
				if !q.Push(s) {
					t.Error("full")
				}
			}
			if i == 0 {
				send(0)
			}
			sent := 0
			for got := 0; got < laps || sent < laps; {
				if err := q.Enter(-1); err != nil {
					t.Error(err)
					return
				}
				var cqes [4]ring.CQE
				for _, c := range cqes[:q.Reap(cqes[:])] {
					switch {
					case c.UserData == 8 && c.Res == 0:
						sent++
					case c.UserData == 7 && c.Res == int32(got):
						got++
						if i != 0 {
							send(uint32(c.Res))
						} else if got < laps {
							send(uint32(got))
						}
					default:
						t.Errorf("queue %d: %+v", i, c)
					}
				}
			}
			ready.Wait()
			runtime.UnlockOSThread()
			if err := q.Close(); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
}
