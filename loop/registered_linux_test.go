package loop_test

import (
	"os"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// A fixedRecorder is a ring that remembers which entries had registered memory.
type fixedRecorder struct {
	*ring.Ring
	fixed, plain []ring.SQE
	refuses      bool
}

func (r *fixedRecorder) Push(s *ring.SQE) bool {
	ok := r.Ring.Push(s)
	switch {
	case !ok || s.Opcode != ring.OpRead && s.Opcode != ring.OpWrite && s.Opcode != ring.OpReadv:
	case s.Flags&ring.FixedBuffer != 0:
		r.fixed = append(r.fixed, *s)
	default:
		r.plain = append(r.plain, *s)
	}
	return ok
}

func (r *fixedRecorder) Register(mem []byte) (uint16, error) {
	if r.refuses {
		return 0, unix.ENOMEM
	}
	return r.Ring.Register(mem)
}

// Of a file that is not cached, whole and partial registered buffers are read by their number, and no others are.
func TestRegisteredBuffersAreUsed(t *testing.T) {
	testenv.DirectIO(t, t.TempDir())
	t.Run("if the kernel can", func(t *testing.T) { registeredBuffersAreUsed(t, 0) })
	t.Run("without", func(t *testing.T) { registeredBuffersAreUsed(t, ring.FixedBuffers) })
}

// Without the feature, as on a kernel before 5.19, the same program moves the same bytes, by plain reads.
func registeredBuffersAreUsed(t *testing.T, without ring.Feature) {
	rg, err := ring.New(ring.Options{Without: without})
	testenv.Ring(t, err)
	can := rg.Features().Has(ring.FixedBuffers)
	q := &fixedRecorder{Ring: rg}
	l, err := loop.New(loop.Options{Queue: q})
	require.NoError(t, err)
	defer l.Close()
	content := patternOf(1, 64<<10)
	f := openNamed(t, l, fileWith(t, content), os.O_RDWR|unix.O_DIRECT)
	a, ok := l.RegisteredBuffers(2, 4096)
	require.Equal(t, can, ok)
	b, ok := l.RegisteredBuffers(1, 8192)
	require.Equal(t, can, ok)
	q.refuses = true
	c, ok := l.RegisteredBuffers(1, 4096)
	require.False(t, ok)

	read := func(b []byte, off int64) {
		f.ReadAt(b, off, func(b []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, content[off:][:len(b)], b)
		})
	}
	read(a[0], 0)
	read(a[1], 4096)
	read(b[0][4096:], 8192)
	read(c[0], 12288)
	read(loop.AlignedBuffer(4096), 16384)
	f.ReadVecAt([][]byte{b[0][:4096]}, 20480, func(_ int, err error) { require.NoError(t, err) })
	require.NoError(t, l.Run())
	f.WriteAt(a[1], 0, func(_ []byte, err error) { require.NoError(t, err) })
	require.NoError(t, l.Run())
	onDisk, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Equal(t, content[4096:8192], onDisk[:4096])

	f.Close(nil)
	require.NoError(t, l.Run())
	if !can {
		require.Len(t, q.plain, 7)
		require.Empty(t, q.fixed)
		return
	}
	require.Len(t, q.plain, 3)
	require.Len(t, q.fixed, 4)
	require.Equal(t, q.fixed[0].Group, q.fixed[1].Group)
	require.NotEqual(t, q.fixed[0].Group, q.fixed[2].Group)
	require.Equal(t, unsafe.Pointer(&b[0][4096]), q.fixed[2].Addr)
	require.Equal(t, ring.OpWrite, q.fixed[3].Opcode)
}

// Many reads at once, of which nobody but the loop knows the buffers, while the collector works.
func TestRegisteredBuffersStayAlive(t *testing.T) {
	testenv.DirectIO(t, t.TempDir())
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		const depth, size = 16, 4096
		content := patternOf(2, depth*size)
		f := openNamed(t, l, fileWith(t, content), os.O_RDONLY|unix.O_DIRECT)
		reads := 0
		func() {
			buffers, _ := l.RegisteredBuffers(depth, size)
			for i, b := range buffers {
				off, rounds := i*size, 0
				var again loop.IOFunc
				again = func(b []byte, err error) {
					require.NoError(t, err)
					require.Equal(t, content[off:][:size], b)
					reads++
					if rounds++; rounds < 20 {
						clear(b)
						f.ReadAt(b, int64(off), again)
					}
				}
				f.ReadAt(b, int64(off), again)
			}
		}()
		l.Every(100*time.Microsecond, runtime.GC).Unref()
		require.NoError(t, l.Run())
		require.Equal(t, depth*20, reads)
	})
}

func TestRegisteredBuffersAllocateNothing(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := openNamed(t, l, fileWith(t, patternOf(1, 8192)), os.O_RDWR)
		b, _ := l.RegisteredBuffers(2, 4096)
		s := newSteady(l)
		requireAllocs(t, 0, func() {
			s.run(2, func() {
				f.ReadAt(b[0], 0, s.io)
				f.WriteAt(b[1], 4096, s.io)
			})
		})
		require.NoError(t, s.failed)
	})
}
