package loop_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/loop"
)

// terminal returns a descriptor of a new terminal in raw mode, and the master's side of it.
func terminal(t *testing.T) (fd int, master *os.File) {
	t.Helper()
	m, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(m, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(m, unix.TIOCGPTN)
	require.NoError(t, err)
	fd, err = unix.Open(fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	require.NoError(t, err)
	mode.Lflag &^= unix.ICANON | unix.ECHO
	mode.Oflag &^= unix.OPOST
	require.NoError(t, unix.IoctlSetTermios(fd, unix.TCSETS, mode))
	master = os.NewFile(uintptr(m), "ptmx")
	t.Cleanup(func() { master.Close() })
	return fd, master
}

// fifo returns a descriptor of a named pipe, opened for both directions so that it has a peer, and a writer to it.
func fifo(t *testing.T) (fd int, peer *os.File) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(name, 0o600))
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	require.NoError(t, err)
	peer, err = os.OpenFile(name, os.O_WRONLY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { peer.Close() })
	return fd, peer
}

// kernelWorkers counts the threads of this process that belong to io_uring.
func kernelWorkers(t *testing.T) (n int) {
	t.Helper()
	names, err := filepath.Glob("/proc/self/task/*/comm")
	require.NoError(t, err)
	for _, name := range names {
		if comm, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(comm), "iou-wrk") {
			n++
		}
	}
	return n
}

// The kernel itself cannot wait for a terminal or a FIFO as it does for a pipe: a read that it hands to one of its threads
// holds that one for as long as nobody writes.
func TestStreamsHoldNoWorker(t *testing.T) {
	for name, open := range map[string]func(*testing.T) (int, *os.File){"terminal": terminal, "FIFO": fifo} {
		for _, r := range []string{"Recv", "RecvMultishot"} {
			t.Run(name+"/"+r, func(t *testing.T) {
				forEachQueue(t, func(t *testing.T, l *loop.Loop) {
					const n = 4
					before := kernelWorkers(t)
					got := make([]string, n)
					peers := make([]*os.File, n)
					for i := range n {
						fd, peer := open(t)
						c, err := l.Stream(fd)
						require.NoError(t, err)
						peers[i] = peer
						receive := func(b []byte, err error) {
							require.NoError(t, err)
							got[i] += string(b)
							c.Close(nil)
						}
						if r == "Recv" {
							c.Recv(make([]byte, 8), receive)
							continue
						}
						c.RecvMultishot(func(b loop.Buffer, err error) {
							if err == nil {
								receive(b.Bytes(), nil)
							}
						})
					}
					turns := l.Metrics().Turns
					l.After(30*time.Millisecond, l.Stop)
					require.NoError(t, l.Run())
					require.LessOrEqual(t, kernelWorkers(t), before, "threads of the kernel wait in reads")
					require.Less(t, l.Metrics().Turns-turns, uint64(40), "it spins")
					for i, peer := range peers {
						_, err := fmt.Fprintf(peer, "line %d\n", i)
						require.NoError(t, err)
					}
					require.NoError(t, l.Run())
					require.Equal(t, []string{"line 0\n", "line 1\n", "line 2\n", "line 3\n"}, got)
				})
			})
		}
	}
}

func TestStreamOfATerminal(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		fd, master := terminal(t)
		c, err := l.Stream(fd)
		require.NoError(t, err)
		want := patternOf(9, 20_000) // more than a terminal holds
		for i := range want {
			want[i] &= 0x3f
			want[i] |= 0x40
		}
		got := make([]byte, 0, len(want))
		wait := beside(t, func() error {
			buf := make([]byte, 700)
			for len(got) < len(want) {
				n, err := master.Read(buf)
				if err != nil {
					return err
				}
				got = append(got, buf[:n]...)
			}
			return nil
		})
		c.Send(want[:10_000], func(b []byte, err error) {
			require.NoError(t, err)
			require.Len(t, b, 10_000)
		})
		c.SendVec([][]byte{want[10_000:11_000], want[11_000:]}, func(n int, err error) {
			require.NoError(t, err)
			require.Equal(t, 10_000, n)
		})
		c.CloseWrite(func(err error) { requireOpError(t, err, "close", syscall.ENOTSOCK) })
		require.NoError(t, l.Run())
		wait()
		require.Equal(t, string(want), string(got))
		c.Close(nil)
		require.NoError(t, l.Run())
	})
}

// Whatever poll(2) can wait for is a stream.
func TestStreamOfDevices(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		fd, err := unix.Eventfd(0, 0)
		require.NoError(t, err)
		c, err := l.Stream(fd)
		require.NoError(t, err)
		one := binary.NativeEndian.AppendUint64(nil, 1)
		c.Recv(make([]byte, 8), func(b []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, one, b)
			c.Close(nil)
		})
		l.After(time.Millisecond, func() {
			c.Send(one, func(_ []byte, err error) { require.NoError(t, err) })
		})
		require.NoError(t, l.Run())

		zero, err := unix.Open("/dev/zero", unix.O_RDWR, 0)
		require.NoError(t, err)
		c, err = l.Stream(zero)
		require.NoError(t, err)
		calls := 0
		c.RecvFull([]byte("not zero"), func(b []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, make([]byte, 8), b)
			calls++
		})
		c.Send([]byte("swallowed"), func(b []byte, err error) {
			require.NoError(t, err)
			require.Len(t, b, 9)
			calls++
		})
		require.NoError(t, l.Run())
		require.Equal(t, 2, calls)
		c.Close(nil)
		require.NoError(t, l.Run())
	})
}

