//go:build unix

package loop_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// take returns a descriptor of f's file for the loop to own, and closes f.
func take(t *testing.T, f interface {
	syscall.Conn
	io.Closer
}) int {
	t.Helper()
	raw, err := f.SyscallConn()
	require.NoError(t, err)
	fd := -1
	require.NoError(t, raw.Control(func(n uintptr) { fd, err = syscall.Dup(int(n)) }))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return fd
}

// ends makes a pipe of which the loop has one end and the test, through package os, the other.
func ends(t *testing.T, l *loop.Loop, loopReads bool) (c *loop.Conn, peer *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	ours, peer := r, w
	if !loopReads {
		ours, peer = w, r
	}
	c, err = l.Stream(take(t, ours))
	require.NoError(t, err)
	t.Cleanup(func() { peer.Close() })
	return c, peer
}

func TestX04ByteThenEOF(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := ends(t, l, true)
		_, err := peer.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, peer.Close())
		require.False(t, l.Alive(), "an idle pipe holds nothing")
		buf := make([]byte, 8)
		c.Recv(buf, func(b []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, "x", string(b))
		})
		require.NoError(t, l.Run())
		require.False(t, l.Alive())
		for range 2 {
			eofs := 0
			c.Recv(buf, func(b []byte, err error) {
				require.Empty(t, b)
				require.Equal(t, io.EOF, err)
				eofs++
			})
			require.NoError(t, l.Run())
			require.Equal(t, 1, eofs)
		}
	})
}

// The receives of a Conn, of which each gets bytes in pieces and then the end.
var receivers = []struct {
	name  string
	start func(c *loop.Conn, got *bytes.Buffer, end func(error))
}{
	{"Recv", func(c *loop.Conn, got *bytes.Buffer, end func(error)) {
		buf := make([]byte, 4000)
		var received loop.IOFunc
		received = func(b []byte, err error) {
			if err != nil {
				end(err)
				return
			}
			got.Write(b)
			c.Recv(buf, received)
		}
		c.Recv(buf, received)
	}},
	{"RecvMultishot", func(c *loop.Conn, got *bytes.Buffer, end func(error)) {
		c.RecvMultishot(func(b loop.Buffer, err error) {
			if err != nil {
				end(err)
				return
			}
			got.Write(b.Bytes())
		})
	}},
}

func TestPipeBulk(t *testing.T) {
	for _, r := range receivers {
		t.Run(r.name, func(t *testing.T) {
			// So few buffers that the queue has them all: what it selects and what the loop takes are of one stock.
			forEachQueueWith(t, loop.Options{Buffers: 2, BufferSize: 4096}, func(t *testing.T, l *loop.Loop) {
				in, out, err := l.Pipe()
				require.NoError(t, err)
				want := patternOf(4, 1<<20)
				calls := 0
				for rest := want; len(rest) > 0; {
					n := min(len(rest), 90_000)
					out.Send(rest[:n], func(b []byte, err error) {
						require.NoError(t, err)
						require.Len(t, b, n)
						calls++
					})
					rest = rest[n:]
				}
				out.SendVec([][]byte{[]byte("one"), nil, []byte("two")}, func(n int, err error) {
					require.NoError(t, err)
					require.Equal(t, 6, n)
					calls++
				})
				out.Send(nil, func(_ []byte, err error) {
					require.NoError(t, err)
					calls++
				})
				out.CloseWrite(func(err error) {
					require.NoError(t, err)
					require.Equal(t, 14, calls)
					calls++
				})
				out.Send([]byte("late"), func(_ []byte, err error) { requireOpError(t, err, "write", syscall.EPIPE) })
				var got bytes.Buffer
				r.start(in, &got, func(err error) {
					require.Equal(t, io.EOF, err)
					in.Close(nil)
				})
				require.NoError(t, l.Run())
				require.Equal(t, 15, calls)
				require.Zero(t, out.Queued())
				require.Equal(t, len(want)+6, got.Len())
				require.True(t, bytes.Equal(append(want, "onetwo"...), got.Bytes()))
				closed := false
				out.Close(func(err error) {
					require.NoError(t, err)
					closed = true
				})
				require.NoError(t, l.Run())
				require.True(t, closed)
			})
		})
	}
}

