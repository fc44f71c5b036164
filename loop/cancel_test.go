package loop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// Section J. C03 is part of C01; the cancelation of a pending connect is N03, of sends is in send_test.go.

// pipe returns an OS pipe with a blocking read end, as a raw entry needs it.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

func TestC01CancelPending(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, _ := connectPeer(t, l)
		d, _ := connectPeer(t, l)
		ln := listenOn(t, l, "127.0.0.1:0")
		r, _ := pipe(t)
		calls := map[string]int{}
		canceled := func(name string) func(error) {
			return func(err error) {
				calls[name]++
				require.Equal(t, loop.ErrCanceled, err, name)
				require.ErrorIs(t, err, context.Canceled)
			}
		}
		ops := []loop.Op{
			c.Recv(make([]byte, 1), func(b []byte, err error) {
				require.Empty(t, b)
				canceled("recv")(err)
			}),
			d.RecvMultishot(func(_ loop.Buffer, err error) { canceled("multishot")(err) }),
			ln.Accept(func(_ *loop.Conn, err error) { canceled("accept")(err) }),
			l.Watch(int(r.Fd()), loop.Readable, func(_ loop.Events, err error) { canceled("watch")(err) }),
		}
		buf := new([1]byte)
		raw := l.Submit(ring.SQE{Opcode: ring.OpRead, FD: int32(r.Fd()), Addr: unsafe.Pointer(buf), Len: 1, Off: -1},
			func(cqe ring.CQE) {
				calls["read"]++
				// A worker that reads is interrupted.
				require.Contains(t, []int32{-int32(syscall.ECANCELED), -int32(syscall.EINTR)}, cqe.Res)
			})
		for range 3 {
			require.NoError(t, l.Poll())
		}
		for _, op := range append(ops, raw) {
			require.True(t, op.Active())
			op.Cancel()
			op.Cancel()
		}
		require.Empty(t, calls, "synchronous")
		require.NoError(t, l.Run())
		for _, op := range append(ops, raw) {
			require.False(t, op.Active())
			op.Cancel()
		}
		require.NoError(t, l.Poll())
		require.Equal(t, map[string]int{"recv": 1, "multishot": 1, "accept": 1, "watch": 1, "read": 1}, calls)
	})
}

func TestCancelOfPendingOpCallsItsOwner(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		asked, calls := 0, 0
		var p *loop.Pending
		p = l.NewOp(func() {
			asked++
			p.Finish(loop.ErrCanceled)
			p.Finish(nil)
		}, func(err error) {
			calls++
			require.Equal(t, os.ErrDeadlineExceeded, err)
		})
		p.Op().Timeout(time.Millisecond)
		require.NoError(t, l.Run())
		p.Op().Cancel()
		p.Finish(nil)
		require.NoError(t, l.Run())
		require.Equal(t, 1, asked)
		require.Equal(t, 1, calls)
	})
}

func TestCancelBeforeTheFirstRun(t *testing.T) {
	// More than a small submission queue holds: some are queued, most in the backlog.
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		r, _ := pipe(t)
		canceled := 0
		for range 30 {
			l.Watch(int(r.Fd()), loop.Readable, func(_ loop.Events, err error) {
				require.Equal(t, loop.ErrCanceled, err)
				canceled++
			}).Cancel()
		}
		var ops []loop.Op
		for range 30 {
			ops = append(ops, l.Watch(int(r.Fd()), loop.Readable, func(_ loop.Events, err error) {
				require.Equal(t, loop.ErrCanceled, err)
				canceled++
			}))
		}
		for i := range ops {
			ops[(i+17)%len(ops)].Cancel()
		}
		require.Zero(t, canceled)
		require.NoError(t, l.Run())
		require.Equal(t, 60, canceled)
	})
}

