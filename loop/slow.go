package loop

import (
	"bytes"
	"runtime"
	"sync"
	"time"
)

// A SlowCallback is a callback that blocks the loop.
type SlowCallback struct {
	Kind    string        // the method that started its operation, or "Timer", "Post", "Immediate", ...
	FD      int           // the descriptor of the operation, or -1
	Elapsed time.Duration // since it was called; it still runs
	Stack   []byte        // of the loop's goroutine, at this moment
}

// A slowMonitor looks at the loop from another goroutine, and reports a callback once while it still runs.
type slowMonitor struct {
	limit  time.Duration
	report func(SlowCallback)

	mu       sync.Mutex
	name     string
	fd       int32
	began    time.Time
	runs     bool
	reported bool
	routine  []byte // what the header of the goroutine's stack begins with
	stop     chan struct{}
}

func newSlowMonitor(limit time.Duration, report func(SlowCallback)) *slowMonitor {
	return &slowMonitor{limit: limit, report: report}
}

// start begins to look, when the loop gets its goroutine.
func (s *slowMonitor) start() {
	header := make([]byte, 64)
	header = header[:runtime.Stack(header, false)] // "goroutine 18 [running]:"
	s.routine = append([]byte(nil), header[:bytes.IndexByte(header, '[')]...)
	s.stop = make(chan struct{})
	go s.watch(s.stop)
}

func (s *slowMonitor) close() {
	if s.stop != nil {
		close(s.stop)
		s.stop = nil
	}
}

func (s *slowMonitor) begin(name string, fd int32) {
	s.mu.Lock()
	s.name, s.fd, s.began, s.runs, s.reported = name, fd, time.Now(), true, false
	s.mu.Unlock()
}

func (s *slowMonitor) end() {
	s.mu.Lock()
	s.runs = false
	s.mu.Unlock()
}

func (s *slowMonitor) watch(stop chan struct{}) {
	tick := time.NewTicker(max(s.limit/2, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if c, slow := s.look(); slow {
			c.Stack = s.stack()
			s.report(c)
		}
	}
}

// look returns the present callback if it is slow and was not reported yet.
func (s *slowMonitor) look() (c SlowCallback, slow bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c = SlowCallback{Kind: s.name, FD: int(s.fd), Elapsed: time.Since(s.began)}
	if !s.runs || s.reported || c.Elapsed < s.limit {
		return c, false
	}
	s.reported = true
	return c, true
}

// stack returns that of the loop's goroutine, out of all: the runtime gives no other's alone.
func (s *slowMonitor) stack() []byte {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	for _, stack := range bytes.Split(buf, []byte("\n\n")) {
		if bytes.HasPrefix(stack, s.routine) {
			return stack
		}
	}
	return nil
}
