package loop

import (
	"sync"
	"sync/atomic"
	"time"
)

// post is one posted function, recycled through a pool shared by all loops.
type post struct {
	fn   func()
	at   time.Duration // when it was posted, if that is measured and nothing was waiting
	next *post
}

var postPool = sync.Pool{New: func() any { return new(post) }}

// sealed stands at the head of the queue of a closed loop.
var sealed = new(post)

// postQueue is a stack that many goroutines push to and the loop takes as a whole: without a pop of single
// elements there is no ABA.
type postQueue struct{ head atomic.Pointer[post] }

func (q *postQueue) push(p *post) bool {
	for {
		head := q.head.Load()
		if head == sealed {
			return false
		}
		p.next = head
		if q.head.CompareAndSwap(head, p) {
			return true
		}
	}
}

func (q *postQueue) waiting() bool {
	head := q.head.Load()
	return head != nil && head != sealed
}

// take returns everything, oldest first, and leaves then in its place.
func (q *postQueue) take(then *post) *post {
	head := q.head.Swap(then)
	if head == sealed {
		return nil
	}
	var oldest *post
	for head != nil {
		head, head.next, oldest = head.next, oldest, head
	}
	return oldest
}

// Post runs fn on the loop's goroutine, in the poll phase of one of the next turns, exactly once, in order with what the same
// goroutine posted before. It may be called from any goroutine and costs a system call only when the loop sleeps. On a closed loop
// it returns [ErrClosed] and fn does not run.
func (l *Loop) Post(fn func()) error {
	err := l.post(fn)
	if err == nil {
		l.wake()
	}
	return err
}

// post is Post but for the wake.
func (l *Loop) post(fn func()) error {
	if fn == nil {
		panic("loop: Post: nil function")
	}
	p := postPool.Get().(*post)
	p.fn = fn
	if l.observer != nil && l.observer.timing && !l.posts.waiting() {
		p.at = time.Since(l.origin)
	}
	if !l.posts.push(p) {
		p.fn, p.at = nil, 0
		postPool.Put(p)
		return ErrClosed
	}
	return nil
}

// wake makes the loop's Enter return if it sleeps or is about to. Of many wakers one pays the system call.
func (l *Loop) wake() {
	if l.asleep.Load() && l.asleep.CompareAndSwap(true, false) {
		_ = l.queue.Wake() // fails only on a closed queue, which nobody sleeps in
	}
}

// runPosts runs what was posted before it began.
func (l *Loop) runPosts() {
	if l.batch == nil {
		if !l.posts.waiting() {
			return
		}
		l.batch = l.posts.take(nil)
		if l.batch != nil && l.batch.at > 0 {
			l.observer.postLag.record(time.Since(l.origin) - l.batch.at)
		}
	}
	for p := l.batch; p != nil; p = l.batch {
		l.batch = p.next
		fn := p.fn
		p.fn, p.at, p.next = nil, 0, nil
		postPool.Put(p)
		l.calling("Post")
		fn()
		l.calledBack()
		l.drainTicks()
	}
}
