//go:build !linux

package ring

import "time"

// A Ring is one io_uring. Here there is none: New fails, and so does every method.
type Ring struct{}

// New returns ErrUnsupported.
func New(Options) (*Ring, error) { return nil, ErrUnsupported }

func (*Ring) Bind() error                       { return ErrUnsupported }
func (*Ring) Push(*SQE) bool                    { return false }
func (*Ring) Enter(time.Duration) error         { return ErrUnsupported }
func (*Ring) Doze() (int, error)                { return -1, ErrUnsupported }
func (*Ring) Reap([]CQE) int                    { return 0 }
func (*Ring) Provide(uint16, []byte, int) error { return ErrUnsupported }
func (*Ring) Recycle(uint16, uint16)            {}
func (*Ring) Register([]byte) (uint16, error)   { return 0, ErrUnsupported }
func (*Ring) Wake() error                       { return ErrUnsupported }
func (*Ring) Features() Features                { return Features{} }
func (*Ring) FD() int                           { return -1 }
func (*Ring) Stats() Stats                      { return Stats{} }
func (*Ring) Overflows() uint64                 { return 0 }
func (*Ring) Close() error                      { return ErrUnsupported }
