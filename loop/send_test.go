package loop_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// readAll collects what a peer receives until EOF.
func readAll(t *testing.T, peer io.Reader) (received func() []byte) {
	var got []byte
	wait := beside(t, func() (err error) {
		got, err = io.ReadAll(peer)
		return err
	})
	return func() []byte {
		t.Helper()
		wait()
		return got
	}
}

// narrow makes both ends hold little, so that a large send blocks until the peer reads.
func narrow(t *testing.T, c *loop.Conn, peer interface{ SetReadBuffer(bytes int) error }) {
	t.Helper()
	require.NoError(t, c.SetWriteBuffer(16<<10))
	require.NoError(t, peer.SetReadBuffer(16<<10))
}

func TestN06SlowReader(t *testing.T) {
	forEachStream(t, func(t *testing.T, l *loop.Loop, network string) {
		const chunk = 48<<10 + 7
		chunks := rounds(32<<20, 4<<20) / chunk
		c, peer := connectPeerOver(t, l, network)
		narrow(t, c, peer)
		wait := beside(t, func() error {
			got := make([]byte, chunk)
			for i := range chunks {
				if i%50 == 0 {
					time.Sleep(5 * time.Millisecond)
				}
				if _, err := io.ReadFull(peer, got); err != nil {
					return err
				}
				if !bytes.Equal(patternOf(i, chunk), got) {
					return errors.New("the bytes differ or are out of order")
				}
			}
			return nil
		})
		next := 0
		for i := range chunks {
			c.Send(patternOf(i, chunk), func(b []byte, err error) {
				require.NoError(t, err)
				require.Len(t, b, chunk)
				require.Equal(t, next, i)
				next++
				require.LessOrEqual(t, c.Queued(), (chunks-next)*chunk)
			})
		}
		require.Equal(t, chunks*chunk, c.Queued())
		require.NoError(t, l.Run())
		wait()
		require.Equal(t, chunks, next)
		require.Zero(t, c.Queued())
	})
}

func TestN08BufferIsTheProgramsAfterItsCallback(t *testing.T) {
	forEachStream(t, func(t *testing.T, l *loop.Loop, network string) {
		c, peer := connectPeerOver(t, l, network)
		narrow(t, c, peer)
		got := readAll(t, peer)
		want := patternOf(8, 300<<10)
		buf := bytes.Clone(want)
		left := 10
		var sent loop.IOFunc
		sent = func(b []byte, err error) {
			require.NoError(t, err)
			require.Same(t, &buf[0], &b[0])
			require.Len(t, b, len(buf))
			clear(b)
			if left--; left == 0 {
				c.Close(nil)
				return
			}
			copy(b, want)
			c.Send(b, sent)
		}
		c.Send(buf, sent)
		require.NoError(t, l.Run())
		require.True(t, bytes.Equal(bytes.Repeat(want, 10), got()))
	})
}

func TestN09QueuedAndEmpty(t *testing.T) {
	forEachStream(t, func(t *testing.T, l *loop.Loop, network string) {
		c, peer := connectPeerOver(t, l, network)
		calls := 0
		empty := func(b []byte, err error) {
			require.NoError(t, err)
			require.Empty(t, b)
			calls++
		}
		emptyVec := func(n int, err error) {
			require.NoError(t, err)
			require.Zero(t, n)
			calls++
		}
		c.Send(nil, empty)
		c.Send([]byte{}, empty)
		c.SendVec(nil, emptyVec)
		c.SendVec([][]byte{nil, {}}, emptyVec)
		require.NoError(t, l.Run())
		require.Equal(t, 4, calls)

		// Between others they keep their place and move nothing.
		c.SendVec([][]byte{nil, {}}, emptyVec)
		c.Send([]byte("ab"), func(b []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, 5, calls)
		})
		c.Send(nil, empty)
		c.SendVec([][]byte{{'c'}, {}, {'d'}}, func(n int, err error) {
			require.NoError(t, err)
			require.Equal(t, 2, n)
			require.Equal(t, 6, calls)
		})
		c.Send([]byte{}, empty)
		c.SendBuffer(loop.Buffer{}, func(err error) { empty(nil, err) })
		require.Equal(t, 4, c.Queued())
		receives := 0
		nothing := func(b []byte, err error) {
			require.NoError(t, err)
			require.Empty(t, b)
			receives++
		}
		c.Recv(nil, nothing)
		c.RecvFull([]byte{}, nothing)
		require.Equal(t, 4, calls+receives, "synchronous")
		require.NoError(t, l.Run())
		require.Equal(t, 8, calls)
		require.Equal(t, 2, receives)
		require.Zero(t, c.Queued())
		got := make([]byte, 4)
		_, err := io.ReadFull(peer, got)
		require.NoError(t, err)
		require.Equal(t, "abcd", string(got))
	})
}

