package loop_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// Section M. E05 is in blocked_linux_test.go, E08 and N21, which lower limits of the process, in sockets_linux_test.go.

// A spyQueue stands between a loop and its queue.
type spyQueue struct {
	loop.Queue
	pushed func(*ring.SQE)       // called with each entry that the queue took
	lacks  ring.OpcodeSet        // denied in Features
	fails  map[ring.Opcode]int32 // entries that end with this result without being executed
	failed []ring.CQE
}

func (q *spyQueue) Features() ring.Features {
	f := q.Queue.Features()
	f.Ops &^= q.lacks
	return f
}

func (q *spyQueue) Push(s *ring.SQE) bool {
	if res, ok := q.fails[s.Opcode]; ok {
		q.failed = append(q.failed, ring.CQE{UserData: s.UserData, Res: res})
		return true
	}
	if !q.Queue.Push(s) {
		return false
	}
	if q.pushed != nil {
		q.pushed(s)
	}
	return true
}

func (q *spyQueue) Enter(timeout time.Duration) error {
	if len(q.failed) > 0 {
		timeout = 0
	}
	return q.Queue.Enter(timeout)
}

func (q *spyQueue) Reap(dst []ring.CQE) int {
	n := copy(dst, q.failed)
	q.failed = q.failed[n:]
	return n + q.Queue.Reap(dst[n:])
}

// forEachSpied is forEachQueue with a spy before each queue.
func forEachSpied(t *testing.T, spy func(loop.Queue) loop.Queue, test func(t *testing.T, l *loop.Loop)) {
	t.Helper()
	for _, c := range columns {
		t.Run(c.name, func(t *testing.T) {
			runCase(t, column{c.name, func() (loop.Queue, error) {
				q, err := c.open()
				if err != nil {
					return nil, err
				}
				return spy(q), nil
			}}, loop.Options{}, test)
		})
	}
}

func TestE01TenTimersAtOnce(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		start, fired := time.Now(), 0
		for range 10 {
			l.After(20*time.Millisecond, func() {
				fired++
				require.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)
			})
		}
		require.NoError(t, l.Run())
		require.Equal(t, 10, fired)
	})
}

func TestE02PollingAloneDelivers(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		got := ""
		c.Recv(make([]byte, 16), func(b []byte, err error) {
			require.NoError(t, err)
			got = string(b)
		})
		for range 3 {
			require.NoError(t, l.Poll())
			require.Empty(t, got)
		}
		_, err := peer.Write([]byte("from outside"))
		require.NoError(t, err)
		for got == "" { // the case's watchdog is the limit
			require.NoError(t, l.Poll())
		}
		require.Equal(t, "from outside", got)
	})
}

func TestE03MoreThanTheQueuesHold(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		const count = 10 * 8 * 512 // ten times the largest completion queue of the grid
		seen := make([]int, count)
		for i := range count {
			l.Submit(ring.SQE{Opcode: ring.OpNop}, func(c ring.CQE) {
				require.Zero(t, c.Res)
				seen[i]++
			})
			if i == count/2 {
				require.NoError(t, l.Poll()) // the first half before the queue is bound, the second after
			}
		}
		require.NoError(t, l.Run())
		for i, n := range seen {
			require.Equal(t, 1, n, "operation %d", i)
		}
	})
}

func TestE03OverflowOfMultishot(t *testing.T) {
	// More connections and data than completions fit, so that the kernel ends multishot operations under way.
	forEachQueueWith(t, loop.Options{MaxEvents: 3}, func(t *testing.T, l *loop.Loop) {
		const peers, each = 20, 40_000
		ln := listenOn(t, l, "127.0.0.1:0")
		address, data := ln.Addr().String(), patternOf(0, each)
		wait := beside(t, func() error { return floodFrom(address, peers, data) })
		total, open := 0, 0
		ln.Accept(func(c *loop.Conn, err error) {
			if err != nil {
				require.Equal(t, loop.ErrClosed, err)
				return
			}
			if open++; open == peers {
				ln.Close(nil)
			}
			received := 0
			c.RecvMultishot(func(b loop.Buffer, err error) {
				if err != nil {
					require.Equal(t, io.EOF, err)
					require.Equal(t, each, received)
					c.Close(nil)
					return
				}
				require.True(t, bytes.Equal(data[received:received+b.Len()], b.Bytes()))
				received += b.Len()
				total += b.Len()
			})
		})
		require.NoError(t, l.Run())
		wait()
		require.Equal(t, peers*each, total)
	})
}

