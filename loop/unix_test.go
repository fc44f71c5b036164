//go:build unix

package loop_test

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

var unixNetworks = []string{"unix", "unixpacket"}

func TestX01ConnectToABadName(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		file := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		for _, network := range unixNetworks {
			for _, bad := range []struct {
				name  string
				errno syscall.Errno
			}{
				{filepath.Join(dir, "missing"), syscall.ENOENT},
				{file, syscall.ECONNREFUSED},
				{filepath.Join(dir, strings.Repeat("x", 200)), syscall.ENAMETOOLONG},
				{filepath.Join(dir, "nul\x00inside"), syscall.EINVAL},
				{"", syscall.EINVAL},
			} {
				calls := 0
				l.Dial(network, bad.name, func(c *loop.Conn, err error) {
					calls++
					require.Nil(t, c)
					requireOpError(t, err, "dial", bad.errno)
					require.Contains(t, err.Error(), network)
					var opErr *net.OpError
					require.ErrorAs(t, err, &opErr)
					require.Equal(t, &net.UnixAddr{Name: bad.name, Net: network}, opErr.Addr)
				})
				require.Zero(t, calls, "synchronous")
				require.NoError(t, l.Run())
				require.Equal(t, 1, calls)
				if bad.errno == syscall.ENAMETOOLONG || strings.Contains(bad.name, "\x00") {
					_, err := l.Listen(network, bad.name)
					requireOpError(t, err, "listen", bad.errno)
				}
			}
			_, err := l.Listen(network, filepath.Join(dir, "no", "such", "directory"))
			requireOpError(t, err, "listen", syscall.ENOENT)
		}
	})
}

// The longest path that there is room for works, in both directions.
func TestX01LongestPath(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir, err := os.MkdirTemp("", "x")
		require.NoError(t, err)
		defer func() { require.NoError(t, os.RemoveAll(dir)) }()
		room := len(syscall.RawSockaddrUnix{}.Path) - 1
		name := filepath.Join(dir, strings.Repeat("x", room-len(dir)-1))
		require.Len(t, name, room)
		ln, err := l.Listen("unix", name)
		require.NoError(t, err)
		require.Equal(t, &net.UnixAddr{Name: name, Net: "unix"}, ln.Addr())
		_, err = l.Listen("unix", name+"x")
		requireOpError(t, err, "listen", syscall.ENAMETOOLONG)
		l.Dial("unix", name, func(c *loop.Conn, err error) {
			require.NoError(t, err)
			require.Equal(t, name, c.RemoteAddr().String())
			c.Close(nil)
			ln.Close(nil)
		})
		require.NoError(t, l.Run())
	})
}

func TestX02BindInUseAndRemoval(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		name := filepath.Join(t.TempDir(), "s")
		for _, network := range unixNetworks {
			ln, err := l.Listen(network, name)
			require.NoError(t, err)
			_, err = l.Listen(network, name)
			requireOpError(t, err, "listen", syscall.EADDRINUSE)
			info, err := os.Stat(name)
			require.NoError(t, err)
			require.Equal(t, fs.ModeSocket, info.Mode().Type())
			gone := false
			ln.Close(func(err error) {
				require.NoError(t, err)
				_, err = os.Stat(name)
				require.ErrorIs(t, err, fs.ErrNotExist, "Close has removed it before its callback")
				gone = true
			})
			require.NoError(t, l.Run())
			require.True(t, gone)

			ln, err = l.Listen(network, name)
			require.NoError(t, err)
			ln.SetUnlinkOnClose(false)
			ln.Close(nil)
			require.NoError(t, l.Run())
			require.FileExists(t, name)
			_, err = l.Listen(network, name)
			requireOpError(t, err, "listen", syscall.EADDRINUSE) // nobody listens there any more, all the same
			l.Dial(network, name, func(_ *loop.Conn, err error) { requireOpError(t, err, "dial", syscall.ECONNREFUSED) })
			require.NoError(t, l.Run())
			require.NoError(t, os.Remove(name))
		}
		ln, err := l.Listen("unix", name)
		require.NoError(t, err)
		ln.SetUnlinkOnClose(false)
		ln.SetUnlinkOnClose(true)
		require.NoError(t, l.Close(), "it closes its listeners")
		require.NoFileExists(t, name)
	})
}

