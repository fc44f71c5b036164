package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPattern(t *testing.T) {
	whole := bytes.Repeat(pattern[:period], 5)
	c := newCursor(3)
	at := c.at
	for _, n := range []int{1, 64, maxPiece, 1 << 30, 65535, 7, maxPiece} {
		piece := c.peek(n)
		require.Len(t, piece, min(n, maxPiece))
		require.True(t, bytes.Equal(whole[at:at+len(piece)], piece))
		c.advance(len(piece))
		at += len(piece)
	}
}

func TestPatternsDiffer(t *testing.T) {
	seen := map[int]bool{}
	for i := range period {
		seen[newCursor(i).at] = true
	}
	require.Len(t, seen, period)
}

func TestFIFO(t *testing.T) {
	var f fifo
	next, first := int64(0), int64(0)
	for round := range 50 {
		for range round {
			f.push(mark{end: next})
			next++
		}
		for range round * 2 / 3 {
			require.False(t, f.empty())
			require.Equal(t, first, f.front().end)
			f.pop()
			first++
		}
	}
	require.Equal(t, next-first, int64(f.tail-f.head))
	f.clear()
	require.True(t, f.empty())
}

// Messages count when they are completed within the window, latencies when they were sent within it.
func TestWindow(t *testing.T) {
	w := newWindow()
	w.record(1, 2, 1) // it has not begun
	w.begin = 1000
	w.record(900, 1000, 2)
	w.record(1000, 1999, 4)
	w.end = 2000
	w.record(1999, 2000, 8)
	w.record(2000, 2100, 16)
	require.EqualValues(t, 6, w.ops)
	require.EqualValues(t, 12, w.latencies.TotalCount())

	w = newWindow()
	w.begin = 0
	w.record(0, 2*longest, 1)
	require.InEpsilon(t, float64(longest), float64(w.latencies.Max()), 0.01)
}

// A message is complete with its last byte, and counts from when its batch was sent.
func TestComplete(t *testing.T) {
	c := &client{size: 10, window: newWindow(), waiting: 5}
	c.window.begin = 0
	var k conn
	k.queue(30, 100)
	k.queue(20, 200)
	for _, step := range []struct {
		received int64
		messages int
	}{{9, 0}, {10, 1}, {39, 2}, {49, 1}, {50, 1}, {50, 0}} {
		k.received = step.received
		require.Equal(t, step.messages, c.complete(&k, 300))
	}
	require.Zero(t, c.waiting)
	require.True(t, k.marks.empty())
	require.EqualValues(t, 5, c.window.ops)
	bars := map[int64]int64{}
	for _, bar := range c.window.latencies.Distribution() {
		if bar.Count > 0 {
			bars[bar.From] += bar.Count
		}
	}
	require.Equal(t, map[int64]int64{100: 2, 200: 3}, bars)
}

func TestFailures(t *testing.T) {
	var f failures
	require.NoError(t, f.err())
	f.add(&wrongByte{conn: 3, at: 17, got: 1, want: 0xff})
	f.add(errors.New("broken"))
	f.add(errors.New("broken"))
	f.add(&wrongByte{conn: 4, at: 18})
	require.EqualValues(t, 4, f.count)
	require.EqualError(t, f.err(), "2 x broken\nload: 2 x wrong byte: connection 3, offset 17: got 0x01, want 0xff")
}