func TestC02CancelFinishedAndRecycled(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		for range 20 {
			_, err := peer.Write([]byte("x"))
			require.NoError(t, err)
			calls := 0
			var first, second loop.Op
			first = c.Recv(make([]byte, 1), func(b []byte, err error) {
				require.NoError(t, err)
				calls++
				first.Cancel()
				// It takes the slot that has just become free.
				second = c.Recv(make([]byte, 1), func(b []byte, err error) {
					require.NoError(t, err)
					require.Equal(t, "y", string(b))
					calls++
				})
				first.Cancel()
				first.Timeout(time.Nanosecond)
				first.Unref()
				require.False(t, first.Active())
				require.True(t, second.Active())
				l.After(5*time.Millisecond, func() {
					_, err := peer.Write([]byte("y"))
					require.NoError(t, err)
				})
			})
			require.NoError(t, l.Run())
			require.Equal(t, 2, calls)
			first.Cancel()
			second.Cancel()
		}
		var zero loop.Op
		zero.Cancel()
		zero.Unref()
		require.False(t, zero.Timeout(time.Second).Active())
	})
}

func TestC03CancelTwice(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		calls := 0
		once := func(b []byte, err error) {
			require.Empty(t, b)
			require.Equal(t, loop.ErrCanceled, err)
			calls++
		}
		op := c.Recv(make([]byte, 1), once)
		op.Cancel()
		op.Cancel()
		require.NoError(t, l.Run())
		op = c.Recv(make([]byte, 1), once)
		require.NoError(t, l.Poll()) // now the queue has it
		op.Cancel()
		require.NoError(t, l.Poll())
		op.Cancel()
		op.Timeout(time.Nanosecond)
		require.NoError(t, l.Run())
		require.Equal(t, 2, calls)

		// The second cancel of each hits nobody who came after.
		c.Recv(make([]byte, 1), func(b []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, "x", string(b))
			calls++
		})
		op.Cancel()
		_, err := peer.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, l.Run())
		require.Equal(t, 3, calls)
	})
}

func TestCancelWhenTheResultIsKnown(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, _ := connectPeer(t, l)
		var got []error
		note := func(_ []byte, err error) { got = append(got, err) }
		c.Recv(nil, note).Cancel()
		op := c.Recv(make([]byte, 1), func(_ []byte, err error) { require.Equal(t, loop.ErrCanceled, err) })
		c.Recv(make([]byte, 1), note).Cancel()
		op.Cancel()
		require.NoError(t, l.Run())
		c.Close(nil)
		c.Recv(make([]byte, 1), note).Cancel()
		require.NoError(t, l.Run())
		require.Equal(t, []error{nil, loop.ErrBusy, loop.ErrClosed}, got)
	})
}

func TestC05CancelRacesWithData(t *testing.T) {
	// A counter is sent byte by byte; whatever becomes of the receives, it must arrive without a gap and without a
	// repetition.
	forEachStream(t, func(t *testing.T, l *loop.Loop, network string) {
		seed := rand.Uint64()
		defer func() {
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		}()
		random := rand.New(rand.NewPCG(seed, 5))
		c, peer := connectPeerOver(t, l, network)
		var sent, next int
		write := func() {
			n := random.IntN(3)
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(sent)
				sent++
			}
			_, err := peer.Write(b)
			require.NoError(t, err)
		}
		took := func(b []byte) {
			for _, got := range b {
				require.Equal(t, byte(next), got)
				next++
			}
		}
		buf := make([]byte, 16)
		calls := 0
		ended := func(err error) {
			calls++
			if err != nil {
				require.Equal(t, loop.ErrCanceled, err)
			}
		}
		total := rounds(10_000, 1000)
		for round := range total {
			var op loop.Op
			if random.IntN(2) == 0 {
				write()
			}
			if round%2 == 0 {
				op = c.Recv(buf, func(b []byte, err error) {
					took(b)
					ended(err)
				})
			} else {
				op = c.RecvMultishot(func(b loop.Buffer, err error) {
					took(b.Bytes())
					if err != nil {
						ended(err)
					}
				})
			}
			for range random.IntN(3) {
				require.NoError(t, l.Poll())
			}
			write()
			if random.IntN(2) == 0 {
				require.NoError(t, l.Poll())
			}
			op.Cancel()
			if random.IntN(3) == 0 {
				write()
			}
			require.NoError(t, l.Run())
			require.Equal(t, round+1, calls)
		}
		require.NoError(t, peer.CloseWrite())
		c.RecvMultishot(func(b loop.Buffer, err error) { took(b.Bytes()) })
		require.NoError(t, l.Run())
		require.Equal(t, sent, next)
	})
}

