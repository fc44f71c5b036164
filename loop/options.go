package loop

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/ring"
)

// Options configure a loop. The zero value is what most programs want.
type Options struct {
	// Backend is "uring", "epoll" or "poll" to force that one, an error if it does not work here; "" or
	// "auto" takes the best that works, in this order. The environment variable LOOP_BACKEND overrides it.
	Backend string

	// Queue is used instead of opening one. The loop closes it. Backend is then "custom".
	Queue Queue

	// Entries is the size of the submission queue: how many operations one turn hands over with
	// one system call. A full queue costs a further call, nothing else. Default 512. Both backends.
	Entries int

	// CompletionEntries is the size of the kernel's completion queue. Default 8 x Entries. io_uring only.
	CompletionEntries int

	// MaxEvents is how many completions one turn dispatches before timers and posts have theirs. Default 1024. Both backends.
	MaxEvents int

	// Buffers and BufferSize are the loop's provided buffers: their number, a power of two up to 32768 (default 512),
	// and their size in bytes (default 65536). They are made at the first RecvMultishot, and only what is received into is ever touched: those
	// returned last are used first. Both backends.
	Buffers, BufferSize int

	// Workers is how many goroutines carry out file operations in the fallback. Default 16. As many more may do, on every backend, what no queue has
	// an opcode for, or the kernel lacks: ROUTES.md lists it. They start on demand. The environment variable LOOP_WORKERS overrides it.
	Workers int

	// NameWorkers is how many look-ups of names with the system's resolver may be under way. Default 16. Both backends.
	NameWorkers int

	// UserWorkers is how many functions given to Work run at once. Default 4, or GOMAXPROCS if that is more. Both backends.
	UserWorkers int

	// Without masks features of the kernel off, to test how the loop does without them. io_uring only.
	Without ring.Feature

	// KernelPoll, if positive, has a kernel thread poll the submission queue (IORING_SETUP_SQPOLL) until it found
	// nothing for that long. It burns a processor and is rarely worth it. io_uring only.
	KernelPoll time.Duration

	// Timing measures how the loop's time is spent, for Metrics: idle, in each phase, and how late timers and posts run. It costs a dozen
	// looks at the clock a turn.
	Timing bool

	// Tracer, if not nil, records what the loop does. Several loops may share one.
	Tracer *Tracer

	// SlowCallback, if positive, has OnSlow told of each callback that blocks the loop for longer, with its stack, while it still runs. OnSlow is called on a
	// goroutine of its own, the last time perhaps just after Close, and must not use the loop but for Post. It costs two looks at the clock and a lock per callback.
	SlowCallback time.Duration
	OnSlow       func(SlowCallback)

	// Debug records where each operation was started, for ActiveResources. It costs a stack walk per operation.
	Debug bool
}

func (o Options) withDefaults() Options {
	o.Entries = orDefault(o.Entries, 512)
	o.MaxEvents = orDefault(o.MaxEvents, 1024)
	o.Buffers = orDefault(o.Buffers, 512)
	o.BufferSize = orDefault(o.BufferSize, 65536)
	o.Workers = orDefault(o.Workers, fallback.DefaultWorkers)
	o.NameWorkers = orDefault(o.NameWorkers, fallback.DefaultWorkers)
	o.UserWorkers = orDefault(o.UserWorkers, max(4, runtime.GOMAXPROCS(0)))
	return o
}

func orDefault(v, def int) int {
	if v == 0 {
		return def
	}
	return v
}

// check names the first field that makes no sense.
func (o Options) check() error {
	for _, field := range []struct {
		name     string
		value    int
		min, max int
	}{
		{"Entries", o.Entries, 1, 32768},
		{"CompletionEntries", o.CompletionEntries, 0, 1 << 20},
		{"MaxEvents", o.MaxEvents, 1, 1 << 20},
		{"Buffers", o.Buffers, 1, 32768},
		{"BufferSize", o.BufferSize, 1, 1 << 24},
		{"Workers", o.Workers, 1, 1024},
		{"NameWorkers", o.NameWorkers, 1, 1024},
		{"UserWorkers", o.UserWorkers, 1, 1024},
	} {
		if field.value < field.min || field.value > field.max {
			return fmt.Errorf("loop: Options.%s is %d, not within %d and %d", field.name, field.value, field.min, field.max)
		}
	}
	if int64(o.Buffers)*int64(o.BufferSize) > 1<<30 && strconv.IntSize == 32 {
		return errors.New("loop: Options.Buffers x BufferSize is more than the address space has room for")
	}
	if (o.SlowCallback > 0) != (o.OnSlow != nil) {
		return errors.New("loop: Options.SlowCallback and OnSlow need each other")
	}
	if o.Buffers&(o.Buffers-1) != 0 {
		return fmt.Errorf("loop: Options.Buffers is %d, not a power of two", o.Buffers)
	}
	return nil
}

// fromEnvironment applies LOOP_BACKEND and LOOP_WORKERS.
func (o Options) fromEnvironment() (Options, error) {
	if backend := os.Getenv("LOOP_BACKEND"); backend != "" {
		o.Backend = backend
	}
	if workers := os.Getenv("LOOP_WORKERS"); workers != "" {
		n, err := strconv.Atoi(workers)
		if err != nil {
			return o, fmt.Errorf("loop: LOOP_WORKERS=%q is not a number", workers)
		}
		o.Workers = n
	}
	return o, nil
}

// open opens the queue, and tells why it is not io_uring if that was to be tried first.
func (o Options) open() (q Queue, backend string, reason, err error) {
	if o.Queue != nil {
		return o.Queue, "custom", nil, nil
	}
	switch o.Backend {
	case "uring":
		q, err = o.openRing()
		return q, "uring", nil, err
	case "epoll", "poll":
		f, err := o.openFallback(o.Backend)
		if err != nil {
			return nil, "", nil, err
		}
		return f, o.Backend, nil, nil
	case "", "auto":
		if q, reason = o.openRing(); reason == nil {
			return q, "uring", nil, nil
		}
		f, err := o.openFallback("")
		if err != nil {
			return nil, "", nil, errors.Join(err, reason)
		}
		return f, f.Poller(), reason, nil
	}
	return nil, "", nil, fmt.Errorf("loop: backend %q is none of auto, uring, epoll, poll", o.Backend)
}

func (o Options) openRing() (Queue, error) {
	r, err := ring.New(ring.Options{
		Entries:   uint32(o.Entries),
		CQEntries: uint32(o.CompletionEntries),
		Without:   o.Without,
		SQPoll:    o.KernelPoll,
	})
	if err != nil {
		return nil, err // not r: a nil *ring.Ring in a Queue is not nil
	}
	return r, nil
}

func (o Options) openFallback(poller string) (*fallback.Queue, error) {
	return fallback.New(fallback.Options{Poller: poller, Entries: o.Entries, Workers: o.Workers})
}
