package loop_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/loop"
)

// requireAllocs demands that a round of operations allocates at most limit objects, once it has warmed up. What
// the race detector allocates itself cannot be told apart.
func requireAllocs(t *testing.T, limit float64, round func()) {
	t.Helper()
	for range 50 {
		round()
	}
	require.LessOrEqual(t, testing.AllocsPerRun(500, round), limit)
}

// forEachQueueUnraced is forEachQueue for counts of allocations.
func forEachQueueUnraced(t *testing.T, test func(t *testing.T, l *loop.Loop)) {
	t.Helper()
	if loop.Poisons() {
		t.Skip("the race detector allocates")
	}
	forEachQueue(t, test)
}

func TestSendAndRecvAllocateNothing(t *testing.T) {
	forEachQueueUnraced(t, func(t *testing.T, l *loop.Loop) {
		server, client := connectOurs(t, l)
		message, buf, full := patternOf(1, 64), make([]byte, 64), make([]byte, 64)
		left := 0
		var failed error
		done := func(_ []byte, err error) {
			left--
			if err != nil {
				failed = err
			}
		}
		requireAllocs(t, 0, func() {
			left = 4
			client.Send(message[:32], done)
			client.Send(message[32:], done)
			server.Recv(buf[:1], done)
			for left > 1 {
				if err := l.RunOnce(); err != nil {
					panic(err)
				}
			}
			server.RecvFull(full[:63], done)
			for left > 0 {
				if err := l.RunOnce(); err != nil {
					panic(err)
				}
			}
		})
		require.NoError(t, failed)
	})
}

func TestMultishotAndSendBufferAllocateNothing(t *testing.T) {
	forEachQueueUnraced(t, func(t *testing.T, l *loop.Loop) {
		server, client := connectOurs(t, l)
		message, answer := patternOf(1, 64), make([]byte, 64)
		left := 0
		var failed error
		sent := func(err error) {
			left--
			if err != nil {
				failed = err
			}
		}
		op := server.RecvMultishot(func(b loop.Buffer, err error) {
			if err == nil {
				server.SendBuffer(b, sent)
			}
		})
		done := func(_ []byte, err error) { sent(err) }
		requireAllocs(t, 0, func() {
			left = 3
			client.Send(message, done)
			client.RecvFull(answer, done)
			for left > 0 {
				if err := l.RunOnce(); err != nil {
					panic(err)
				}
			}
		})
		require.NoError(t, failed)
		require.Equal(t, message, answer)
		op.Cancel()
		require.NoError(t, l.Run())
	})
}

func TestTimeoutAllocatesNothing(t *testing.T) {
	forEachQueueUnraced(t, func(t *testing.T, l *loop.Loop) {
		c, _ := connectPeer(t, l)
		buf, calls := make([]byte, 1), 0
		done := func(_ []byte, err error) { calls++ }
		requireAllocs(t, 0, func() {
			op := c.Recv(buf, done).Timeout(1 << 40)
			op.Cancel()
			for op.Active() {
				if err := l.RunOnce(); err != nil {
					panic(err)
				}
			}
		})
		require.NotZero(t, calls)
	})
}

func TestAcceptedConnectionCostsTwoAllocations(t *testing.T) {
	forEachQueueUnraced(t, func(t *testing.T, l *loop.Loop) {
		ln := listenOn(t, l, "127.0.0.1:0")
		client := dialer(ln.Addr().(*net.TCPAddr).Port)
		closed := 0
		ended := func(error) { closed++ }
		accept := ln.Accept(func(c *loop.Conn, err error) {
			if err == nil {
				c.Close(ended)
			}
		})
		requireAllocs(t, 2, func() {
			client()
			for before := closed; closed == before; {
				if err := l.RunOnce(); err != nil {
					panic(err)
				}
			}
		})
		accept.Cancel()
		require.NoError(t, l.Run())
	})
}

// dialer returns a function that opens and closes a connection to a local port without allocating.
func dialer(port int) func() {
	address := &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
	return func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, address)
			_ = unix.Close(fd)
		}
		if err != nil {
			panic(err)
		}
	}
}