func TestSendsKeepTheirOrder(t *testing.T) {
	forEachStream(t, func(t *testing.T, l *loop.Loop, network string) {
		c, peer := connectPeerOver(t, l, network)
		got := readAll(t, peer)
		var want []byte
		started, ended := 0, 0
		send := func() {
			i := started
			started++
			b := patternOf(i, i*i*7%3000)
			want = append(want, b...)
			done := func(err error) {
				require.NoError(t, err)
				require.Equal(t, ended, i)
				ended++
			}
			if i%3 == 0 {
				c.SendVec([][]byte{b[:len(b)/3], b[len(b)/3:]}, func(n int, err error) {
					require.Equal(t, len(b), n)
					done(err)
				})
			} else {
				c.Send(b, func(sent []byte, err error) {
					require.Len(t, sent, len(b))
					done(err)
				})
			}
		}
		for turn := range 30 {
			for range turn * 7 % 150 {
				send()
			}
			require.NoError(t, l.Poll())
		}
		c.CloseWrite(nil)
		require.NoError(t, l.Run())
		require.Equal(t, started, ended)
		require.True(t, bytes.Equal(want, got()))
	})
}

func TestSendsOfATurnLeaveTogether(t *testing.T) {
	for _, c := range columns {
		t.Run(c.name, func(t *testing.T) {
			entries := 0
			spied := column{c.name, func() (loop.Queue, error) {
				q, err := c.open()
				return &spyQueue{Queue: q, pushed: func(s *ring.SQE) {
					if s.Opcode == ring.OpSend || s.Opcode == ring.OpSendmsg {
						entries++
					}
				}}, err
			}}
			runCase(t, spied, loop.Options{}, func(t *testing.T, l *loop.Loop) {
				c, peer := connectPeer(t, l)
				for i := range 20 {
					c.Send([]byte{byte(i)}, nil)
				}
				require.Zero(t, entries, "a send is queued, not submitted")
				require.NoError(t, l.Run())
				require.Equal(t, 1, entries)
				got := make([]byte, 20)
				_, err := io.ReadFull(peer, got)
				require.NoError(t, err)
				for i, b := range got {
					require.EqualValues(t, i, b)
				}
			})
		})
	}
}

func TestSendVecOfManyBuffers(t *testing.T) {
	forEachStream(t, func(t *testing.T, l *loop.Loop, network string) {
		c, peer := connectPeerOver(t, l, network)
		narrow(t, c, peer)
		got := readAll(t, peer)
		var bufs [][]byte
		var want []byte
		for i := range 5000 {
			b := patternOf(i, i%97) // some of them empty
			bufs, want = append(bufs, b), append(want, b...)
		}
		calls := 0
		vec := func(n int, err error) {
			require.NoError(t, err)
			require.Equal(t, len(want), n)
			calls++
		}
		c.SendVec(bufs, vec)
		c.Send([]byte("between"), nil)
		c.SendVec(bufs, vec)
		c.SendVec(make([][]byte, 3000), func(n int, err error) {
			require.NoError(t, err)
			require.Zero(t, n)
		})
		require.Equal(t, 2*len(want)+7, c.Queued())
		c.CloseWrite(nil)
		require.NoError(t, l.Run())
		require.Equal(t, 2, calls)
		require.True(t, bytes.Equal(append(append(bytes.Clone(want), "between"...), want...), got()))
	})
}

func TestOneSliceInManySends(t *testing.T) {
	forEachStream(t, func(t *testing.T, l *loop.Loop, network string) {
		shared := patternOf(3, 10<<10)
		var all []func() []byte
		for range 3 {
			c, peer := connectPeerOver(t, l, network)
			all = append(all, readAll(t, peer))
			for range 40 {
				c.Send(shared, nil)
			}
			c.CloseWrite(nil)
		}
		require.NoError(t, l.Run())
		for _, got := range all {
			require.True(t, bytes.Equal(bytes.Repeat(shared, 40), got()))
		}
	})
}

func TestSendThatEndsEarlyBreaksTheStream(t *testing.T) {
	for name, end := range map[string]struct {
		how  func(op loop.Op)
		want error
	}{
		"cancel":  {func(op loop.Op) { op.Cancel() }, loop.ErrCanceled},
		"timeout": {func(op loop.Op) { op.Timeout(time.Millisecond) }, os.ErrDeadlineExceeded},
	} {
		for _, vectored := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/vectored=%v", name, vectored), func(t *testing.T) {
				forEachQueue(t, func(t *testing.T, l *loop.Loop) { endEarly(t, l, vectored, end.how, end.want) })
			})
		}
	}
}

