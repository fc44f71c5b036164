//go:build unix

package loop_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/loop"
)

// message returns a pipe's read end with text in it, and no writer.
func message(t *testing.T, text string) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	_, err = w.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	t.Cleanup(func() { r.Close() })
	return r
}

// readFD reads to the end of what fd has open, and closes it.
func readFD(t *testing.T, fd int) string {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	require.NoError(t, err)
	require.NotZero(t, flags&unix.FD_CLOEXEC)
	f := os.NewFile(uintptr(fd), "received")
	defer f.Close()
	text, err := io.ReadAll(f)
	require.NoError(t, err)
	return string(text)
}

func fdOf(f *os.File) int { return int(f.Fd()) }

// Bytes that are sent after a descriptor, in the same turn even, come after it and not with it.
func TestX06BytesAfterDescriptors(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		server, client := connectOursOver(t, l, "unix")
		client.SendFDs([]byte("first"), []int{fdOf(message(t, "a"))}, nil)
		client.Send([]byte("second"), nil)
		client.CloseWrite(nil)
		var got []string
		var receive loop.FDsFunc
		receive = func(b []byte, fds []int, err error) {
			if err != nil {
				require.Equal(t, io.EOF, err)
				return
			}
			for _, fd := range fds {
				got = append(got, readFD(t, fd))
			}
			got = append(got, string(b))
			server.RecvFDs(make([]byte, 64), receive)
		}
		server.RecvFDs(make([]byte, 64), receive)
		require.NoError(t, l.Run())
		require.Equal(t, []string{"a", "first", "second"}, got)
	})
}

func TestX06PassDescriptors(t *testing.T) {
	for _, network := range unixNetworks {
		t.Run(network, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				server, client := connectOursOver(t, l, network)
				a, b, c := message(t, "a"), message(t, "b"), message(t, "c")
				var order []string
				sent := func(data []byte, err error) {
					require.NoError(t, err)
					order = append(order, string(data))
				}
				fds := []int{fdOf(a)}
				client.Send([]byte("one"), sent)
				client.SendFDs([]byte("two"), fds, sent)
				fds[0] = -1 // the slice is not lent
				client.Send([]byte("three"), sent)
				client.SendFDs([]byte("four"), []int{fdOf(b), fdOf(c)}, sent)
				client.SendFDs([]byte("five"), nil, sent)
				client.CloseWrite(nil)

				var data, withFDs []byte
				var got []string
				var received loop.FDsFunc
				received = func(p []byte, fds []int, err error) {
					if err != nil {
						require.Equal(t, io.EOF, err)
						require.Empty(t, fds)
						return
					}
					for _, fd := range fds {
						got = append(got, readFD(t, fd))
						withFDs = append(withFDs, p...)
					}
					data = append(data, p...)
					server.RecvFDs(make([]byte, 64), received)
				}
				server.RecvFDs(make([]byte, 64), received)
				require.NoError(t, l.Run())
				require.Equal(t, []string{"one", "two", "three", "four", "five"}, order)
				require.Equal(t, "onetwothreefourfive", string(data))
				require.Equal(t, []string{"a", "b", "c"}, got)
				require.Contains(t, string(withFDs), "two")
				require.Contains(t, string(withFDs), "four")
			})
		})
	}
}

// The loop at one end, package net at the other.
func TestX06DescriptorsAndPlainPeer(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeerOver(t, l, "unix")
		u := peer.(*net.UnixConn)
		var fds []int
		for _, text := range []string{"x", "y", "z"} {
			fds = append(fds, fdOf(message(t, text)))
		}
		_, _, err := u.WriteMsgUnix([]byte("to the loop"), unix.UnixRights(fds...), nil)
		require.NoError(t, err)
		texts := ""
		op := c.RecvFDs(make([]byte, 64), func(b []byte, got []int, err error) {
			require.NoError(t, err)
			require.Equal(t, "to the loop", string(b))
			for _, fd := range got {
				texts += readFD(t, fd)
			}
		})
		require.True(t, op.Active())
		require.NoError(t, l.Run())
		require.Equal(t, "xyz", texts)

		c.SendFDs([]byte("to the peer"), fds[:2], nil)
		require.NoError(t, l.Run())
		buf, oob := make([]byte, 64), make([]byte, 256)
		n, oobn, _, _, err := u.ReadMsgUnix(buf, oob)
		require.NoError(t, err)
		require.Equal(t, "to the peer", string(buf[:n]))
		messages, err := unix.ParseSocketControlMessage(oob[:oobn])
		require.NoError(t, err)
		require.Len(t, messages, 1)
		got, err := unix.ParseUnixRights(&messages[0])
		require.NoError(t, err)
		require.Len(t, got, 2)
		for _, fd := range got {
			require.NoError(t, unix.Close(fd))
		}
	})
}

