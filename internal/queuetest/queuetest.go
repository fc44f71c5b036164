//go:build unix

package queuetest

import (
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// A scenario is one case of the suite. It begins with a bound queue and ends with nothing in flight.
type scenario struct {
	name string
	run  func(h *harness)
	// onFiles scenarios run once for every kind of file system at hand, because what completes
	// inline on one goes through a worker of the kernel on the other.
	onFiles bool
	// unbound scenarios get a queue on which Bind has not been called.
	unbound bool
}

// Run checks the queue that open returns against the whole suite, each case as a subtest with a
// queue of its own. Open must return a queue that is not bound yet; Run binds it to the locked
// thread of the subtest and closes it there. After each case no descriptor and no goroutine may be left.
func Run(t *testing.T, open func(t testing.TB) Queue) {
	warmUp(t)
	for _, group := range []struct {
		name      string
		scenarios []scenario
	}{
		{"queue", queueScenarios},
		{"wake", wakeScenarios},
		{"file", fileScenarios},
		{"path", pathScenarios},
		{"pipe", pipeScenarios},
		{"stream", streamScenarios},
		{"message", messageScenarios},
		{"connect", connectScenarios},
		{"accept", acceptScenarios},
		{"poll", pollScenarios},
		{"provided", providedScenarios},
		{"registered", registeredScenarios},
		{"cancel", cancelScenarios},
		{"close", closeScenarios},
		{"msgring", msgRingScenarios},
		{"platform", platformScenarios},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, s := range group.scenarios {
				t.Run(s.name, func(t *testing.T) {
					if !s.onFiles {
						s.check(t, open, "")
						return
					}
					for fs, dir := range directories(t) {
						t.Run(fs, func(t *testing.T) { s.check(t, open, dir) })
					}
				})
			}
		})
	}
}

// check runs the scenario once. The goroutine gives its thread back afterwards: would it end with the thread still
// locked, the death of the thread would release what the queue forgot to.
func (s *scenario) check(t *testing.T, open func(t testing.TB) Queue, dir string) {
	stop := watchdog(t.Name())
	defer stop()
	before := census()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	h := &harness{Assertions: require.New(t), t: t, open: open, dir: dir}
	defer func() {
		h.finish()
		if !t.Failed() {
			before.compare(t)
		}
	}()
	h.start(!s.unbound)
	s.run(h)
	require.Empty(t, h.live, "entries without a terminal completion")
}

// warmUp makes the runtime open the descriptors of its own poller, which stay open from then on.
func warmUp(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
}