// floodFrom has a number of peers send data, taking turns.
func floodFrom(address string, peers int, data []byte) error {
	var conns []io.WriteCloser
	for range peers {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		defer c.Close()
		conns = append(conns, c)
	}
	for at := 0; at < len(data); at += 1000 {
		for _, c := range conns {
			if _, err := c.Write(data[at : at+1000]); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestE06OpcodeMissing(t *testing.T) {
	missing := ring.OpcodeSet(0).With(ring.OpFtruncate).With(ring.OpMkdirat).With(ring.OpFsync).With(ring.OpWrite).
		With(ring.OpOpenat).With(ring.OpRead)
	forEachSpied(t, func(q loop.Queue) loop.Queue { return &spyQueue{Queue: q, lacks: missing} }, redone)
}

func TestE06OpcodeFailsAtRunTime(t *testing.T) {
	// As file systems without the asynchronous form of an operation have it.
	unsupported := -int32(syscall.EOPNOTSUPP)
	forEachSpied(t, func(q loop.Queue) loop.Queue {
		return &spyQueue{Queue: q, fails: map[ring.Opcode]int32{
			ring.OpFtruncate: unsupported, ring.OpFsync: unsupported, ring.OpWrite: unsupported, ring.OpRead: unsupported,
		}}
	}, redone)
}

// An answer that no further attempt changes must not be asked for again and again.
func TestE06AcceptThatNeverWorks(t *testing.T) {
	accept := func(want syscall.Errno) func(t *testing.T, l *loop.Loop) {
		return func(t *testing.T, l *loop.Loop) {
			calls := 0
			ln := listenOn(t, l, "127.0.0.1:0")
			ln.Accept(func(c *loop.Conn, err error) {
				calls++
				require.Nil(t, c)
				require.ErrorIs(t, err, want)
			}).Timeout(time.Second)
			require.NoError(t, l.Run())
			require.Equal(t, 1, calls)
			require.Less(t, l.Metrics().Turns, uint64(20), "it spins")
		}
	}
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.ENOSYS} {
		forEachSpied(t, func(q loop.Queue) loop.Queue {
			return &spyQueue{Queue: q, fails: map[ring.Opcode]int32{ring.OpAccept: -int32(errno)}}
		}, accept(errno))
	}
	forEachSpied(t, func(q loop.Queue) loop.Queue {
		return &spyQueue{Queue: q, lacks: ring.OpcodeSet(0).With(ring.OpAccept)}
	}, accept(syscall.EOPNOTSUPP))
}

// redone does one of each kind of operation that may take a detour.
func redone(t *testing.T, l *loop.Loop) {
	dir := filepath.Join(t.TempDir(), "dir")
	name := filepath.Join(dir, "file")
	var done []string
	step := func(what string, err error) {
		require.NoError(t, err, what)
		done = append(done, what)
	}
	l.Mkdir(dir, 0o755, func(err error) {
		step("mkdir", err)
		l.Open(name, os.O_RDWR|os.O_CREATE, 0o600, func(f *loop.File, err error) {
			step("open", err)
			f.WriteAt([]byte("hello world"), 0, func(b []byte, err error) {
				step("write", err)
				require.Len(t, b, 11)
				f.Truncate(5, func(err error) {
					step("truncate", err)
					f.Sync(func(err error) {
						step("sync", err)
						f.ReadAt(make([]byte, 16), 0, func(b []byte, err error) {
							require.Equal(t, io.EOF, err)
							require.Equal(t, "hello", string(b))
							step("read", nil)
							f.Close(func(err error) { step("close", err) })
						})
					})
				})
			})
		})
	})
	require.NoError(t, l.Run())
	require.Equal(t, []string{"mkdir", "open", "write", "truncate", "sync", "read", "close"}, done)
}

func TestE07BuffersExhausted(t *testing.T) {
	forEachQueueWith(t, loop.Options{Buffers: 4, BufferSize: 1024}, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		want := patternOf(7, 64<<10)
		wait := beside(t, func() error {
			if _, err := peer.Write(want); err != nil {
				return err
			}
			return peer.CloseWrite()
		})
		var got []byte
		var kept []loop.Buffer
		keep, ended := true, false
		c.RecvMultishot(func(b loop.Buffer, err error) {
			require.False(t, ended)
			if err != nil {
				require.Equal(t, io.EOF, err)
				ended = true
				return
			}
			got = append(got, b.Bytes()...)
			if keep {
				b.Keep()
				kept = append(kept, b)
			}
		})
		for len(kept) < 4 || l.Metrics().BuffersExhausted == 0 {
			require.NoError(t, l.RunOnce())
		}
		wait()
		before := l.Metrics()
		l.After(200*time.Millisecond, l.Stop)
		require.NoError(t, l.Run())
		require.Len(t, kept, 4)
		require.Less(t, l.Metrics().Turns-before.Turns, uint64(20), "it spins")

		// One buffer is enough to go on; it comes back with each callback.
		keep = false
		at := len(got)
		kept[0].Release()
		require.NoError(t, l.Run())
		require.True(t, ended)
		require.True(t, bytes.Equal(want, got))
		require.Greater(t, len(got), at)
		require.NotZero(t, l.Metrics().BuffersExhausted)
		for i, b := range kept[1:] {
			require.Equal(t, want[1024*(i+1):1024*(i+2)], b.Bytes(), "a kept buffer was written to")
			b.Release()
		}
	})
}

func TestE07PausedReceiveEnds(t *testing.T) {
	forEachQueueWith(t, loop.Options{Buffers: 1, BufferSize: 64}, func(t *testing.T, l *loop.Loop) {
		first, firstPeer := connectPeer(t, l)
		second, secondPeer := connectPeer(t, l)
		var kept loop.Buffer
		receiveOne(t, l, first, firstPeer, "takes the only one", func(b loop.Buffer) {
			b.Keep()
			kept = b
		})
		_, err := secondPeer.Write([]byte("waits"))
		require.NoError(t, err)
		for _, end := range []struct {
			how  func(loop.Op)
			want error
		}{
			{func(op loop.Op) { op.Cancel() }, loop.ErrCanceled},
			{func(op loop.Op) { op.Timeout(time.Millisecond) }, os.ErrDeadlineExceeded},
		} {
			calls, paused := 0, l.Metrics().BuffersExhausted
			op := second.RecvMultishot(func(b loop.Buffer, err error) {
				calls++
				require.Equal(t, end.want, err)
			})
			for l.Metrics().BuffersExhausted == paused {
				require.NoError(t, l.RunOnce())
			}
			end.how(op)
			require.NoError(t, l.Run())
			require.Equal(t, 1, calls)
		}
		kept.Release()
		got := ""
		second.RecvMultishot(func(b loop.Buffer, err error) {
			if err != nil {
				require.Equal(t, loop.ErrClosed, err)
				return
			}
			got = string(b.Bytes())
			b.Keep()
			kept = b
			// Closed as it waits for a buffer again.
			_, err = secondPeer.Write([]byte("never read"))
			require.NoError(t, err)
			l.After(5*time.Millisecond, func() { second.Close(nil) })
		})
		require.NoError(t, l.Run())
		require.Equal(t, "waits", got)
		kept.Release()
	})
}

func TestE07BufferThatCameBackBeforeTheExhaustionWasSeen(t *testing.T) {
	// With one completion a turn the only buffer is back long before the loop learns that another receive found none:
	// nothing would ever restart that one.
	forEachQueueWith(t, loop.Options{Buffers: 1, BufferSize: 64, MaxEvents: 1}, func(t *testing.T, l *loop.Loop) {
		const conns, messages = 8, 50
		var open []*loop.Conn
		for range conns {
			c, peer := connectPeer(t, l)
			open = append(open, c)
			for range messages {
				_, err := peer.Write(make([]byte, 64))
				require.NoError(t, err)
			}
			require.NoError(t, peer.CloseWrite())
		}
		received := 0
		for _, c := range open {
			c.RecvMultishot(func(b loop.Buffer, err error) {
				if err != nil {
					require.Equal(t, io.EOF, err)
					c.Close(nil)
				}
				received += b.Len()
			})
		}
		require.NoError(t, l.Run())
		require.Equal(t, conns*messages*64, received)
	})
}

func TestNoWorkersForTheHotPath(t *testing.T) {
	// Whatever the queue is, the network needs no worker; on io_uring neither do reads, writes and syncs.
	for _, c := range columns {
		t.Run(c.name, func(t *testing.T) {
			var pool *fallback.Queue
			watched := column{c.name, func() (loop.Queue, error) {
				q, err := c.open()
				pool, _ = q.(*fallback.Queue)
				return q, err
			}}
			runCase(t, watched, loop.Options{}, func(t *testing.T, l *loop.Loop) {
				var network uint64
				echoThroughEverything(t, l)
				if pool != nil {
					network = pool.Stats().Jobs
				}
				require.Zero(t, network, "the pool did network work")
				require.False(t, workersRun(), "a worker was started for the network")
				writeSyncRead(t, l)
				if pool == nil {
					require.False(t, workersRun(), "a worker was started for a file on io_uring")
				} else {
					require.NotZero(t, pool.Stats().Jobs)
				}
			})
		})
	}
}

func workersRun() bool {
	stacks := make([]byte, 1<<20)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "fallback.(*Workers).work")
}

