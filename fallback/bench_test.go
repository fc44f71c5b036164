//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/ring"
)

func BenchmarkNop(b *testing.B) {
	for _, batch := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			q := open(b, fallback.Options{})
			entries := make([]ring.SQE, batch)
			cqes := make([]ring.CQE, batch)
			b.ReportAllocs()
			for b.Loop() {
				for i := range entries {
					q.Push(&entries[i])
				}
				if q.Enter(-1) != nil || q.Reap(cqes) != batch {
					b.Fatal("a NOP is missing")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/entry")
		})
	}
}

// An echoPeer bounces a message between the two ends of a socket pair.
type echoPeer struct {
	ends [2]int
	recv [2]ring.SQE
	send [2]ring.SQE
	buf  [2][64]byte
}

// newEchoes makes conns connections on q, with a message under way on each. UserData is the index of the
// connection, the end, and 1 for a receive.
func newEchoes(q *harness, conns int) []echoPeer {
	q.last = 1 << 32 // what else is pushed has other numbers
	peers := make([]echoPeer, conns)
	for i := range peers {
		p := &peers[i]
		p.ends[0], p.ends[1] = q.pair()
		for end, fd := range p.ends {
			p.recv[end], p.send[end] = *recv(fd, p.buf[end][:]), *send(fd, p.buf[end][:32])
			p.recv[end].Flags = ring.Stream
			p.recv[end].UserData = uint64(i<<2 | end<<1 | 1)
			p.send[end].UserData = uint64(i<<2 | end<<1)
			require.True(q, q.Push(&p.recv[end]))
		}
		require.True(q, q.Push(&p.send[0]))
	}
	return peers
}

// run bounces until so many messages were received.
func runEchoes(q *harness, peers []echoPeer, messages int) {
	var cqes [64]ring.CQE
	for messages > 0 {
		if err := q.Enter(-1); err != nil {
			q.Fatal(err)
		}
		for _, c := range cqes[:q.Reap(cqes[:])] {
			if c.Res != 32 {
				q.Fatalf("result %d", c.Res)
			}
			if c.UserData&1 == 1 {
				p, end := &peers[c.UserData>>2], c.UserData>>1&1
				q.Push(&p.send[end])
				q.Push(&p.recv[end])
				messages--
			}
		}
	}
}

func BenchmarkEcho(b *testing.B) {
	for _, poller := range []string{"epoll", "poll"} {
		for _, conns := range []int{1, 64} {
			b.Run(fmt.Sprintf("poller=%s/conns=%d", poller, conns), func(b *testing.B) {
				q := open(b, fallback.Options{Poller: poller})
				peers := newEchoes(q, conns)
				runEchoes(q, peers, 2*conns)
				before := q.Stats()
				b.ReportAllocs()
				b.ResetTimer()
				runEchoes(q, peers, b.N)
				b.StopTimer()
				after := q.Stats()
				calls := after.Waits - before.Waits + after.Controls - before.Controls + after.Attempts - before.Attempts
				b.ReportMetric(float64(calls)/float64(b.N), "calls/msg")
				b.ReportMetric(float64(after.Waits-before.Waits)/float64(b.N), "waits/msg")
				for i := range peers {
					q.closeFD(peers[i].ends[0])
					q.closeFD(peers[i].ends[1])
				}
			})
		}
	}
}
