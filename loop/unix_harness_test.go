package loop_test

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// forEachStream runs a case that any stream of bytes must pass on every kind of queue, over TCP and over a Unix socket.
func forEachStream(t *testing.T, test func(t *testing.T, l *loop.Loop, network string)) {
	t.Helper()
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) { test(t, l, network) })
		})
	}
}

// anyAddress returns a free address of the network.
func anyAddress(t *testing.T, network string) string {
	if network == "tcp" {
		return "127.0.0.1:0"
	}
	return filepath.Join(t.TempDir(), "s")
}

func listenOver(t *testing.T, l *loop.Loop, network string) *loop.Listener {
	t.Helper()
	ln, err := l.Listen(network, anyAddress(t, network))
	require.NoError(t, err)
	return ln
}

// A streamPeer is package net's end of a stream.
type streamPeer interface {
	net.Conn
	CloseWrite() error
	SetReadBuffer(bytes int) error
}

// connectPeerOver is connectPeer over any network of streams.
func connectPeerOver(t *testing.T, l *loop.Loop, network string) (c *loop.Conn, peer streamPeer) {
	t.Helper()
	ln := listenOver(t, l, network)
	ln.Accept(func(accepted *loop.Conn, err error) {
		if err != nil {
			require.ErrorIs(t, err, loop.ErrClosed)
			return
		}
		c = accepted
		ln.Close(nil)
	})
	dialed, err := net.Dial(network, ln.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { dialed.Close() })
	require.NoError(t, l.Run())
	require.NotNil(t, c)
	return c, dialed.(streamPeer)
}

// connectOursOver is connectOurs over any network of streams.
func connectOursOver(t *testing.T, l *loop.Loop, network string) (server, client *loop.Conn) {
	t.Helper()
	ln := listenOver(t, l, network)
	ln.Accept(func(c *loop.Conn, err error) {
		if err != nil {
			require.ErrorIs(t, err, loop.ErrClosed)
			return
		}
		server = c
		ln.Close(nil)
	})
	l.Dial(network, ln.Addr().String(), func(c *loop.Conn, err error) {
		require.NoError(t, err)
		client = c
	})
	require.NoError(t, l.Run())
	require.NotNil(t, server)
	require.NotNil(t, client)
	return server, client
}