func endEarly(t *testing.T, l *loop.Loop, vectored bool, end func(loop.Op), want error) {
	c, peer := connectPeer(t, l)
	narrow(t, c, peer)
	big := patternOf(1, 1<<20)
	moved, failed := 0, 0
	broken := func(b []byte, err error) {
		require.Empty(t, b)
		requireOpError(t, err, "write", syscall.EPIPE)
		failed++
	}
	first := func(n int, err error) {
		require.Equal(t, want, err)
		require.Greater(t, n, 0)
		require.Less(t, n, len(big))
		moved = n
		require.Zero(t, failed)
		c.Send([]byte("later"), broken)
	}
	var op loop.Op
	if vectored {
		op = c.SendVec([][]byte{big[:1000], big[1000:]}, first)
	} else {
		op = c.Send(big, func(b []byte, err error) { first(len(b), err) })
	}
	c.Send([]byte("next"), broken)
	c.SendVec([][]byte{{1}, {2}}, func(n int, err error) {
		require.Zero(t, n)
		broken(nil, err)
	})
	c.CloseWrite(func(err error) {
		requireOpError(t, err, "close", syscall.EPIPE)
		failed++
	})
	l.After(50*time.Millisecond, func() { end(op) })
	require.NoError(t, l.Run())
	require.NotZero(t, moved)
	require.Equal(t, 4, failed)
	require.Zero(t, c.Queued())
	got := readAll(t, peer)
	c.Close(nil)
	require.NoError(t, l.Run())
	require.True(t, bytes.Equal(big[:moved], got()), "the peer got other bytes than were reported")
}

func TestCanceledSendThatMovedNothingIsRemoved(t *testing.T) {
	forEachStream(t, func(t *testing.T, l *loop.Loop, network string) {
		c, peer := connectPeerOver(t, l, network)
		narrow(t, c, peer)
		// The first two share an entry, in which the second waits for the first.
		first, third := patternOf(1, 900<<10), patternOf(3, 5000)
		var order []string
		note := func(name string, want error) loop.IOFunc {
			return func(b []byte, err error) {
				require.Equal(t, want, err)
				if want != nil {
					require.Empty(t, b)
				}
				order = append(order, name)
			}
		}
		c.Send(first, note("first", nil))
		second := c.Send([]byte("never seen"), note("second", loop.ErrCanceled))
		var received func() []byte
		l.After(30*time.Millisecond, func() {
			c.Send(third, note("third", nil))
			fourth := c.SendVec([][]byte{{1}}, func(n int, err error) { note("fourth", loop.ErrCanceled)(nil, err) })
			shutdown := c.CloseWrite(func(err error) { note("shutdown", loop.ErrCanceled)(nil, err) })
			fourth.Cancel()
			fourth.Cancel()
			second.Cancel()
			shutdown.Cancel() // the stream stays open for what follows
			c.Send([]byte("end"), note("end", nil))
			c.CloseWrite(func(err error) { note("closed", nil)(nil, err) })
			l.After(30*time.Millisecond, func() {
				require.NotContains(t, order, "first")
				require.Contains(t, order, "fourth")
				received = readAll(t, peer)
			})
		})
		require.NoError(t, l.Run())
		require.ElementsMatch(t, []string{"first", "second", "third", "fourth", "shutdown", "end", "closed"}, order)
		require.Equal(t, []string{"third", "end", "closed"}, order[4:])
		require.Zero(t, c.Queued())
		want := append(append(bytes.Clone(first), third...), "end"...)
		require.True(t, bytes.Equal(want, received()))
	})
}

func TestCloseDropsQueuedSends(t *testing.T) {
	forEachStream(t, func(t *testing.T, l *loop.Loop, network string) {
		c, peer := connectPeerOver(t, l, network)
		narrow(t, c, peer)
		big := patternOf(1, 1<<20)
		moved, dropped := -1, 0
		c.Send(big, func(b []byte, err error) {
			require.Equal(t, loop.ErrClosed, err)
			moved = len(b)
		})
		for range 3 {
			c.Send([]byte("dropped"), func(b []byte, err error) {
				require.Empty(t, b)
				require.ErrorIs(t, err, net.ErrClosed)
				dropped++
			})
		}
		var received func() []byte
		l.After(30*time.Millisecond, func() {
			c.Close(func(err error) {
				require.NoError(t, err)
				require.Equal(t, 3, dropped)
				received = readAll(t, peer)
			})
		})
		require.NoError(t, l.Run())
		require.Greater(t, moved, 0)
		require.True(t, bytes.Equal(big[:moved], received()))
	})
}

