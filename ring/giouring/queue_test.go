//go:build giouring && linux

package giouring_test

import (
	"fmt"
	"testing"

	"github.com/proactor-go/proactor/internal/queuetest"
	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/ring/giouring"
)

func TestQueue(t *testing.T) {
	for _, entries := range []uint32{256, 1} {
		t.Run(fmt.Sprint(entries), func(t *testing.T) {
			queuetest.Run(t, func(t testing.TB) queuetest.Queue {
				q, err := queuetest.Patiently(func() (*giouring.Queue, error) { return giouring.New(entries) })
				testenv.Ring(t, err)
				return q
			})
		})
	}
}
