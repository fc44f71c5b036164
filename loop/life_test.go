package loop_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

func TestL01EmptyLoopReturnsAtOnce(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		require.False(t, l.Alive())
		require.NoError(t, l.Run())
		require.False(t, l.Alive())
	})
}

func TestL02AliveUntilTheCallbackRan(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		fired := false
		l.After(20*time.Millisecond, func() { fired = true })
		require.True(t, l.Alive())
		require.NoError(t, l.Run())
		require.True(t, fired)
		require.False(t, l.Alive())

		statted := false
		l.Stat(os.DevNull, func(_ os.FileInfo, err error) {
			require.NoError(t, err)
			statted = true
		})
		require.True(t, l.Alive())
		require.NoError(t, l.Run())
		require.True(t, statted)
		require.False(t, l.Alive())
	})
}

func TestL03PollDoesNotWait(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		timer := l.After(time.Hour, func() { t.Error("an hour has not passed") })
		for range 10 {
			require.NoError(t, l.Poll())
			require.True(t, l.Alive())
		}
		timer.Stop()
	})
}

func TestL04RunOnceIsOneTurn(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ran, calls := 0, 0
		var idle *loop.Hook
		idle = l.OnIdle(func() {
			if ran++; ran == 64 {
				idle.Stop()
			}
		})
		for l.Alive() {
			require.NoError(t, l.RunOnce())
			calls++
		}
		require.Equal(t, 64, ran)
		require.Equal(t, 64, calls)
	})
}

func TestL04RunOnceWaits(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		fired := false
		l.After(20*time.Millisecond, func() { fired = true })
		turns := 0
		for ; !fired; turns++ {
			require.NoError(t, l.RunOnce())
		}
		// A spurious wake is allowed, polling is not.
		require.Less(t, turns, 10)
	})
}

func TestL05StopFromTimer(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		prepares, ticks := 0, 0
		prepare := l.OnPrepare(func() { prepares++ })
		var every *loop.Timer
		every = l.Every(time.Millisecond, func() {
			switch ticks++; ticks {
			case 3:
				l.Stop()
			case 6:
				every.Stop()
				prepare.Stop()
			}
		})
		require.NoError(t, l.Run())
		require.Equal(t, 3, ticks)
		require.True(t, l.Alive())
		seen := prepares
		require.Positive(t, seen)

		require.NoError(t, l.Run())
		require.Equal(t, 6, ticks)
		require.False(t, l.Alive())
		require.GreaterOrEqual(t, prepares, seen)
	})
}

func TestL05StopFinishesTheTurn(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var trace []string
		l.OnIdle(func() { l.Stop(); trace = append(trace, "idle") })
		l.OnCheck(func() { trace = append(trace, "check") })
		require.NoError(t, l.Run())
		require.Equal(t, []string{"idle", "check"}, trace)
	})
}

func TestL05StopBeforeRun(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ran := 0
		l.After(0, func() { ran++ })
		l.Immediate(func() { ran++ })
		l.Stop()
		require.NoError(t, l.Run())
		require.Zero(t, ran)
		require.NoError(t, l.Run(), "Stop holds for one run")
		require.Equal(t, 2, ran)
	})
}

func TestL05StopFromAnotherGoroutine(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		l.Ref()
		for range 100 {
			running := make(chan struct{})
			require.NoError(t, l.Post(func() { close(running) }))
			go func() {
				<-running
				l.Stop()
			}()
			require.NoError(t, l.Run())
			require.True(t, l.Alive())
		}
		l.Unref()
	})
}

// started is an operation that is under way, and how often its final callback ran.
type started struct {
	name  string
	ended int
	err   error
}

// journal counts the final callbacks of operations by their names.
type journal struct{ ops []*started }

func (j *journal) start(name string) *started {
	s := &started{name: name}
	j.ops = append(j.ops, s)
	return s
}

