package loop_test

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// fileWith returns the name of a new file.
func fileWith(t *testing.T, content []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, content, 0o600))
	return name
}

func TestRegisteredBuffers(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		const n, size = 3, 5000
		early, _ := l.RegisteredBuffers(1, 1) // before the first Run
		require.Len(t, early, 1)
		content := patternOf(1, 64<<10)
		f := openNamed(t, l, fileWith(t, content), os.O_RDWR)
		buffers, _ := l.RegisteredBuffers(n, size)
		require.Len(t, buffers, n)
		for i, b := range buffers {
			require.Len(t, b, size)
			require.Equal(t, size, cap(b))
			require.Zero(t, uintptr(unsafe.Pointer(&b[0]))%4096)
			for k := range b {
				require.Zero(t, b[k])
				b[k] = byte(i)
			}
		}
		require.Equal(t, byte(0), buffers[0][size-1], "the buffers do not overlap")

		calls := 0
		whole := func(want []byte) loop.IOFunc {
			return func(b []byte, err error) {
				calls++
				require.NoError(t, err)
				require.Equal(t, want, b)
			}
		}
		f.ReadAt(buffers[0], 100, whole(content[100:][:size]))
		f.ReadAt(buffers[1][:10], 200, whole(content[200:210]))
		f.ReadAt(buffers[1][10:20], 300, whole(content[300:310])) // of one buffer, both at once
		f.Read(buffers[2][:7], whole(content[:7]))
		require.NoError(t, l.Run())
		require.Equal(t, 4, calls)

		f.ReadAt(early[0], int64(len(content)), func(b []byte, err error) {
			calls++
			require.Empty(t, b)
			require.ErrorIs(t, err, io.EOF)
		})
		f.ReadAt(buffers[0], int64(len(content)-9), func(b []byte, err error) {
			calls++
			require.Equal(t, content[len(content)-9:], b)
			require.ErrorIs(t, err, io.EOF)
		})
		require.NoError(t, l.Run())
		require.Equal(t, 6, calls)

		copy(buffers[0], "written")
		copy(buffers[1], "moved")
		f.WriteAt(buffers[0][:7], 50, whole([]byte("written")))
		f.Write(buffers[1][:5], whole([]byte("moved")))
		require.NoError(t, l.Run())
		got, err := os.ReadFile(f.Name())
		require.NoError(t, err)
		require.Equal(t, "written", string(got[50:57]))
		require.Equal(t, "moved", string(got[7:12]))
		require.Equal(t, 8, calls)
	})
}

func TestRegisteredBuffersRunOut(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		_, first := l.RegisteredBuffers(1, 10)
		for range 63 {
			_, ok := l.RegisteredBuffers(1, 10)
			require.Equal(t, first, ok)
		}
		b, ok := l.RegisteredBuffers(2, 10)
		require.False(t, ok)
		f := openNamed(t, l, fileWith(t, []byte("0123456789")), os.O_RDONLY)
		f.ReadAt(b[1], 0, func(b []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, "0123456789", string(b))
		})
		require.NoError(t, l.Run())

		require.NoError(t, l.Close())
		b, ok = l.RegisteredBuffers(2, 10)
		require.False(t, ok)
		require.Len(t, b, 2)
	})
}

func TestRegisteredBuffersWrongArguments(t *testing.T) {
	l, err := loop.New(loop.Options{})
	require.NoError(t, err)
	defer l.Close()
	for _, c := range [][2]int{{0, 1}, {1, 0}, {-1, 1}, {1, -1}, {1, math.MaxInt}, {math.MaxInt, 1}, {math.MaxInt >> 11, 4096}} {
		require.PanicsWithValue(t, fmt.Sprintf("loop: RegisteredBuffers: %d buffers of %d bytes", c[0], c[1]), func() { l.RegisteredBuffers(c[0], c[1]) })
	}
}
