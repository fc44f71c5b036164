package loop

import (
	"time"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/ring"
)

// A Queue is a submission and a completion queue. [*ring.Ring] is the kernel's, [*fallback.Queue] the same in
// user space; tests and simulators bring their own through [Options.Queue].
type Queue interface {
	// Bind ties the queue to the calling OS thread, which is locked to its goroutine. It is called once;
	// entries may have been pushed before. Every later call but Wake comes from this thread.
	Bind() error
	// Push queues one entry for the next Enter and reports false when the submission queue is full. s stays valid and
	// unchanged until its terminal completion.
	Push(s *ring.SQE) bool
	// Enter submits what was pushed, then waits until a completion is ready or the timeout passed:
	// for ever below 0, not at all at 0. Spurious returns are allowed.
	Enter(timeout time.Duration) error
	// Reap copies ready completions to dst and returns how many.
	Reap(dst []ring.CQE) int
	// Provide makes mem the buffers of a group, size bytes each. None is free before it was recycled.
	Provide(group uint16, mem []byte, size int) error
	// Recycle makes one buffer of a group free. The queue may use it from the next Enter on, in the order they were made free.
	Recycle(group, id uint16)
	// Wake makes the present or the next Enter return. It is the only method that is safe from any goroutine,
	// also during and after Close.
	Wake() error
	// Features tells what the queue can do. It does not change.
	Features() ring.Features
	// Close releases the queue. What is still in flight is abandoned.
	Close() error
}

// An Embeddable queue can be waited for by a foreign loop: see [Loop.FD].
type Embeddable interface {
	// Doze submits what was pushed and returns a descriptor that is readable, for poll(2), while there is something for Enter or Reap to do, and from
	// the next Wake on, until Enter. Where there is none the error matches [errors.ErrUnsupported].
	Doze() (fd int, err error)
}

// A Registrar is a queue that moves the data of files faster where it knows the memory: see [Loop.RegisteredBuffers].
type Registrar interface {
	// Register has the kernel pin mem for as long as the queue lives. The number is for Group of entries with [ring.FixedBuffer].
	Register(mem []byte) (number uint16, err error)
}

var (
	_ Registrar = (*ring.Ring)(nil)

	_ Embeddable = (*ring.Ring)(nil)
	_ Embeddable = (*fallback.Queue)(nil)

	_ Queue = (*ring.Ring)(nil)
	_ Queue = (*fallback.Queue)(nil)
)
