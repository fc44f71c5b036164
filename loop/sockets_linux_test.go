package loop_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/loop"
)

// withFewDescriptors runs body in a child process whose table of descriptors is small from the start: io_uring looks at
// the limit when an accept is submitted, not when a connection arrives.
func withFewDescriptors(t *testing.T, body func(t *testing.T)) {
	t.Helper()
	inChild(t, func(t *testing.T) {
		var limit unix.Rlimit
		require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
		limit.Cur = 200
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
		body(t)
	})
}

// fillTable uses up all but free descriptors.
func fillTable(t *testing.T, free int) (release func()) {
	t.Helper()
	require.NotEmpty(t, os.Getenv(childVariable), "the table is the whole process's")
	var fds []int
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.EMFILE) {
			break
		}
		require.NoError(t, err)
		fds = append(fds, fd)
	}
	give := func(n int) {
		for _, fd := range fds[:n] {
			require.NoError(t, unix.Close(fd))
		}
		fds = fds[n:]
	}
	give(free)
	return func() { give(len(fds)) }
}

// sockets returns unconnected sockets, made while there are descriptors for them.
func sockets(t *testing.T, n int) []int {
	t.Helper()
	fds := make([]int, n)
	for i := range fds {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		fds[i] = fd
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
	return fds
}

func connectSocket(t *testing.T, fd int, ln *loop.Listener) {
	t.Helper()
	address, err := sockaddr(ln)
	require.NoError(t, err)
	require.NoError(t, unix.Connect(fd, address))
}

func sockaddr(ln *loop.Listener) (unix.Sockaddr, error) {
	raw, err := ln.SyscallConn()
	if err != nil {
		return nil, err
	}
	var address unix.Sockaddr
	var failed error
	err = raw.Control(func(fd uintptr) { address, failed = unix.Getsockname(int(fd)) })
	if err == nil {
		err = failed
	}
	return address, err
}

// requireEnded demands that the other side has closed the connection.
func requireEnded(t *testing.T, fd int) {
	t.Helper()
	n, err := unix.Read(fd, make([]byte, 1))
	require.True(t, n == 0 && err == nil || errors.Is(err, unix.ECONNRESET), "%d, %v", n, err)
}

func TestN21DescriptorsRunOut(t *testing.T) {
	withFewDescriptors(t, func(t *testing.T) {
		forEachQueue(t, func(t *testing.T, l *loop.Loop) {
			ln := listenOn(t, l, "127.0.0.1:0")
			clients := sockets(t, 12)
			accepted, ended := 0, 0
			serve := func(c *loop.Conn, err error) {
				if err != nil {
					require.Equal(t, loop.ErrCanceled, err)
					ended++
					return
				}
				accepted++
				c.Close(nil)
			}
			accept := ln.Accept(serve)
			connectSocket(t, clients[0], ln)
			for accepted < 1 {
				require.NoError(t, l.RunOnce())
			}
			for range 3 {
				require.NoError(t, l.Poll()) // the accepted one is closed, the next accept is armed
			}

			release := fillTable(t, 0)
			for i, fd := range clients[1:6] {
				connectSocket(t, fd, ln)
				for l.Metrics().AcceptsShed < uint64(i+1) {
					require.NoError(t, l.RunOnce())
				}
				requireEnded(t, fd)
			}
			require.Equal(t, 1, accepted)
			before := l.Metrics()
			l.After(200*time.Millisecond, l.Stop)
			require.NoError(t, l.Run())
			require.Less(t, l.Metrics().Turns-before.Turns, uint64(20), "it spins")

			// It can be canceled as it waits, and one that starts now waits too.
			accept.Cancel()
			require.NoError(t, l.Run())
			require.Equal(t, 1, ended)
			accept = ln.Accept(serve)
			require.NoError(t, l.Poll())
			release()
			for _, fd := range clients[6:] {
				connectSocket(t, fd, ln)
			}
			for accepted < 7 {
				require.NoError(t, l.RunOnce())
			}
			accept.Cancel()
			require.NoError(t, l.Run())
			require.EqualValues(t, 5, l.Metrics().AcceptsShed)
		})
	})
}

func TestN21WithoutDescriptorInReserve(t *testing.T) {
	withFewDescriptors(t, func(t *testing.T) {
		for _, end := range []string{"recover", "cancel", "close"} {
			t.Run(end, func(t *testing.T) {
				forEachQueue(t, func(t *testing.T, l *loop.Loop) {
					clients := sockets(t, 2)
					require.NoError(t, l.Poll())
					release := fillTable(t, 1)
					ln := listenOn(t, l, "127.0.0.1:0") // takes the last one
					accepted, ended := 0, 0
					accept := ln.Accept(func(c *loop.Conn, err error) {
						if err != nil {
							require.Error(t, err)
							ended++
							return
						}
						accepted++
						c.Close(nil)
					})
					connectSocket(t, clients[0], ln)
					before := l.Metrics()
					l.After(200*time.Millisecond, l.Stop)
					require.NoError(t, l.Run())
					require.Less(t, l.Metrics().Turns-before.Turns, uint64(60), "it spins")
					require.Zero(t, accepted)
					if end == "recover" {
						release()
						connectSocket(t, clients[1], ln)
						for accepted+int(l.Metrics().AcceptsShed) < 2 {
							require.NoError(t, l.RunOnce())
						}
					}
					if end == "close" {
						ln.Close(nil)
					} else {
						accept.Cancel()
					}
					require.NoError(t, l.Run())
					require.Equal(t, 1, ended)
					if end != "recover" {
						release()
					}
				})
			})
		}
	})
}

func TestE08NoDescriptorForAHandle(t *testing.T) {
	withFewDescriptors(t, func(t *testing.T) {
		forEachQueue(t, func(t *testing.T, l *loop.Loop) {
			name := filepath.Join(t.TempDir(), "file")
			ln := listenOn(t, l, "127.0.0.1:0")
			require.NoError(t, l.Poll())
			release := fillTable(t, 0)
			defer release()
			_, err := l.Listen("tcp", "127.0.0.1:0")
			requireOpError(t, err, "listen", syscall.EMFILE)
			calls := 0
			l.Dial("tcp", ln.Addr().String(), func(c *loop.Conn, err error) {
				calls++
				require.Nil(t, c)
				requireOpError(t, err, "dial", syscall.EMFILE)
			})
			l.Open(name, os.O_RDWR|os.O_CREATE, 0o600, func(f *loop.File, err error) {
				calls++
				require.Nil(t, f)
				var pathErr *os.PathError
				require.ErrorAs(t, err, &pathErr)
				require.Equal(t, "open", pathErr.Op)
				require.ErrorIs(t, err, syscall.EMFILE)
			})
			require.Zero(t, calls)
			require.NoError(t, l.Run())
			require.Equal(t, 2, calls)
		})
	})
}

func TestE08NoDescriptorForALoop(t *testing.T) {
	withFewDescriptors(t, func(t *testing.T) {
		for _, backend := range []string{"", "uring", "epoll", "poll"} {
			for free := range 8 {
				before := snapshot()
				release := fillTable(t, free)
				l, err := loop.New(loop.Options{Backend: backend})
				if err == nil {
					require.NoError(t, l.Close())
				} else {
					require.ErrorIs(t, err, syscall.EMFILE)
				}
				if free == 0 {
					require.Error(t, err)
				}
				if free == 7 {
					require.NoError(t, err)
				}
				release()
				before.check(t)
			}
		}
	})
}

func TestSocketOptions(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		server, client := connectOurs(t, l)
		for name, c := range map[string]*loop.Conn{"accepted": server, "dialed": client} {
			raw, err := c.SyscallConn()
			require.NoError(t, err)
			get := func(level, option int) (value int) {
				require.NoError(t, raw.Control(func(fd uintptr) {
					value, err = unix.GetsockoptInt(int(fd), level, option)
					require.NoError(t, err)
				}))
				return value
			}
			// The defaults of package net.
			require.NotZero(t, get(unix.IPPROTO_TCP, unix.TCP_NODELAY), name)
			require.NotZero(t, get(unix.SOL_SOCKET, unix.SO_KEEPALIVE), name)
			require.Equal(t, 15, get(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE), name)
			require.Equal(t, 15, get(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL), name)
			require.Equal(t, 9, get(unix.IPPROTO_TCP, unix.TCP_KEEPCNT), name)
			require.NoError(t, raw.Control(func(fd uintptr) {
				flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0)
				require.NoError(t, err)
				require.NotZero(t, flags&unix.FD_CLOEXEC, name)
			}))

			require.NoError(t, c.SetNoDelay(false))
			require.Zero(t, get(unix.IPPROTO_TCP, unix.TCP_NODELAY))
			require.NoError(t, c.SetKeepAlive(1500*time.Millisecond))
			require.Equal(t, 2, get(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE))
			require.NoError(t, c.SetKeepAlive(0))
			require.Zero(t, get(unix.SOL_SOCKET, unix.SO_KEEPALIVE))
			require.NoError(t, c.SetReadBuffer(30_000))
			require.Equal(t, 60_000, get(unix.SOL_SOCKET, unix.SO_RCVBUF)) // socket(7): doubled
			require.NoError(t, c.SetWriteBuffer(20_000))
			require.Equal(t, 40_000, get(unix.SOL_SOCKET, unix.SO_SNDBUF))
		}
		// Linger 0 resets.
		require.NoError(t, server.SetLinger(0))
		server.Close(nil)
		client.Recv(make([]byte, 1), func(_ []byte, err error) { requireOpError(t, err, "read", syscall.ECONNRESET) })
		require.NoError(t, l.Run())
	})
}

