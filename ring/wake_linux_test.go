package ring

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWake(t *testing.T) {
	eachShape(t, func(f *fixture) {
		for range 100 {
			f.NoError(f.Wake())
			f.NoError(f.Enter(-1))
			f.idle()
		}
		for i := range 100 {
			go func() {
				if i%2 == 0 {
					time.Sleep(100 * time.Microsecond)
				}
				_ = f.Wake()
			}()
			f.NoError(f.Enter(-1))
			f.idle()
		}
	})
}

func TestWakeBeforeBind(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f := unbound(t, Options{})
	f.NoError(f.Wake())
	f.NoError(f.Bind())
	f.NoError(f.Enter(-1))
	f.idle()
}

// A wake between the return of one Enter and its Reap is for the next Enter.
func TestWakeBetweenEnterAndReap(t *testing.T) {
	eachShape(t, func(f *fixture) {
		for range 10 {
			f.NoError(f.Wake())
			f.NoError(f.Enter(-1))
			f.NoError(f.Wake())
			f.Zero(f.Reap(make([]CQE, 4)))
			f.NoError(f.Enter(-1))
			f.idle()
		}
	})
}

// Unless DEFER_TASKRUN holds it back, the read can complete between two calls of Enter and be reaped there. The
// wake is for the next Enter all the same, and the ones after it get through.
func TestWakeReapedBeforeEnter(t *testing.T) {
	eachShape(t, func(f *fixture) {
		for range 3 {
			f.NoError(f.Enter(time.Millisecond)) // the read is in the ring
			f.Zero(f.Reap(make([]CQE, 4)))
			f.NoError(f.Wake())
			time.Sleep(time.Millisecond) // the thread goes through the kernel, which brings the completion up
			f.Zero(f.Reap(make([]CQE, 4)))
			f.NoError(f.Enter(-1))
			f.NoError(f.Wake())
			f.NoError(f.Enter(-1))
			f.idle()
		}
	})
}

// The wake must reach a ring whose queues are full of other things, again and again.
func TestWakeUnderPressure(t *testing.T) {
	eachShape(t, func(f *fixture) {
		a, b := f.pair()
		got := f.start(recv(a, make([]byte, 1)))
		for range 200 {
			var entries []*SQE
			for range 3 * len(f.sq.entries) % 64 {
				entries = append(entries, f.start(&SQE{Opcode: OpNop}))
			}
			f.NoError(f.Wake())
			f.NoError(f.Enter(-1))
			f.Equal(make([]int32, len(entries)), f.results(entries...))
			f.NoError(f.Wake())
			f.NoError(f.Enter(-1)) // with a full queue behind and an empty one before
			f.idle()
		}
		f.write(b, "x")
		f.Equal([]int32{1}, f.results(got))
	})
}

// Each wake follows the store that it announces. Were one lost, the last Enter would never return.
func TestWakeStorm(t *testing.T) {
	eachShape(t, func(f *fixture) {
		const wakers, wakes = 4, 2000
		var announced atomic.Int64
		for range wakers {
			go func() {
				for range wakes {
					announced.Add(1)
					if err := f.Wake(); err != nil {
						f.t.Error(err)
					}
				}
			}()
		}
		for announced.Load() < wakers*wakes {
			f.NoError(f.Enter(-1))
			f.Zero(f.Reap(make([]CQE, 1)))
		}
	})
}

// Close takes the descriptors away under the feet of those who wake. None may write to what gets their numbers next.
func TestWakeWhileClosing(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 20 {
		f := unbound(t, Options{Entries: 8})
		f.NoError(f.Bind())
		var wg sync.WaitGroup
		var stop atomic.Bool
		for range 4 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for !stop.Load() {
					_ = f.Wake()
					runtime.Gosched()
				}
			}()
		}
		for range 10 {
			f.NoError(f.Enter(-1))
			f.Zero(f.Reap(make([]CQE, 1)))
		}
		f.NoError(f.Close())
		var heirs []int
		for range 4 {
			fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
			f.NoError(err)
			heirs = append(heirs, fd)
		}
		time.Sleep(time.Millisecond)
		stop.Store(true)
		wg.Wait()
		for _, fd := range heirs {
			_, err := unix.Read(fd, make([]byte, 8))
			f.Equal(unix.EAGAIN, err)
			f.NoError(unix.Close(fd))
		}
	}
}
