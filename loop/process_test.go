//go:build unix

package loop_test

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// forEachWait runs a case on every queue with and without pidfds.
func forEachWait(t *testing.T, test func(t *testing.T, l *loop.Loop)) {
	t.Helper()
	t.Run("pidfd", func(t *testing.T) { forEachQueue(t, test) })
	t.Run("SIGCHLD", func(t *testing.T) {
		defer loop.WithoutPidFD()()
		forEachQueue(t, test)
	})
}

// ended is what a child's callback got.
type ended struct {
	state loop.ExitState
	err   error
	calls int
}

func (e *ended) note(state loop.ExitState, err error) {
	e.state, e.err, e.calls = state, err, e.calls+1
}

func start(t *testing.T, l *loop.Loop, c loop.Command) (*loop.Process, *ended) {
	t.Helper()
	e := new(ended)
	p, err := l.Start(c, e.note)
	require.NoError(t, err)
	return p, e
}

func shell(script string) loop.Command { return loop.Command{Name: "sh", Args: []string{"-c", script}} }

// requireNoChildren fails if this process has children, zombies too.
func requireNoChildren(t *testing.T) {
	t.Helper()
	_, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
	require.Equal(t, syscall.ECHILD, err, "a child is left")
}

func TestS05Exit(t *testing.T) {
	forEachWait(t, func(t *testing.T, l *loop.Loop) {
		for _, code := range []int{0, 1, 255} {
			p, e := start(t, l, shell(fmt.Sprint("exit ", code)))
			require.True(t, l.Alive())
			require.Positive(t, p.Pid())
			require.Zero(t, e.calls)
			require.NoError(t, l.Run())
			require.Equal(t, 1, e.calls)
			require.NoError(t, e.err)
			require.Zero(t, e.state.Signal)
			require.Equal(t, code, e.state.Code)
			require.ErrorIs(t, p.Kill(syscall.SIGTERM), os.ErrProcessDone)
		}
		requireNoChildren(t)
	})
}

func TestS05Killed(t *testing.T) {
	forEachWait(t, func(t *testing.T, l *loop.Loop) {
		p, e := start(t, l, loop.Command{Name: "sleep", Args: []string{"1000"}})
		require.NoError(t, l.Poll())
		require.NoError(t, p.Kill(syscall.SIGKILL))
		require.NoError(t, l.Run())
		require.Equal(t, syscall.SIGKILL, e.state.Signal)
		require.Equal(t, -1, e.state.Code)
		requireNoChildren(t)
	})
}

func TestS05NoProgram(t *testing.T) {
	forEachWait(t, func(t *testing.T, l *loop.Loop) {
		notExecutable := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(notExecutable, nil, 0o600))
		for _, c := range []struct {
			command loop.Command
			want    error
		}{
			{loop.Command{Name: "/no/such/program", Stdout: loop.StdioPipe()}, fs.ErrNotExist},
			{loop.Command{Name: "no-such-program"}, exec.ErrNotFound},
			{loop.Command{Name: notExecutable}, fs.ErrPermission},
			{loop.Command{Name: "sh", Dir: "/no/such/directory"}, fs.ErrNotExist},
			{loop.Command{Name: "sh", Args: []string{"a\x00b"}}, syscall.EINVAL},
			{loop.Command{Name: "s\x00h"}, syscall.EINVAL},
			{loop.Command{Name: "sh", Stdout: loop.StdioFD(9999)}, syscall.EBADF},
		} {
			p, err := l.Start(c.command, func(loop.ExitState, error) { panic("called back without a child") })
			require.Nil(t, p)
			require.ErrorIs(t, err, c.want, c.command.Name)
		}
		require.NoError(t, l.Run())
		requireNoChildren(t)
		require.PanicsWithValue(t, "loop: Start: nil callback", func() { _, _ = l.Start(shell("true"), nil) })
		require.NoError(t, l.Close())
		_, err := l.Start(shell("true"), new(ended).note)
		require.ErrorIs(t, err, loop.ErrClosed)
	})
}

// receiveAll collects what comes until the end, and closes c then.
func receiveAll(t *testing.T, c *loop.Conn) *strings.Builder {
	all := new(strings.Builder)
	buf := make([]byte, 4096)
	var received loop.IOFunc
	received = func(b []byte, err error) {
		all.Write(b)
		if err != nil {
			require.Equal(t, io.EOF, err)
			c.Close(nil)
			return
		}
		c.Recv(buf, received)
	}
	c.Recv(buf, received)
	return all
}

