//go:build !(linux || darwin || freebsd || netbsd || dragonfly)

package fallback

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/proactor-go/proactor/ring"
)

// A Queue cannot be had on this system: [New] returns an error.
type Queue struct{}

var errUnsupported = fmt.Errorf("fallback: %s: %w", runtime.GOOS, errors.ErrUnsupported)

// New returns an error that matches [errors.ErrUnsupported].
func New(Options) (*Queue, error) { return nil, errUnsupported }

// Poller returns nothing.
func (*Queue) Poller() string { return "" }

// FD returns no descriptor.
func (*Queue) FD() int { return -1 }

// Load returns zeros.
func (*Queue) Load() (waiting, running int) { return 0, 0 }

// Stats returns zeros.
func (*Queue) Stats() Stats { return Stats{} }

// Features returns none.
func (*Queue) Features() ring.Features { return ring.Features{} }

// Bind fails.
func (*Queue) Bind() error { return errUnsupported }

// Push refuses.
func (*Queue) Push(*ring.SQE) bool { return false }

// Enter fails.
func (*Queue) Enter(time.Duration) error { return errUnsupported }

// Doze fails.
func (*Queue) Doze() (int, error) { return -1, errUnsupported }

// Reap has nothing.
func (*Queue) Reap([]ring.CQE) int { return 0 }

// Provide fails.
func (*Queue) Provide(uint16, []byte, int) error { return errUnsupported }

// Recycle does nothing.
func (*Queue) Recycle(uint16, uint16) {}

// Wake fails.
func (*Queue) Wake() error { return errUnsupported }

// Close does nothing.
func (*Queue) Close() error { return nil }

// Workers cannot be had on this system either.
type Workers struct{}

// NewWorkers makes workers that fail every operation's start.
func NewWorkers(int, func(*ring.SQE) int32, func()) *Workers { return &Workers{} }

// Execute refuses.
func Execute(*ring.SQE) int32 { return -1 }

// Start drops s.
func (*Workers) Start(*ring.SQE) {}

// Withdraw finds nothing.
func (*Workers) Withdraw(*ring.SQE) bool { return false }

// Reap has nothing.
func (*Workers) Reap(func(*ring.SQE, int32)) {}

// Load returns zeros.
func (*Workers) Load() (waiting, running int) { return 0, 0 }

// Started counts nothing.
func (*Workers) Started() uint64 { return 0 }

// Close does nothing.
func (*Workers) Close() {}