// While the program holds every buffer a RecvMultishot pauses, and neither spins nor loses a byte.
func TestPipeWithoutBuffers(t *testing.T) {
	forEachQueueWith(t, loop.Options{Buffers: 2, BufferSize: 16}, func(t *testing.T, l *loop.Loop) {
		in, out, err := l.Pipe()
		require.NoError(t, err)
		want := patternOf(3, 100)
		var held []loop.Buffer
		var got []byte
		op := in.RecvMultishot(func(b loop.Buffer, err error) {
			if err != nil {
				require.Equal(t, loop.ErrCanceled, err)
				return
			}
			got = append(got, b.Bytes()...)
			b.Keep()
			held = append(held, b)
		})
		out.Send(want, nil)
		for len(got) < len(want) {
			turns := l.Metrics().Turns
			l.After(5*time.Millisecond, l.Stop)
			require.NoError(t, l.Run())
			require.Len(t, held, 2)
			require.Less(t, l.Metrics().Turns-turns, uint64(20), "it spins")
			for _, b := range held {
				b.Release()
			}
			held = nil
			for len(held) < 2 && len(got) < len(want) {
				require.NoError(t, l.RunOnce())
			}
		}
		require.Equal(t, want, got)
		op.Cancel()
		require.NoError(t, l.Run())
		for _, b := range held {
			b.Release()
		}
	})
}

func TestPipeRecvFull(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		in, out, err := l.Pipe()
		require.NoError(t, err)
		var got []string
		in.RecvFull(make([]byte, 5), func(b []byte, err error) {
			require.NoError(t, err)
			got = append(got, string(b))
			in.RecvFull(make([]byte, 5), func(b []byte, err error) {
				require.Equal(t, io.ErrUnexpectedEOF, err)
				got = append(got, string(b))
			})
		})
		out.Send([]byte("he"), func([]byte, error) {
			out.Send([]byte("llo"), func([]byte, error) {
				out.Send([]byte("end"), func([]byte, error) { out.Close(nil) })
			})
		})
		require.NoError(t, l.Run())
		require.Equal(t, []string{"hello", "end"}, got)
	})
}

// A receive that waits, of each kind, is canceled, timed out and closed; what comes later is not lost.
func TestPipeReceiveStops(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := ends(t, l, true)
		var ended []error
		end := func(err error) { ended = append(ended, err) }
		start := map[string]func() loop.Op{
			"Recv":          func() loop.Op { return c.Recv(make([]byte, 8), func(_ []byte, err error) { end(err) }) },
			"RecvMultishot": func() loop.Op { return c.RecvMultishot(func(_ loop.Buffer, err error) { end(err) }) },
		}
		for name, recv := range start {
			for _, when := range []func(loop.Op){
				func(o loop.Op) { o.Cancel() },
				func(o loop.Op) { l.After(5*time.Millisecond, o.Cancel) },
				func(o loop.Op) { o.Timeout(5 * time.Millisecond) },
			} {
				when(recv())
				require.NoError(t, l.Run())
				require.Len(t, ended, 1, name)
				require.True(t, errors.Is(ended[0], loop.ErrCanceled) || errors.Is(ended[0], os.ErrDeadlineExceeded), "%s: %v", name, ended[0])
				ended = nil
			}
		}
		_, err := peer.Write([]byte("kept"))
		require.NoError(t, err)
		c.Recv(make([]byte, 8), func(b []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, "kept", string(b))
		})
		require.NoError(t, l.Run())
		start["RecvMultishot"]()
		require.NoError(t, l.Poll())
		c.Close(func(error) { require.Equal(t, []error{loop.ErrClosed}, ended) })
		require.NoError(t, l.Run())
		require.Len(t, ended, 1)
	})
}

func TestPipeSendStops(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := ends(t, l, false)
		big := patternOf(2, 1<<20)
		moved := -1
		op := c.Send(big, func(b []byte, err error) {
			require.Equal(t, loop.ErrCanceled, err)
			moved = len(b)
		})
		c.Send([]byte("behind"), func(_ []byte, err error) { requireOpError(t, err, "write", syscall.EPIPE) })
		l.After(10*time.Millisecond, op.Cancel)
		require.NoError(t, l.Run())
		require.Positive(t, moved)
		require.Less(t, moved, len(big))
		c.Close(nil)
		require.NoError(t, l.Run())
		got, err := io.ReadAll(peer)
		require.NoError(t, err)
		require.True(t, bytes.Equal(big[:moved], got))
	})
}

