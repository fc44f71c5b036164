package loop_test

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/loop"
)

// A steady runs operations with callbacks that are made once, as a program does that wants no garbage.
type steady struct {
	l      *loop.Loop
	left   int
	failed error
	io     loop.IOFunc
	vec    loop.VecFunc
	done   loop.DoneFunc
	fn     func()
}

func newSteady(l *loop.Loop) *steady {
	s := &steady{l: l}
	s.done = func(err error) {
		s.left--
		if err != nil {
			s.failed = err
		}
	}
	s.io = func(_ []byte, err error) { s.done(err) }
	s.vec = func(_ int, err error) { s.done(err) }
	s.fn = func() { s.done(nil) }
	return s
}

// run turns the loop until n callbacks of what start began have run.
func (s *steady) run(n int, start func()) {
	s.left = n
	start()
	for s.left > 0 {
		if err := s.l.RunOnce(); err != nil {
			panic(err)
		}
	}
}

func TestSendAndRecvAllocateNothing(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		server, client := connectOurs(t, l)
		message, buf, full := patternOf(1, 64), make([]byte, 64), make([]byte, 64)
		s := newSteady(l)
		requireAllocs(t, 0, func() {
			s.run(3, func() {
				client.Send(message[:32], s.io)
				client.Send(message[32:], s.io)
				server.Recv(buf[:1], s.io)
			})
			s.run(1, func() { server.RecvFull(full[:63], s.io) })
		})
		require.NoError(t, s.failed)
	})
}

func TestSendVecAllocatesNothing(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		server, client := connectOurs(t, l)
		message, buf := patternOf(1, 64), make([]byte, 96)
		halves := [][]byte{message[:32], message[32:]}
		s := newSteady(l)
		requireAllocs(t, 0, func() {
			s.run(3, func() {
				client.SendVec(halves, s.vec)
				client.Send(message[:32], s.io) // leaves with the first
				server.RecvFull(buf, s.io)
			})
		})
		require.NoError(t, s.failed)
		require.Equal(t, message, buf[:64])
	})
}

func TestMultishotAndSendBufferAllocateNothing(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		server, client := connectOurs(t, l)
		message, answer := patternOf(1, 64), make([]byte, 64)
		s := newSteady(l)
		op := server.RecvMultishot(func(b loop.Buffer, err error) {
			if err == nil {
				server.SendBuffer(b, s.done)
			}
		})
		requireAllocs(t, 0, func() {
			s.run(3, func() {
				client.Send(message, s.io)
				client.RecvFull(answer, s.io)
			})
		})
		require.NoError(t, s.failed)
		require.Equal(t, message, answer)
		op.Cancel()
		require.NoError(t, l.Run())
	})
}

func TestTimeoutAllocatesNothing(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, _ := connectPeer(t, l)
		buf := make([]byte, 1)
		s := newSteady(l)
		requireAllocs(t, 0, func() {
			s.run(1, func() { c.Recv(buf, s.io).Timeout(1 << 40).Cancel() })
		})
		require.ErrorIs(t, s.failed, loop.ErrCanceled)
	})
}

func TestFileOperationsAllocateNothing(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := openFile(t, l)
		b := patternOf(1, 4096)
		halves := [][]byte{b[:1024], b[1024:]}
		s := newSteady(l)
		for _, c := range []struct {
			name  string
			start func()
		}{
			{"WriteAt", func() { f.WriteAt(b, 0, s.io) }},
			{"ReadAt", func() { f.ReadAt(b, 0, s.io) }},
			{"WriteVecAt", func() { f.WriteVecAt(halves, 0, s.vec) }},
			{"ReadVecAt", func() { f.ReadVecAt(halves, 0, s.vec) }},
			{"Append", func() { f.Append(b[:1], s.io) }},
			{"Sync", func() { f.Sync(s.done) }},
			{"Datasync", func() { f.Datasync(s.done) }},
		} {
			requireAllocs(t, 0, func() { s.run(1, c.start) }, c.name)
			require.NoError(t, s.failed, c.name)
		}
	})
}

func TestOpenedFileCostsTwoAllocations(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		s := newSteady(l)
		var opened loop.FileFunc = func(f *loop.File, err error) {
			if err != nil {
				s.done(err)
				return
			}
			f.Close(s.done)
		}
		requireAllocs(t, 2, func() {
			s.run(1, func() { l.Open(os.DevNull, os.O_RDONLY, 0, opened) })
		})
		require.NoError(t, s.failed)
	})
}