func TestC07CanceledAcceptAndDial(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		random := rand.New(rand.NewPCG(7, 7))
		ln := listenOn(t, l, "127.0.0.1:0")
		address := ln.Addr().String()
		closing := 0
		end := func(c *loop.Conn) {
			closing++
			require.NoError(t, c.SetLinger(0)) // no TIME_WAIT, or the ports run out
			c.Close(func(err error) {
				require.NoError(t, err)
				closing--
			})
		}
		for range rounds(10_000, 500) {
			accepts, dials := 0, 0
			accept := ln.Accept(func(c *loop.Conn, err error) {
				if err != nil {
					require.Equal(t, loop.ErrCanceled, err)
					accepts++
					return
				}
				end(c)
			})
			dial := l.Dial("tcp", address, func(c *loop.Conn, err error) {
				dials++
				if err != nil {
					require.Equal(t, loop.ErrCanceled, err)
					return
				}
				end(c)
			})
			for range random.IntN(4) {
				require.NoError(t, l.Poll())
			}
			if random.IntN(2) == 0 {
				dial.Cancel()
			}
			if random.IntN(2) == 0 {
				require.NoError(t, l.Poll())
			}
			accept.Cancel()
			require.NoError(t, l.Run())
			require.Equal(t, 1, accepts)
			require.Equal(t, 1, dials)
			require.Zero(t, closing)
		}
	})
}

func TestC07CanceledOpen(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, []byte("x"), 0o600))
		random := rand.New(rand.NewPCG(7, 8))
		files := len(openFiles())
		calls, opened, canceled := 0, 0, 0
		total := rounds(5000, 500)
		for range total {
			op := l.Open(name, os.O_RDONLY, 0, func(f *loop.File, err error) {
				calls++
				if err != nil {
					require.Nil(t, f)
					require.Equal(t, loop.ErrCanceled, err)
					canceled++
					return
				}
				opened++
				f.Close(nil)
			})
			for range random.IntN(3) {
				require.NoError(t, l.Poll())
			}
			op.Cancel()
			require.NoError(t, l.Run())
		}
		require.Equal(t, total, calls)
		require.Equal(t, total, opened+canceled)
		require.LessOrEqual(t, len(openFiles()), files+1) // the ring's descriptor may have come with the first Run
	})
}

func TestC07LoopCloseClosesWhatSucceeded(t *testing.T) {
	for _, c := range columns {
		t.Run(c.name, func(t *testing.T) {
			for i := range rounds(100, 20) {
				t.Run(fmt.Sprint(i), func(t *testing.T) {
					runCase(t, c, loop.Options{}, func(t *testing.T, l *loop.Loop) {
						ln := listenOn(t, l, "127.0.0.1:0")
						calls := 0
						l.Open(t.TempDir(), os.O_RDONLY, 0, func(f *loop.File, err error) {
							calls++
							require.True(t, f != nil || errors.Is(err, loop.ErrClosed), "%v", err)
						})
						l.Dial("tcp", ln.Addr().String(), func(c *loop.Conn, err error) {
							calls++
							// The listener may be gone before the connection is there.
							require.True(t, c != nil || errors.Is(err, loop.ErrClosed) || errors.Is(err, syscall.ECONNREFUSED) ||
								errors.Is(err, syscall.ECONNRESET), "%v", err)
						})
						for range i % 4 {
							require.NoError(t, l.Poll())
						}
						require.NoError(t, l.Close())
						require.Equal(t, 2, calls)
					})
				})
			}
		})
	}
}

func TestC09CancelFromElsewhere(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, _ := connectPeer(t, l)
		calls := 0 // not synchronised: the race detector sees a callback on another goroutine
		op := c.Recv(make([]byte, 1), func(_ []byte, err error) {
			require.Equal(t, loop.ErrCanceled, err)
			calls++
		})
		posted := make(chan error, 1)
		time.AfterFunc(5*time.Millisecond, func() { posted <- l.Post(op.Cancel) })
		require.NoError(t, l.Run())
		require.NoError(t, <-posted)
		require.Equal(t, 1, calls)

		// From a callback of another loop, which runs on another thread.
		op = c.Recv(make([]byte, 1), func(_ []byte, err error) {
			require.Equal(t, loop.ErrCanceled, err)
			calls++
		})
		other := make(chan error, 1)
		go func() {
			l2, err := loop.New(loop.Options{})
			if err != nil {
				other <- err
				return
			}
			l2.After(5*time.Millisecond, func() { err = l.Post(op.Cancel) })
			other <- errors.Join(l2.Run(), err, l2.Close())
		}()
		require.NoError(t, l.Run())
		require.NoError(t, <-other)
		require.Equal(t, 2, calls)
	})
}

