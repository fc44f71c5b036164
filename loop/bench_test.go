package loop_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// The backends that benchmarks compare. A case's name gives its parameters as key=value, which benchstat knows.
var backends = []string{"uring", "epoll"}

func openQueue(b *testing.B, backend string) loop.Queue {
	b.Helper()
	if backend == "uring" {
		r, err := ring.New(ring.Options{})
		require.NoError(b, err)
		return r
	}
	f, err := fallback.New(fallback.Options{Poller: backend})
	require.NoError(b, err)
	return f
}

// forEachBackend runs a benchmark on a loop of each backend.
func forEachBackend(b *testing.B, run func(b *testing.B, l *loop.Loop)) {
	b.Helper()
	for _, backend := range backends {
		b.Run("backend="+backend, func(b *testing.B) {
			l, err := loop.New(loop.Options{Queue: openQueue(b, backend)})
			require.NoError(b, err)
			defer l.Close()
			b.ReportAllocs()
			run(b, l)
		})
	}
}

// untilEnd returns a function to be called once per operation. It reports whether the benchmark goes on, and stops the
// loop when it does not.
func untilEnd(b *testing.B, l *loop.Loop) (more func() bool) {
	ended := false
	return func() bool {
		if !ended && !b.Loop() {
			ended = true
			l.Stop()
		}
		return !ended
	}
}

// BenchmarkNop puts one NOP through a bare queue and through the loop, alone and in batches: what the loop costs.
func BenchmarkNop(b *testing.B) {
	for _, backend := range backends {
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
	require.NoError(b, l.Run())
}

// pairs returns n connections over loopback TCP, both ends within the loop.
func pairs(b *testing.B, l *loop.Loop, n int) (servers, clients []*loop.Conn) {
	b.Helper()
	ln, err := l.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	ln.Accept(func(c *loop.Conn, err error) {
		if err != nil {
			return // the Close below
		}
		if servers = append(servers, c); len(servers) == n {
			ln.Close(nil)
		}
	})
	for range n {
		l.Dial("tcp", ln.Addr().String(), func(c *loop.Conn, err error) {
			require.NoError(b, err)
			clients = append(clients, c)
		})
	}
	require.NoError(b, l.Run())
	return servers, clients
}

// BenchmarkEcho is one message to a server like examples/echo and back. Both are in one loop, so it is the work of
// both ends, without a wait for the other's thread.
func BenchmarkEcho(b *testing.B) {
	for _, c := range []struct{ conns, size int }{{1, 64}, {64, 64}, {64, 16384}} {
		b.Run(fmt.Sprintf("conns=%d/size=%d", c.conns, c.size), func(b *testing.B) {
			forEachBackend(b, func(b *testing.B, l *loop.Loop) { echo(b, l, c.conns, c.size) })
		})
	}
}

func echo(b *testing.B, l *loop.Loop, conns, size int) {
	servers, clients := pairs(b, l, conns)
	message := patternOf(1, size)
	b.SetBytes(int64(size))
	more := untilEnd(b, l)
	sent := func(err error) { requireOpen(b, err) }
	for i, server := range servers {
		client, answer := clients[i], make([]byte, size)
		server.RecvMultishot(func(buf loop.Buffer, err error) {
			if requireOpen(b, err) {
				server.SendBuffer(buf, sent)
			}
		})
		var received loop.IOFunc
		received = func(_ []byte, err error) {
			if requireOpen(b, err) && more() {
				client.RecvFull(answer, received)
				client.Send(message, nil)
			}
		}
		client.RecvFull(answer, received)
		client.Send(message, nil)
	}
	require.NoError(b, l.Run())
}

// requireOpen reports whether an operation went well. What the end of the benchmark stops did not, and is not to blame.
func requireOpen(b *testing.B, err error) bool {
	if err != nil && !errors.Is(err, loop.ErrClosed) && !errors.Is(err, io.EOF) {
		b.Error(err)
	}
	return err == nil
}

// BenchmarkSend is one small send among several of one turn on one connection: what coalescing them saves.
func BenchmarkSend(b *testing.B) {
	for _, sends := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("together=%d", sends), func(b *testing.B) {
			forEachBackend(b, func(b *testing.B, l *loop.Loop) {
				servers, clients := pairs(b, l, 1)
				message := patternOf(1, 64)
				servers[0].RecvMultishot(func(_ loop.Buffer, err error) { requireOpen(b, err) })
				left, more := 0, untilEnd(b, l)
				var sent loop.IOFunc
				sent = func(_ []byte, err error) {
					if left--; left > 0 || !requireOpen(b, err) {
						return
					}
					for left = 0; left < sends && more(); left++ {
						clients[0].Send(message, sent)
					}
				}
				l.NextTick(func() { sent(nil, nil) })
				require.NoError(b, l.Run())
			})
		})
	}
}

