package loop_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/loop"
)

// A foreignLoop waits in poll(2), and has the loop turn when its descriptor is readable.
type foreignLoop struct {
	l     *loop.Loop
	fd    int
	turns int
}

func embed(t *testing.T, l *loop.Loop) *foreignLoop {
	t.Helper()
	fd, err := l.FD()
	if strings.HasSuffix(t.Name(), "/poll") || strings.HasSuffix(t.Name(), "/giouring") { // which have none
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.Equal(t, -1, fd)
		return nil
	}
	require.NoError(t, err)
	return &foreignLoop{l: l, fd: fd}
}

// wait waits until the descriptor is readable or a timer due. Unless the loop has a timer it waits for good: what does not make the
// descriptor readable is found by the watchdog.
func (f *foreignLoop) wait(t *testing.T) {
	t.Helper()
	timeout := -1
	if d := f.l.BackendTimeout(); d >= 0 {
		timeout = int((d + time.Millisecond - 1) / time.Millisecond)
	}
	set := []unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(set, timeout); err != unix.EINTR {
			require.NoError(t, err)
			return
		}
	}
}

// toldOfPost requires that the descriptor tells of a post until its function has run.
func (f *foreignLoop) toldOfPost(t *testing.T, post func(fn func())) {
	t.Helper()
	posted := false
	post(func() { posted = true })
	for !posted {
		require.True(t, f.readable(t), "of the post nobody is told")
		require.NoError(t, f.l.Poll())
	}
}

func (f *foreignLoop) run(t *testing.T, until func() bool) {
	t.Helper()
	for !until() {
		f.wait(t)
		f.turns++
		require.NoError(t, f.l.Poll())
	}
}

func TestEmbeddedSockets(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := embed(t, l)
		if f == nil {
			return
		}
		ln := listenOn(t, l, "127.0.0.1:0")
		ln.Accept(func(c *loop.Conn, err error) {
			if err == nil {
				serveEcho(c)
				ln.Close(nil)
			}
		})
		require.NoError(t, l.Poll())
		address := ln.Addr().String()
		wait := beside(t, func() error {
			c, err := net.Dial("tcp", address)
			if err != nil {
				return err
			}
			defer c.Close()
			got := make([]byte, 64)
			for i := range 100 {
				if _, err := c.Write(patternOf(i, len(got))); err != nil {
					return err
				}
				if _, err := io.ReadFull(c, got); err != nil {
					return err
				}
				if string(got) != string(patternOf(i, len(got))) {
					return errors.New("wrong echo")
				}
			}
			return nil
		})
		f.run(t, func() bool { return !l.Alive() })
		wait()
		require.Less(t, f.turns, 5_000, "the descriptor is always readable")
	})
}

func TestEmbeddedFilesTimersWorkAndPosts(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := embed(t, l)
		if f == nil {
			return
		}
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, noise(100_000), 0o600))
		done := 0
		l.Open(name, os.O_RDONLY, 0, func(file *loop.File, err error) {
			require.NoError(t, err)
			file.ReadAt(make([]byte, 100_000), 0, func(b []byte, err error) {
				require.NoError(t, err)
				file.Close(func(error) { done++ })
			})
		})
		l.After(5*time.Millisecond, func() { done++ })
		l.Work(func() error { return nil }, func(error) { done++ })
		require.NoError(t, l.Poll())
		f.run(t, func() bool { return done == 3 })

		const posts = 200
		posted := 0
		l.Ref() // or there would be nothing to wait for
		go func() {
			for i := range posts {
				_ = l.Post(func() { posted++ })
				if i%20 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		}()
		f.run(t, func() bool { return posted == posts })
		l.Unref()
		require.Less(t, f.turns, 5_000, "the descriptor is always readable")
	})
}

