//go:build unix && !linux

package queuetest

import (
	"testing"

	"github.com/proactor-go/proactor/ring"
)

// Where there is no accept4(2), the flags of an accepted descriptor are not asked for.
const (
	acceptFlags = 0
	statMask    = 0
	unasked     = 0
)

var platformScenarios []scenario

func statSize(st *ring.Statx) int64  { return st.Size }
func statMode(st *ring.Statx) uint32 { return uint32(st.Mode) }

func directories(t *testing.T) map[string]string {
	return map[string]string{"temp": t.TempDir()}
}