func (s *started) end(err error)                      { s.ended++; s.err = err }
func (s *started) done() loop.DoneFunc                { return s.end }
func (s *started) io() loop.IOFunc                    { return func(_ []byte, err error) { s.end(err) } }
func (s *started) vec() loop.VecFunc                  { return func(_ int, err error) { s.end(err) } }
func (s *started) stat() loop.StatFunc                { return func(_ os.FileInfo, err error) { s.end(err) } }
func (s *started) cqe() loop.CQEFunc                  { return func(ring.CQE) { s.end(nil) } }
func (j *journal) done(name string) loop.DoneFunc     { return j.start(name).done() }
func (j *journal) io(name string) loop.IOFunc         { return j.start(name).io() }
func (j *journal) vec(name string) loop.VecFunc       { return j.start(name).vec() }
func (j *journal) stat(name string) loop.StatFunc     { return j.start(name).stat() }
func (j *journal) cqe(name string) loop.CQEFunc       { return j.start(name).cqe() }
func (j *journal) conn(name string) loop.ConnFunc     { return finally[*loop.Conn](j.start(name)) }
func (j *journal) file(name string) loop.FileFunc     { return finally[*loop.File](j.start(name)) }
func (j *journal) buffer(name string) loop.BufferFunc { return finally[loop.Buffer](j.start(name)) }
func (j *journal) events(name string) loop.EventsFunc { return finally[loop.Events](j.start(name)) }

// finally counts the call with an error, which for a repeating operation is the last.
func finally[T any](s *started) func(T, error) {
	return func(_ T, err error) {
		if err != nil {
			s.end(err)
		}
	}
}

// requireOnce fails unless each operation ended exactly once.
func (j *journal) requireOnce(t *testing.T) {
	t.Helper()
	for _, s := range j.ops {
		require.Equal(t, 1, s.ended, "final callbacks of %s", s.name)
	}
}

// openFile returns an open file of a page of zeros. l must have nothing else to do.
func openFile(t *testing.T, l *loop.Loop) *loop.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, make([]byte, 4096), 0o600))
	var file *loop.File
	l.Open(name, os.O_RDWR, 0, func(f *loop.File, err error) {
		require.NoError(t, err)
		file = f
	})
	require.NoError(t, l.Run())
	return file
}

// silentPipe returns the end of a pipe that never becomes readable.
func silentPipe(t *testing.T) int {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return int(r.Fd())
}

// elsewhere returns what fn returns on a goroutine of its own.
func elsewhere[T any](fn func() T) T {
	result := make(chan T, 1)
	go func() { result <- fn() }()
	return <-result
}

// panicOf returns what fn panics with.
func panicOf(fn func()) (value any) {
	defer func() { value = recover() }()
	fn()
	return nil
}

// raceBuild reports whether the race detector is in.
var raceBuild = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
})

func TestL07CloseWithEverythingAlive(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		silent, _ := connectPeer(t, l)
		multi, _ := connectPeer(t, l)
		full, _ := connectPeer(t, l) // nobody reads at the other end
		local, _ := connectPeerOver(t, l, "unix")
		file := openFile(t, l)
		pipe := silentPipe(t)
		ln, err := l.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)

		var j journal
		silent.Recv(make([]byte, 10), j.io("Recv"))
		silent.Recv(make([]byte, 10), j.io("busy Recv"))
		multi.RecvMultishot(j.buffer("RecvMultishot"))
		full.Send(make([]byte, 64<<20), j.io("Send"))
		full.SendVec([][]byte{make([]byte, 10)}, j.vec("SendVec"))
		full.CloseWrite(j.done("CloseWrite"))
		in, out, err := l.Pipe()
		require.NoError(t, err)
		in.RecvMultishot(j.buffer("RecvMultishot of a pipe"))
		out.Send(make([]byte, 64<<20), j.io("Send on a pipe"))
		passed := j.start("RecvFDs")
		local.RecvFDs(make([]byte, 10), func(_ []byte, _ []int, err error) { passed.end(err) })
		ln.Accept(j.conn("Accept"))
		l.Watch(pipe, loop.Readable, j.events("Watch"))
		l.Submit(ring.SQE{Opcode: ring.OpPollAdd, FD: int32(pipe), OpFlags: 1}, j.cqe("Submit"))
		file.ReadAt(make([]byte, 100), 0, j.io("ReadAt"))
		file.WriteAt(make([]byte, 100), 0, j.io("WriteAt"))
		file.Sync(j.done("Sync"))
		stat, open := j.stat("Stat"), j.start("Open")
		l.Stat(os.DevNull, stat)
		l.Open(os.DevNull, os.O_RDONLY, 0, func(f *loop.File, err error) {
			require.Nil(t, f, "nobody would close it")
			open.end(err)
		})
		canceled := 0
		var obedient *loop.Pending
		obedient = l.NewOp(func() { canceled++; obedient.Finish(loop.ErrCanceled) }, j.done("NewOp"))
		l.Watch(pipe, loop.Readable, j.events("Watch with timeout")).Timeout(time.Hour)
		l.Watch(pipe, loop.Readable, j.events("unreferenced Watch")).Unref()
		for i := range 3 { // one to be canceled by hand, one more for each end of the queue
			op := l.Watch(pipe, loop.Writable, j.events("canceled Watch"))
			if i == 1 {
				op.Cancel()
			}
		}
		never := func() { t.Error("neither a timer, a hook nor an immediate runs on Close") }
		l.After(0, never)
		l.Every(time.Millisecond, never)
		l.OnIdle(never)
		l.OnPrepare(never)
		l.OnCheck(never)
		l.Immediate(never)
		posted := 0
		require.NoError(t, l.Post(func() {
			posted++
			require.NoError(t, l.Post(func() { posted++ }))
			l.NextTick(func() { posted++ })
		}))
		l.Ref()

		require.NoError(t, l.Close())
		j.requireOnce(t)
		for _, s := range j.ops {
			switch s.name {
			case "busy Recv":
				require.ErrorIs(t, s.err, loop.ErrBusy)
			case "canceled Watch", "Submit", "ReadAt", "WriteAt", "Sync", "Stat": // their own result, if they won
			default:
				require.ErrorIs(t, s.err, loop.ErrClosed, s.name)
			}
		}
		require.Equal(t, 1, canceled)
		require.Equal(t, 3, posted)
		require.Zero(t, l.LiveOps())

		require.NoError(t, l.Close(), "a second Close does nothing")
		require.ErrorIs(t, l.Run(), loop.ErrClosed)
		require.ErrorIs(t, l.RunOnce(), loop.ErrClosed)
		require.ErrorIs(t, l.Poll(), loop.ErrClosed)
		require.ErrorIs(t, l.Post(never), loop.ErrClosed)
		_, err = l.Listen("tcp", "127.0.0.1:0")
		require.ErrorIs(t, err, loop.ErrClosed)
		l.Stop()
	})
}

