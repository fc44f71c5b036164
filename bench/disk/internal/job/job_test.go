package job

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/bench/disk/internal/pattern"
)

func TestFlowsStayInTheFile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, MakeFile(filepath.Join(dir, "f"), 10*4096+100))
	for _, work := range []string{RandRead, HotRead} {
		blocks, err := (&Job{Work: work, File: filepath.Join(dir, "f")}).Blocks()
		require.NoError(t, err)
		seen := map[int64]int{}
		for i := range 2 {
			f := blocks.Flow(i)
			for range 1000 {
				off := f.NextOffset()
				require.Zero(t, off%4096)
				require.Less(t, off, int64(10*4096))
				seen[off]++
			}
		}
		require.Len(t, seen, 10)
	}
	_, err := (&Job{Work: SeqRead, File: filepath.Join(dir, "f")}).Blocks()
	require.Error(t, err, "less than a block")
}

func TestCheck(t *testing.T) {
	b := make([]byte, 4096)
	pattern.Fill(b, 4096, pattern.Base)
	j := &Job{Work: RandRead}
	require.NoError(t, j.Check(b, 4096))
	require.Error(t, j.Check(b, 0))
	require.Error(t, j.Check(b[:4088], 4096))
	b[100]++
	require.NoError(t, j.Check(b, 4096))
	j.Full = true
	require.Error(t, j.Check(b, 4096))
}

func TestVerifyFindsWhatIsMissing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	log := make([]byte, 3*pattern.RecordSize)
	for i := range uint64(3) {
		pattern.Record(log[i*pattern.RecordSize:], i%2, i/2)
	}
	j := &Job{Work: Append, File: name, Depth: 2}
	require.NoError(t, os.WriteFile(name, log, 0o600))
	require.NoError(t, j.verify(3))
	require.Error(t, j.verify(4), "one was said to be durable and is not there")
	require.NoError(t, os.WriteFile(name, log[:1100], 0o600))
	require.Error(t, j.verify(2), "half a record")

	require.NoError(t, MakeFile(name, 3<<20))
	j = &Job{Work: SeqWrite, File: name}
	require.Error(t, j.verify(1), "still the file that was there before")
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	block := make([]byte, 1<<20)
	for i := range int64(2) {
		pattern.Stamp(block, i<<20, Salt())
		_, err := f.WriteAt(block, i<<20)
		require.NoError(t, err)
	}
	require.NoError(t, j.verify(2))
	require.Error(t, j.verify(3))
}

func TestMeter(t *testing.T) {
	m := &Meter{Warmup: 20 * time.Millisecond, Duration: 60 * time.Millisecond}
	r, err := m.Measure(func() error {
		for lane := m.Lane(); !m.Stopped(); {
			begin := lane.Begin()
			time.Sleep(time.Millisecond)
			lane.Done(begin)
		}
		return nil
	})
	require.NoError(t, err)
	require.GreaterOrEqual(t, r.Seconds, 0.06)
	require.LessOrEqual(t, r.Ops, uint64(r.Seconds/0.001)+1)
	if r.Ops > 0 { // not on a machine that has better things to do
		require.GreaterOrEqual(t, r.MaxUS, 999.0)
		require.LessOrEqual(t, r.P50US, r.MaxUS)
	}

	m = &Meter{Duration: time.Second}
	_, err = m.Measure(func() error { return nil })
	require.ErrorContains(t, err, "before the window")
	m = &Meter{Duration: time.Second}
	_, err = m.Measure(func() error { m.Fail(os.ErrInvalid); return nil })
	require.ErrorIs(t, err, os.ErrInvalid)
}