// A send of more than the socket takes: the descriptors arrive once, with its first byte.
func TestX06DescriptorsOfABigSend(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		server, client := connectOursOver(t, l, "unix")
		require.NoError(t, client.SetWriteBuffer(16<<10))
		want := patternOf(6, 1<<20)
		client.Send(want[:1000], nil)
		client.SendFDs(want[1000:], []int{fdOf(message(t, "big"))}, func(b []byte, err error) {
			require.NoError(t, err)
			require.Len(t, b, len(want)-1000)
			client.Close(nil)
		})
		var data bytes.Buffer
		times := 0
		var received loop.FDsFunc
		received = func(p []byte, fds []int, err error) {
			if err != nil {
				require.Equal(t, io.EOF, err)
				return
			}
			for _, fd := range fds {
				require.LessOrEqual(t, data.Len(), 1000, "with its first byte")
				require.Greater(t, data.Len()+len(p), 1000)
				require.Equal(t, "big", readFD(t, fd))
				times++
			}
			data.Write(p)
			server.RecvFDs(p[:cap(p)], received)
		}
		server.RecvFDs(make([]byte, 5000), received)
		require.NoError(t, l.Run())
		require.Equal(t, 1, times)
		require.True(t, bytes.Equal(want, data.Bytes()))
	})
}

// A plain receive ends short before and after bytes that came with a descriptor. What is left must not be waited for.
func TestX06PlainReceiveOfDescriptors(t *testing.T) {
	for _, r := range receivers {
		t.Run(r.name, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				server, client := connectOursOver(t, l, "unix")
				fd := fdOf(message(t, "dropped"))
				var got bytes.Buffer
				r.start(server, &got, func(err error) {
					require.Equal(t, io.EOF, err)
					server.Close(nil)
				})
				require.NoError(t, l.Poll())
				for i := range 10 {
					client.SendFDs([]byte{'0' + byte(i)}, []int{fd}, nil)
				}
				for got.Len() < 10 {
					require.NoError(t, l.RunOnce())
				}
				client.Close(nil)
				require.NoError(t, l.Run())
				require.Equal(t, "0123456789", got.String())
			})
		})
	}
}

func TestX06Misuse(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		server, client := connectOursOver(t, l, "unix")
		fd := fdOf(message(t, ""))
		calls := 0
		fail := func(text string) loop.IOFunc {
			return func(b []byte, err error) {
				require.Empty(t, b)
				require.ErrorContains(t, err, text)
				calls++
			}
		}
		client.SendFDs(nil, []int{fd}, fail("there is none"))
		client.SendFDs([]byte("x"), make([]int, 254), fail("more than 253"))
		client.SendFDs([]byte("x"), []int{-1}, func(_ []byte, err error) {
			requireOpError(t, err, "write", syscall.EBADF)
			calls++
		})
		client.Send([]byte("goes on"), func(_ []byte, err error) { require.NoError(t, err) })
		require.PanicsWithValue(t, "loop: RecvFDs: nil callback", func() { server.RecvFDs(make([]byte, 1), nil) })
		server.RecvFDs(make([]byte, 64), func(b []byte, fds []int, err error) {
			require.NoError(t, err)
			require.Equal(t, "goes on", string(b))
			require.Empty(t, fds)
		})
		server.RecvFDs(make([]byte, 64), func(_ []byte, _ []int, err error) {
			require.Equal(t, loop.ErrBusy, err)
			calls++
		})
		require.NoError(t, l.Run())
		server.RecvFDs(nil, func(b []byte, _ []int, err error) {
			require.NoError(t, err)
			calls++
		})
		tcp, other := connectOurs(t, l)
		tcp.SendFDs([]byte("x"), []int{fd}, fail("Unix sockets only"))
		other.RecvFDs(make([]byte, 1), func(_ []byte, _ []int, err error) {
			require.ErrorContains(t, err, "Unix sockets only")
			calls++
		})
		require.NoError(t, l.Run())
		require.Equal(t, 7, calls)
		server.Close(nil)
		server.RecvFDs(make([]byte, 8), func(b []byte, _ []int, err error) {
			require.Empty(t, b)
			require.Equal(t, loop.ErrClosed, err)
			calls++
		})
		client.Close(nil)
		client.SendFDs(nil, []int{fd}, func(_ []byte, err error) {
			require.Equal(t, loop.ErrClosed, err)
			calls++
		})
		require.NoError(t, l.Run())
		require.Equal(t, 9, calls)
	})
}