// Foreign work that nobody stops ends without it, after a while.
func TestL07CloseOfStubbornWork(t *testing.T) {
	defer loop.SetCloseGrace(20 * time.Millisecond)()
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var j journal
		asked := 0
		late := l.NewOp(nil, j.done("NewOp without cancel"))
		l.NewOp(func() { asked++ }, j.done("NewOp that ignores its cancel"))
		require.NoError(t, l.Close())
		j.requireOnce(t)
		require.ErrorIs(t, j.ops[0].err, loop.ErrClosed)
		require.ErrorIs(t, j.ops[1].err, loop.ErrClosed)
		require.Equal(t, 1, asked)
		late.Finish(nil)
		j.requireOnce(t)
	})
}

// What another goroutine finishes while the loop closes keeps its result.
func TestL07CloseWaitsForForeignWork(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var j journal
		var work *loop.Pending
		work = l.NewOp(func() {
			go func() {
				if err := l.Post(func() { work.Finish(os.ErrExist) }); err != nil {
					t.Error(err)
				}
			}()
		}, j.done("NewOp"))
		require.NoError(t, l.Close())
		j.requireOnce(t)
		require.ErrorIs(t, j.ops[0].err, os.ErrExist)
	})
}

func TestL07CloseCallsBackInOrder(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		conn, _ := connectPeer(t, l)
		var trace []string
		conn.Recv(make([]byte, 10), func(_ []byte, err error) {
			require.ErrorIs(t, err, loop.ErrClosed)
			trace = append(trace, "recv")
			conn.Send([]byte("x"), func(_ []byte, err error) {
				require.ErrorIs(t, err, loop.ErrClosed)
				trace = append(trace, "send")
			})
		})
		conn.Close(func(err error) {
			require.NoError(t, err)
			trace = append(trace, "close")
		})
		require.NoError(t, l.Close())
		require.Equal(t, []string{"recv", "send", "close"}, trace)
	})
}

