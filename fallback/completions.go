//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import "github.com/proactor-go/proactor/ring"

// completions is the completion queue. It grows rather than lose one: an operation completes once, so that
// what the caller has in flight bounds it. Only multishot operations could fill it without end; they
// pause while it is full.
type completions struct {
	buf   []ring.CQE // the length is a power of two
	head  int
	count int
	limit int
}

func newCompletions(limit int) completions {
	return completions{buf: make([]ring.CQE, 64), limit: limit}
}

func (c *completions) full() bool { return c.count >= c.limit }

func (c *completions) push(e ring.CQE) {
	if c.count == len(c.buf) {
		grown := make([]ring.CQE, 2*len(c.buf))
		n := copy(grown, c.buf[c.head:])
		copy(grown[n:], c.buf[:c.head])
		c.buf, c.head = grown, 0
	}
	c.buf[(c.head+c.count)&(len(c.buf)-1)] = e
	c.count++
}

// take moves the oldest completions to dst and returns how many.
func (c *completions) take(dst []ring.CQE) int {
	n := min(len(dst), c.count)
	first := copy(dst[:n], c.buf[c.head:])
	copy(dst[first:n], c.buf)
	c.head = (c.head + n) & (len(c.buf) - 1)
	c.count -= n
	return n
}
