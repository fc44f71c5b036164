package main

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// place is the offset at which the faults below happen.
const place = 5000

// at makes a fault that happens in the one piece of a connection which covers the place, given the piece from there on.
func at(f func(b []byte) []byte) fault {
	return func(_ int64, offset int, b []byte) []byte {
		if i := place - offset; 0 <= i && i < len(b) {
			return append(b[:i:i], f(slices.Clone(b[i:]))...)
		}
		return b
	}
}

func TestFaultsAreFound(t *testing.T) {
	for name, f := range map[string]fault{
		"flipped bit": at(func(b []byte) []byte { b[0] ^= 1; return b }),
		"swapped bytes": at(func(b []byte) []byte {
			for i := 1; i < len(b); i++ {
				if b[i] != b[0] {
					b[0], b[i] = b[i], b[0]
					break
				}
			}
			return b
		}),
		"swapped messages": func(_ int64, offset int, b []byte) []byte {
			if offset == 0 && len(b) >= 128 {
				return slices.Concat(b[64:128], b[:64], b[128:])
			}
			return b
		},
		"lost byte":   at(func(b []byte) []byte { return b[1:] }),
		"doubled":     at(func(b []byte) []byte { return slices.Concat(b[:1], b) }),
		"stale bytes": at(func(b []byte) []byte { return make([]byte, len(b)) }),
	} {
		t.Run(name, func(t *testing.T) {
			for _, mode := range [][]string{{"-pipeline", "16"}, {"-rate", "30000", "-patience", "100ms"}} {
				s := echo(t, f)
				if name == "swapped messages" && mode[0] == "-rate" {
					continue // an open loop need not send two at once
				}
				r, stderr, status := load(t, s.addr, append(mode, "-conns", "1", "-duration", "1s")...)
				require.Equal(t, 1, status)
				require.Positive(t, r.Errors)
				require.Regexp(t, "wrong byte: connection 0, offset |more bytes came back", stderr)
			}
		})
	}
}

// A server that mixes up two connections answers with as many bytes as are expected.
func TestForeignBytesAreFound(t *testing.T) {
	first := make(chan net.Conn)
	s := serve(t, func(n int64, c net.Conn) {
		if n%2 == 0 {
			first <- c
			return
		}
		other := <-first
		go func() { _, _ = io.Copy(other, c) }()
		_, _ = io.Copy(c, other)
	})
	r, stderr, status := load(t, s.addr, "-conns", "2")
	require.Equal(t, 1, status)
	require.Positive(t, r.Errors)
	require.Contains(t, stderr, "wrong byte: connection ")
}

func TestFaultsOfOtherModes(t *testing.T) {
	flip := func(_ int64, offset int, b []byte) []byte {
		if offset == 0 {
			b[len(b)-1] ^= 0x80
		}
		return b
	}
	for _, mode := range [][]string{{"-mode", "churn"}, {"-mode", "slow"}, {"-conns", "0", "-idle", "10"}} {
		_, stderr, status := load(t, echo(t, flip).addr, mode...)
		require.Equal(t, 1, status)
		require.Contains(t, stderr, "wrong byte")
	}
}

func TestSurplusIsFound(t *testing.T) {
	s := echo(t, func(_ int64, _ int, b []byte) []byte { return slices.Concat(b, b[:1]) })
	_, stderr, status := load(t, s.addr, "-conns", "1", "-size", "30000")
	require.Equal(t, 1, status)
	require.Regexp(t, "wrong byte|more bytes came back", stderr)
}

func TestSilenceIsFound(t *testing.T) {
	s := echo(t, func(_ int64, offset int, b []byte) []byte {
		if offset == 0 {
			return b[:0]
		}
		return b
	})
	r, stderr, status := load(t, s.addr, "-conns", "3", "-patience", "50ms")
	require.Equal(t, 1, status)
	require.EqualValues(t, 3, r.Errors)
	require.Contains(t, stderr, "3 x no answer for 50ms")
}

func TestSlowAnswersAreWaitedFor(t *testing.T) {
	s := serve(t, func(_ int64, c net.Conn) {
		for b := make([]byte, 64); ; {
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			time.Sleep(200 * time.Millisecond)
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
	loadWell(t, s.addr, "-conns", "1", "-pipeline", "8", "-patience", "1s")
}

func TestClosedConnectionsAreFound(t *testing.T) {
	second := func(conn int64, _ int, b []byte) []byte {
		if conn == 1 {
			return nil
		}
		return b
	}
	for _, mode := range [][]string{{"-mode", "echo"}, {"-rate", "1000"}, {"-mode", "churn"}, {"-idle", "5"}} {
		r, stderr, status := load(t, echo(t, second).addr, append([]string{"-conns", "4"}, mode...)...)
		require.Equal(t, 1, status)
		require.EqualValues(t, 1, r.Errors)
		require.Positive(t, r.Ops, "the others go on")
		require.Regexp(t, "1 x (receive: unexpected EOF|receive: connection reset|send: broken pipe)", stderr)
	}
}