func TestResetByPeer(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		reset := func(peer *net.TCPConn) {
			require.NoError(t, peer.SetLinger(0))
			require.NoError(t, peer.Close())
		}
		calls := 0

		c, peer := connectPeer(t, l)
		c.Recv(make([]byte, 8), func(b []byte, err error) {
			calls++
			require.Empty(t, b)
			requireOpError(t, err, "read", syscall.ECONNRESET)
		})
		require.NoError(t, l.Poll())
		reset(peer)
		require.NoError(t, l.Run())

		c, peer = connectPeer(t, l)
		reset(peer)
		c.RecvMultishot(func(b loop.Buffer, err error) {
			calls++
			requireOpError(t, err, "read", syscall.ECONNRESET)
		})
		require.NoError(t, l.Run())

		c, peer = connectPeer(t, l)
		reset(peer)
		for _, errno := range []syscall.Errno{syscall.ECONNRESET, syscall.EPIPE} {
			c.Send([]byte("x"), func(b []byte, err error) {
				calls++
				require.Empty(t, b)
				requireOpError(t, err, "write", errno)
			})
			require.NoError(t, l.Run())
		}
		c.Send(nil, func(_ []byte, err error) {
			calls++
			requireOpError(t, err, "write", syscall.EPIPE)
		})
		require.NoError(t, l.Run())

		c, peer = connectPeer(t, l)
		narrow(t, c, peer)
		c.Send(make([]byte, 8<<20), func(b []byte, err error) {
			calls++
			require.NotEmpty(t, b)
			// The kernel tells the bytes first, and the reset only to whom it is the next system call.
			require.True(t, errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE), "%v", err)
		})
		l.After(30*time.Millisecond, func() { reset(peer) })
		require.NoError(t, l.Run())
		require.Equal(t, 6, calls)
	})
}

func TestRecvFull(t *testing.T) {
	forEachStream(t, func(t *testing.T, l *loop.Loop, network string) {
		c, peer := connectPeerOver(t, l, network)
		want := patternOf(5, 3<<20)
		wait := beside(t, func() error {
			for at := 0; at < len(want); at += 100_000 {
				if _, err := peer.Write(want[at:min(at+100_000, len(want))]); err != nil {
					return err
				}
			}
			if _, err := peer.Write([]byte("tail")); err != nil {
				return err
			}
			return peer.CloseWrite()
		})
		calls := 0
		buf := make([]byte, len(want))
		c.RecvFull(buf, func(b []byte, err error) {
			calls++
			require.NoError(t, err)
			require.Same(t, &buf[0], &b[0])
			require.True(t, bytes.Equal(want, b))
			c.RecvFull(buf[:10], func(b []byte, err error) {
				calls++
				require.Equal(t, io.ErrUnexpectedEOF, err)
				require.Equal(t, "tail", string(b))
				require.Equal(t, 10, cap(b))
				c.RecvFull(buf[:10], func(b []byte, err error) {
					calls++
					require.Equal(t, io.EOF, err)
					require.Empty(t, b)
				})
			})
		})
		require.NoError(t, l.Run())
		wait()
		require.Equal(t, 3, calls)
	})
}

func TestRecvFullKeepsItsBytesWhenCanceled(t *testing.T) {
	forEachStream(t, func(t *testing.T, l *loop.Loop, network string) {
		c, peer := connectPeerOver(t, l, network)
		_, err := peer.Write([]byte("half"))
		require.NoError(t, err)
		calls := 0
		op := c.RecvFull(make([]byte, 8), func(b []byte, err error) {
			calls++
			require.Equal(t, os.ErrDeadlineExceeded, err)
			require.Equal(t, "half", string(b))
		})
		for range 5 {
			require.NoError(t, l.Poll())
		}
		op.Timeout(20 * time.Millisecond)
		require.NoError(t, l.Run())
		require.Equal(t, 1, calls)
		_, err = peer.Write([]byte("rest"))
		require.NoError(t, err)
		c.RecvFull(make([]byte, 4), func(b []byte, err error) {
			calls++
			require.NoError(t, err)
			require.Equal(t, "rest", string(b))
		})
		require.NoError(t, l.Run())
		require.Equal(t, 2, calls)
	})
}