// echoThroughEverything uses each operation on sockets once.
func echoThroughEverything(t *testing.T, l *loop.Loop) {
	server, client := connectOurs(t, l)
	server.RecvMultishot(func(b loop.Buffer, err error) {
		if err == nil {
			server.SendBuffer(b, nil)
			return
		}
		require.Equal(t, io.EOF, err)
		server.Close(nil)
	})
	client.Send([]byte("ab"), nil)
	client.SendVec([][]byte{{'c'}, {'d'}}, nil)
	client.RecvFull(make([]byte, 4), func(b []byte, err error) {
		require.NoError(t, err)
		require.Equal(t, "abcd", string(b))
		client.CloseWrite(nil)
		client.Recv(make([]byte, 1), func(_ []byte, err error) {
			require.Equal(t, io.EOF, err)
			client.Close(nil)
		})
	})
	require.NoError(t, l.Run())
}

func writeSyncRead(t *testing.T, l *loop.Loop) {
	t.Helper()
	done := false
	data := patternOf(2, 10_000)
	l.Open(filepath.Join(t.TempDir(), "file"), os.O_RDWR|os.O_CREATE, 0o600, func(f *loop.File, err error) {
		require.NoError(t, err)
		f.WriteAt(data, 0, func(_ []byte, err error) {
			require.NoError(t, err)
			f.Datasync(func(err error) {
				require.NoError(t, err)
				f.ReadAt(make([]byte, len(data)), 0, func(b []byte, err error) {
					require.NoError(t, err)
					require.True(t, bytes.Equal(data, b))
					f.Close(func(err error) {
						require.NoError(t, err)
						done = true
					})
				})
			})
		})
	})
	require.NoError(t, l.Run())
	require.True(t, done)
}

// A slot is touched several times for every operation: that it grows must be somebody's decision.
func TestSizeOfAnOperation(t *testing.T) {
	most := uintptr(144)
	if unsafe.Sizeof(uintptr(0)) == 4 {
		most = 104
	}
	require.LessOrEqual(t, loop.OpSize, most)
}

// A descriptor number that no system has ends the watch instead of being cut to one that it has.
func TestWatchOfNoDescriptor(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var errs []error
		for _, fd := range []int{-1, 1 << 30} {
			l.Watch(fd, loop.Readable, func(_ loop.Events, err error) { errs = append(errs, err) })
		}
		if big := int64(1)<<32 | 1; int64(int(big)) == big {
			l.Watch(int(big), loop.Readable, func(_ loop.Events, err error) { errs = append(errs, err) })
		}
		require.NoError(t, l.Run())
		require.GreaterOrEqual(t, len(errs), 2)
		for _, err := range errs {
			require.ErrorIs(t, err, syscall.EBADF)
		}
	})
}