func TestListenOptions(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ln, err := loop.ListenConfig{Delay: true, KeepAlive: -1}.Listen(l, "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		raw, err := ln.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) {
			for _, option := range []struct{ level, name, want int }{
				{unix.IPPROTO_TCP, unix.TCP_NODELAY, 0},
				{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0},
				{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
				{unix.SOL_SOCKET, unix.SO_REUSEPORT, 0},
				{unix.SOL_SOCKET, unix.SO_ACCEPTCONN, 1},
			} {
				got, err := unix.GetsockoptInt(int(fd), option.level, option.name)
				require.NoError(t, err)
				require.Equal(t, option.want, got, option)
			}
		}))
	})
}

func TestCanceledSendAtTheHeadThatMovedNothing(t *testing.T) {
	// The kernel's buffer is full, so that nothing of the two sends that share an entry moves.
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		narrow(t, c, peer)
		raw, err := c.SyscallConn()
		require.NoError(t, err)
		var filled []byte
		require.NoError(t, raw.Control(func(fd uintptr) {
			for i := 0; ; i++ {
				b := patternOf(i, 1000)
				n, err := unix.Write(int(fd), b)
				if errors.Is(err, unix.EAGAIN) {
					return
				}
				require.NoError(t, err)
				filled = append(filled, b[:n]...)
			}
		}))
		ended := 0
		head := c.Send([]byte("never seen"), func(b []byte, err error) {
			require.Empty(t, b)
			require.Equal(t, loop.ErrCanceled, err)
			ended++
		})
		c.Send([]byte("after"), func(_ []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, 1, ended)
			ended++
			c.Close(nil)
		})
		for range 3 {
			require.NoError(t, l.Poll())
		}
		head.Cancel()
		for head.Active() {
			require.NoError(t, l.RunOnce())
		}
		require.Equal(t, len("after"), c.Queued())
		got := readAll(t, peer)
		require.NoError(t, l.Run())
		require.Equal(t, 2, ended)
		require.True(t, bytes.Equal(append(filled, "after"...), got()))
	})
}

// Linux reports POLLRDHUP to who did not ask for it: an event that a watch without Readable must have a name for.
func TestWatchOfAHalfClosedSocket(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		defer unix.Close(pair[0])
		defer unix.Close(pair[1])
		for junk := make([]byte, 64<<10); err == nil; {
			_, err = unix.Write(pair[0], junk)
		}
		require.Equal(t, unix.EAGAIN, err)
		require.NoError(t, unix.Shutdown(pair[1], unix.SHUT_WR))
		for _, c := range []struct{ asked, want loop.Events }{
			{loop.Writable, loop.Hangup},
			{loop.Readable, loop.Readable},
		} {
			calls := 0
			var op loop.Op
			op = l.Watch(pair[0], c.asked, func(events loop.Events, err error) {
				if err != nil {
					require.Equal(t, loop.ErrCanceled, err)
					return
				}
				calls++
				require.Equal(t, c.want, events)
				op.Cancel()
			})
			require.NoError(t, l.Run())
			require.NotZero(t, calls)
		}
	})
}
