package ring

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

var shapes = map[string]Options{
	"default":     {},
	"tiny":        {Entries: 1, CQEntries: 2},
	"coop":        {Entries: 4, CQEntries: 8, Without: DeferTaskrun},
	"plain":       {Entries: 4, CQEntries: 8, Without: AllFeatures},
	"tiny, plain": {Entries: 1, CQEntries: 2, Without: AllFeatures},
}

func eachShape(t *testing.T, test func(f *fixture)) {
	for name, o := range shapes {
		t.Run(name, func(t *testing.T) { test(bound(t, o)) })
	}
}

// Ten times what the completion queue holds is submitted before anything is reaped.
func TestOverflow(t *testing.T) {
	eachShape(t, func(f *fixture) {
		count := 10 * len(f.cq.entries)
		seen := make([]bool, count)
		for i := range seen {
			s := &SQE{Opcode: OpNop, UserData: uint64(i)}
			for !f.Push(s) {
				f.NoError(f.Enter(0))
			}
		}
		var c [7]CQE
		for left := count; left > 0; {
			f.NoError(f.Enter(patience))
			n := f.Reap(c[:])
			for _, c := range c[:n] {
				f.False(seen[c.UserData])
				seen[c.UserData] = true
			}
			left -= n
		}
		f.idle()
		f.NotZero(f.Stats().Overflows)
		f.EqualValues(count, f.Stats().Completed)
	})
}

// A multishot that an overflow ends says so, and nothing that it was for is lost.
func TestOverflowEndsMultishot(t *testing.T) {
	f := bound(t, Options{Entries: 1, CQEntries: 2})
	if !f.Features().Has(MultishotRecv) {
		return // one completion per entry cannot overflow
	}
	a, b := f.pair()
	f.provide(1, make([]byte, 64), 1)
	s := &SQE{Opcode: OpRecv, FD: a, Flags: Multishot | BufferSelect, Group: 1}
	f.write(b, "abcdefghijklmnopqrstuvwxyz")
	f.start(s)
	got := 0
	for got < 26 {
		c := f.next()
		f.EqualValues(1, c.Res)
		got++
		id, ok := c.Buffer()
		f.True(ok)
		f.EqualValues("abcdefghijklmnopqrstuvwxyz"[got-1], f.groups[1].mem[id])
		if !c.More() {
			f.start(s)
		}
	}
	stop := f.start(cancel(s))
	f.Equal([]int32{errno(unix.ECANCELED), 0}, f.results(s, stop))
}

// What is certain to be ready, or not to come, costs no system call.
func TestNoNeedlessEnter(t *testing.T) {
	f := bound(t, Options{})
	a, b := f.pair()
	s := f.start(recv(a, make([]byte, 1)))
	f.NoError(f.Enter(0))
	f.EqualValues(1, f.Stats().Enters)
	for range 10 {
		f.NoError(f.Enter(0)) // nothing to do
	}
	f.EqualValues(1, f.Stats().Enters)

	f.write(b, "x")
	f.NoError(f.Enter(0)) // the completion is task work
	f.EqualValues(2, f.Stats().Enters)
	f.NoError(f.Enter(-1)) // it is ready
	f.NoError(f.Enter(0))
	f.EqualValues(2, f.Stats().Enters)
	f.Equal([]int32{1}, f.results(s))
	f.EqualValues(2, f.Stats().Enters)

	f.start(&SQE{Opcode: OpNop})
	f.NoError(f.Enter(-1)) // done while it is submitted
	f.EqualValues(3, f.Stats().Enters)
}

// Submission does not depend on whether something is ready already.
func TestEnterSubmitsWhenReady(t *testing.T) {
	f := bound(t, Options{})
	nop := f.start(&SQE{Opcode: OpNop})
	f.NoError(f.Enter(-1))
	second := f.start(&SQE{Opcode: OpNop})
	f.NoError(f.Enter(-1))
	f.EqualValues(2, f.Stats().Submitted)
	f.Equal([]int32{0, 0}, f.results(nop, second))
}

// Large batches and file entries take the other way through Enter.
func TestHeavyBatches(t *testing.T) {
	eachShape(t, func(f *fixture) {
		fd, err := unix.MemfdCreate("heavy", unix.MFD_CLOEXEC)
		f.NoError(err)
		defer unix.Close(fd)
		f.NoError(unix.Ftruncate(fd, 1<<20))
		bufs := make([]byte, 200*64)
		for range 3 {
			var entries []*SQE
			for i := range 200 {
				entries = append(entries, &SQE{
					Opcode: OpRead, FD: int32(fd), Flags: MayBlock,
					Addr: unsafe.Pointer(&bufs[i*64]), Len: 64, Off: int64(i),
				})
			}
			for _, s := range entries {
				f.start(s)
			}
			f.Equal(slices.Repeat([]int32{64}, 200), f.results(entries...))
		}
		f.idle()
	})
}

