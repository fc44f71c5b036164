package loop_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// TestNilArguments: what panics says which method it was, and starts nothing.
func TestNilArguments(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		f := openNamed(t, l, filepath.Join(t.TempDir(), "file"), os.O_RDWR|os.O_CREATE)
		for _, misuse := range []struct {
			want string
			call func()
		}{
			{"Stat: nil callback", func() { l.Stat("x", nil) }},
			{"Lstat: nil callback", func() { l.Lstat("x", nil) }},
			{"Sync: nil callback", func() { f.Sync(nil) }},
			{"Datasync: nil callback", func() { f.Datasync(nil) }},
			{"OnIdle: nil function", func() { l.OnIdle(nil) }},
			{"OnPrepare: nil function", func() { l.OnPrepare(nil) }},
			{"OnCheck: nil function", func() { l.OnCheck(nil) }},
			{"PostTo: nil loop or function", func() { _ = l.PostTo(nil, func() {}) }},
			{"PostTo: nil loop or function", func() { _ = l.PostTo(l, nil) }},
			{"SendFile: nil file", func() { c.SendFile(nil, 0, 1, nil) }},
			{"RecvFile: nil file", func() { c.RecvFile(nil, 0, 1, nil) }},
		} {
			require.PanicsWithValue(t, "loop: "+misuse.want, misuse.call)
		}
		require.False(t, l.Alive())
		for _, adopt := range []func(syscall.Conn) error{
			func(c syscall.Conn) error { _, err := l.Adopt(c); return err },
			func(c syscall.Conn) error { _, err := l.AdoptListener(c); return err },
			func(c syscall.Conn) error { _, err := l.AdoptPacketConn(c); return err },
		} {
			require.ErrorIs(t, adopt(nil), syscall.EINVAL)
		}
		c.Close(nil)
		f.Close(nil)
		require.NoError(t, peer.Close())
		require.NoError(t, l.Run())
	})
}