func TestUnixAddresses(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, network := range unixNetworks {
			name := filepath.Join(t.TempDir(), "s")
			ln, err := loop.ListenConfig{Backlog: 4, Control: func(n, address string, c syscall.RawConn) error {
				require.Equal(t, []string{network, name}, []string{n, address})
				return c.Control(func(fd uintptr) { require.Positive(t, fd) })
			}}.Listen(l, network, name)
			require.NoError(t, err)
			require.Equal(t, &net.UnixAddr{Name: name, Net: network}, ln.Addr())
			ln.Accept(func(c *loop.Conn, err error) {
				if err == nil {
					require.Equal(t, &net.UnixAddr{Name: name, Net: network}, c.LocalAddr())
					require.IsType(t, &net.UnixAddr{}, c.RemoteAddr())
					c.Close(nil)
					ln.Close(nil)
				}
			})
			l.Dial(network, name, func(c *loop.Conn, err error) {
				require.NoError(t, err)
				require.Equal(t, &net.UnixAddr{Name: name, Net: network}, c.RemoteAddr())
				require.Error(t, c.SetNoDelay(true), "an option of TCP")
				require.NoError(t, c.SetReadBuffer(64<<10))
				c.Recv(make([]byte, 1), func([]byte, error) { c.Close(nil) })
			})
			require.NoError(t, l.Run())
		}
		_, err := loop.ListenConfig{Control: func(string, string, syscall.RawConn) error { return io.ErrNoProgress }}.
			Listen(l, "unix", filepath.Join(t.TempDir(), "s"))
		require.Equal(t, io.ErrNoProgress, err)
		loop.Dialer{Control: func(string, string, syscall.RawConn) error { return io.ErrNoProgress }}.
			Dial(l, "unix", "anywhere", func(_ *loop.Conn, err error) { require.ErrorIs(t, err, io.ErrNoProgress) })
		require.NoError(t, l.Run())
	})
}

// A Dial to a listener whose queue is full waits for room on every backend, and can be stopped as it waits.
func TestUnixDialWaitsForRoom(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		name := filepath.Join(t.TempDir(), "s")
		ln, err := loop.ListenConfig{Backlog: 1}.Listen(l, "unix", name)
		require.NoError(t, err)
		const n = 8
		connected, stopped := 0, 0
		for range n {
			l.Dial("unix", name, func(c *loop.Conn, err error) {
				require.NoError(t, err)
				connected++
				c.Close(nil)
			})
		}
		for connected == 0 {
			require.NoError(t, l.RunOnce())
		}
		for range 20 {
			require.NoError(t, l.Poll())
		}
		require.Less(t, connected, n)
		stop := func(_ *loop.Conn, err error) {
			require.True(t, errors.Is(err, loop.ErrCanceled) || errors.Is(err, os.ErrDeadlineExceeded), "%v", err)
			stopped++
		}
		late := l.Dial("unix", name, stop)
		l.Dial("unix", name, stop).Timeout(5 * time.Millisecond)
		l.After(10*time.Millisecond, func() {
			require.True(t, late.Active())
			late.Cancel()
		})
		for stopped < 2 {
			require.NoError(t, l.RunOnce())
		}
		ln.Accept(func(c *loop.Conn, err error) {
			if err == nil {
				c.Close(nil)
			}
		})
		for connected < n {
			require.NoError(t, l.RunOnce())
		}
		ln.Close(nil)
		require.NoError(t, l.Run())
	})
}

// Each send on a network of packets is one packet, however many a turn has.
func TestUnixPackets(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		server, client := connectOursOver(t, l, "unixpacket")
		want := []string{"one", "twotwo", "third in parts", "4"}
		client.Send([]byte(want[0]), nil)
		client.Send([]byte(want[1]), nil)
		client.SendVec([][]byte{[]byte("third"), nil, []byte(" in parts")}, nil)
		client.Send([]byte(want[3]), nil)
		client.SendVec(make([][]byte, 2000), func(n int, err error) {
			require.Zero(t, n)
			requireOpError(t, err, "write", syscall.EMSGSIZE)
		})
		client.Send(make([]byte, 64<<20), func(b []byte, err error) {
			require.Empty(t, b)
			requireOpError(t, err, "write", syscall.EMSGSIZE)
		})
		client.Send([]byte("last"), nil)
		client.CloseWrite(nil)
		var got []string
		server.Recv(make([]byte, 64), func(b []byte, err error) {
			require.NoError(t, err)
			got = append(got, string(b))
			server.RecvMultishot(func(b loop.Buffer, err error) {
				if err == nil {
					got = append(got, string(b.Bytes()))
					return
				}
				require.Equal(t, io.EOF, err)
				server.Close(nil)
				client.Close(nil)
			})
		})
		require.NoError(t, l.Run())
		require.Equal(t, append(want, "last"), got)
	})
}