// BenchmarkAcceptClose is the life of a connection that says nothing: dialed, accepted, closed at both ends.
func BenchmarkAcceptClose(b *testing.B) {
	forEachBackend(b, func(b *testing.B, l *loop.Loop) {
		ln, err := l.Listen("tcp", "127.0.0.1:0")
		require.NoError(b, err)
		ln.Accept(func(c *loop.Conn, err error) {
			if requireOpen(b, err) {
				c.Close(nil)
			}
		})
		address, more := ln.Addr().String(), untilEnd(b, l)
		var dialed loop.ConnFunc
		closed := func(error) {
			if more() {
				l.Dial("tcp", address, dialed)
			}
		}
		dialed = func(c *loop.Conn, err error) {
			if !requireOpen(b, err) {
				l.Stop()
				return
			}
			_ = c.SetLinger(0) // a reset leaves no TIME_WAIT behind, and so no lack of ports
			c.Close(closed)
		}
		for range 16 {
			l.Dial("tcp", address, dialed)
		}
		require.NoError(b, l.Run())
	})
}

// BenchmarkReadAt is a read of 4 KiB from the page cache, alone and among others.
func BenchmarkReadAt(b *testing.B) {
	const block, blocks = 4096, 1024
	name := filepath.Join(b.TempDir(), "file")
	require.NoError(b, os.WriteFile(name, make([]byte, block*blocks), 0o600))
	for _, depth := range []int{1, 16} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			forEachBackend(b, func(b *testing.B, l *loop.Loop) {
				var f *loop.File
				l.Open(name, os.O_RDONLY, 0, func(opened *loop.File, err error) {
					require.NoError(b, err)
					f = opened
				})
				require.NoError(b, l.Run())
				b.SetBytes(block)
				at, more := rand.New(rand.NewPCG(1, 2)), untilEnd(b, l)
				for range depth {
					var read loop.IOFunc
					read = func(buf []byte, err error) {
						if requireOpen(b, err) && more() {
							f.ReadAt(buf, at.Int64N(blocks)*block, read)
						}
					}
					f.ReadAt(make([]byte, block), 0, read)
				}
				require.NoError(b, l.Run())
			})
		})
	}
}

// BenchmarkTimer is a Stop and a Reset of one timer among many, taken at random: what it costs to have that many timeouts.
func BenchmarkTimer(b *testing.B) {
	for _, live := range []int{1, 1000, 1_000_000} {
		b.Run(fmt.Sprintf("live=%d", live), func(b *testing.B) {
			forEachBackend(b, func(b *testing.B, l *loop.Loop) {
				random := rand.New(rand.NewPCG(1, 2))
				hours := func() time.Duration { return time.Hour + time.Duration(random.Int64N(int64(4*time.Hour))) }
				timers := make([]*loop.Timer, live)
				for i := range timers {
					timers[i] = l.After(hours(), func() {})
				}
				for b.Loop() {
					t := timers[random.IntN(live)]
					t.Stop()
					t.Reset(hours())
				}
			})
		})
	}
}

// BenchmarkTimerFire is a timer that is due in every turn and starts itself anew.
func BenchmarkTimerFire(b *testing.B) {
	for _, timers := range []int{1, 1000} {
		b.Run(fmt.Sprintf("together=%d", timers), func(b *testing.B) {
			forEachBackend(b, func(b *testing.B, l *loop.Loop) {
				more := untilEnd(b, l)
				for range timers {
					var t *loop.Timer
					t = l.NewTimer(func() {
						if more() {
							t.Reset(0)
						}
					})
					t.Reset(0)
				}
				require.NoError(b, l.Run())
			})
		})
	}
}

// wakes counts the wakes of a queue, each of which is a system call or close to one.
type wakes struct {
	loop.Queue
	count atomic.Int64
}

func (q *wakes) Wake() error {
	q.count.Add(1)
	return q.Queue.Wake()
}

// BenchmarkPost is a function posted by another goroutine, which has at most 1024 of them under way, to a loop that is busy
// otherwise and to one that sleeps whenever it has run them all.
func BenchmarkPost(b *testing.B) {
	for _, busy := range []bool{true, false} {
		for _, backend := range backends {
			b.Run(fmt.Sprintf("busy=%t/backend=%s", busy, backend), func(b *testing.B) { posts(b, backend, busy) })
		}
	}
}

func posts(b *testing.B, backend string, busy bool) {
	q := &wakes{Queue: openQueue(b, backend)}
	l, err := loop.New(loop.Options{Queue: q})
	require.NoError(b, err)
	defer l.Close()
	l.Ref()
	if busy {
		l.OnIdle(func() {})
	}
	more := untilEnd(b, l)
	var underWay atomic.Int64
	var stop atomic.Bool
	run := func() {
		underWay.Add(-1)
		if !more() {
			stop.Store(true)
		}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for !stop.Load() {
			if underWay.Load() >= 1024 {
				runtime.Gosched()
				continue
			}
			underWay.Add(1)
			_ = l.Post(run)
		}
	}()
	b.ReportAllocs()
	require.NoError(b, l.Run())
	<-ended
	b.ReportMetric(float64(q.count.Load())/float64(b.N), "wakes/op")
}
