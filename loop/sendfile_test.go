package loop_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// fileOf opens a file with n bytes of noise in it.
func fileOf(t *testing.T, l *loop.Loop, n int) (*loop.File, []byte) {
	t.Helper()
	data := noise(n)
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, data, 0o600))
	return openNamed(t, l, name, os.O_RDONLY), data
}

// drain reads a peer until its end, on a goroutine.
func drain(peer *net.TCPConn) <-chan []byte {
	got := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(peer)
		got <- all
	}()
	return got
}

// TestN24SendFile sends pieces of files of sizes around those of a chunk.
func TestN24SendFile(t *testing.T) {
	const chunk = 64 << 10
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, c := range []struct{ size, off, n int }{
			{0, 0, -1}, {1, 0, -1}, {chunk, 0, -1}, {chunk + 1, 0, -1}, {2 * chunk, 0, -1}, {3*chunk - 1, 0, -1}, {20*chunk + 5, 0, -1},
			{10 * chunk, 17, 0}, {10 * chunk, 17, 1}, {10 * chunk, 17, chunk}, {10 * chunk, 17, 4*chunk + 3}, {10 * chunk, chunk, 9 * chunk}, {100, 200, -1},
		} {
			f, data := fileOf(t, l, c.size)
			conn, peer := connectPeer(t, l)
			got := drain(peer)
			want := data[min(c.off, c.size):]
			if c.n >= 0 {
				want = want[:c.n]
			}
			calls := 0
			conn.SendFile(f, int64(c.off), int64(c.n), func(n int64, err error) {
				calls++
				require.NoError(t, err)
				require.EqualValues(t, len(want), n)
				require.Zero(t, conn.Queued())
			})
			conn.CloseWrite(func(err error) {
				require.NoError(t, err)
				require.Equal(t, 1, calls, "in order")
				conn.Close(nil)
				f.Close(nil)
			})
			require.Zero(t, calls, "called back at once")
			require.NoError(t, l.Run())
			require.True(t, bytes.Equal(want, <-got), "%+v", c)
		}
	})
}

// TestN24SendFileOrder mixes files with other sends, at random: the bytes and the callbacks come in the order of the calls.
func TestN24SendFileOrder(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		f, data := fileOf(t, l, 500_000)
		conn, peer := connectPeer(t, l)
		got := drain(peer)
		var want []byte
		called := 0
		next := func(i int) {
			require.Equal(t, called, i, "seed %d", seed)
			called++
		}
		for i := range 60 {
			off := random.IntN(len(data))
			n := random.IntN(len(data) - off)
			switch part := data[off : off+n]; random.IntN(3) {
			case 0:
				want = append(want, part...)
				conn.SendFile(f, int64(off), int64(n), func(sent int64, err error) {
					require.NoError(t, err)
					require.EqualValues(t, n, sent)
					next(i)
				})
			case 1:
				want = append(want, part[:n/10]...)
				conn.Send(part[:n/10], func(b []byte, err error) {
					require.NoError(t, err)
					next(i)
				})
			case 2:
				want = append(append(want, part[:n/20]...), part[:n/30]...)
				conn.SendVec([][]byte{part[:n/20], part[:n/30]}, func(_ int, err error) {
					require.NoError(t, err)
					next(i)
				})
			}
			if i%7 == 0 {
				require.NoError(t, l.Poll())
			}
		}
		conn.CloseWrite(func(error) { conn.Close(func(error) { f.Close(nil) }) })
		require.NoError(t, l.Run())
		require.Equal(t, 60, called)
		require.True(t, bytes.Equal(want, <-got), "seed %d", seed)
	})
}

// TestN24SendFileBackPressure: a peer that does not read holds the file up, with two chunks in memory at most.
func TestN24SendFileBackPressure(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f, data := fileOf(t, l, 32<<20)
		conn, peer := connectPeer(t, l)
		require.NoError(t, conn.SetWriteBuffer(64<<10))
		ended := false
		conn.SendFile(f, 0, -1, func(n int64, err error) {
			require.NoError(t, err)
			require.EqualValues(t, len(data), n)
			ended = true
			conn.CloseWrite(nil)
		})
		for range 200 {
			require.NoError(t, l.Poll())
			require.LessOrEqual(t, conn.Queued(), 64<<10)
		}
		require.False(t, ended, "the peer has not read anything")
		got := drain(peer)
		require.NoError(t, l.Run())
		require.True(t, ended)
		require.NoError(t, result(t, l, conn.Close))
		require.NoError(t, result(t, l, f.Close))
		require.True(t, bytes.Equal(data, <-got))
	})
}

