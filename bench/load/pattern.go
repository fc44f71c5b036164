package main

import "math/rand/v2"

// The bytes on a connection are one table of random bytes, repeated for ever, from a place of the connection's own. The table's
// length is a prime, so that messages and buffers never line up with it: a byte that was lost, doubled, misplaced or meant for
// another connection is followed by others that differ.
const period = 65537

// maxPiece is the most that one system call moves. Larger pieces cost more: they no longer stay in a core's cache.
const maxPiece = 64 << 10

// pattern is longer than the period, so that a piece from any place of it is contiguous.
var pattern = func() []byte {
	b := make([]byte, period)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return append(b, b[:maxPiece]...)
}()

// A cursor is a place in a connection's bytes.
type cursor struct{ at int }

// newCursor returns the start of the n-th connection's bytes. The stride is prime, so the first 65537 differ.
func newCursor(n int) cursor { return cursor{n * 12289 % period} }

// peek returns the next n bytes, but no more than a piece.
func (c *cursor) peek(n int) []byte { return pattern[c.at : c.at+min(n, maxPiece)] }

// advance moves n bytes on, at most a piece.
func (c *cursor) advance(n int) {
	if c.at += n; c.at >= period {
		c.at -= period
	}
}