// What an eventfd completes is signaled by another way of the kernel's.
func TestEmbeddedWatchOfAnEventfd(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := embed(t, l)
		if f == nil {
			return
		}
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		require.NoError(t, err)
		defer unix.Close(fd)
		events := 0
		var counter [8]byte
		watch := l.Watch(fd, loop.Readable, func(_ loop.Events, err error) {
			if err != nil {
				require.ErrorIs(t, err, loop.ErrCanceled)
				return
			}
			_, err = unix.Read(fd, counter[:])
			require.NoError(t, err)
			events++
		})
		require.NoError(t, l.Poll())
		for i := range 20 {
			counter[0] = 1
			_, err = unix.Write(fd, counter[:])
			require.NoError(t, err)
			f.run(t, func() bool { return events > i })
		}
		watch.Cancel()
		require.NoError(t, l.Run())
	})
}

// A loop that is not embedded any more, because it runs by itself, works as before; and Close from elsewhere reaches an embedded one.
func TestEmbeddedThenRun(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := embed(t, l)
		if f == nil {
			return
		}
		fired := false
		l.After(time.Millisecond, func() { fired = true })
		require.NoError(t, l.Run())
		require.True(t, fired)
		posted := make(chan struct{})
		l.Ref()
		defer l.Unref()
		go func() {
			_ = l.Post(func() {})
			close(posted)
		}()
		f.wait(t)
		<-posted
		require.NoError(t, l.Poll())
	})
}

// readable waits for the descriptor with a limit.
func (f *foreignLoop) readable(t *testing.T) bool {
	t.Helper()
	set := []unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(set, 10_000)
		if err != unix.EINTR {
			require.NoError(t, err)
			return n == 1
		}
	}
}

// After a callback that panicked the descriptor tells of what comes as before.
func TestEmbeddedPanic(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := embed(t, l)
		if f == nil {
			return
		}
		l.Ref()
		defer l.Unref()
		ticked := false
		l.Immediate(func() {
			l.NextTick(func() { ticked = true })
			panic("callback")
		})
		require.PanicsWithValue(t, "callback", func() { _ = l.Poll() })
		require.True(t, f.readable(t), "of the tick that is left nobody is told")
		require.NoError(t, l.Poll())
		require.True(t, ticked)

		l.Immediate(func() { panic("callback") })
		require.PanicsWithValue(t, "callback", func() { _ = l.Poll() })
		set := []unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN}}
		_, _ = unix.Poll(set, 0)
		f.toldOfPost(t, func(fn func()) { go func() { _ = l.Post(fn) }() })
	})
}

// A refused FD changes nothing.
func TestEmbeddedFDInACallback(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := embed(t, l)
		if f == nil {
			return
		}
		l.Ref()
		defer l.Unref()
		l.Immediate(func() {
			fd, err := l.FD()
			require.Equal(t, -1, fd)
			require.ErrorIs(t, err, loop.ErrRunning)
		})
		require.NoError(t, l.Poll())
		f.toldOfPost(t, func(fn func()) { go func() { _ = l.Post(fn) }() })
	})
}

// A loop that FD finds closing, because a callback panicked in Close, has no descriptor any more.
func TestEmbeddedFDWhileClosing(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var p *loop.Pending
		p = l.NewOp(func() { p.Finish(loop.ErrCanceled) }, func(error) { panic("callback") })
		require.PanicsWithValue(t, "callback", func() { _ = l.Close() })
		fd, err := l.FD()
		require.ErrorIs(t, err, loop.ErrClosed)
		require.Equal(t, -1, fd)
	})
}

// A message from another loop makes the descriptor of an embedded one readable.
func TestPostToAnEmbeddedLoop(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := embed(t, l)
		if f == nil {
			return
		}
		other, stop := second(t, columnOf(t))
		defer stop()
		l.Ref()
		defer l.Unref()
		for range 300 {
			f.toldOfPost(t, func(fn func()) {
				require.NoError(t, other.Post(func() {
					if err := other.PostTo(l, fn); err != nil {
						panic(err)
					}
				}))
			})
		}
	})
}
