// Package queuetest is the conformance suite of the queues: whatever implements [Queue] runs it and
// shows the same results, be it the kernel's ring or its emulation in user space. It works below
// the loop, at the level of entries and completions, so that a defect is seen where it is.
//
// Every case asserts exact results. Where a queue lacks a feature, the case asserts what the
// vocabulary of package ring says about that instead. The suite keeps to the rules of a queue's user: it closes
// through the queue what the queue has worked on, and keeps alive what a closed queue left in flight.
package queuetest

import (
	"time"

	"github.com/proactor-go/proactor/ring"
)

// Queue is what the suite tests: a submission and a completion queue. The rules of each method are those
// of the interface of the same name in package loop.
type Queue interface {
	Bind() error
	Push(s *ring.SQE) bool
	Enter(timeout time.Duration) error
	Reap(dst []ring.CQE) int
	Provide(group uint16, mem []byte, size int) error
	Recycle(group, id uint16)
	Wake() error
	Features() ring.Features
	Close() error
}
