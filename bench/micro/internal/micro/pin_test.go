package micro

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Each goroutine has a core of its own if there are two, and that of the first does not limit the second.
func TestPin(t *testing.T) {
	pinned := func(n int) (set unix.CPUSet) {
		done := make(chan error)
		go func() {
			err := Pin(n) // the thread ends with the goroutine
			if err == nil {
				err = unix.SchedGetaffinity(0, &set)
			}
			done <- err
		}()
		require.NoError(t, <-done)
		return set
	}
	first, second, third := pinned(0), pinned(1), pinned(runtime.NumCPU())
	require.Equal(t, 1, first.Count())
	require.Equal(t, 1, second.Count())
	require.Equal(t, first, third)
	if runtime.NumCPU() > 1 {
		require.NotEqual(t, first, second)
	}
}