func TestS06Pipes(t *testing.T) {
	forEachWait(t, func(t *testing.T, l *loop.Loop) {
		c := shell("cat; echo problem >&2; echo three >&3")
		c.Stdin, c.Stdout, c.Stderr, c.Extra = loop.StdioPipe(), loop.StdioPipe(), loop.StdioPipe(), []loop.Stdio{loop.StdioPipe()}
		p, e := start(t, l, c)
		text := strings.Repeat("0123456789abcdef", 20_000) // more than a pipe holds
		in := p.Pipe(0)
		in.Send([]byte(text), func(_ []byte, err error) {
			require.NoError(t, err)
			in.CloseWrite(func(err error) {
				require.NoError(t, err)
				in.Close(nil)
			})
		})
		out, problems, three := receiveAll(t, p.Pipe(1)), receiveAll(t, p.Pipe(2)), receiveAll(t, p.Pipe(3))
		require.Nil(t, p.Pipe(4))
		require.Nil(t, p.Pipe(-1))
		require.NoError(t, l.Run())
		require.NoError(t, e.err)
		require.Zero(t, e.state.Code)
		require.Equal(t, text, out.String())
		require.Equal(t, "problem\n", problems.String())
		require.Equal(t, "three\n", three.String())
	})
}

func TestS06OneFileForBoth(t *testing.T) {
	forEachWait(t, func(t *testing.T, l *loop.Loop) {
		f, err := os.Create(filepath.Join(t.TempDir(), "out"))
		require.NoError(t, err)
		defer f.Close()
		c := shell("echo 1; echo 2 >&2; echo 3; pwd; echo $NAME; cat")
		c.Dir, c.Env = "/", []string{"NAME=value", "PATH=" + os.Getenv("PATH")}
		c.Stdout, c.Stderr = loop.StdioFD(int(f.Fd())), loop.StdioFD(int(f.Fd()))
		_, e := start(t, l, c)
		require.NoError(t, l.Run())
		require.Zero(t, e.state.Code)
		text, err := os.ReadFile(f.Name())
		require.NoError(t, err)
		require.Equal(t, "1\n2\n3\n/\nvalue\n", string(text))
	})
}

func TestS07EndedBeforeTheWait(t *testing.T) {
	forEachWait(t, func(t *testing.T, l *loop.Loop) {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		c := shell("exit 3")
		c.Stdout = loop.StdioFD(int(w.Fd()))
		_, e := start(t, l, c)
		require.NoError(t, w.Close())
		_, err = r.Read(make([]byte, 1)) // the end of the child's
		require.Equal(t, io.EOF, err)
		require.NoError(t, r.Close())
		require.NoError(t, l.Run())
		require.Equal(t, 3, e.state.Code)
		requireNoChildren(t)
	})
}

func TestS08Detached(t *testing.T) {
	forEachWait(t, func(t *testing.T, l *loop.Loop) {
		c := loop.Command{Name: "sleep", Args: []string{"1000"}, Detached: true}
		p, e := start(t, l, c)
		p.Op().Unref()
		require.NoError(t, l.Run(), "it holds the loop")
		require.Zero(t, e.calls)
		own, _, errno := syscall.Syscall(syscall.SYS_GETSID, 0, 0, 0)
		require.Zero(t, errno)
		its, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(p.Pid()), 0, 0)
		require.Zero(t, errno)
		require.NotEqual(t, own, its)
		require.NoError(t, p.Kill(syscall.SIGTERM))
		p.Op().Ref()
		require.NoError(t, l.Run())
		require.Equal(t, syscall.SIGTERM, e.state.Signal)
	})
}

// A canceled wait does nothing to the child, which is reaped all the same.
func TestStartCanceled(t *testing.T) {
	forEachWait(t, func(t *testing.T, l *loop.Loop) {
		p, e := start(t, l, loop.Command{Name: "sleep", Args: []string{"1000"}})
		require.NoError(t, l.Poll())
		p.Op().Cancel()
		require.NoError(t, l.Run())
		require.Equal(t, 1, e.calls)
		require.ErrorIs(t, e.err, loop.ErrCanceled)
		require.NoError(t, syscall.Kill(p.Pid(), 0), "the child is gone")
		require.NoError(t, syscall.Kill(p.Pid(), syscall.SIGKILL))
		for syscall.Kill(p.Pid(), 0) == nil { // a zombie could still be signaled
			require.NoError(t, l.Poll())
		}
	})
}