func TestL07CloseTwiceWhatCallbacksStart(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		conn, _ := connectPeer(t, l)
		pipe := silentPipe(t)
		var j journal
		refuse := j.start("Watch")
		l.Watch(pipe, loop.Readable, func(_ loop.Events, err error) {
			refuse.end(err)
			l.Watch(pipe, loop.Readable, j.events("Watch on a closing loop"))
			l.Dial("tcp", "127.0.0.1:1", j.conn("Dial"))
			l.Dial("tcp", "localhost:1", j.conn("Dial by name"))
			l.LookupHost("localhost", finally[[]netip.Addr](j.start("LookupHost")))
			l.LookupHost("127.0.0.1", finally[[]netip.Addr](j.start("LookupHost of an address")))
			l.NewResolver(loop.ResolverConfig{}).LookupTXT("host.test", finally[[]string](j.start("LookupTXT")))
			l.Open(os.DevNull, os.O_RDONLY, 0, j.file("Open"))
			l.Mkdir("/nowhere/x", 0, j.done("Mkdir"))
			l.Stat(os.DevNull, j.stat("Stat"))
			l.NewOp(func() { t.Error("it was never started") }, j.done("NewOp"))
			conn.Recv(make([]byte, 1), j.io("Recv"))
			conn.Send(nil, j.io("Send"))
			conn.Close(j.done("second Close"))
		})
		require.NoError(t, l.Close())
		j.requireOnce(t)
		for _, s := range j.ops {
			require.ErrorIs(t, s.err, loop.ErrClosed, s.name)
		}
	})
}

func TestL07CloseWhatANewLoopHas(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		require.NoError(t, l.Close())
		require.NoError(t, l.Close())
		require.ErrorIs(t, l.Run(), loop.ErrClosed)
	})
}

// A connection, or a file, that an operation canceled too late brings to a closing loop has no owner who could close it.
func TestL07CloseAfterALostCancel(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer ln.Close()
		for range 20 {
			l.Dial("tcp", ln.Addr().String(), func(c *loop.Conn, err error) {
				require.Error(t, err)
				require.Nil(t, c)
			}).Cancel()
			l.Open(os.DevNull, os.O_RDONLY, 0, func(f *loop.File, err error) {
				require.Error(t, err)
				require.Nil(t, f)
			}).Cancel()
		}
		require.NoError(t, l.Close())
	})
}

func TestL07CloseFromAnotherGoroutine(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		conn, _ := connectPeer(t, l)
		var j journal
		conn.Recv(make([]byte, 1), j.io("Recv"))
		running := make(chan struct{})
		require.NoError(t, l.Post(func() { close(running) }))
		const closers = 8
		answers := make(chan error, closers)
		for range closers {
			go func() {
				<-running
				answers <- l.Close()
			}()
		}
		require.NoError(t, l.Run())
		for range closers {
			require.NoError(t, <-answers)
		}
		j.requireOnce(t)
		require.ErrorIs(t, j.ops[0].err, loop.ErrClosed)
		require.ErrorIs(t, l.Run(), loop.ErrClosed)
	})
}

// eachLoop calls test with many new loops of each column, for what goes wrong once in a while.
func eachLoop(t *testing.T, test func(t *testing.T, l *loop.Loop)) {
	for _, c := range columns {
		t.Run(c.name, func(t *testing.T) {
			before := snapshot()
			for range 100 {
				q, err := c.open()
				if err != nil {
					testenv.Ring(t, err)
				}
				l, err := loop.New(loop.Options{Queue: q})
				require.NoError(t, err)
				test(t, l)
				require.NoError(t, l.Close())
			}
			before.check(t)
		})
	}
}

func TestL07CloseFromManyBeforeTheFirstRun(t *testing.T) {
	eachLoop(t, func(t *testing.T, l *loop.Loop) {
		var j journal
		post := j.start("Post")
		require.NoError(t, l.Post(func() { post.end(nil) }))
		l.NewOp(nil, j.done("NewOp")).Finish(nil)
		const closers = 4
		start, answers := make(chan struct{}), make(chan error, closers)
		for range closers {
			go func() {
				<-start
				answers <- l.Close()
			}()
		}
		close(start)
		for range closers {
			require.NoError(t, <-answers)
		}
		j.requireOnce(t)
	})
}

// A Close that comes as Run returns either finds it running, and closes the loop, or does not, and changes nothing.
func TestL07CloseAsRunReturns(t *testing.T) {
	eachLoop(t, func(t *testing.T, l *loop.Loop) {
		var running atomic.Bool
		answer := make(chan error, 1)
		delay := rand.IntN(2000)
		go func() {
			for !running.Load() { // to be as close as can be
				runtime.Gosched()
			}
			for range delay {
				running.Load()
			}
			answer <- l.Close()
		}()
		require.NoError(t, l.Post(func() { running.Store(true) }))
		require.NoError(t, l.Run())
		if err := <-answer; err == nil {
			require.ErrorIs(t, l.Run(), loop.ErrClosed)
		} else {
			require.ErrorIs(t, err, loop.ErrRunning)
			ran := false
			l.Immediate(func() { ran = true })
			require.NoError(t, l.Run())
			require.True(t, ran)
		}
	})
}