// TestN24SendFileErrors: what ends a file early ends the send; after some of its bytes the stream is broken, before them it is not.
func TestN24SendFileErrors(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f, _ := fileOf(t, l, 100_000)
		dir := openNamed(t, l, t.TempDir(), os.O_RDONLY)
		conn, peer := connectPeer(t, l)
		got := drain(peer)
		var log []string
		sent := func(n int64, err error) { log = append(log, fmt.Sprintf("file %d %v", n, err)) }
		conn.SendFile(dir, 0, -1, sent)
		conn.SendFile(f, -1, -1, sent)
		conn.Send([]byte("after"), func(_ []byte, err error) { log = append(log, fmt.Sprintf("send %v", err)) })
		conn.SendFile(f, 0, 200_000, sent)
		conn.Send([]byte("never"), func(_ []byte, err error) {
			log = append(log, "broken")
			require.ErrorIs(t, err, syscall.EPIPE)
		})
		require.NoError(t, l.Run())
		require.Equal(t, []string{
			"file 0 read " + dir.Name() + ": is a directory", "file 0 read " + f.Name() + ": invalid argument", "send <nil>",
			"file 100000 unexpected EOF", "broken",
		}, log)
		conn.SendFile(f, 0, 1, func(n int64, err error) {
			require.Zero(t, n)
			require.ErrorIs(t, err, syscall.EPIPE)
		})
		require.NoError(t, l.Run())
		require.NoError(t, result(t, l, conn.Close))
		conn.SendFile(f, 0, 1, func(n int64, err error) { require.Equal(t, loop.ErrClosed, err) })
		require.NoError(t, result(t, l, f.Close))
		require.NoError(t, result(t, l, dir.Close))
		require.Len(t, <-got, 100_005)

		conn, peer = connectPeer(t, l)
		got = drain(peer)
		conn.SendFile(f, 0, 1, func(n int64, err error) { require.ErrorIs(t, err, fs.ErrClosed, "the file's own state") })
		conn.CloseWrite(func(err error) { conn.Close(nil) })
		require.NoError(t, l.Run())
		require.Empty(t, <-got, "nothing moved, so the stream goes on")
	})
}

// TestN24SendFileCancel cancels a file before it begins, while it waits for its turn, and in the middle of it.
func TestN24SendFileCancel(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f, data := fileOf(t, l, 16<<20)
		canceled := 0
		sent := func(want int64) loop.CopyFunc {
			return func(n int64, err error) {
				canceled++
				require.Equal(t, loop.ErrCanceled, err)
				require.Equal(t, want, n)
			}
		}
		conn, peer := connectPeer(t, l)
		got := drain(peer)
		conn.SendFile(f, 0, -1, sent(0)).Cancel()
		conn.SendFile(f, 0, 1000, nil)
		waits := conn.SendFile(f, 0, -1, sent(0))
		conn.SendFile(f, 1000, 1000, nil)
		waits.Cancel()
		conn.CloseWrite(func(err error) {
			require.NoError(t, err)
			conn.Close(nil)
		})
		require.NoError(t, l.Run())
		require.Equal(t, 2, canceled)
		require.True(t, bytes.Equal(data[:2000], <-got))

		for turns := range 12 { // whatever it is at by then
			conn, peer := connectPeer(t, l)
			require.NoError(t, conn.SetWriteBuffer(32<<10))
			moved, ends := int64(-1), 0
			op := conn.SendFile(f, 0, -1, func(n int64, err error) {
				require.Equal(t, loop.ErrCanceled, err)
				require.LessOrEqual(t, conn.Queued(), len("later"), "what will not be sent does not count")
				moved, ends = n, ends+1
			})
			conn.Send([]byte("later"), func(_ []byte, err error) {
				require.Equal(t, 1, ends)
				if moved > 0 {
					require.ErrorIs(t, err, syscall.EPIPE)
				} else {
					require.NoError(t, err)
				}
			})
			for range turns {
				require.NoError(t, l.Poll())
			}
			op.Cancel()
			require.NoError(t, l.Run())
			require.Equal(t, 1, ends)
			got := drain(peer)
			require.NoError(t, result(t, l, conn.Close))
			all := <-got
			if moved > 0 {
				require.True(t, bytes.Equal(data[:moved], all), "after %d turns", turns)
			} else {
				require.Equal(t, "later", string(all))
			}
		}
		require.NoError(t, result(t, l, f.Close))
	})
}

// TestN24SendFileClose closes the connection, the file or the loop in the middle.
func TestN24SendFileClose(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f, _ := fileOf(t, l, 32<<20)
		var order []string
		conn, _ := connectPeer(t, l)
		conn.SendFile(f, 0, -1, func(n int64, err error) {
			require.Equal(t, loop.ErrClosed, err)
			order = append(order, "sent")
		})
		conn.Send(nil, func(_ []byte, err error) {
			require.Equal(t, loop.ErrClosed, err)
			order = append(order, "sent")
		})
		require.NoError(t, l.Poll())
		conn.Close(func(error) { order = append(order, "closed") })
		require.NoError(t, l.Run())
		require.Equal(t, []string{"sent", "sent", "closed"}, order)

		conn, peer := connectPeer(t, l)
		got, ended := drain(peer), false
		conn.SendFile(f, 0, -1, func(n int64, err error) {
			require.Equal(t, loop.ErrClosed, err)
			ended = true
		})
		require.NoError(t, l.Poll())
		f.Close(nil)
		require.NoError(t, l.Run())
		require.True(t, ended)
		require.NoError(t, result(t, l, conn.Close))
		require.Less(t, len(<-got), 32<<20)

		f, _ = fileOf(t, l, 32<<20)
		conn, _ = connectPeer(t, l)
		ended = false
		conn.SendFile(f, 0, -1, func(n int64, err error) {
			require.Equal(t, loop.ErrClosed, err)
			ended = true
		})
		require.NoError(t, l.Poll())
		require.NoError(t, l.Close())
		require.True(t, ended)
	})
}

// TestN24SendFileReset: the peer is gone.
func TestN24SendFileReset(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f, _ := fileOf(t, l, 32<<20)
		conn, peer := connectPeer(t, l)
		require.NoError(t, peer.SetLinger(0))
		require.NoError(t, peer.Close())
		conn.SendFile(f, 0, -1, func(n int64, err error) {
			require.Error(t, err)
			var e *net.OpError
			require.ErrorAs(t, err, &e)
			require.Equal(t, "write", e.Op)
		})
		require.NoError(t, l.Run())
		require.NoError(t, result(t, l, conn.Close))
		require.NoError(t, result(t, l, f.Close))
	})
}