func TestN23Adopt(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "unixpacket"} {
		t.Run(network, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				ln, err := net.Listen(network, anyAddress(t, network))
				require.NoError(t, err)
				defer ln.Close()
				dialed, err := net.Dial(network, ln.Addr().String())
				require.NoError(t, err)
				defer dialed.Close()
				peer, err := ln.Accept()
				require.NoError(t, err)

				c, err := l.Adopt(dialed.(syscall.Conn))
				require.NoError(t, err)
				twice, err := l.Adopt(dialed.(syscall.Conn))
				require.NoError(t, err, "each has a descriptor of its own")
				require.Equal(t, dialed.RemoteAddr(), c.RemoteAddr())
				require.NoError(t, dialed.Close(), "the original is the caller's")
				twice.Close(nil)
				c.Send([]byte("ping"), nil)
				c.CloseWrite(nil)
				c.RecvMultishot(func(b loop.Buffer, err error) {
					if err == nil {
						require.Equal(t, "pong", string(b.Bytes()))
						return
					}
					require.Equal(t, io.EOF, err)
					c.Close(nil)
				})
				wait := beside(t, func() error {
					defer peer.Close()
					got := make([]byte, 4)
					if _, err := io.ReadFull(peer, got); err != nil || string(got) != "ping" {
						return errors.Join(err, errors.New(string(got)))
					}
					_, err := peer.Write([]byte("pong"))
					return err
				})
				require.NoError(t, l.Run())
				wait()

				_, err = l.Adopt(ln.(syscall.Conn))
				require.ErrorIs(t, err, syscall.EINVAL, "it listens")
				_, err = l.Adopt(dialed.(syscall.Conn))
				require.ErrorIs(t, err, net.ErrClosed)
				_, err = l.AdoptListener(dialed.(syscall.Conn))
				require.ErrorIs(t, err, net.ErrClosed)
			})
		})
	}
}

func TestN23AdoptListener(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "unixpacket"} {
		t.Run(network, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				theirs, err := net.Listen(network, anyAddress(t, network))
				require.NoError(t, err)
				defer theirs.Close()
				ln, err := l.AdoptListener(theirs.(syscall.Conn))
				require.NoError(t, err)
				require.Equal(t, theirs.Addr(), ln.Addr())
				if u, ok := theirs.(*net.UnixListener); ok {
					u.SetUnlinkOnClose(false)
				}
				require.NoError(t, theirs.Close())
				ln.Accept(func(c *loop.Conn, err error) {
					if err != nil {
						require.ErrorIs(t, err, loop.ErrClosed)
						return
					}
					serveEcho(c)
					ln.Close(nil)
				})
				address := theirs.Addr().String()
				dialed, err := net.Dial(network, address)
				require.NoError(t, err)
				wait := beside(t, func() error {
					defer dialed.Close()
					_, err := dialed.Write([]byte("echo"))
					if err == nil {
						_, err = io.ReadFull(dialed, make([]byte, 4))
					}
					return err
				})
				require.NoError(t, l.Run())
				wait()
				if network != "tcp" {
					require.FileExists(t, address, "an adopted listener leaves the name")
				}

				r, w, err := os.Pipe()
				require.NoError(t, err)
				defer w.Close()
				_, err = l.AdoptListener(r)
				require.ErrorIs(t, err, syscall.EINVAL)
				c, err := l.Adopt(r)
				require.NoError(t, err)
				require.NoError(t, r.Close())
				_, err = w.WriteString("piped")
				require.NoError(t, err)
				c.Recv(make([]byte, 8), func(b []byte, err error) {
					require.NoError(t, err)
					require.Equal(t, "piped", string(b))
					c.Close(nil)
				})
				require.NoError(t, l.Run())
			})
		})
	}
}