func TestL07CloseFromAnotherGoroutineWhenItPanics(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		answer := make(chan error, 1)
		l.Watch(silentPipe(t), loop.Readable, func(loop.Events, error) { panic("boom") })
		require.NoError(t, l.Post(func() {
			go func() { answer <- l.Close() }()
		}))
		require.PanicsWithValue(t, "boom", func() { _ = l.Run() })
		require.Error(t, <-answer, "it is not closed")
		require.NoError(t, l.Close())
	})
}

func TestL07CloseInACallbackPanics(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, kind := range callbackKinds {
			var got any
			count := 0
			kind.start(t, l, func() {
				got = panicOf(func() { _ = l.Close() })
				count++
			})
			require.NoError(t, l.Run())
			require.Equal(t, 3, count, kind.name)
			require.IsType(t, "", got, kind.name)
			require.True(t, strings.HasPrefix(got.(string), "loop: "), got)
		}
	})
}

func TestL07CloseOfALoopWhoseGoroutineEnded(t *testing.T) {
	for _, c := range columns {
		t.Run(c.name, func(t *testing.T) {
			before := snapshot()
			q, err := c.open()
			if err != nil {
				testenv.Ring(t, err)
			}
			l, err := loop.New(loop.Options{Queue: q})
			require.NoError(t, err)
			require.NoError(t, elsewhere(l.Poll))
			require.ErrorIs(t, l.Close(), loop.ErrRunning)
			require.ErrorIs(t, l.Run(), loop.ErrRunning)
			for range 1000 { // the thread takes a moment to end
				if err = q.Close(); err == nil {
					break
				}
				time.Sleep(time.Millisecond)
			}
			require.NoError(t, err)
			before.check(t)
		})
	}
}

// What a goroutine started before the first Run is not its thread's: that may end, as the threads of locked goroutines do, and take
// nothing along. io_uring would cancel, later on, what an exiting thread had submitted.
func TestM09StartedOnAThreadThatEnded(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		r, w := pipe(t)
		name := filepath.Join(t.TempDir(), "file")
		data := noise(300_000)
		require.NoError(t, os.WriteFile(name, data, 0o600))
		done := 0
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			runtime.LockOSThread() // and never unlocked
			l.Watch(int(r.Fd()), loop.Readable, func(_ loop.Events, err error) {
				if err == nil {
					done++
					l.Stop()
				}
			})
			l.Open(name, os.O_RDONLY, 0, func(f *loop.File, err error) {
				if err != nil {
					panic(err)
				}
				f.ReadAt(make([]byte, len(data)), 0, func(b []byte, err error) {
					if err != nil || string(b) != string(data) {
						panic("wrong data")
					}
					done++
					f.Close(nil)
				})
			})
		}()
		<-ended
		for done == 0 {
			require.NoError(t, l.RunOnce())
		}
		_, err := w.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, l.Run())
		require.Equal(t, 2, done)
	})
}

func TestL09LoopTime(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var first time.Time
		l.Immediate(func() {
			first = l.Now()
			time.Sleep(time.Millisecond)
		})
		l.Immediate(func() {
			require.Equal(t, first, l.Now(), "it stands still during a phase")
			time.Sleep(time.Millisecond)
			l.UpdateNow()
			require.GreaterOrEqual(t, l.Now().Sub(first), 2*time.Millisecond)
		})
		require.NoError(t, l.Run())

		start := l.Now()
		var woken time.Time
		l.After(20*time.Millisecond, func() { woken = l.Now() })
		require.NoError(t, l.Run())
		require.GreaterOrEqual(t, woken.Sub(start), 20*time.Millisecond, "it advances with the wait")
		require.WithinDuration(t, time.Now(), l.Now(), caseLimit)
	})
}

