package loop_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// TestN25RecvFile receives into a file: all, a part, nothing, and less than was asked for.
func TestN25RecvFile(t *testing.T) {
	const chunk = 64 << 10
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, c := range []struct {
			sent, n, want int
			err           error
		}{
			{0, -1, 0, nil}, {1, -1, 1, nil}, {chunk, -1, chunk, nil}, {5*chunk + 3, -1, 5*chunk + 3, nil},
			{100, 0, 0, nil}, {10 * chunk, 3*chunk + 1, 3*chunk + 1, nil}, {100, 200, 100, io.ErrUnexpectedEOF},
		} {
			f, data := newFile(t, l), noise(c.sent)
			conn, peer := connectPeer(t, l)
			go func() {
				_, _ = peer.Write(data)
				_ = peer.CloseWrite()
			}()
			calls := 0
			conn.RecvFile(f, 17, int64(c.n), func(n int64, err error) {
				calls++
				require.Equal(t, c.err, err)
				require.EqualValues(t, c.want, n)
			})
			require.Zero(t, calls, "called back at once")
			require.NoError(t, l.Run())
			require.Equal(t, 1, calls)
			rest := 0
			var received loop.IOFunc
			received = func(b []byte, err error) {
				rest += len(b)
				if err == nil {
					conn.Recv(b[:cap(b)], received)
				}
			}
			conn.Recv(make([]byte, chunk), received)
			require.NoError(t, l.Run())
			require.Equal(t, c.sent-c.want, rest, "what comes after it is the next receive's")
			got, err := os.ReadFile(f.Name())
			require.NoError(t, err)
			require.True(t, bytes.Equal(data[:c.want], got[min(17, len(got)):]))
			require.NoError(t, result(t, l, conn.Close))
			require.NoError(t, result(t, l, f.Close))
		}
	})
}

// TestN25RecvFileEnds: by Cancel, by a second receive, by a file that cannot be written, by Close of either and of the loop.
func TestN25RecvFileEnds(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f, data := newFile(t, l), noise(100_000)
		conn, peer := connectPeer(t, l)
		moved := int64(-1)
		op := conn.RecvFile(f, 0, -1, func(n int64, err error) {
			require.Equal(t, loop.ErrCanceled, err)
			moved = n
		})
		busy := false
		conn.RecvFile(f, 0, -1, func(n int64, err error) { busy = err == loop.ErrBusy })
		_, err := peer.Write(data)
		require.NoError(t, err)
		for range 10 {
			require.NoError(t, l.Poll())
		}
		op.Cancel()
		require.NoError(t, l.Run())
		require.True(t, busy)
		rest := make([]byte, len(data)-int(moved))
		conn.RecvFull(rest, func(b []byte, err error) { require.NoError(t, err) })
		require.NoError(t, l.Run())
		got, err := os.ReadFile(f.Name())
		require.NoError(t, err)
		require.EqualValues(t, moved, len(got))
		require.True(t, bytes.Equal(data, append(got, rest...)), "nothing is lost between the file and the next receive")

		reader := openNamed(t, l, f.Name(), os.O_RDONLY)
		calls := 0
		conn.RecvFile(reader, 0, -1, func(n int64, err error) {
			calls++
			require.EqualError(t, err, "write "+f.Name()+": bad file descriptor")
		})
		_, err = peer.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, l.Run())
		closed := func(n int64, err error) {
			calls++
			require.Equal(t, loop.ErrClosed, err)
		}
		require.NoError(t, result(t, l, reader.Close))
		conn.RecvFile(reader, 0, -1, closed)
		_, err = peer.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, l.Run())
		conn.RecvFile(f, 0, -1, closed)
		require.NoError(t, l.Poll())
		conn.Close(func(error) { require.Equal(t, 3, calls) })
		require.NoError(t, l.Run())
		conn.RecvFile(f, 0, -1, closed)
		require.NoError(t, l.Run())

		conn, peer = connectPeer(t, l)
		_, err = peer.Write(data)
		require.NoError(t, err)
		conn.RecvFile(f, 0, -1, closed)
		require.NoError(t, l.Poll())
		require.NoError(t, l.Close())
		require.Equal(t, 5, calls)
	})
}

// TestN25Through sends a file through a connection into another one.
func TestN25Through(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		from, data := fileOf(t, l, 3<<20+11)
		to := newFile(t, l)
		server, client := connectOurs(t, l)
		client.SendFile(from, 0, -1, func(n int64, err error) { require.NoError(t, err) })
		client.CloseWrite(nil)
		moved := int64(0)
		server.RecvFile(to, 0, -1, func(n int64, err error) {
			require.NoError(t, err)
			moved = n
		})
		require.NoError(t, l.Run())
		require.EqualValues(t, len(data), moved)
		got, err := os.ReadFile(to.Name())
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got))
		for _, c := range []interface{ Close(loop.DoneFunc) }{server, client, from, to} {
			require.NoError(t, result(t, l, c.Close))
		}
	})
}

// TestN25OtherStreams: pipes and Unix sockets carry files too; packets do not.
func TestN25OtherStreams(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		from, data := fileOf(t, l, 300_001)
		to := newFile(t, l)
		through := func(in, out *loop.Conn) {
			in.SendFile(from, 0, 0, func(n int64, err error) { require.NoError(t, err) })
			in.SendFile(from, 0, -1, func(n int64, err error) { require.NoError(t, err) })
			in.CloseWrite(nil)
			out.RecvFile(to, 0, -1, func(n int64, err error) {
				require.NoError(t, err)
				require.EqualValues(t, len(data), n)
			})
			require.NoError(t, l.Run())
			got, err := os.ReadFile(to.Name())
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got))
			require.NoError(t, result(t, l, func(fn loop.DoneFunc) { to.Truncate(0, fn) }))
			require.NoError(t, result(t, l, in.Close))
			require.NoError(t, result(t, l, out.Close))
		}
		r, w, err := l.Pipe()
		require.NoError(t, err)
		through(w, r)
		server, client := connectOursOver(t, l, "unix")
		through(client, server)

		// What cannot be written is refused before anything is received.
		server, client = connectOursOver(t, l, "unix")
		client.Send([]byte("still there"), nil)
		var path *fs.PathError
		server.RecvFile(to, -1, -1, func(n int64, err error) {
			require.ErrorIs(t, err, syscall.EINVAL)
			require.ErrorAs(t, err, &path)
			server.Recv(make([]byte, 64), func(b []byte, err error) { require.Equal(t, "still there", string(b)) })
		})
		require.NoError(t, l.Run())
		require.NotNil(t, path)
		require.NoError(t, result(t, l, server.Close))
		require.NoError(t, result(t, l, client.Close))

		server, client = connectOursOver(t, l, "unixpacket")
		refused := 0
		no := func(n int64, err error) {
			require.ErrorIs(t, err, syscall.EOPNOTSUPP)
			refused++
		}
		client.SendFile(from, 0, -1, no)
		server.RecvFile(to, 0, -1, no)
		require.NoError(t, l.Run())
		require.Equal(t, 2, refused)
		for _, c := range []interface{ Close(loop.DoneFunc) }{server, client, from, to} {
			require.NoError(t, result(t, l, c.Close))
		}
	})
}