func TestPipeWithoutReader(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := ends(t, l, false)
		failed := 0
		fail := func(b []byte, err error) {
			require.Empty(t, b)
			requireOpError(t, err, "write", syscall.EPIPE)
			failed++
		}
		op := c.Send(patternOf(1, 1<<20), func(_ []byte, err error) { // it waits when the reader goes
			requireOpError(t, err, "write", syscall.EPIPE)
			failed++
		})
		l.After(5*time.Millisecond, func() { require.NoError(t, peer.Close()) })
		require.NoError(t, l.Run())
		require.False(t, op.Active())
		c.Send([]byte("x"), fail)
		require.NoError(t, l.Run())
		require.Equal(t, 2, failed)
		c, peer = ends(t, l, false)
		require.NoError(t, peer.Close())
		c.Send([]byte("x"), fail)
		require.NoError(t, l.Run())
		require.Equal(t, 3, failed)
	})
}

// Each end of a pipe has one direction.
func TestPipeWrongDirection(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		in, out, err := l.Pipe()
		require.NoError(t, err)
		calls := 0
		out.Recv(make([]byte, 1), func(_ []byte, err error) {
			requireOpError(t, err, "read", syscall.EBADF)
			calls++
			out.RecvMultishot(func(_ loop.Buffer, err error) {
				requireOpError(t, err, "read", syscall.EBADF)
				calls++
			})
		})
		in.CloseWrite(func(err error) {
			requireOpError(t, err, "close", syscall.ENOTSOCK)
			calls++
		})
		in.Send([]byte("x"), func(_ []byte, err error) {
			requireOpError(t, err, "write", syscall.EBADF)
			calls++
		})
		require.NoError(t, l.Run())
		require.Equal(t, 4, calls)
		require.Nil(t, in.LocalAddr())
		require.Nil(t, in.RemoteAddr())
		require.ErrorIs(t, in.SetNoDelay(true), syscall.ENOTSOCK)
	})
}

func TestPipeCloseWriteThenClose(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := ends(t, l, false)
		var order []string
		c.Send([]byte("last words"), func(_ []byte, err error) {
			require.NoError(t, err)
			order = append(order, "sent")
		})
		c.CloseWrite(func(err error) {
			require.NoError(t, err)
			order = append(order, "shut")
			got, err := io.ReadAll(peer)
			require.NoError(t, err, "the peer has its EOF by now")
			require.Equal(t, "last words", string(got))
			c.Close(func(err error) {
				require.NoError(t, err)
				order = append(order, "closed")
			})
		})
		require.NoError(t, l.Run())
		require.Equal(t, []string{"sent", "shut", "closed"}, order)

		// N15: the Close comes at once, and once the CloseWrite has begun.
		for _, turns := range []int{0, 1} {
			c, peer = ends(t, l, false)
			calls := 0
			c.CloseWrite(func(err error) {
				require.True(t, err == nil || errors.Is(err, loop.ErrClosed), "%v", err)
				calls++
			})
			for range turns {
				require.NoError(t, l.Poll())
			}
			c.Close(func(error) {
				require.Equal(t, 1, calls)
				calls++
			})
			require.NoError(t, l.Run())
			require.Equal(t, 2, calls)
			_, err := peer.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
		}
	})
}

// A Conn whose descriptor CloseWrite has closed already does not keep the loop's Close from the others.
func TestL07CloseAmongPipesThatAreShut(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for range 3 {
			in, out, err := l.Pipe()
			require.NoError(t, err)
			in.Recv(make([]byte, 1), func(_ []byte, err error) { require.Equal(t, io.EOF, err) })
			out.CloseWrite(nil)
		}
		require.NoError(t, l.Run())
		require.NoError(t, l.Close()) // whatever it has left open is found after the case
	})
}

func TestN23Stream(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		name := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(name, []byte("x"), 0o600))
		refuse := func(what string, errno syscall.Errno, fd int) {
			c, err := l.Stream(fd)
			require.Nil(t, c, what)
			require.ErrorIs(t, err, errno, what)
			require.ErrorContains(t, err, fmt.Sprintf("loop: Stream: descriptor %d: ", fd))
		}
		refuse("negative", syscall.EBADF, -1)
		refuse("not in use", syscall.EBADF, 999_999)
		for _, path := range []string{name, dir} {
			f, err := os.Open(path)
			require.NoError(t, err)
			fd := take(t, f)
			refuse(path, syscall.EINVAL, fd)
			require.NoError(t, syscall.Close(fd), "it is still the caller's")
		}
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		require.NoError(t, err)
		fd := take(t, udp.(*net.UDPConn))
		refuse("datagrams", syscall.EPROTOTYPE, fd)
		require.NoError(t, syscall.Close(fd))
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		fd = take(t, tcp.(*net.TCPListener))
		refuse("listening", syscall.EINVAL, fd)
		require.NoError(t, syscall.Close(fd))
		fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		require.NoError(t, err)
		require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		refuse("bound", syscall.ENOTCONN, fd)
		require.NoError(t, syscall.Close(fd))

		// Connected.
		_, peer := connectPeer(t, l)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		dialed, err := net.Dial("tcp", ln.Addr().String())
		require.NoError(t, err)
		accepted, err := ln.Accept()
		require.NoError(t, err)
		defer accepted.Close()
		address := dialed.LocalAddr().String()
		fd = take(t, dialed.(*net.TCPConn))
		c, err := l.Stream(fd)
		require.NoError(t, err)
		require.Equal(t, address, c.LocalAddr().String())
		require.NoError(t, c.SetNoDelay(false))
		refuse("twice", syscall.EEXIST, fd)
		serveEcho(c)
		wait := beside(t, func() error {
			defer accepted.Close()
			if _, err := accepted.Write([]byte("ping")); err != nil {
				return err
			}
			_, err := io.ReadFull(accepted, make([]byte, 4))
			return err
		})
		require.NoError(t, l.Run())
		wait()
		peer.Close()

		require.NoError(t, l.Close())
		_, err = l.Stream(0)
		require.Equal(t, loop.ErrClosed, err)
		_, _, err = l.Pipe()
		require.Equal(t, loop.ErrClosed, err)
	})
}