func TestTimeout(t *testing.T) {
	eachShape(t, func(f *fixture) {
		a, _ := f.pair()
		s := f.start(recv(a, make([]byte, 1)))
		for _, d := range []time.Duration{1, time.Microsecond, time.Millisecond, 20 * time.Millisecond} {
			// A signal may end a wait early, but not every time.
			full := false
			for range 100 {
				start := time.Now()
				f.NoError(f.Enter(d))
				if full = time.Since(start) >= d; full {
					break
				}
			}
			f.True(full, "never waits for %v", d)
		}
		stop := f.start(cancel(s))
		f.Equal([]int32{errno(unix.ECANCELED), 0}, f.results(s, stop))
	})
}

// Signals interrupt waits; nothing is lost or done twice by that.
func TestSignals(t *testing.T) {
	eachShape(t, func(f *fixture) {
		var stop atomic.Bool
		var wg sync.WaitGroup
		tid := unix.Gettid()
		wg.Add(1)
		go func() {
			defer wg.Done()
			for !stop.Load() {
				_ = unix.Tgkill(unix.Getpid(), tid, unix.SIGURG)
				runtime.Gosched()
			}
		}()
		defer wg.Wait()
		defer stop.Store(true)

		a, b := f.pair()
		buf := make([]byte, 8)
		for i := range 500 {
			nops := []*SQE{f.start(&SQE{Opcode: OpNop}), f.start(&SQE{Opcode: OpNop})}
			f.Equal([]int32{0, 0}, f.results(nops...))
			s := f.start(recv(a, buf))
			f.NoError(f.Enter(50 * time.Microsecond))
			f.write(b, "12345678"[:1+i%8])
			f.Equal([]int32{int32(1 + i%8)}, f.results(s))
		}
	})
}

func TestWorkerCap(t *testing.T) {
	f := bound(t, Options{BoundedWorkers: 3, UnboundedWorkers: 5})
	if !f.Features().Has(WorkerCap) {
		return // nothing to set
	}
	limits := [2]uint32{}
	require.Zero(t, ioUringRegister(f.fd, registerIOWQMaxWorkers, unsafe.Pointer(&limits), 2))
	require.Equal(t, [2]uint32{3, 5}, limits)
}

func TestNoAllocations(t *testing.T) {
	f := bound(t, Options{})
	nop := &SQE{Opcode: OpNop}
	refused := &SQE{Opcode: 200}
	cqes := make([]CQE, 4)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		f.Push(nop)
		f.Push(refused)
		_ = f.Wake()
		_ = f.Enter(time.Second)
		f.Reap(cqes)
		_ = f.Enter(time.Microsecond)
		f.Reap(cqes)
	}))
}

// A wait that is likely brief ends for the same reasons as any other, and the timeout is kept on both sides of the longest nap.
func TestNaps(t *testing.T) {
	eachShape(t, func(f *fixture) {
		a, b := f.pair()
		for _, timeout := range []time.Duration{-1, time.Minute} {
			s := f.start(recv(a, make([]byte, 1)))
			f.brisk = true
			go func() {
				time.Sleep(2 * maxNap)
				f.write(b, "x")
			}()
			for f.cq.empty() {
				f.NoError(f.Enter(timeout))
			}
			f.Equal([]int32{1}, f.results(s))

			f.brisk = true
			woken := make(chan error)
			go func() {
				time.Sleep(maxNap / 2)
				woken <- f.Wake()
			}()
			f.NoError(f.Enter(timeout))
			f.NoError(<-woken)
			for range 3 {
				f.NoError(f.Enter(0))
			}
		}
		for _, timeout := range []time.Duration{maxNap / 5, 2 * maxNap} {
			f.brisk = true
			for left := timeout; left > 0; {
				start := time.Now()
				f.NoError(f.Enter(left))
				left -= time.Since(start)
			}
		}
	})
}

// Where goroutines share one processor, a nap in vain is followed by waits that they can use.
func TestNaplessAlone(t *testing.T) {
	f := bound(t, Options{})
	f.brisk, f.alone = true, true
	f.NoError(f.Enter(maxNap / 10))
	f.False(f.brisk)
	f.Equal(napless, f.napless)
	f.brisk = true
	f.NoError(f.Enter(time.Millisecond / 10))
	f.Equal(napless-1, f.napless)
}
