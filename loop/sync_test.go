package loop_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// Section I, Sync and Datasync: F08.

// A syncQueue counts the FSYNCs that a loop pushes, and can hold their completions back.
type syncQueue struct {
	loop.Queue
	full, data int // pushed
	hold       bool
	syncs      map[uint64]bool
	held       []ring.CQE
}

func (q *syncQueue) Push(s *ring.SQE) bool {
	if !q.Queue.Push(s) {
		return false
	}
	if s.Opcode == ring.OpFsync {
		q.syncs[s.UserData] = true
		if s.OpFlags&ring.FsyncData != 0 {
			q.data++
		} else {
			q.full++
		}
	}
	return true
}

func (q *syncQueue) Enter(timeout time.Duration) error {
	if !q.hold && len(q.held) > 0 {
		timeout = 0
	}
	return q.Queue.Enter(timeout)
}

func (q *syncQueue) Reap(dst []ring.CQE) int {
	if !q.hold && len(q.held) > 0 {
		n := copy(dst, q.held)
		q.held = q.held[n:]
		return n
	}
	kept := 0
	for _, c := range dst[:q.Queue.Reap(dst)] {
		if q.hold && q.syncs[c.UserData] {
			q.held = append(q.held, c)
			continue
		}
		dst[kept] = c
		kept++
	}
	return kept
}

// forEachSyncQueue runs a case on every queue, behind a syncQueue.
func forEachSyncQueue(t *testing.T, test func(t *testing.T, l *loop.Loop, q *syncQueue)) {
	t.Helper()
	var q *syncQueue
	forEachSpied(t, func(inner loop.Queue) loop.Queue {
		q = &syncQueue{Queue: inner, syncs: map[uint64]bool{}}
		return q
	}, func(t *testing.T, l *loop.Loop) { test(t, l, q) })
}

func TestF08SyncsOfATurnShareOne(t *testing.T) {
	forEachSyncQueue(t, func(t *testing.T, l *loop.Loop, q *syncQueue) {
		f, other := newFile(t, l), newFile(t, l)
		synced := 0
		done := func(err error) {
			require.NoError(t, err)
			synced++
		}
		for range 10 {
			f.Datasync(done)
		}
		require.NoError(t, l.Run())
		require.Equal(t, [3]int{10, 0, 1}, [3]int{synced, q.full, q.data})

		for range 5 { // one full sync makes it full for all
			f.Datasync(done)
			f.Sync(done)
		}
		other.Datasync(done)
		require.NoError(t, l.Run())
		require.Equal(t, [3]int{21, 1, 2}, [3]int{synced, q.full, q.data})
		require.NoError(t, result(t, l, f.Close))
		require.NoError(t, result(t, l, other.Close))
	})
}

// TestF08SyncCovers starts Syncs while one is in flight: that one covers none of the writes that ended since.
func TestF08SyncCovers(t *testing.T) {
	forEachSyncQueue(t, func(t *testing.T, l *loop.Loop, q *syncQueue) {
		f := newFile(t, l)
		q.hold = true
		var order []string
		f.Sync(func(err error) {
			require.NoError(t, err)
			require.Equal(t, 1, q.full+q.data)
			order = append(order, "first")
		})
		for len(q.held) == 0 {
			require.NoError(t, l.RunOnce())
		}
		later := func(err error) {
			require.NoError(t, err)
			require.Equal(t, 2, q.full+q.data, "after the write a further fsync must begin")
			order = append(order, "later")
		}
		f.WriteAt([]byte("data"), 0, func(_ []byte, err error) {
			require.NoError(t, err)
			order = append(order, "write")
			f.Sync(later)
			f.Datasync(later)
		})
		for len(order) == 0 {
			require.NoError(t, l.RunOnce())
		}
		for range 3 {
			require.NoError(t, l.Poll())
		}
		require.Equal(t, 1, q.full+q.data, "one at a time")
		f.Sync(later)
		q.hold = false
		require.NoError(t, l.Run())
		require.Equal(t, []string{"write", "first", "later", "later", "later"}, order)
		require.Equal(t, 2, q.full)
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF08CancelOfOneSync(t *testing.T) {
	forEachSyncQueue(t, func(t *testing.T, l *loop.Loop, q *syncQueue) {
		f := newFile(t, l)
		synced, canceled := 0, 0
		done := func(err error) {
			require.NoError(t, err)
			synced++
		}
		stop := func(err error) {
			require.ErrorIs(t, err, loop.ErrCanceled)
			canceled++
		}
		f.Sync(done)
		f.Sync(stop).Cancel() // before the flush starts
		f.Sync(done)
		inFlight := f.Sync(stop)
		q.hold = true
		for len(q.held) == 0 {
			require.NoError(t, l.RunOnce())
		}
		f.Sync(stop).Cancel() // of the next group, all of it
		inFlight.Cancel()     // one of a group leaves the others
		for canceled < 3 {
			require.NoError(t, l.Poll())
		}
		require.Zero(t, synced)
		q.hold = false
		require.NoError(t, l.Run())
		require.Equal(t, [3]int{2, 3, 1}, [3]int{synced, canceled, q.full})

		var lone error // the last of a group has the flush itself canceled, and gets its result
		ended := 0
		op := f.Sync(func(err error) { lone, ended = err, ended+1 })
		require.NoError(t, l.Poll())
		op.Cancel()
		require.NoError(t, l.Run())
		require.Equal(t, 1, ended)
		if lone != nil {
			require.ErrorIs(t, lone, loop.ErrCanceled)
		}
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF08CloseWithSyncs(t *testing.T) {
	forEachSyncQueue(t, func(t *testing.T, l *loop.Loop, q *syncQueue) {
		f := newFile(t, l)
		ended := 0
		f.Sync(func(error) { ended++ }) // it may be carried out or not
		f.Sync(func(error) { ended++ })
		require.NoError(t, l.Poll())
		f.Sync(func(err error) {
			if q.full == 1 {
				require.ErrorIs(t, err, loop.ErrClosed)
			}
			ended++
		})
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) {
			f.Close(func(err error) {
				require.Equal(t, 3, ended)
				fn(err)
			})
		}))
	})
}

// TestF08SyncFails has the one call fail that several Syncs share.
func TestF08SyncFails(t *testing.T) {
	forEachSpied(t, func(inner loop.Queue) loop.Queue {
		return &spyQueue{Queue: inner, fails: map[ring.Opcode]int32{ring.OpFsync: -int32(syscall.EIO)}}
	}, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		failed := 0
		for range 3 {
			f.Sync(func(err error) {
				require.ErrorIs(t, err, syscall.EIO)
				require.EqualError(t, err, "sync "+f.Name()+": input/output error")
				failed++
			})
		}
		require.NoError(t, l.Run())
		require.Equal(t, 3, failed)
		require.NoError(t, result(t, l, f.Close))
	})
}
