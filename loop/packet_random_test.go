package loop_test

import (
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// chaos starts, cancels and closes at random. Every operation must end exactly once, none after the close callback of its socket.
type chaos struct {
	t       *testing.T
	l       *loop.Loop
	random  *rand.Rand
	ops     []loop.Op
	started int
	ended   int
	kept    []loop.Buffer
}

// A chaosConn is a socket; two of them send to each other.
type chaosConn struct {
	*loop.PacketConn
	closed bool
	live   int
}

// begin counts an operation on c and returns what to call at its end.
func (x *chaos) begin(c *chaosConn) (end func()) {
	x.started++
	c.live++
	ended, late := false, c.closed
	return func() {
		require.False(x.t, ended, "twice")
		require.Equal(x.t, late, c.closed, "after the close callback, or before it though it began after")
		ended = true
		c.live--
		x.ended++
	}
}

func (x *chaos) step(from, to *chaosConn, name string) {
	switch x.random.IntN(12) {
	case 0, 1, 2, 3:
		data := make([]byte, []int{0, 10, 3000, 50_000}[x.random.IntN(4)])
		end := x.begin(from)
		x.ops = append(x.ops, from.SendName(data, name, func(b []byte, err error) {
			end()
			require.True(x.t, err == nil && len(b) == len(data) || err != nil && len(b) == 0)
		}))
	case 4, 5:
		end, lent := x.begin(to), make([]byte, 4000)
		x.ops = append(x.ops, to.Recv(lent, func(loop.Packet, error) { end() }))
	case 6:
		end := x.begin(to)
		x.ops = append(x.ops, to.RecvMultishot(func(p loop.Packet, err error) {
			switch {
			case err != nil:
				end()
			case x.random.IntN(4) == 0:
				p.Buffer.Keep()
				x.kept = append(x.kept, p.Buffer)
			case x.random.IntN(4) == 0:
				end := x.begin(to)
				x.ops = append(x.ops, to.SendBuffer(p.Buffer, toPeer, func(error) { end() }))
			}
		}))
	case 7:
		x.ops[x.random.IntN(len(x.ops))].Cancel()
	case 8:
		x.ops[x.random.IntN(len(x.ops))].Timeout(time.Duration(x.random.IntN(300)) * time.Microsecond)
	case 9:
		x.release()
	default:
		require.NoError(x.t, x.l.Poll())
	}
}

func (x *chaos) release() {
	for _, b := range x.kept {
		b.Release()
	}
	x.kept = x.kept[:0]
}

func (x *chaos) run() {
	open := func() *chaosConn {
		c, err := x.l.ListenPacket("unixgram", "")
		require.NoError(x.t, err)
		return &chaosConn{PacketConn: c}
	}
	x.ops = append(x.ops, loop.Op{})
	a, b := open(), open()
	names := [2]string{a.LocalAddr().(*net.UnixAddr).Name, b.LocalAddr().(*net.UnixAddr).Name}
	for range 300 {
		if x.random.IntN(2) == 0 {
			x.step(a, b, names[1])
		} else {
			x.step(b, a, names[0])
		}
	}
	for _, c := range []*chaosConn{a, b} {
		c.Close(func(err error) {
			require.NoError(x.t, err)
			require.Zero(x.t, c.live)
			c.closed = true
		})
		x.step(a, b, names[1]) // on a socket that closes
	}
	require.NoError(x.t, x.l.Run())
	require.True(x.t, a.closed && b.closed)
	require.Equal(x.t, x.started, x.ended)
	require.Zero(x.t, a.Queued()+b.Queued())
	x.release()
	require.Zero(x.t, x.l.BuffersOut())
}

func TestPacketsAtRandom(t *testing.T) {
	forEachQueueWith(t, loop.Options{Buffers: 8, BufferSize: 4096}, func(t *testing.T, l *loop.Loop) {
		for range 10 {
			seed := rand.Uint64()
			x := &chaos{t: t, l: l, random: rand.New(rand.NewPCG(seed, 0))}
			t.Cleanup(func() {
				if t.Failed() {
					t.Log("seed", seed)
				}
			})
			x.run()
		}
	})
}