func TestL10BackendTimeout(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		require.Zero(t, l.BackendTimeout(), "nothing to wait for")

		watch := l.Watch(silentPipe(t), loop.Readable, func(loop.Events, error) {})
		require.NoError(t, l.Poll())
		require.Negative(t, l.BackendTimeout())

		timer := l.After(time.Hour, func() {})
		require.Positive(t, l.BackendTimeout())
		require.LessOrEqual(t, l.BackendTimeout(), time.Hour)
		timer.Reset(0)
		require.Zero(t, l.BackendTimeout())
		timer.Stop()
		require.Negative(t, l.BackendTimeout())

		idle := l.OnIdle(func() {})
		require.Zero(t, l.BackendTimeout())
		idle.Stop()
		require.Negative(t, l.BackendTimeout())

		immediate := l.Immediate(func() {})
		require.Zero(t, l.BackendTimeout())
		immediate.Stop()
		require.Negative(t, l.BackendTimeout())

		for _, busy := range []func(){
			func() { l.NewOp(nil, func(error) {}).Finish(nil) },
			func() { require.NoError(t, l.Post(func() {})) },
			l.Stop,
		} {
			busy()
			require.Zero(t, l.BackendTimeout())
			require.NoError(t, l.Poll())
			require.NoError(t, l.Poll()) // the result of a Finish that came after the pending phase
			require.Negative(t, l.BackendTimeout())
		}
		watch.Cancel()
		require.NoError(t, l.Run())
		require.Zero(t, l.BackendTimeout())
	})
}

func TestL12ManyLoops(t *testing.T) {
	sequence := 1000
	if testing.Short() {
		sequence = 100
	}
	for _, c := range columns {
		t.Run(c.name, func(t *testing.T) {
			before := snapshot()
			use := func() error {
				q, err := c.open()
				if err != nil {
					return err
				}
				l, err := loop.New(loop.Options{Queue: q})
				if err != nil {
					return err
				}
				ran := false
				l.After(0, func() { ran = true })
				if err := l.Run(); err != nil {
					return err
				}
				if !ran {
					return errors.New("the timer did not run")
				}
				return l.Close()
			}
			if err := use(); err != nil {
				testenv.Ring(t, err)
			}
			for range sequence {
				require.NoError(t, use())
			}
			const many = 64
			answers := make(chan error, many)
			for range many {
				go func() { answers <- use() }()
			}
			for range many {
				require.NoError(t, <-answers)
			}
			before.check(t)
		})
	}
}

func TestRunElsewhere(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		require.NoError(t, l.Poll())
		for _, run := range []func() error{l.Run, l.RunOnce, l.Poll, l.Close} {
			require.ErrorIs(t, elsewhere(run), loop.ErrRunning, "the loop has an owner")
		}
		calls := 0
		l.Immediate(func() {
			for _, run := range []func() error{l.Run, l.RunOnce, l.Poll} {
				require.ErrorIs(t, elsewhere(run), loop.ErrRunning)
				require.ErrorIs(t, run(), loop.ErrRunning, "nested")
				calls++
			}
		})
		require.NoError(t, l.Run())
		require.Equal(t, 3, calls)
	})
}

func TestAnyGoroutineAfterClose(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		timer := l.After(time.Hour, func() {})
		op := l.Watch(silentPipe(t), loop.Readable, func(loop.Events, error) {})
		require.NoError(t, l.Close())
		runtime.LockOSThread() // so that elsewhere is another thread
		defer runtime.UnlockOSThread()
		require.Nil(t, elsewhere(func() any {
			return panicOf(func() {
				timer.Stop()
				timer.Reset(0)
				op.Cancel()
				l.Stop()
			})
		}))
		require.NoError(t, elsewhere(l.Close))
		require.ErrorIs(t, elsewhere(l.Run), loop.ErrClosed)
	})
}

func TestFirstRunMakesTheOwner(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		// Operations may be started on one goroutine and run on another.
		ran := 0
		l.After(0, func() { ran++ })
		l.Submit(ring.SQE{Opcode: ring.OpNop}, func(c ring.CQE) { ran++ })
		require.NoError(t, elsewhere(func() error { return errors.Join(l.Run(), l.Close()) }))
		require.Equal(t, 2, ran)
	})
}

