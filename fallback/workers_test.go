//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/ring"
)

// hold starts an operation that occupies a worker until release is called.
func hold(t testing.TB, w *fallback.Workers) (s *ring.SQE, release func()) {
	var pipe [2]int
	require.NoError(t, unix.Pipe(pipe[:]))
	s = read(pipe[0], make([]byte, 1), -1)
	w.Start(s)
	return s, func() {
		_, err := unix.Write(pipe[1], []byte("x"))
		require.NoError(t, err)
		t.Cleanup(func() {
			_ = unix.Close(pipe[0])
			_ = unix.Close(pipe[1])
		})
	}
}

// reapUntil reaps until cond holds.
func reapUntil(t testing.TB, w *fallback.Workers, fn func(*ring.SQE, int32), cond func() bool) {
	for deadline := time.Now().Add(patience); !cond(); runtime.Gosched() {
		require.True(t, time.Now().Before(deadline), "the workers do not get ready")
		w.Reap(fn)
	}
}

func TestWorkersWithdraw(t *testing.T) {
	var wakes atomic.Int32
	w := fallback.NewWorkers(1, fallback.Execute, func() { wakes.Add(1) })
	defer w.Close()
	first, release := hold(t, w)
	file := temporary(t, "content")
	queued := make([]*ring.SQE, 10)
	for i := range queued {
		queued[i] = read(file, make([]byte, 7), 0)
		w.Start(queued[i])
	}
	for _, i := range []int{0, 9, 4} {
		require.True(t, w.Withdraw(queued[i]))
		require.False(t, w.Withdraw(queued[i]), "withdrawn twice")
		require.Zero(t, queued[i].Link)
	}
	release()
	var done []*ring.SQE
	reapUntil(t, w, func(s *ring.SQE, res int32) {
		require.False(t, w.Withdraw(s))
		if s != first {
			require.EqualValues(t, 7, res)
		}
		done = append(done, s)
	}, func() bool { return len(done) == 8 })
	require.Equal(t, append(append([]*ring.SQE{first}, queued[1:4]...), queued[5:9]...), done, "one worker works in order")
	require.EqualValues(t, 11, w.Started())
	require.LessOrEqual(t, wakes.Load(), int32(8))
	require.Positive(t, wakes.Load())
}

// An entry that was withdrawn or is done becomes another operation at once. Were there a stale pointer to
// it anywhere, it would be executed twice, or lost.
func TestWorkersReuse(t *testing.T) {
	w := fallback.NewWorkers(4, fallback.Execute, func() {})
	defer w.Close()
	file := temporary(t, string(text(256)))
	const slots = 32
	entries := make([]ring.SQE, slots)
	bufs := make([][1]byte, slots)
	busy := make([]bool, slots)
	var started, ended, withdrawn int
	random := rand.New(rand.NewPCG(1, 2))
	reap := func(s *ring.SQE, res int32) {
		i := int(s.UserData)
		require.Same(t, &entries[i], s)
		require.True(t, busy[i], "ended twice")
		require.EqualValues(t, 1, res)
		require.Equal(t, text(256)[s.Off], bufs[i][0], "another operation's result")
		busy[i] = false
		ended++
	}
	for range 20000 {
		i := random.IntN(slots)
		switch {
		case !busy[i]:
			off := random.IntN(256)
			entries[i] = *read(file, bufs[i][:], int64(off))
			entries[i].UserData = uint64(i)
			bufs[i][0] = 0
			busy[i] = true
			started++
			w.Start(&entries[i])
		case random.IntN(2) == 0 && w.Withdraw(&entries[i]):
			require.Zero(t, entries[i].Link)
			require.Zero(t, bufs[i][0], "withdrawn, and executed")
			busy[i] = false
			withdrawn++
		default:
			w.Reap(reap)
		}
	}
	reapUntil(t, w, reap, func() bool { return ended+withdrawn == started })
	require.Positive(t, withdrawn)
}

// Close does not wait for a job that hangs, and leaves no goroutine of those that are idle.
func TestWorkersClose(t *testing.T) {
	before := runtime.NumGoroutine()
	w := fallback.NewWorkers(3, fallback.Execute, func() {})
	_, release := hold(t, w)
	w.Start(read(temporary(t, "x"), make([]byte, 1), 0))
	w.Close()
	w.Start(read(0, nil, 0)) // dropped
	release()
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; runtime.Gosched() {
		require.True(t, time.Now().Before(deadline), "a worker stays")
	}
}

// temporary returns the descriptor of a new file with content.
func temporary(t testing.TB, content string) int {
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "file"), os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	_, err = f.WriteString(content)
	require.NoError(t, err)
	return int(f.Fd())
}

// Reads, writes and metadata go through the workers of the queue, canceled at random; the entries are reused at once.
func TestFileCancelStorm(t *testing.T) {
	each(t, func(q *harness) {
		path := filepath.Join(q.TempDir(), "file")
		require.NoError(q, os.WriteFile(path, text(1<<16), 0o600))
		fd, err := unix.Open(path, unix.O_RDWR, 0)
		require.NoError(q, err)
		const slots = 16
		entries, bufs := make([]ring.SQE, slots), make([][64]byte, slots)
		busy, cancels := make([]bool, slots), make(map[uint64]*ring.SQE)
		random := rand.New(rand.NewPCG(3, 4))
		number, ended := uint64(0), 0
		drain := func() {
			q.reap()
			for _, c := range q.cqes {
				if cancels[c.UserData] != nil {
					require.Contains(q, []int32{0, fail(unix.ENOENT), fail(unix.EALREADY)}, c.Res)
					delete(cancels, c.UserData)
					continue
				}
				i := int(c.UserData % slots)
				require.True(q, busy[i] && entries[i].UserData == c.UserData, "ended twice")
				if c.Res != fail(unix.ECANCELED) {
					require.EqualValues(q, 64, c.Res)
					require.Equal(q, text(1 << 16)[entries[i].Off:][:64], bufs[i][:])
				}
				busy[i] = false
				ended++
			}
			q.cqes = q.cqes[:0]
		}
		push := func(s *ring.SQE) {
			for !q.Push(s) {
				require.NoError(q, q.Enter(0))
				drain()
			}
		}
		for range 3000 {
			i := random.IntN(slots)
			number += slots
			if !busy[i] {
				off := int64(random.IntN(1<<16 - 64))
				entries[i] = *read(fd, bufs[i][:], off)
				if random.IntN(2) == 0 {
					copy(bufs[i][:], text(1 << 16)[off:])
					entries[i].Opcode = ring.OpWrite
				}
				entries[i].Flags = ring.MayBlock
				entries[i].UserData = number + uint64(i)
				busy[i] = true
				push(&entries[i])
			} else {
				c := &ring.SQE{Opcode: ring.OpCancel, UserData: number + 1<<40,
					Addr: unsafe.Pointer(&entries[i]), Off: int64(entries[i].UserData)}
				cancels[c.UserData] = c
				push(c)
			}
			if random.IntN(4) == 0 {
				require.NoError(q, q.Enter(0))
				drain()
			}
		}
		for deadline := time.Now().Add(patience); ; {
			alive := len(cancels)
			for _, b := range busy {
				if b {
					alive++
				}
			}
			if alive == 0 {
				break
			}
			require.True(q, time.Now().Before(deadline), "%d entries do not end", alive)
			require.NoError(q, q.Enter(time.Second))
			drain()
		}
		require.Positive(q, ended)
		q.closeFD(fd)
	})
}
