package loop_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// Who asks for a pidfd by the attributes gets one that outlives the loop's.
func TestStartWithAPidFD(t *testing.T) {
	forEachWait(t, func(t *testing.T, l *loop.Loop) {
		fd := -1
		c := shell("exit 0")
		c.Attr = &syscall.SysProcAttr{PidFD: &fd}
		_, e := start(t, l, c)
		require.NoError(t, l.Run())
		require.NoError(t, e.err)
		require.GreaterOrEqual(t, fd, 0)
		require.NoError(t, syscall.Close(fd))
	})
}
