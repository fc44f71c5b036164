package ring

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

const (
	maxEntries   = 32768 // IORING_MAX_ENTRIES
	maxCQEntries = 2 * maxEntries
)

// ErrUnsupported is what the errors of [New] match when io_uring cannot be used here at all: not Linux, a
// kernel older than 5.11, or one that refuses the process. It matches errors.ErrUnsupported too.
var ErrUnsupported = fmt.Errorf("ring: io_uring is not available: %w", errors.ErrUnsupported)

// Options configure a [Ring]. The zero value is useful.
type Options struct {
	// Entries is the size of the submission queue, rounded up to a power of two, at most 32768. Default: 512.
	// It limits how much can be pushed between two calls of Enter, not how much can be in flight.
	Entries uint32

	// CQEntries is the size of the completion queue, rounded up to a power of two and at least
	// Entries. Default: 8 times Entries. When it overflows nothing is lost, but multishot entries end.
	CQEntries uint32

	// Without leaves out what the kernel could do, to test or to work around it. Default: nothing.
	Without Feature

	// SQPoll, if positive, has a kernel thread poll the submission queue (IORING_SETUP_SQPOLL) and sleep after that
	// long without work. It keeps a core busy, and on a machine without a spare one everything gets
	// slower. It excludes DeferTaskrun and CoopTaskrun. Default: off.
	SQPoll time.Duration

	// BoundedWorkers and UnboundedWorkers limit the kernel's worker threads (io-wq) for the bound thread: the
	// former serve regular files, block devices and paths, the latter everything else. The
	// kernel's own limit for the latter is RLIMIT_NPROC. Default: 2 per CPU but 8 to 32, and 16.
	BoundedWorkers   uint32
	UnboundedWorkers uint32
}

func (o Options) withDefaults() Options {
	if o.Entries == 0 {
		o.Entries = 512
	}
	o.Entries = min(o.Entries, maxEntries)
	if o.CQEntries == 0 {
		o.CQEntries = 8 * o.Entries
	}
	o.CQEntries = min(max(o.CQEntries, o.Entries), maxCQEntries)
	if o.BoundedWorkers == 0 {
		o.BoundedWorkers = uint32(min(max(2*runtime.NumCPU(), 8), 32))
	}
	if o.UnboundedWorkers == 0 {
		o.UnboundedWorkers = 16
	}
	return o
}

// Stats counts what a [Ring] has done since New.
type Stats struct {
	Enters    uint64 // calls of io_uring_enter(2)
	Submitted uint64 // entries that the kernel took, the ring's own among them
	Completed uint64 // completions that Reap gave out
	Overflows uint64 // calls of io_uring_enter(2) that had to fetch completions which did not fit the queue
}