// Descriptors that arrive while their receive is being stopped, or the Conn or the loop closed, are delivered or closed by the
// system: the accounting after the case finds every other.
func TestX06StopRacesWithDescriptors(t *testing.T) {
	for name, stop := range map[string]func(l *loop.Loop, c *loop.Conn, op loop.Op){
		"cancel":     func(_ *loop.Loop, _ *loop.Conn, op loop.Op) { op.Cancel() },
		"timeout":    func(_ *loop.Loop, _ *loop.Conn, op loop.Op) { op.Timeout(time.Microsecond) },
		"close":      func(_ *loop.Loop, c *loop.Conn, _ loop.Op) { c.Close(nil) },
		"loop close": func(l *loop.Loop, _ *loop.Conn, _ loop.Op) { l.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				fds := []int{fdOf(message(t, "")), fdOf(message(t, ""))}
				calls := 0
				for i := range 40 {
					server, client := connectOursOver(t, l, "unix")
					before := calls
					op := server.RecvFDs(make([]byte, 8), func(b []byte, got []int, err error) {
						calls++
						if err == nil {
							require.Equal(t, "x", string(b))
							require.Len(t, got, 2)
						} else {
							require.Empty(t, got)
							require.True(t, errors.Is(err, loop.ErrCanceled) || errors.Is(err, loop.ErrClosed) ||
								errors.Is(err, os.ErrDeadlineExceeded), "%v", err)
						}
						for _, fd := range got {
							require.NoError(t, unix.Close(fd))
						}
					})
					for range i % 3 {
						require.NoError(t, l.Poll())
					}
					client.SendFDs([]byte("x"), fds, nil)
					for range i % 4 {
						require.NoError(t, l.Poll())
					}
					stop(l, server, op)
					if name == "loop close" {
						require.NoError(t, l.Run())
						require.NoError(t, l.Close())
						require.Equal(t, 1, calls)
						return
					}
					require.NoError(t, l.Run())
					require.Equal(t, before+1, calls)
					server.Close(nil)
					client.Close(nil)
					require.NoError(t, l.Run())
				}
			})
		})
	}
}

func TestPeerCred(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		server, client := connectOursOver(t, l, "unix")
		for _, c := range []*loop.Conn{server, client} {
			pid, uid, gid, err := c.PeerCred()
			if errors.Is(err, syscall.EOPNOTSUPP) {
				return // the documented answer of other systems
			}
			require.NoError(t, err)
			require.Equal(t, []int{os.Getpid(), os.Getuid(), os.Getgid()}, []int{pid, uid, gid})
		}
		tcp, _ := connectOurs(t, l)
		_, _, _, err := tcp.PeerCred()
		require.ErrorContains(t, err, "Unix sockets only")
		tcp.Close(nil)
		_, _, _, err = tcp.PeerCred()
		require.Equal(t, loop.ErrClosed, err)
		require.NoError(t, l.Run())
	})
}
