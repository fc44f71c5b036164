package loop_test

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

func TestDialerOptions(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ln := listenOn(t, l, "127.0.0.1:0")
		controlled := 0
		var kept syscall.RawConn
		d := loop.Dialer{LocalAddr: netip.MustParseAddrPort("127.0.0.9:0"), Timeout: time.Minute, Delay: true, KeepAlive: -1,
			Control: func(network, address string, c syscall.RawConn) error {
				controlled++
				require.Equal(t, "tcp", network)
				require.Equal(t, ln.Addr().String(), address)
				kept = c
				return c.Control(func(fd uintptr) { require.Positive(t, int(fd)) })
			}}
		d.Dial(l, "tcp", ln.Addr().String(), func(c *loop.Conn, err error) {
			require.NoError(t, err)
			require.Equal(t, "127.0.0.9", c.LocalAddr().(*net.TCPAddr).IP.String())
			raw, err := c.SyscallConn()
			require.NoError(t, err)
			require.NoError(t, raw.Control(func(fd uintptr) {
				for _, o := range []struct{ level, name int }{{syscall.IPPROTO_TCP, syscall.TCP_NODELAY}, {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE}} {
					v, err := syscall.GetsockoptInt(int(fd), o.level, o.name)
					require.NoError(t, err)
					require.Zero(t, v)
				}
			}))
			c.Close(nil)
		})
		require.NoError(t, l.Run())
		require.Equal(t, 1, controlled)
		require.ErrorIs(t, kept.Control(func(uintptr) {}), net.ErrClosed)
	})
}