// A standard output without a reader is an error like any other: the SIGPIPE that the kernel sends ends no Go program, for only
// the methods of os.File have it end one.
func TestStreamOfStandardOutputWithoutReader(t *testing.T) {
	inChild(t, func(t *testing.T) {
		forEachQueue(t, func(t *testing.T, l *loop.Loop) {
			saved, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 0)
			require.NoError(t, err)
			var ends [2]int
			require.NoError(t, unix.Pipe2(ends[:], unix.O_CLOEXEC))
			require.NoError(t, unix.Close(ends[0]))
			require.NoError(t, unix.Dup3(ends[1], 1, 0))
			require.NoError(t, unix.Close(ends[1]))
			c, err := l.Stream(1)
			var sent error
			if err == nil {
				c.Send([]byte("nobody hears"), func(_ []byte, err error) {
					sent = err
					c.Close(nil)
				})
				err = l.Run()
			}
			require.NoError(t, unix.Dup3(saved, 1, 0)) // before anything is printed
			require.NoError(t, unix.Close(saved))
			require.NoError(t, err)
			requireOpError(t, sent, "write", syscall.EPIPE)
		})
	})
}

// A stream socket of a family that package net does not know. The kernel's own loopback of AF_VSOCK is not on every machine.
func TestStreamOfAnotherFamily(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if errors.Is(err, unix.EAFNOSUPPORT) {
			fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
			require.NoError(t, err)
			_, err = l.Stream(fd)
			require.ErrorIs(t, err, unix.EPROTOTYPE)
		} else {
			require.NoError(t, err)
			_, err = l.Stream(fd)
			require.ErrorIs(t, err, unix.ENOTCONN, "a stream, but not connected")
		}
		require.NoError(t, unix.Close(fd))
	})
}

func TestStreamPreparesItsDescriptor(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var fds [2]int
		require.NoError(t, unix.Pipe(fds[:]))
		for _, fd := range fds {
			c, err := l.Stream(fd)
			require.NoError(t, err)
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
			require.NoError(t, err)
			require.NotZero(t, flags&unix.O_NONBLOCK)
			flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
			require.NoError(t, err)
			require.NotZero(t, flags&unix.FD_CLOEXEC)
			c.Close(nil)
		}
		require.NoError(t, l.Run())
	})
}

func TestOtherStreamsAllocateNothing(t *testing.T) {
	for _, network := range []string{"pipe", "unix"} {
		t.Run(network, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				var r, w *loop.Conn
				if network == "pipe" {
					var err error
					r, w, err = l.Pipe()
					require.NoError(t, err)
				} else {
					r, w = connectOursOver(t, l, network)
				}
				message, buf := patternOf(1, 64), make([]byte, 160)
				halves := [][]byte{message[:32], message[32:]}
				s := newSteady(l)
				requireAllocs(t, 0, func() {
					s.run(2, func() {
						w.Send(message[:32], s.io)
						r.Recv(buf[:32], s.io)
					})
					s.run(4, func() {
						w.Send(message, s.io) // these leave together
						w.Send(message[:32], s.io)
						w.SendVec(halves, s.vec)
						r.RecvFull(buf, s.io)
					})
				}, "receive into a lent buffer")
				require.NoError(t, s.failed)
				require.Equal(t, message, buf[96:])
				op := r.RecvMultishot(func(b loop.Buffer, err error) {
					if err == nil {
						s.done(nil)
					}
				})
				requireAllocs(t, 0, func() {
					s.run(2, func() { w.Send(message, s.io) })
				}, "receive into a provided buffer")
				require.NoError(t, s.failed)
				op.Cancel()
				require.NoError(t, l.Run())
			})
		})
	}
}

// A receive from what the kernel cannot wait for ends as any other, wherever it is between its poll and its read.
func TestStopReceiveOfATerminal(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		fd, master := terminal(t)
		c, err := l.Stream(fd)
		require.NoError(t, err)
		calls := 0
		for _, turns := range []int{0, 1, 3} {
			ended := func(err error) {
				require.Equal(t, loop.ErrCanceled, err)
				calls++
			}
			for _, op := range []func() loop.Op{
				func() loop.Op { return c.Recv(make([]byte, 8), func(_ []byte, err error) { ended(err) }) },
				func() loop.Op { return c.RecvMultishot(func(_ loop.Buffer, err error) { ended(err) }) },
			} {
				o := op()
				for range turns {
					require.NoError(t, l.Poll())
				}
				o.Cancel()
				require.NoError(t, l.Run())
			}
		}
		require.Equal(t, 6, calls)
		_, err = master.WriteString("kept")
		require.NoError(t, err)
		c.RecvFull(make([]byte, 4), func(b []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, "kept", string(b))
		})
		require.NoError(t, l.Run())
		require.NoError(t, master.Close())
		c.Recv(make([]byte, 8), func(b []byte, err error) { // a hang-up
			require.Empty(t, b)
			require.Error(t, err)
			c.Close(nil)
		})
		require.NoError(t, l.Run())
	})
}
