package loop_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/internal/queuetest"
	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// column is one kind of queue that every conformance case runs on.
type column struct {
	name string
	open func() (loop.Queue, error)
}

// columns is the grid. Other files add to it under their build tags.
var columns = []column{
	{"uring", ringColumn(ring.Options{})},
	{"uring-tiny", ringColumn(ring.Options{Entries: 1, CQEntries: 2})},
	{"uring-masked", ringColumn(ring.Options{Without: ring.MultishotAccept | ring.MultishotRecv | ring.MultishotPoll |
		ring.BufferRings | ring.PollFirstHint | ring.CancelByFD | ring.DeferTaskrun | ring.SingleIssuer | ring.MultishotRecvmsg | ring.FixedBuffers})},
	{"epoll", fallbackColumn("epoll")},
	{"poll", fallbackColumn("poll")},
}

func ringColumn(o ring.Options) func() (loop.Queue, error) {
	return func() (loop.Queue, error) {
		r, err := queuetest.Patiently(func() (*ring.Ring, error) { return ring.New(o) })
		if err != nil {
			return nil, err
		}
		return r, nil
	}
}

func fallbackColumn(poller string) func() (loop.Queue, error) {
	return func() (loop.Queue, error) {
		q, err := fallback.New(fallback.Options{Poller: poller})
		if err != nil {
			return nil, err
		}
		return q, nil
	}
}

// caseLimit is when a case counts as hung. It is no measurement: a loaded machine may take many times as long as an idle one.
const caseLimit = 2 * time.Minute

// forEachQueue runs a conformance case on every kind of queue, and fails it for whatever it leaves behind: descriptors,
// goroutines, operations, provided buffers. The loop is closed after the case, if the case did not.
func forEachQueue(t *testing.T, test func(t *testing.T, l *loop.Loop)) {
	t.Helper()
	forEachQueueWith(t, loop.Options{}, test)
}

// forEachQueueWith is forEachQueue with options for the loop.
func forEachQueueWith(t *testing.T, o loop.Options, test func(t *testing.T, l *loop.Loop)) {
	t.Helper()
	for _, c := range columns {
		t.Run(c.name, func(t *testing.T) { runCase(t, c, o, test) })
	}
}

func runCase(t *testing.T, c column, o loop.Options, test func(t *testing.T, l *loop.Loop)) {
	before := snapshot()
	q, err := c.open()
	if err != nil {
		testenv.Ring(t, err)
	}
	o.Queue = q
	l, err := loop.New(o)
	require.NoError(t, err)
	watchdog := time.AfterFunc(caseLimit, func() {
		buf := make([]byte, 1<<20)
		panic(fmt.Sprintf("%s hangs with %v\n%s", t.Name(), inFlight(l), buf[:runtime.Stack(buf, true)]))
	})
	defer watchdog.Stop()
	abandoned := loop.Abandoned()
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		require.Zero(t, l.LiveOps(), "operations left behind")
		require.Zero(t, l.BuffersOut(), "provided buffers left behind")
		require.Equal(t, abandoned, loop.Abandoned(), "the kernel kept operations")
		before.check(t)
	})
	test(t, l)
}

// inFlight lists the operations that have not ended.
func inFlight(l *loop.Loop) (list []string) {
	for _, o := range l.Metrics().Operations {
		if n := o.InFlight(); n > 0 {
			list = append(list, fmt.Sprint(n, " ", o.Name))
		}
	}
	return list
}

// leaks is what a case must leave as it found it.
type leaks struct {
	files      map[string]string
	goroutines int
}

func snapshot() leaks { return leaks{openFiles(), runtime.NumGoroutine()} }

// openFiles lists this process's descriptors. Without /proc it is empty.
func openFiles() map[string]string {
	list := map[string]string{}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return list
	}
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasPrefix(target, "/proc/") {
			list[e.Name()] = target
		}
	}
	return list
}

// check waits for goroutines and peers' descriptors that are on their way out, then fails for what is still there.
func (before leaks) check(t *testing.T) {
	t.Helper()
	for wait := time.Millisecond; ; wait *= 2 {
		now := snapshot()
		var extra []string
		for fd, target := range now.files {
			if before.files[fd] == "" {
				extra = append(extra, fd+" -> "+target)
			}
		}
		if len(now.files) <= len(before.files) && now.goroutines <= before.goroutines {
			return
		}
		if wait > 4*time.Second {
			stacks := make([]byte, 1<<20)
			t.Fatalf("left behind: %d descriptors %v, %d goroutines\n%s", len(now.files)-len(before.files), extra,
				now.goroutines-before.goroutines, stacks[:runtime.Stack(stacks, true)])
		}
		runtime.GC() // finalizers of the peers
		time.Sleep(wait)
	}
}
