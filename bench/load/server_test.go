package main

import (
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A server is a plain echo server that a test can make do wrong.
type server struct {
	addr     string
	accepted atomic.Int64
}

// A fault changes what is sent back: b was received by the conn-th connection at an offset of its bytes. Returning nil
// closes the connection.
type fault func(conn int64, offset int, b []byte) []byte

func echo(t *testing.T, f fault) *server {
	if f == nil {
		f = func(_ int64, _ int, b []byte) []byte { return b }
	}
	return serve(t, func(n int64, c net.Conn) {
		defer c.Close()
		b := make([]byte, 32<<10)
		for offset := 0; ; {
			n, err := read(c, b, n, offset, f)
			if err != nil {
				return
			}
			offset += n
		}
	})
}

func read(c net.Conn, b []byte, conn int64, offset int, f fault) (int, error) {
	n, err := c.Read(b)
	if err != nil {
		return 0, err
	}
	answer := f(conn, offset, b[:n:n])
	if answer == nil {
		return 0, net.ErrClosed
	}
	_, err = c.Write(answer)
	return n, err
}

// serve gives each connection to a goroutine of its own, with its number.
func serve(t *testing.T, handle func(n int64, c net.Conn)) *server {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	s := &server{addr: ln.Addr().String()}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go handle(s.accepted.Add(1)-1, c)
		}
	}()
	return s
}
