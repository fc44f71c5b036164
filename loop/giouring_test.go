//go:build giouring

package loop_test

import (
	"github.com/proactor-go/proactor/internal/queuetest"
	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring/giouring"
)

// The whole conformance suite once more, on a queue that somebody else's ring is under.
func init() {
	columns = append(columns, column{"giouring", func() (loop.Queue, error) {
		q, err := queuetest.Patiently(func() (*giouring.Queue, error) { return giouring.New(256) })
		if err != nil {
			return nil, err
		}
		return q, nil
	}})
}