func TestC10NothingAliveAfterCancel(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ln := listenOn(t, l, "127.0.0.1:0")
		c, _ := connectPeer(t, l)
		require.False(t, l.Alive())
		accept := ln.Accept(func(_ *loop.Conn, err error) { require.Equal(t, loop.ErrCanceled, err) })
		recv := c.Recv(make([]byte, 1), func(_ []byte, err error) { require.Equal(t, loop.ErrCanceled, err) })
		require.Equal(t, 2, l.Refs())
		require.NoError(t, l.Poll())
		accept.Cancel()
		recv.Cancel()
		require.Equal(t, 2, l.Refs(), "an operation counts until its callback")
		require.NoError(t, l.Run())
		require.Zero(t, l.Refs())
		require.False(t, l.Alive())
	})
}

func TestC11Timeout(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		start, calls := time.Now(), 0
		c.Recv(make([]byte, 1), func(b []byte, err error) {
			calls++
			require.Empty(t, b)
			require.Equal(t, os.ErrDeadlineExceeded, err)
			require.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)
		}).Timeout(20 * time.Millisecond)
		require.NoError(t, l.Run())
		require.Equal(t, 1, calls)

		// The operation wins: its timeout keeps nothing alive and calls nothing.
		_, err := peer.Write([]byte("x"))
		require.NoError(t, err)
		c.Recv(make([]byte, 1), func(_ []byte, err error) {
			calls++
			require.NoError(t, err)
		}).Timeout(time.Hour)
		require.NoError(t, l.Run())
		require.Equal(t, 2, calls)
		l.Ref()
		require.Negative(t, l.BackendTimeout(), "there is a timer left")
		l.Unref()

		// Replaced and taken away.
		op := c.Recv(make([]byte, 1), func(_ []byte, err error) {
			calls++
			require.NoError(t, err)
		}).Timeout(time.Millisecond).Timeout(time.Hour).Timeout(time.Millisecond).Timeout(0)
		l.After(20*time.Millisecond, func() {
			require.True(t, op.Active())
			_, err := peer.Write([]byte("x"))
			require.NoError(t, err)
		})
		require.NoError(t, l.Run())
		require.Equal(t, 3, calls)

		// A cancel before the timeout keeps its own error.
		c.Recv(make([]byte, 1), func(_ []byte, err error) {
			calls++
			require.Equal(t, loop.ErrCanceled, err)
		}).Timeout(time.Hour).Cancel()
		require.NoError(t, l.Run())
		require.Equal(t, 4, calls)
	})
}

func TestC11TimeoutRacesWithData(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		random := rand.New(rand.NewPCG(11, 11))
		c, peer := connectPeer(t, l)
		sent, next := 0, 0
		for range rounds(300, 50) {
			calls := 0
			c.Recv(make([]byte, 4), func(b []byte, err error) {
				calls++
				for _, got := range b {
					require.Equal(t, byte(next), got)
					next++
				}
				if err != nil {
					require.Empty(t, b)
					require.Equal(t, os.ErrDeadlineExceeded, err)
				}
			}).Timeout(time.Duration(1+random.IntN(200)) * time.Microsecond)
			l.After(time.Duration(random.IntN(200))*time.Microsecond, func() {
				_, err := peer.Write([]byte{byte(sent)})
				require.NoError(t, err)
				sent++
			})
			l.After(time.Millisecond, func() {}) // the write happens, whoever wins
			require.NoError(t, l.Run())
			require.Equal(t, 1, calls)
		}
		require.NoError(t, peer.CloseWrite())
		c.RecvMultishot(func(b loop.Buffer, err error) {
			for _, got := range b.Bytes() {
				require.Equal(t, byte(next), got)
				next++
			}
		})
		require.NoError(t, l.Run())
		require.Equal(t, sent, next)
	})
}

