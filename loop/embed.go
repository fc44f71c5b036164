package loop

import (
	"errors"
	"fmt"
	"time"
)

// FD returns a descriptor for a foreign event loop that is to wait for this one too, such as a toolkit's. It is readable (poll(2), epoll(7)) when there is
// something to do, until the next [Loop.Poll] has done it; timers are the foreign loop's to watch, with BackendTimeout:
//
//	for l.Alive() {
//		waitFor(fd, l.BackendTimeout())
//		err = l.Poll()
//	}
//
// What is started outside of the loop's callbacks is submitted by the next Poll. FD makes the calling goroutine the loop's, as Run does. The
// descriptor is the loop's: do nothing but wait for it. It is an eventfd that io_uring signals, or the epoll instance of the fallback; on poll(2) there
// is none, and the error matches [errors.ErrUnsupported].
func (l *Loop) FD() (fd int, err error) {
	err = l.run(func() error {
		was := l.embedded
		l.embedded = true
		if fd, err = l.doze(); err != nil {
			l.embedded = was
		}
		return err
	})
	switch {
	case err != nil: // refused within Run, where it changes nothing
		return -1, err
	case l.shut: // it found the loop closing, and closed it
		return -1, ErrClosed
	}
	return fd, nil
}

// doze readies the loop for being waited for elsewhere.
func (l *Loop) doze() (fd int, err error) {
	q, ok := l.queue.(Embeddable)
	if !ok {
		return -1, fmt.Errorf("loop: FD: %T cannot be waited for: %w", l.queue, errors.ErrUnsupported)
	}
	l.submitAll()
	l.files = 0
	l.count.totals[enters]++
	l.mail.forget()
	l.asleep.Store(true)
	if fd, err = q.Doze(); err != nil {
		l.asleep.Store(false)
		return -1, err
	}
	// What came before Doze looked woke it and nobody else.
	if l.employed {
		l.reapLanes()
	}
	if l.ready.len > 0 || l.posts.waiting() || l.interrupted() {
		_ = l.queue.Wake()
	}
	l.dozing = true
	return fd, nil
}

// BackendTimeout returns how long the loop would wait in its next turn: 0 if it has work, or nothing to wait for at all ([Loop.Alive]), below 0 if it
// waits for nothing but completions.
func (l *Loop) BackendTimeout() time.Duration { return l.waitTime() }
