package loop_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// requireLoopPanic demands a panic that says what was wrong.
func requireLoopPanic(t *testing.T, misuse func()) {
	t.Helper()
	defer func() {
		t.Helper()
		text, ok := recover().(string)
		require.True(t, ok && strings.HasPrefix(text, "loop: "), "%q", text)
	}()
	misuse()
	t.Error("no panic")
}

// receiveOne has one message of the peer's received into a provided buffer and calls fn with it, in the callback.
func receiveOne(t *testing.T, l *loop.Loop, c *loop.Conn, peer net.Conn, message string, fn func(b loop.Buffer)) {
	t.Helper()
	_, err := peer.Write([]byte(message))
	require.NoError(t, err)
	var op loop.Op
	calls := 0
	op = c.RecvMultishot(func(b loop.Buffer, err error) {
		if err != nil {
			require.Contains(t, []error{loop.ErrCanceled, loop.ErrClosed}, err)
			return
		}
		calls++
		require.Equal(t, message, string(b.Bytes()))
		require.Equal(t, len(message), b.Len())
		fn(b)
		op.Cancel()
	})
	require.NoError(t, l.Run())
	require.Equal(t, 1, calls)
}

func TestBufferGoesBackByItself(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		var stale loop.Buffer
		receiveOne(t, l, c, peer, "hello", func(b loop.Buffer) {
			requireLoopPanic(t, b.Release) // it was not kept
			require.Equal(t, "hello", string(b.Bytes()))
			stale = b
		})
		require.Zero(t, l.BuffersOut())
		requireLoopPanic(t, func() { stale.Bytes() })
		requireLoopPanic(t, stale.Keep)
		requireLoopPanic(t, stale.Release)
		requireLoopPanic(t, func() { c.SendBuffer(stale, nil) })
		require.False(t, l.Alive())
	})
}

func TestKeptBufferIsReleasedOnce(t *testing.T) {
	forEachQueueWith(t, loop.Options{Buffers: 2, BufferSize: 64}, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		var kept loop.Buffer
		receiveOne(t, l, c, peer, "kept", func(b loop.Buffer) {
			b.Keep()
			b.Keep()
			kept = b
		})
		require.Equal(t, 1, l.BuffersOut())
		for range 10 { // the other buffer comes and goes
			receiveOne(t, l, c, peer, "other", func(b loop.Buffer) {
				require.NotSame(t, &kept.Bytes()[0], &b.Bytes()[0])
			})
		}
		require.Equal(t, "kept", string(kept.Bytes()))
		copied := kept
		kept.Release()
		require.Zero(t, l.BuffersOut())
		requireLoopPanic(t, kept.Release)
		requireLoopPanic(t, copied.Release)
		requireLoopPanic(t, func() { copied.Bytes() })

		receiveOne(t, l, c, peer, "both at once", func(b loop.Buffer) {
			b.Keep()
			b.Release()
			requireLoopPanic(t, b.Release)
		})
		require.Zero(t, l.BuffersOut())
		loop.Buffer{}.Keep()
		loop.Buffer{}.Release()
		require.Empty(t, loop.Buffer{}.Bytes())
	})
}

func TestKeptBufferOutlivesTheLoop(t *testing.T) {
	forEachQueueWith(t, loop.Options{Buffers: 2, BufferSize: 64}, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		var kept loop.Buffer
		receiveOne(t, l, c, peer, "kept", func(b loop.Buffer) {
			b.Keep()
			kept = b
		})
		require.NoError(t, l.Close())
		require.Equal(t, "kept", string(kept.Bytes()))
		kept.Release()
		requireLoopPanic(t, kept.Release)
	})
}

func TestStaleBufferIsNotItsSuccessor(t *testing.T) {
	// With one buffer, the second message is in the same one as the first.
	forEachQueueWith(t, loop.Options{Buffers: 1, BufferSize: 64}, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		var first loop.Buffer
		receiveOne(t, l, c, peer, "first", func(b loop.Buffer) { first = b })
		receiveOne(t, l, c, peer, "second", func(b loop.Buffer) {
			b.Keep()
			requireLoopPanic(t, func() { first.Bytes() })
			requireLoopPanic(t, first.Release)
			require.Equal(t, "second", string(b.Bytes()))
			b.Release()
		})
	})
}

func TestSendBufferConsumes(t *testing.T) {
	forEachQueueWith(t, loop.Options{Buffers: 2, BufferSize: 64}, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		d, peerOfD := connectPeer(t, l)
		sent := 0
		done := func(want error) loop.DoneFunc {
			return func(err error) {
				require.ErrorIs(t, err, want)
				sent++
			}
		}
		var gone loop.Buffer
		receiveOne(t, l, c, peer, "at once", func(b loop.Buffer) {
			c.SendBuffer(b, done(nil))
			requireLoopPanic(t, b.Keep)
			requireLoopPanic(t, func() { c.SendBuffer(b, nil) })
			gone = b
		})
		receiveOne(t, l, c, peer, "kept", func(b loop.Buffer) {
			b.Keep()
			gone = b
		})
		d.SendBuffer(gone, done(nil))
		requireLoopPanic(t, gone.Release)
		require.Equal(t, 1, l.BuffersOut())
		require.NoError(t, l.Run())
		require.Equal(t, 2, sent)
		require.Zero(t, l.BuffersOut())
		requireLoopPanic(t, func() { gone.Bytes() })

		for peer, want := range map[net.Conn]string{peer: "at once", peerOfD: "kept"} {
			got := make([]byte, len(want))
			_, err := io.ReadFull(peer, got)
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		}

		// Whatever becomes of the send.
		receiveOne(t, l, c, peer, "canceled", func(b loop.Buffer) { d.SendBuffer(b, done(loop.ErrCanceled)).Cancel() })
		d.Close(nil)
		receiveOne(t, l, c, peer, "closed", func(b loop.Buffer) { d.SendBuffer(b, done(loop.ErrClosed)) })
		receiveOne(t, l, c, peer, "dropped", func(b loop.Buffer) {
			c.SendBuffer(b, func(err error) { sent++ })
			c.Close(nil)
		})
		require.NoError(t, l.Run())
		require.Equal(t, 5, sent)
		require.Zero(t, l.BuffersOut())
	})
}

