package loop

import (
	"bufio"
	"io"
	"strconv"
	"sync"
	"time"
)

// A Tracer writes what loops do as a trace in the format of Chrome's trace viewer, which https://ui.perfetto.dev and others open: the phases of each
// turn with the callbacks in them, one row per loop, and each operation as a span from its start to its final callback. It is given
// to loops by Options.Tracer. All methods may be called from any goroutine.
//
// Tracing writes some 100 bytes for each phase, callback and operation, to a buffer. It is for looking, not for leaving on.
type Tracer struct {
	mu     sync.Mutex
	w      *bufio.Writer
	line   []byte
	start  time.Time
	loops  int
	events int
	err    error
	closed bool
}

// NewTracer returns a Tracer that writes to w. Close it, after the loops.
func NewTracer(w io.Writer) *Tracer {
	return &Tracer{w: bufio.NewWriterSize(w, 64<<10), start: time.Now()}
}

// Close completes the trace and returns the first error of writing it. It does not close the writer. What loops do afterwards is not
// recorded.
func (t *Tracer) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return t.err
	}
	t.closed = true
	if t.events == 0 {
		t.write("[")
	}
	t.write("\n]\n")
	if err := t.w.Flush(); t.err == nil {
		t.err = err
	}
	return t.err
}

func (t *Tracer) write(text string) {
	if _, err := t.w.WriteString(text); t.err == nil {
		t.err = err
	}
}

// loop returns the trace of one more loop.
func (t *Tracer) loop() *trace {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.loops++
	return &trace{t: t, row: t.loops}
}

// A trace is a loop's part in a Tracer.
type trace struct {
	t      *Tracer
	row    int
	offset time.Duration // of the loop's origin from the Tracer's start
}

// begins tells when the loop's time begins, and on which queue it runs.
func (r *trace) begins(origin time.Time, backend string) {
	r.offset = origin.Sub(r.t.start)
	r.event("M", "thread_name", 0, func(b []byte) []byte {
		b = append(b, `,"args":{"name":`...)
		b = strconv.AppendQuoteToASCII(b, "loop "+strconv.Itoa(r.row)+" on "+backend)
		return append(b, '}')
	})
}

// event writes one event, with what more adds to it.
func (r *trace) event(phase, name string, at time.Duration, more func([]byte) []byte) {
	t := r.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.err != nil {
		return
	}
	b := append(t.line[:0], ",\n"...)
	if t.events == 0 {
		b = append(t.line[:0], "[\n"...)
	}
	t.events++
	b = append(append(append(b, `{"ph":"`...), phase...), `","name":`...)
	b = strconv.AppendQuoteToASCII(b, name)
	b = append(b, `,"pid":1,"tid":`...)
	b = strconv.AppendInt(b, int64(r.row), 10)
	b = append(b, `,"ts":`...)
	b = appendMicroseconds(b, r.offset+at)
	if more != nil {
		b = more(b)
	}
	t.line = append(b, '}')
	if _, err := t.w.Write(t.line); err != nil {
		t.err = err
	}
}

// appendMicroseconds writes d as the format wants times, to the nanosecond.
func appendMicroseconds(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, float64(d)/1e3, 'f', 3, 64)
}

// span writes an event with a duration.
func (r *trace) span(name, category string, from, to time.Duration, more func([]byte) []byte) {
	r.event("X", name, from, func(b []byte) []byte {
		b = append(append(append(b, `,"cat":"`...), category...), `","dur":`...)
		b = appendMicroseconds(b, to-from)
		if more != nil {
			b = more(b)
		}
		return b
	})
}

func (r *trace) phase(p phase, from, to time.Duration, live int) {
	r.span(phaseNames[p], "phase", from, to, nil)
	if p == phaseSubmit || p == phaseWait {
		r.event("C", "in flight", to, func(b []byte) []byte {
			b = append(b, `,"args":{"operations":`...)
			b = strconv.AppendInt(b, int64(live), 10)
			return append(b, '}')
		})
	}
}

func (r *trace) callback(c callbackMark, end time.Duration) {
	r.span(c.name, "callback", c.began, end, descriptorArg(c.fd))
}

func descriptorArg(fd int32) func([]byte) []byte {
	if fd < 0 {
		return nil
	}
	return func(b []byte) []byte {
		b = append(b, `,"args":{"fd":`...)
		b = strconv.AppendInt(b, int64(fd), 10)
		return append(b, '}')
	}
}

// operation writes the beginning and the end of an operation that has ended: the viewers sort.
func (r *trace) operation(o *op, end time.Duration) {
	id := func(b []byte) []byte {
		b = append(b, `,"cat":"operation","id":"`...)
		b = strconv.AppendInt(b, int64(r.row), 10)
		b = append(b, '.')
		b = strconv.AppendUint(b, o.sqe.UserData, 16)
		return append(b, '"')
	}
	r.event("b", o.name(), o.extra.began, id)
	r.event("e", o.name(), end, id)
}
