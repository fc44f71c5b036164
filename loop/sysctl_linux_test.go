//go:build sysctl

package loop_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestE05DisabledBySysctl takes io_uring from the whole machine for a moment, and with it from tests that run beside. So it is built
// only on demand, to run alone: go test -tags sysctl -run TestE05DisabledBySysctl ./loop
func TestE05DisabledBySysctl(t *testing.T) {
	const file = "/proc/sys/kernel/io_uring_disabled"
	old, err := os.ReadFile(file)
	require.NoError(t, err, "Linux 6.6")
	require.NoError(t, os.WriteFile(file, []byte("2"), 0))
	defer func() { require.NoError(t, os.WriteFile(file, old, 0)) }()
	inChild(t, func(t *testing.T) {
		require.NoError(t, os.Unsetenv("LOOP_BACKEND"))
		requireFallback(t, unix.EPERM, "kernel.io_uring_disabled")
	})
}