// X07: file -> buffer -> socket -> buffer -> file, reads and writes at the same time.
func TestX07FileThroughSocketToFile(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		dir := t.TempDir()
		want := patternOf(7, 1<<20)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "from"), want, 0o600))
		server, client := connectOurs(t, l)
		wrote := int64(0)
		l.Open(filepath.Join(dir, "from"), os.O_RDONLY, 0, func(from *loop.File, err error) {
			require.NoError(t, err)
			var next func(buf []byte, off int64)
			next = func(buf []byte, off int64) {
				from.ReadAt(buf, off, func(b []byte, err error) {
					if err != nil && len(b) == 0 {
						require.Equal(t, io.EOF, err)
						return
					}
					client.Send(b, func(b []byte, err error) {
						require.NoError(t, err)
						if off+int64(len(b)) == int64(len(want)) {
							client.CloseWrite(nil)
							from.Close(nil)
							return
						}
						next(buf, off+int64(len(b)))
					})
				})
			}
			next(make([]byte, 30_000), 0)
		})
		l.Open(filepath.Join(dir, "to"), os.O_RDWR|os.O_CREATE, 0o600, func(to *loop.File, err error) {
			require.NoError(t, err)
			off, writes, ended := int64(0), 0, false
			finish := func() {
				if ended && writes == 0 {
					to.Close(nil)
				}
			}
			server.RecvMultishot(func(b loop.Buffer, err error) {
				if err != nil {
					require.Equal(t, io.EOF, err)
					ended = true
					finish()
					return
				}
				b.Keep()
				writes++
				to.WriteAt(b.Bytes(), off, func(p []byte, err error) {
					require.NoError(t, err)
					wrote += int64(len(p))
					b.Release()
					writes--
					finish()
				})
				off += int64(b.Len())
			})
		})
		require.NoError(t, l.Run())
		require.EqualValues(t, len(want), wrote)
		got, err := os.ReadFile(filepath.Join(dir, "to"))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
	})
}

// X07 without a buffer of the program's: SendFile and RecvFile over every kind of stream.
func TestX07SendFileToRecvFile(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "pipe"} {
		t.Run(network, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				var in, out *loop.Conn
				if network == "pipe" {
					var err error
					in, out, err = l.Pipe()
					require.NoError(t, err)
				} else {
					in, out = connectOursOver(t, l, network)
				}
				dir := t.TempDir()
				want := patternOf(7, 1<<20)
				require.NoError(t, os.WriteFile(filepath.Join(dir, "from"), want, 0o600))
				l.Open(filepath.Join(dir, "from"), os.O_RDONLY, 0, func(f *loop.File, err error) {
					require.NoError(t, err)
					out.SendFile(f, 0, -1, func(n int64, err error) {
						require.NoError(t, err)
						require.EqualValues(t, len(want), n)
						f.Close(nil)
					})
					out.CloseWrite(nil)
				})
				l.Open(filepath.Join(dir, "to"), os.O_RDWR|os.O_CREATE, 0o600, func(f *loop.File, err error) {
					require.NoError(t, err)
					in.RecvFile(f, 0, -1, func(n int64, err error) {
						require.NoError(t, err)
						require.EqualValues(t, len(want), n)
						f.Close(nil)
					})
				})
				require.NoError(t, l.Run())
				got, err := os.ReadFile(filepath.Join(dir, "to"))
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got))
			})
		})
	}
}
