package wire

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/bench/disk/internal/pattern"
)

func TestRoundTrip(t *testing.T) {
	const off = 5 * BlockSize
	block := make([]byte, BlockSize)
	pattern.Fill(block, off, pattern.Base)
	b := make([]byte, Size)
	Request(b, 7, off)
	require.EqualValues(t, off, Offset(b))
	Reply(b, block)
	require.NoError(t, Check(b, 7, off))
	require.Error(t, Check(b, 8, off), "another request's reply")
	require.Error(t, Check(b, 7, 0), "another block")
	b[Size-1]++
	require.Error(t, Check(b, 7, off))
}