func TestMultishotBulkWithBuffersHeldAtRandom(t *testing.T) {
	forEachQueueWith(t, loop.Options{Buffers: 16, BufferSize: 2048}, func(t *testing.T, l *loop.Loop) {
		random := rand.New(rand.NewPCG(3, 3))
		const conns = 4
		want := patternOf(9, rounds(2<<20, 200<<10))
		var waits []func()
		type held struct {
			b    loop.Buffer
			want []byte
		}
		var kept []held
		release := func(i int) {
			require.Equal(t, kept[i].want, kept[i].b.Bytes(), "changed while it was kept")
			kept[i].b.Release()
			kept[i] = kept[len(kept)-1]
			kept = kept[:len(kept)-1]
		}
		var open []*loop.Conn
		for range conns {
			c, peer := connectPeer(t, l)
			open = append(open, c)
			waits = append(waits, beside(t, func() error {
				_, err := peer.Write(want)
				return errors.Join(err, peer.CloseWrite())
			}))
		}
		ended := 0
		for _, c := range open {
			at := 0
			c.RecvMultishot(func(b loop.Buffer, err error) {
				if err != nil {
					require.Equal(t, io.EOF, err)
					require.Equal(t, len(want), at)
					ended++
					return
				}
				require.True(t, bytes.Equal(want[at:at+b.Len()], b.Bytes()))
				if random.IntN(3) == 0 {
					b.Keep()
					kept = append(kept, held{b, want[at : at+b.Len()]})
				}
				at += b.Len()
			})
		}
		release10 := l.Every(time.Millisecond, func() {
			for range min(10, len(kept)) {
				release(random.IntN(len(kept)))
			}
		})
		for ended < conns {
			require.NoError(t, l.RunOnce())
		}
		release10.Stop()
		for len(kept) > 0 {
			release(0)
		}
		for _, wait := range waits {
			wait()
		}
	})
}

func TestBuffersReachableOnlyThroughTheLoop(t *testing.T) {
	// The collector runs all the time, and what it frees is overwritten soon: a buffer that the loop does not keep alive
	// shows as garbage on the other side.
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		stop := make(chan struct{})
		collected := make(chan struct{})
		go func() {
			defer close(collected)
			for {
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
				runtime.GC()
				litter := make([][]byte, 300)
				for i := range litter {
					litter[i] = bytes.Repeat([]byte{0xEE}, 16<<(i%10))
				}
				runtime.KeepAlive(litter)
			}
		}()
		defer func() {
			close(stop)
			<-collected
			runtime.GC()
		}()
		total := rounds(100, 20)
		c, peer := connectPeer(t, l)
		narrow(t, c, peer)
		wait := beside(t, func() error {
			for i := range total {
				for _, size := range sizes(i) {
					got := make([]byte, size)
					if _, err := io.ReadFull(peer, got); err != nil {
						return err
					}
					if !bytes.Equal(patternOf(i, size), got) {
						return fmt.Errorf("message %d of %d bytes arrived changed", i, size)
					}
				}
				if _, err := peer.Write(patternOf(i, 1000)); err != nil {
					return err
				}
				time.Sleep(time.Millisecond)
			}
			return nil
		})
		name := filepath.Join(t.TempDir(), "file")
		l.Open(name, os.O_RDWR|os.O_CREATE, 0o600, func(f *loop.File, err error) {
			require.NoError(t, err)
			gcRound(t, c, f, total)
		})
		require.NoError(t, l.Run())
		wait()
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		for i := range total {
			require.True(t, bytes.Equal(patternOf(i, 1<<14), got[i<<14:(i+1)<<14]), "block %d", i)
		}
	})
}

func sizes(i int) []int { return []int{10 + i, 5000, 60_000} }

// gcRound sends, receives and writes what it makes and forgets, total times.
func gcRound(t *testing.T, c *loop.Conn, f *loop.File, total int) {
	i, left := 0, 0
	var round func()
	done := func() {
		if left--; left > 0 {
			return
		}
		if i++; i == total {
			c.Close(nil)
			f.Close(nil)
			return
		}
		round()
	}
	round = func() {
		left = 4
		size := sizes(i)
		c.Send(patternOf(i, size[0]), func(_ []byte, err error) {
			require.NoError(t, err)
			done()
		})
		c.SendVec([][]byte{patternOf(i, size[1])[:100:100], patternOf(i, size[1])[100:]}, func(_ int, err error) {
			require.NoError(t, err)
			done()
		})
		c.Send(patternOf(i, size[2]), nil)
		want := i
		c.RecvFull(make([]byte, 1000), func(b []byte, err error) {
			require.NoError(t, err)
			require.True(t, bytes.Equal(patternOf(want, 1000), b))
			done()
		})
		f.WriteAt(patternOf(i, 1<<14), int64(i)<<14, func(_ []byte, err error) {
			require.NoError(t, err)
			done()
		})
	}
	round()
}
