package hello_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/bench/http/internal/hello"
)

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

func TestNext(t *testing.T) {
	for _, c := range []struct {
		data string
		size int
		last bool
	}{
		{"", 0, false},
		{"GET / HTTP/1.1\r\nHost: x\r\n\r", 0, false},
		{get, len(get), false},
		{get + get, len(get), false},
		{"GET / HTTP/1.1\r\n\r\n", 18, false},
		{"\r\n\r\n", 4, false},
		{"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 37, true},
		{"GET / HTTP/1.1\r\ncONNECTION:Close \r\nHost: x\r\n\r\n", 46, true},
		{"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", 42, false},
		{"GET / HTTP/1.1\r\nConnections: close\r\n\r\n", 38, false},
		{"GET /connection:close HTTP/1.1\r\nc\r\n\r\n", 37, false},
	} {
		size, last := hello.Next([]byte(c.data))
		require.Equal(t, c.size, size, "%q", c.data)
		require.Equal(t, c.last, last, "%q", c.data)
	}
}

func TestTake(t *testing.T) {
	n, rest, last := hello.Take([]byte(get + get + "GET"))
	require.Equal(t, 2, n)
	require.Equal(t, "GET", string(rest))
	require.False(t, last)

	n, rest, _ = hello.Take([]byte(strings.Repeat(get, hello.MaxBatch+1)))
	require.Equal(t, hello.MaxBatch, n)
	require.Equal(t, get, string(rest))

	n, rest, last = hello.Take([]byte("GET / HTTP/1.1\r\nConnection: close\r\n\r\n" + get))
	require.Equal(t, 1, n)
	require.Equal(t, get, string(rest))
	require.True(t, last)
}

func TestResponses(t *testing.T) {
	one := string(hello.Responses(1))
	require.True(t, strings.HasSuffix(one, "\r\n\r\nHello, World!"))
	require.Contains(t, one, "Content-Length: 13\r\n")
	require.Equal(t, strings.Repeat(one, 3), string(hello.Responses(3)))
	require.Empty(t, hello.Responses(0))
}
