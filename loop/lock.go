package loop

import (
	"errors"
	"syscall"
	"time"

	"github.com/proactor-go/proactor/internal/sys"
)

// Locks are those of flock(2): advisory, of the open file (a second Open of the same name competes with the first), shared or exclusive, and gone
// with the last descriptor: by Close, or when the process ends, whatever ends it. A lock that is held is converted by a further call, which may lose it on the way. As all operations of a File they are unordered: one that
// depends on another is started in its callback.

// Lock takes the exclusive lock, and waits for it. There is no queue: whoever asks when it is free gets it. flock(2) with LOCK_NB, on the file lane, again
// after a pause that grows from 1 to 100 milliseconds: a call that waited in the kernel would hold a worker, and nothing could end it but a signal.
func (f *File) Lock(fn DoneFunc) Op { return f.lock("Lock", sys.LockExclusive, fn) }

// RLock takes a shared lock: any number of them go together, and none with an exclusive one.
func (f *File) RLock(fn DoneFunc) Op { return f.lock("RLock", sys.LockShared, fn) }

// TryLock takes the exclusive lock if it is free. Else its error matches [syscall.EWOULDBLOCK].
func (f *File) TryLock(fn DoneFunc) Op { return f.tryLock("TryLock", sys.LockExclusive, fn) }

// TryRLock takes a shared lock if nobody has the exclusive one. Else its error matches [syscall.EWOULDBLOCK].
func (f *File) TryRLock(fn DoneFunc) Op { return f.tryLock("TryRLock", sys.LockShared, fn) }

// Unlock gives the lock up. Without one it does nothing.
func (f *File) Unlock(fn DoneFunc) Op { return f.tryLock("Unlock", sys.LockRelease, fn) }

func (f *File) tryLock(method string, how int, fn DoneFunc) Op {
	action := "lock"
	if how == sys.LockRelease {
		action = "unlock"
	}
	return f.call(method, action, func(fd int) error { return sys.TryLock(fd, how) }, fn)
}

// A locking is a Lock or RLock: attempts on the lane, and pauses between them.
type locking struct {
	f       *File
	method  string
	how     int
	p       *Pending
	attempt Op
	timer   *Timer // runs while it pauses
	pause   time.Duration
}

const (
	firstLockPause = time.Millisecond
	maxLockPause   = 100 * time.Millisecond
)

func (f *File) lock(method string, how int, fn DoneFunc) Op {
	needCallback(method, fn == nil)
	w := &locking{f: f, method: method, how: how, pause: firstLockPause}
	w.p = f.l.compose(method, &f.handle, w.cancel, fn)
	if !w.p.settled() {
		w.try()
	}
	return w.p.Op()
}

func (w *locking) try() { w.attempt = w.f.tryLock(w.method, w.how, w.tried) }

func (w *locking) tried(err error) {
	switch {
	case !errors.Is(err, syscall.EWOULDBLOCK):
		w.p.Finish(err)
	case w.p.stopping():
		w.p.Finish(ErrCanceled)
	default:
		w.timer = w.f.l.newTimeout(func() {
			w.timer = nil
			w.try()
		})
		w.timer.Reset(w.pause)
		w.pause = min(2*w.pause, maxLockPause)
	}
}

// cancel ends a pause at once. An attempt that runs may still succeed.
func (w *locking) cancel() {
	w.attempt.Cancel()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
		w.p.Finish(ErrCanceled)
	}
}
