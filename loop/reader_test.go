package loop_test

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// received collects what a Reader hands out.
type received struct {
	texts []string
	errs  []error
}

func (r *received) take(b []byte, err error) {
	r.texts, r.errs = append(r.texts, string(b)), append(r.errs, err)
}

func TestReaderLinesAndRuns(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		r := loop.NewReader(c, 64)
		wait := beside(t, func() error {
			for _, part := range []string{"first\nsec", "ond\n\n5:he", "llo", "tail"} {
				if _, err := peer.Write([]byte(part)); err != nil {
					return err
				}
			}
			return peer.CloseWrite()
		})
		var got received
		steps := []func(loop.IOFunc) loop.Op{
			func(fn loop.IOFunc) loop.Op { return r.ReadUntil('\n', fn) },
			func(fn loop.IOFunc) loop.Op { return r.ReadUntil('\n', fn) },
			func(fn loop.IOFunc) loop.Op { return r.ReadUntil('\n', fn) },
			func(fn loop.IOFunc) loop.Op { return r.ReadUntil(':', fn) },
			func(fn loop.IOFunc) loop.Op { return r.Next(5, fn) },
			func(fn loop.IOFunc) loop.Op { return r.Next(0, fn) },
			func(fn loop.IOFunc) loop.Op { return r.ReadUntil('\n', fn) },
			func(fn loop.IOFunc) loop.Op { return r.ReadUntil('\n', fn) },
		}
		var next func(b []byte, err error)
		start := func() {
			if i := len(got.texts); i < len(steps) {
				op := steps[i](next)
				require.Len(t, got.texts, i, "called back at once")
				require.True(t, op.Active())
			}
		}
		next = func(b []byte, err error) { got.take(b, err); start() }
		start()
		require.NoError(t, l.Run())
		wait()
		require.Equal(t, []string{"first\n", "second\n", "\n", "5:", "hello", "", "tail", ""}, got.texts)
		require.Equal(t, []error{nil, nil, nil, nil, nil, nil, io.EOF, io.EOF}, got.errs)
	})
}

func TestReaderAtTheEnd(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		r := loop.NewReader(c, 16)
		_, err := peer.Write([]byte("part"))
		require.NoError(t, err)
		require.NoError(t, peer.CloseWrite())
		var got received
		r.Next(5, got.take)
		require.NoError(t, l.Run())
		r.Next(1, got.take)
		require.NoError(t, l.Run())
		require.Equal(t, []string{"part", ""}, got.texts)
		require.Equal(t, []error{io.ErrUnexpectedEOF, io.EOF}, got.errs)
	})
}

func TestReaderFullBuffer(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		r := loop.NewReader(c, 16)
		_, err := peer.Write([]byte(strings.Repeat("x", 16) + "rest\n"))
		require.NoError(t, err)
		var got received
		for range 2 {
			r.ReadUntil('\n', got.take)
			require.NoError(t, l.Run())
		}
		r.Next(17, got.take)
		require.NoError(t, l.Run())
		require.Equal(t, []string{strings.Repeat("x", 16), "rest\n", ""}, got.texts)
		require.Equal(t, []error{bufio.ErrBufferFull, nil, bufio.ErrBufferFull}, got.errs)
	})
}

// What a canceled ReadUntil had received is there for the next one.
func TestReaderCanceled(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		r := loop.NewReader(c, 64)
		_, err := peer.Write([]byte("begin "))
		require.NoError(t, err)
		var got received
		op := r.ReadUntil('\n', got.take)
		for len(r.Buffered()) == 0 {
			require.NoError(t, l.RunOnce())
		}
		op.Cancel()
		op.Cancel()
		require.NoError(t, l.Run())
		r.ReadUntil('\n', got.take).Timeout(time.Millisecond)
		require.NoError(t, l.Run())
		second := r.ReadUntil('\n', got.take)
		r.Next(1, got.take) // ends with ErrBusy
		_, err = peer.Write([]byte("end\n"))
		require.NoError(t, err)
		require.NoError(t, l.Run())
		require.False(t, second.Active())
		require.Equal(t, []string{"", "", "", "begin end\n"}, got.texts)
		require.Equal(t, []error{loop.ErrCanceled, os.ErrDeadlineExceeded, loop.ErrBusy, nil}, got.errs)
	})
}

func TestReaderOfAClosedConn(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, _ := connectPeer(t, l)
		r := loop.NewReader(c, 64)
		var got received
		closed := false
		r.ReadUntil('\n', got.take)
		require.NoError(t, l.Poll())
		c.Close(func(error) {
			require.Len(t, got.errs, 2, "the close callback is the last")
			closed = true
		})
		r.Next(1, got.take)
		require.NoError(t, l.Run())
		require.True(t, closed)
		require.Equal(t, []error{loop.ErrClosed, loop.ErrClosed}, got.errs)
	})
}

func TestReaderUnreferenced(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		var got received
		op := loop.NewReader(c, 64).ReadUntil('\n', got.take).Unref()
		require.False(t, op.HasRef())
		require.NoError(t, l.Run())
		require.Empty(t, got.errs)
		_, err := peer.Write([]byte("line\n"))
		require.NoError(t, err)
		op.Ref()
		require.NoError(t, l.Run())
		require.Equal(t, []string{"line\n"}, got.texts)
	})
}

func TestReaderAgainstBufio(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		data := noise(200_000)
		wait := beside(t, func() error {
			if _, err := peer.Write(data); err != nil {
				return err
			}
			return peer.CloseWrite()
		})
		want := bufio.NewReader(bytes.NewReader(data))
		r := loop.NewReader(c, 8<<10)
		var next loop.IOFunc
		lines := 0
		next = func(b []byte, err error) {
			line, wantErr := want.ReadBytes('\n')
			require.Equal(t, line, b)
			require.Equal(t, wantErr, err)
			if lines++; err == nil {
				r.ReadUntil('\n', next)
			}
		}
		r.ReadUntil('\n', next)
		require.NoError(t, l.Run())
		wait()
		require.Greater(t, lines, 100)
	})
}

func TestReaderNegative(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		conn, _ := connectPeer(t, l)
		r := loop.NewReader(conn, 100)
		require.PanicsWithValue(t, "loop: Reader.Next: -5 bytes", func() { r.Next(-5, func([]byte, error) {}) })
	})
}