func TestTimeoutOfRepeatingIsIdleTime(t *testing.T) {
	const idle = 60 * time.Millisecond
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		var writes []time.Time
		write := func() {
			writes = append(writes, time.Now())
			_, err := peer.Write([]byte("x"))
			require.NoError(t, err)
		}
		callbacks, calls, start := 0, 0, time.Now()
		var ticking *loop.Timer
		c.RecvMultishot(func(b loop.Buffer, err error) {
			if err == nil {
				callbacks++
				if callbacks < 6 {
					ticking.Reset(idle / 3)
				}
				return
			}
			calls++
			require.Equal(t, os.ErrDeadlineExceeded, err)
			last := start
			if callbacks > 0 {
				last = writes[callbacks-1]
			}
			require.GreaterOrEqual(t, time.Since(last), idle)
			ticking.Stop()
		}).Timeout(idle)
		ticking = l.After(idle/3, write)
		require.NoError(t, l.Run())
		require.Equal(t, 1, calls)

		ln := listenOn(t, l, "127.0.0.1:0")
		last, dialed := time.Now(), time.Time{}
		ln.Accept(func(conn *loop.Conn, err error) {
			if err == nil {
				last = dialed
				conn.Close(nil)
				return
			}
			calls++
			require.Equal(t, os.ErrDeadlineExceeded, err)
			require.GreaterOrEqual(t, time.Since(last), idle)
		}).Timeout(idle)
		l.After(idle/2, func() {
			dialed = time.Now()
			conn, err := net.Dial("tcp", ln.Addr().String())
			require.NoError(t, err)
			t.Cleanup(func() { conn.Close() })
		})
		require.NoError(t, l.Run())
		require.Equal(t, 2, calls)

		r, _ := pipe(t)
		l.Watch(int(r.Fd()), loop.Readable, func(_ loop.Events, err error) {
			calls++
			require.Equal(t, os.ErrDeadlineExceeded, err)
		}).Timeout(time.Millisecond)
		require.NoError(t, l.Run())
		require.Equal(t, 3, calls)
	})
}

func TestC13CloseWithMixedOperations(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, multishot := range []bool{false, true} {
			c, peer := connectPeer(t, l)
			narrow(t, c, peer)
			want, ended, closed := 0, 0, false
			end := func(err error) {
				require.False(t, closed, "after the close callback")
				if err != nil {
					require.ErrorIs(t, err, net.ErrClosed)
				}
				ended++
			}
			io := func(_ []byte, err error) { end(err) }
			want += 6
			if multishot {
				c.RecvMultishot(func(_ loop.Buffer, err error) { end(err) })
			} else {
				c.Recv(make([]byte, 1), io)
			}
			c.Send([]byte("goes out"), io)
			c.Send(make([]byte, 8<<20), io)
			c.SendVec([][]byte{make([]byte, 100), make([]byte, 100)}, func(_ int, err error) { end(err) })
			c.CloseWrite(end)
			c.Send([]byte("after CloseWrite"), func(_ []byte, err error) {
				require.ErrorIs(t, err, syscall.EPIPE)
				end(nil)
			})
			for range 3 {
				require.NoError(t, l.Poll())
			}
			c.Close(func(err error) {
				require.NoError(t, err)
				require.Equal(t, want, ended)
				closed = true
			})
			require.NoError(t, l.Run())
			require.True(t, closed)
			peer.Close()
		}
	})
}

func TestC13CloseFileWithOperationsInFlight(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, patternOf(1, 64<<10), 0o600))
		for round := range rounds(100, 20) {
			started, ended, closed := 0, 0, false
			l.Open(name, os.O_RDWR, 0, func(f *loop.File, err error) {
				require.NoError(t, err)
				done := func(_ []byte, err error) {
					require.False(t, closed)
					if err != nil && !errors.Is(err, io.EOF) {
						require.ErrorIs(t, err, loop.ErrClosed)
					}
					ended++
				}
				for i := range 8 {
					started += 4
					f.ReadAt(make([]byte, 4096), int64(i)*4096, done)
					f.WriteAt(patternOf(1, 4096), 0, done)
					f.Read(make([]byte, 512), done)
					f.Sync(func(err error) { done(nil, err) })
				}
				finish := func() {
					f.Close(func(err error) {
						require.NoError(t, err)
						closed = true
					})
				}
				if round%2 == 0 {
					finish()
				} else {
					l.Immediate(finish)
				}
			})
			require.NoError(t, l.Run())
			require.True(t, closed)
			require.Equal(t, started, ended)
		}
	})
}
