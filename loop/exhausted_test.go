package loop_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// A receive that is canceled while the queue reports that it found no buffer ends as canceled: the
// shortage is the loop's affair.
func TestCancelWhileBuffersAreExhausted(t *testing.T) {
	forEachQueueWith(t, loop.Options{Buffers: 2, BufferSize: 16}, func(t *testing.T, l *loop.Loop) {
		ln, err := l.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		peer, err := net.Dial("tcp", ln.Addr().String())
		require.NoError(t, err)
		defer peer.Close()
		_, err = peer.Write(make([]byte, 64))
		require.NoError(t, err)

		var ended error
		ln.Accept(func(c *loop.Conn, err error) {
			if err != nil {
				return
			}
			ln.Close(nil)
			var kept []loop.Buffer
			var recv loop.Op
			recv = c.RecvMultishot(func(b loop.Buffer, err error) {
				if err == nil {
					b.Keep()
					kept = append(kept, b)
					recv.Cancel()
					return
				}
				ended = err
				for _, b := range kept {
					b.Release()
				}
				c.Close(nil)
			})
		})
		require.NoError(t, l.Run())
		require.Equal(t, loop.ErrCanceled, ended)
	})
}