func TestStartAndCloseTheLoop(t *testing.T) {
	forEachWait(t, func(t *testing.T, l *loop.Loop) {
		c := loop.Command{Name: "sleep", Args: []string{"1000"}, Stdout: loop.StdioPipe()}
		p, e := start(t, l, c)
		require.NoError(t, l.Close())
		require.Equal(t, 1, e.calls)
		require.ErrorIs(t, e.err, loop.ErrClosed)
		require.NoError(t, syscall.Kill(p.Pid(), syscall.SIGKILL))
	})
}

func TestManyChildren(t *testing.T) {
	forEachWait(t, func(t *testing.T, l *loop.Loop) {
		const n = 50
		ends := make([]*ended, n)
		for i := range ends {
			_, ends[i] = start(t, l, shell(fmt.Sprint("exit ", i%10)))
		}
		require.NoError(t, l.Run())
		for i, e := range ends {
			require.NoError(t, e.err)
			require.Equal(t, i%10, e.state.Code)
			require.Equal(t, 1, e.calls)
		}
		requireNoChildren(t)
	})
}

// A descriptor that cannot be one never reaches fork: -1 there means a closed descriptor, and what is beyond 32 bits another one.
func TestS05NoDescriptor(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		beyond := math.MaxInt32
		beyond++ // negative where an int has 32 bits
		for _, fd := range []int{-1, -5, beyond} {
			c := shell("true")
			c.Extra = []loop.Stdio{loop.StdioPipe(), loop.StdioFD(fd)}
			_, err := l.Start(c, func(loop.ExitState, error) { panic("called back without a child") })
			require.EqualError(t, err, fmt.Sprintf("loop: Start: descriptor 4: StdioFD(%d): bad file descriptor", fd))
			require.ErrorIs(t, err, syscall.EBADF)
		}
		require.False(t, l.Alive())
		requireNoChildren(t)
	})
}

func TestS05NoDirectoryIsNamed(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		_, err := l.Start(loop.Command{Name: "sh", Dir: "/no/such/directory"}, new(ended).note)
		require.EqualError(t, err, "chdir /no/such/directory: no such file or directory")
		_, err = l.Start(loop.Command{Name: "/no/such/program", Dir: "/"}, new(ended).note)
		require.EqualError(t, err, "fork/exec /no/such/program: no such file or directory")
		requireNoChildren(t)
	})
}

func TestS04KillWithInvalidSignal(t *testing.T) {
	forEachWait(t, func(t *testing.T, l *loop.Loop) {
		p, e := start(t, l, loop.Command{Name: "sleep", Args: []string{"1000"}})
		for _, sig := range []syscall.Signal{-1, 4096} {
			require.ErrorIs(t, p.Kill(sig), syscall.EINVAL)
		}
		require.NoError(t, p.Kill(0), "it runs")
		require.NoError(t, p.Kill(syscall.SIGTERM))
		require.NoError(t, l.Run())
		require.Equal(t, syscall.SIGTERM, e.state.Signal)
	})
}

// Once the last Signal has stopped, the signal does what it does by default: here it ends the process, which is this test again.
func TestS01StopRestoresTheDefault(t *testing.T) {
	const child = "LOOP_TEST_DEFAULT_SIGNAL"
	if os.Getenv(child) != "" {
		l, err := loop.New(loop.Options{})
		require.NoError(t, err)
		defer l.Close()
		first := onSignal(t, l, func(os.Signal) {}, syscall.SIGTERM)
		second := onSignal(t, l, func(os.Signal) { l.Stop() }, syscall.SIGTERM).Ref()
		first.Stop()
		raise(t, syscall.SIGTERM) // still caught
		require.NoError(t, l.Run())
		second.Stop()
		raise(t, syscall.SIGTERM)
		time.Sleep(10 * time.Second) // or fail
	}
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		_, e := start(t, l, loop.Command{
			Name: os.Args[0], Args: []string{"-test.run=^TestS01StopRestoresTheDefault$", "-test.timeout=20s"}, Env: append(os.Environ(), child+"=1"),
		})
		require.NoError(t, l.Run())
		require.NoError(t, e.err)
		require.Equal(t, syscall.SIGTERM, e.state.Signal)
	})
}
