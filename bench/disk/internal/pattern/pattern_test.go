package pattern

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	b := make([]byte, 4096)
	Fill(b, 8192, Base)
	require.NoError(t, Check(b, 8192, Base))
	require.NoError(t, CheckAll(b, 8192, Base))
	require.ErrorContains(t, Check(b, 4096, Base), "offset 4096", "a block from elsewhere")
	require.Error(t, Check(b, 8192, Generation(1)), "another generation")
	require.Error(t, Check(b[:4], 8192, Base), "too short")
	require.Error(t, CheckAll(b[:12], 8192, Base), "half a word")

	for _, i := range []int{0, len(b) - 1} {
		b[i]++
		require.Error(t, Check(b, 8192, Base), "byte %d", i)
		b[i]--
	}
	for i := range b {
		b[i]++
		require.Error(t, CheckAll(b, 8192, Base), "byte %d", i)
		b[i]--
	}
	require.NoError(t, CheckAll(b, 8192, Base))
}

func TestStamp(t *testing.T) {
	b := make([]byte, 64)
	Stamp(b, 640, Generation(7))
	require.NoError(t, Check(b, 640, Generation(7)))
	require.Error(t, CheckAll(b, 640, Generation(7)))
}

func TestLog(t *testing.T) {
	record := func(client, seq uint64) []byte {
		b := make([]byte, RecordSize)
		Record(b, client, seq)
		return b
	}
	l := NewLog(2)
	require.NoError(t, l.Add(record(1, 0)))
	require.NoError(t, l.Add(record(0, 0)))
	require.NoError(t, l.Add(record(1, 1)))
	require.EqualValues(t, 3, l.Len())
	require.Error(t, l.Add(record(1, 1)), "twice")
	require.Error(t, l.Add(record(0, 2)), "one is lost")
	require.Error(t, l.Add(record(2, 0)), "a client that does not exist")
	torn := record(0, 1)
	torn[RecordSize-1]++
	require.Error(t, l.Add(torn))
	require.EqualValues(t, 3, l.Len())
}