// callbackKinds starts three callbacks of each kind, that are due together.
var callbackKinds = []struct {
	name      string
	operation bool // its callback runs on Close as well; so do accepted posts and ticks
	start     func(t *testing.T, l *loop.Loop, fn func())
}{
	{"completion", true, func(_ *testing.T, l *loop.Loop, fn func()) {
		for range 3 {
			l.Submit(ring.SQE{Opcode: ring.OpNop}, func(ring.CQE) { fn() })
		}
	}},
	{"pending", true, func(_ *testing.T, l *loop.Loop, fn func()) {
		for range 3 {
			l.NewOp(nil, func(error) { fn() }).Finish(nil)
		}
	}},
	{"sends that leave together", true, func(t *testing.T, l *loop.Loop, fn func()) {
		ln, err := l.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Error(err)
			return
		}
		ln.Accept(func(*loop.Conn, error) {}).Unref()
		l.Dial("tcp", ln.Addr().String(), func(c *loop.Conn, err error) {
			if err != nil {
				t.Error(err)
				return
			}
			for range 3 {
				c.Send([]byte("x"), func([]byte, error) { fn() })
			}
		})
	}},
	{"accept", false, func(t *testing.T, l *loop.Loop, fn func()) {
		ln, err := l.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Error(err)
			return
		}
		for range 3 {
			peer, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { peer.Close() })
		}
		left := 3
		var accept loop.Op
		accept = ln.Accept(func(c *loop.Conn, err error) {
			if err != nil {
				return
			}
			if left--; left == 0 {
				accept.Cancel()
			}
			fn()
		})
	}},
	{"close", true, func(t *testing.T, l *loop.Loop, fn func()) {
		for range 3 {
			ln, err := l.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Error(err)
				return
			}
			ln.Close(func(error) { fn() })
		}
	}},
	{"post", true, func(t *testing.T, l *loop.Loop, fn func()) {
		for range 3 {
			if err := l.Post(fn); err != nil {
				t.Error(err)
			}
		}
	}},
	{"tick", true, func(_ *testing.T, l *loop.Loop, fn func()) {
		for range 3 {
			l.NextTick(fn)
		}
	}},
	{"timer", false, func(_ *testing.T, l *loop.Loop, fn func()) {
		for range 3 {
			l.After(0, fn)
		}
	}},
	{"immediate", false, func(_ *testing.T, l *loop.Loop, fn func()) {
		for range 3 {
			l.Immediate(fn)
		}
	}},
	{"idle", false, threeHooks((*loop.Loop).OnIdle)},
	{"prepare", false, threeHooks((*loop.Loop).OnPrepare)},
	{"check", false, func(t *testing.T, l *loop.Loop, fn func()) {
		l.OnIdle(func() {}).Unref() // the loop waits before this phase
		threeHooks((*loop.Loop).OnCheck)(t, l, fn)
	}},
}

func threeHooks(on func(*loop.Loop, func()) *loop.Hook) func(*testing.T, *loop.Loop, func()) {
	return func(_ *testing.T, l *loop.Loop, fn func()) {
		for range 3 {
			var h *loop.Hook
			h = on(l, func() {
				h.Stop()
				fn()
			})
		}
	}
}

func TestPanicLeavesTheRestForTheNextRun(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, kind := range callbackKinds {
			count := 0
			kind.start(t, l, func() {
				if count++; count <= 2 {
					panic("boom")
				}
			})
			for range 2 {
				require.PanicsWithValue(t, "boom", func() { _ = l.Run() }, kind.name)
			}
			require.NoError(t, l.Run())
			require.Equal(t, 3, count, kind.name)
			require.False(t, l.Alive(), kind.name)
		}
	})
}

func TestPanicLeavesTheRestForClose(t *testing.T) {
	defer loop.SetCloseGrace(time.Hour)() // so that a Close that waits for nothing hangs
	for _, kind := range callbackKinds {
		t.Run(kind.name, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				count := 0
				kind.start(t, l, func() {
					if count++; count == 1 {
						panic("boom")
					}
				})
				require.PanicsWithValue(t, "boom", func() { _ = l.Run() })
				require.Equal(t, 1, count)
				require.NoError(t, l.Close())
				if kind.operation {
					require.Equal(t, 3, count)
				} else {
					require.Equal(t, 1, count)
				}
			})
		})
	}
}

func TestPanicInClose(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		pipe := silentPipe(t)
		count := 0
		for range 3 {
			l.Watch(pipe, loop.Readable, func(loop.Events, error) {
				count++
				panic("boom")
			})
			require.NoError(t, l.Post(func() {
				count++
				panic("boom")
			}))
		}
		for range 6 {
			require.PanicsWithValue(t, "boom", func() { _ = l.Close() })
		}
		require.NoError(t, l.Close())
		require.Equal(t, 6, count)
	})
}

// What such a Run finds alive may be a Ref, which no turn ends, and Stop means nothing to a loop that closes.
func TestRunGoesOnWithACloseThatPanicked(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		l.Ref()
		l.Watch(silentPipe(t), loop.Readable, func(loop.Events, error) { panic("boom") })
		require.PanicsWithValue(t, "boom", func() { _ = l.Close() })
		require.NoError(t, l.Run())
		require.ErrorIs(t, l.Run(), loop.ErrClosed)
	})
}

