//go:build giouring && linux

package giouring_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/internal/queuetest"
	"github.com/proactor-go/proactor/ring"
	"github.com/proactor-go/proactor/ring/giouring"
)

func TestQueue(t *testing.T) {
	for _, entries := range []uint32{256, 1} {
		t.Run(fmt.Sprint(entries), func(t *testing.T) {
			queuetest.Run(t, func(t testing.TB) queuetest.Queue {
				q, err := queuetest.Patiently(func() (*giouring.Queue, error) { return giouring.New(entries) })
				if errors.Is(err, ring.ErrUnsupported) && os.Getenv("LOOP_REQUIRE_IOURING") != "1" {
					t.Skip(err)
				}
				require.NoError(t, err)
				return q
			})
		})
	}
}
