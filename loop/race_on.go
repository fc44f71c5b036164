//go:build race

package loop

import "github.com/proactor-go/proactor/internal/sys"

// checkThread panics when a method of the loop is called on another thread than the loop's.
func (l *Loop) checkThread(method string) {
	if owner := l.thread.Load(); owner != 0 && owner != sys.ThreadID() {
		panic("loop: " + method + " on another goroutine than the loop's")
	}
}

const (
	poisonByteLent     = 0xAA
	poisonByteReturned = 0xDD
)

// poisonLent fills a buffer that is being lent for a receive or read: who reads it before the callback sees that.
func poisonLent(b []byte) {
	for i := range b {
		b[i] = poisonByteLent
	}
}

// poisonReturned does the same for a provided buffer that goes back.
func poisonReturned(b []byte) {
	for i := range b {
		b[i] = poisonByteReturned
	}
}