func TestGoexitLeavesTheRestForClose(t *testing.T) {
	for _, kind := range callbackKinds {
		t.Run(kind.name, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				count := 0
				kind.start(t, l, func() {
					if count++; count == 1 {
						runtime.Goexit()
					}
				})
				ended := make(chan error)
				go func() {
					defer func() { ended <- l.Close() }()
					_ = l.Run()
					t.Error("Run has returned")
				}()
				require.NoError(t, <-ended)
				if kind.operation {
					require.Equal(t, 3, count)
				} else {
					require.Equal(t, 1, count)
				}
			})
		})
	}
}

// Whatever keeps the loop alive is on the list, and nothing else is.
func TestActiveResources(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		kinds := func() (list []string) {
			for _, r := range l.ActiveResources() {
				list = append(list, r.Kind)
			}
			return list
		}
		require.Empty(t, kinds())
		conn, _ := connectPeer(t, l)
		require.Empty(t, kinds(), "an idle connection holds nothing")
		recv := conn.Recv(make([]byte, 1), func([]byte, error) {})
		require.Equal(t, []string{"Recv"}, kinds())
		r := l.ActiveResources()[0]
		raw, err := conn.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) { require.Equal(t, int(fd), r.FD) }))
		require.Contains(t, r.String(), "Recv on descriptor ")
		recv.Unref()
		require.Empty(t, kinds())

		for _, x := range []struct {
			kind  string
			start func() (end func())
		}{
			{"Timer", func() func() { h := l.After(time.Hour, func() {}); return func() { h.Stop() } }},
			{"OnIdle", func() func() { return l.OnIdle(func() {}).Stop }},
			{"OnPrepare", func() func() { return l.OnPrepare(func() {}).Stop }},
			{"OnCheck", func() func() { return l.OnCheck(func() {}).Stop }},
			{"Immediate", func() func() { i := l.Immediate(func() {}); return func() { i.Stop() } }},
			{"Ref", func() func() { l.Ref(); return l.Unref }},
			{"NewOp", func() func() {
				p := l.NewOp(nil, func(error) {})
				return func() { p.Finish(nil); require.NoError(t, l.Poll()) }
			}},
			{"Post", func() func() {
				require.NoError(t, l.Post(func() {}))
				return func() { require.NoError(t, l.Poll()) }
			}},
		} {
			end := x.start()
			require.Equal(t, []string{x.kind}, kinds())
			require.True(t, l.Alive())
			end()
			require.Empty(t, kinds())
			require.False(t, l.Alive())
		}

		conn.Close(func(error) {
			require.Empty(t, kinds())
			require.False(t, l.Alive())
		})
		check := l.OnCheck(func() { require.NotEmpty(t, kinds(), "a closing handle counts until its callback") }).Unref()
		require.NoError(t, l.Run())
		check.Stop()
	})
}

func TestActiveResourcesTellWhere(t *testing.T) {
	forEachQueueWith(t, loop.Options{Debug: true}, func(t *testing.T, l *loop.Loop) {
		_, _, line, _ := runtime.Caller(0)
		watch := l.Watch(silentPipe(t), loop.Readable, func(loop.Events, error) {})
		list := l.ActiveResources()
		require.Len(t, list, 1)
		require.Equal(t, "Watch", list[0].Kind)
		require.Contains(t, list[0].Where, "life_test.go:")
		require.True(t, strings.HasSuffix(list[0].Where, fmt.Sprint(":", line+1)), list[0].Where)
		require.Contains(t, list[0].String(), " started at "+list[0].Where)
		watch.Cancel()
		require.NoError(t, l.Run())
	})
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for field, o := range map[string]loop.Options{
		"Entries":    {Entries: -1},
		"MaxEvents":  {MaxEvents: -1},
		"Buffers":    {Buffers: 3},
		"BufferSize": {BufferSize: -1},
		"Workers":    {Workers: -1},
		"backend":    {Backend: "kqueue!"},
	} {
		t.Setenv("LOOP_BACKEND", "")
		l, err := loop.New(o)
		require.ErrorContains(t, err, field)
		require.Nil(t, l)
	}
	if strconv.IntSize == 32 {
		_, err := loop.New(loop.Options{Buffers: 1 << 15, BufferSize: 1 << 24})
		require.ErrorContains(t, err, "address space")
	}
}
