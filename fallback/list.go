//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import "github.com/proactor-go/proactor/ring"

// A list chains entries through their own Link: to queue an operation allocates nothing, and to
// remove one takes constant time. An entry is in at most one list.
type list struct {
	head, tail *ring.SQE
}

func (l *list) empty() bool { return l.head == nil }

func (l *list) push(s *ring.SQE) {
	s.Link.Prev, s.Link.Next = l.tail, nil
	if l.tail == nil {
		l.head = s
	} else {
		l.tail.Link.Next = s
	}
	l.tail = s
}

// remove takes s out. It leaves no pointer in s, so that Prev tells members from others.
func (l *list) remove(s *ring.SQE) {
	if s.Link.Prev == nil {
		l.head = s.Link.Next
	} else {
		s.Link.Prev.Link.Next = s.Link.Next
	}
	if s.Link.Next == nil {
		l.tail = s.Link.Prev
	} else {
		s.Link.Next.Link.Prev = s.Link.Prev
	}
	s.Link.Prev, s.Link.Next = nil, nil
}

// pop takes the oldest entry out, nil if there is none.
func (l *list) pop() *ring.SQE {
	s := l.head
	if s != nil {
		l.remove(s)
	}
	return s
}

// has reports whether s, which is in this list or in none, is in it.
func (l *list) has(s *ring.SQE) bool { return l.head == s || s.Link.Prev != nil }