func TestAcceptedConnectionCostsTwoAllocations(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ln := listenOn(t, l, "127.0.0.1:0")
		dial := dialer(ln.Addr().(*net.TCPAddr).Port)
		s := newSteady(l)
		accept := ln.Accept(func(c *loop.Conn, err error) {
			if err == nil {
				c.Close(s.done)
			}
		})
		requireAllocs(t, 2, func() {
			s.run(1, func() { _ = unix.Close(dial()) })
		})
		require.NoError(t, s.failed)
		accept.Cancel()
		require.NoError(t, l.Run())
	})
}

func TestTimerFiringAllocatesNothing(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		s := newSteady(l)
		once, again := l.NewTimer(s.fn), l.NewTimer(s.fn)
		again.Repeat(time.Microsecond)
		requireAllocs(t, 0, func() {
			s.run(4, func() { once.Reset(time.Microsecond) })
		})
		again.Stop()
	})
}

func TestTicksAllocateNothing(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		s := newSteady(l)
		requireAllocs(t, 0, func() {
			s.run(3, func() {
				l.NextTick(s.fn)
				l.NextTick(s.fn)
				l.NextTick(s.fn)
			})
		})
	})
}

// An Immediate is handed out to be stopped, so it cannot be used again.
func TestImmediateCostsItself(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		s := newSteady(l)
		requireAllocs(t, 1, func() {
			s.run(1, func() { l.Immediate(s.fn) })
		})
	})
}

func TestPostFromElsewhereAllocatesNothing(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		s := newSteady(l)
		begin := make(chan struct{})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range begin {
				for range 16 {
					if err := l.Post(s.fn); err != nil {
						panic(err)
					}
				}
			}
		}()
		requireAllocs(t, 0, func() {
			s.run(16, func() { begin <- struct{}{} })
		})
		close(begin)
		<-ended
	})
}

// TestPostToBusyLoopWakesNobody: a wake is a system call, and a loop that does not sleep needs none.
func TestPostToBusyLoopWakesNobody(t *testing.T) {
	const posts = 1000
	for _, c := range columns {
		var q *wakes
		counted := column{c.name, func() (loop.Queue, error) {
			opened, err := c.open()
			if err != nil {
				return nil, err
			}
			q = &wakes{Queue: opened}
			return q, nil
		}}
		t.Run(c.name, func(t *testing.T) {
			runCase(t, counted, loop.Options{}, func(t *testing.T, l *loop.Loop) {
				busy := l.OnIdle(func() {})
				ran := 0
				wait := beside(t, func() error {
					for range posts {
						if err := l.Post(func() { ran++ }); err != nil {
							return err
						}
					}
					return l.Post(busy.Stop)
				})
				require.NoError(t, l.Run())
				wait()
				require.Equal(t, posts, ran)
				require.Zero(t, q.count.Load())
			})
		})
	}
}

// TestIdleConnectionMemory: what waits for its peer costs a Conn and an operation, and none of the provided buffers.
func TestIdleConnectionMemory(t *testing.T) {
	const first, count = 256, 512
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ln := listenOn(t, l, "127.0.0.1:0")
		dial := dialer(ln.Addr().(*net.TCPAddr).Port)
		conns := make([]*loop.Conn, 0, first+count)
		idle := func(loop.Buffer, error) {}
		ln.Accept(func(c *loop.Conn, err error) {
			if err == nil {
				c.RecvMultishot(idle)
				conns = append(conns, c)
			}
		})
		clients := make([]int, 0, first+count)
		connect := func(n int) {
			for range n {
				clients = append(clients, dial())
				for len(conns) < len(clients) {
					require.NoError(t, l.RunOnce())
				}
			}
			require.NoError(t, l.Poll()) // arms the last receive
		}
		connect(first) // makes the provided buffers and what else is there once
		before := heapInUse()
		connect(count)
		perConn := float64(int64(heapInUse())-int64(before)) / count
		t.Logf("%.0f bytes for each idle connection", perConn)
		require.LessOrEqual(t, perConn, 1024.0)
		for _, fd := range clients {
			require.NoError(t, unix.Close(fd))
		}
		require.Len(t, conns, first+count)
	})
}

// dialer returns a function that opens a connection to a local port without allocating.
func dialer(port int) func() int {
	address := &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
	return func() int {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, address)
		}
		if err != nil {
			panic(err)
		}
		return fd
	}
}
