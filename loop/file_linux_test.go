package loop_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

func TestF08FullDisk(t *testing.T) {
	dir := testenv.Mount(t, "tmpfs", "size=256k", 0)
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := openNamed(t, l, filepath.Join(dir, "file"), os.O_RDWR|os.O_CREATE|os.O_TRUNC)
		data := noise(1 << 20)
		n, err := outcome(t, l, func(fn loop.IOFunc) loop.Op { return f.WriteAt(data, 0, fn) })
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.EqualError(t, err, "write "+f.Name()+": no space left on device")
		require.Equal(t, 256<<10, n, "what found room is reported")

		failed := 0
		for i := range 20 {
			f.WriteAt(data[:4096], int64(1<<20+i*4096), func(b []byte, err error) {
				require.ErrorIs(t, err, syscall.ENOSPC)
				require.Empty(t, b)
				failed++
			})
		}
		require.NoError(t, l.Run())
		require.Equal(t, 20, failed)
		require.ErrorIs(t, result(t, l, func(fn loop.DoneFunc) { f.Allocate(1<<20, 1<<20, fn) }), syscall.ENOSPC)

		b := make([]byte, n)
		n, err = readAt(t, l, f, b, 0)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data[:n], b), "what was written is intact")
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Truncate(0, fn) }))
		writeAt(t, l, f, data[:100_000], 0)
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Sync(fn) }))
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Truncate(0, fn) }))
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF09Direct(t *testing.T) {
	dir := t.TempDir()
	testenv.DirectIO(t, dir)
	name := filepath.Join(dir, "file")
	const size = 64<<10 + 100
	data := noise(size)
	require.NoError(t, os.WriteFile(name, data, 0o600))
	probe, err := os.OpenFile(name, os.O_RDWR|unix.O_DIRECT, 0)
	require.NoError(t, err)
	// What the device makes of a buffer that is not aligned is its own affair: pread(2) tells.
	_, misaligned := unix.Pread(int(probe.Fd()), loop.AlignedBuffer(8192)[1:4097], 0)
	require.NoError(t, probe.Close())
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := openNamed(t, l, name, os.O_RDWR|unix.O_DIRECT)
		b := loop.AlignedBuffer(32 << 10)
		n, err := readAt(t, l, f, b, 8192)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data[8192:8192+n], b))

		n, err = readAt(t, l, f, b, 64<<10)
		require.ErrorIs(t, err, io.EOF, "the tail of the file is no multiple of a block")
		require.Equal(t, data[64<<10:], b[:n])

		n, err = readAt(t, l, f, b, 128<<10)
		require.ErrorIs(t, err, io.EOF)
		require.Zero(t, n)

		n, err = readAt(t, l, f, b[1:4097], 0)
		if misaligned == nil {
			require.NoError(t, err)
			require.Equal(t, data[:4096], b[1:4097])
		} else {
			require.ErrorIs(t, err, misaligned)
			require.Zero(t, n)
		}

		reads := 0
		for i := range 16 {
			off := i * 4096
			f.ReadAt(loop.AlignedBuffer(4096), int64(off), func(b []byte, err error) {
				require.NoError(t, err)
				require.True(t, bytes.Equal(data[off:off+4096], b))
				reads++
			})
		}
		copy(b, data)
		f.WriteAt(b, 0, func(b []byte, err error) {
			require.NoError(t, err)
			require.Len(t, b, 32<<10)
		})
		require.NoError(t, l.Run())
		require.Equal(t, 16, reads)
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Datasync(fn) }))
		require.NoError(t, result(t, l, f.Close))
		onDisk, err := os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, onDisk))
	})
}

func TestF09AlignedBuffer(t *testing.T) {
	for _, size := range []int{0, 1, 4096, 5000, 1 << 20, 2 << 20, 5<<20 + 1} {
		b := loop.AlignedBuffer(size)
		require.Len(t, b, size)
		require.Equal(t, size, cap(b))
		if size > 0 {
			align := uintptr(4096)
			if size >= 2<<20 {
				align = 2 << 20
			}
			require.Zero(t, uintptr(unsafe.Pointer(&b[0]))%align)
		}
	}
	require.PanicsWithValue(t, "loop: AlignedBuffer: negative size", func() { loop.AlignedBuffer(-1) })
}

// TestAlignedBufferAsksForHugePages looks at what the kernel says of the memory: hg, unless it was built without huge pages.
func TestAlignedBufferAsksForHugePages(t *testing.T) {
	asked := func(b []byte) bool {
		maps, err := os.ReadFile("/proc/self/smaps")
		require.NoError(t, err)
		at, inside := uint64(uintptr(unsafe.Pointer(&b[0]))), false
		for line := range strings.Lines(string(maps)) {
			var from, to uint64
			if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
				inside = from <= at && at < to
			} else if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && inside {
				return slices.Contains(strings.Fields(flags), "hg")
			}
		}
		return false
	}
	_, absent := os.Stat("/sys/kernel/mm/transparent_hugepage")
	require.Equal(t, absent == nil, asked(loop.AlignedBuffer(4<<20)))
	l, err := loop.New(loop.Options{})
	require.NoError(t, err)
	defer l.Close()
	buffers, _ := l.RegisteredBuffers(4, 1<<20)
	require.Equal(t, absent == nil, asked(buffers[1]))
}

func TestF10Allocate(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		allocate := func(off, size int64) error {
			return result(t, l, func(fn loop.DoneFunc) { f.Allocate(off, size, fn) })
		}
		require.NoError(t, allocate(1000, 10_000))
		require.EqualValues(t, 11_000, sizeOf(t, l, f))
		for _, c := range [][2]int64{{-1, 10}, {0, 0}, {0, -1}} {
			err := allocate(c[0], c[1])
			require.ErrorIs(t, err, syscall.EINVAL)
			var path *fs.PathError
			require.ErrorAs(t, err, &path)
			require.Equal(t, f.Name(), path.Path)
		}
		require.NoError(t, result(t, l, f.Close))
	})
}

// TestF01Proc reads files whose size is 0 and whose reads are short.
func TestF01Proc(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := openNamed(t, l, "/proc/filesystems", os.O_RDONLY)
		want, err := os.ReadFile("/proc/filesystems")
		require.NoError(t, err)
		b := make([]byte, 64<<10)
		n, err := readAt(t, l, f, b, 0)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, string(want), string(b[:n]))

		var got []byte
		for {
			n, err := outcome(t, l, func(fn loop.IOFunc) loop.Op { return f.Read(b[:50], fn) })
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			got = append(got, b[:n]...)
		}
		require.Equal(t, string(want), string(got))
		require.NoError(t, result(t, l, f.Close))
	})
}

// TestF01FIFO opens what is no regular file.
func TestF01FIFO(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		name := filepath.Join(t.TempDir(), "fifo")
		require.NoError(t, unix.Mkfifo(name, 0o600))
		peer, err := os.OpenFile(name, os.O_RDWR, 0)
		require.NoError(t, err)
		f := openNamed(t, l, name, os.O_RDONLY)
		b := make([]byte, 100)

		_, err = peer.WriteString("there already")
		require.NoError(t, err)
		n, err := outcome(t, l, func(fn loop.IOFunc) loop.Op { return f.Read(b, fn) })
		require.NoError(t, err)
		require.Equal(t, "there already", string(b[:n]))

		var m moved
		f.Read(b, m.done)
		for range 3 {
			require.NoError(t, l.Poll())
		}
		require.Zero(t, m.calls)
		_, err = peer.WriteString("later")
		require.NoError(t, err)
		require.NoError(t, l.Run())
		require.NoError(t, m.err)
		require.Equal(t, "later", string(m.b))

		require.NoError(t, peer.Close())
		_, err = outcome(t, l, func(fn loop.IOFunc) loop.Op { return f.Read(b, fn) })
		require.ErrorIs(t, err, io.EOF, "no writer is left")
		require.NoError(t, result(t, l, f.Close))
	})
}

// TestF01FIFOCancel cancels a read that would wait for ever.
func TestF01FIFOCancel(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		name := filepath.Join(t.TempDir(), "fifo")
		require.NoError(t, unix.Mkfifo(name, 0o600))
		peer, err := os.OpenFile(name, os.O_RDWR, 0)
		require.NoError(t, err)
		defer peer.Close()
		f := openNamed(t, l, name, os.O_RDONLY)
		var read moved
		op := f.Read(make([]byte, 100), read.done)
		for range 3 {
			require.NoError(t, l.Poll())
		}
		op.Cancel()
		require.NoError(t, l.Run())
		require.ErrorIs(t, read.err, loop.ErrCanceled)

		f.Read(make([]byte, 100), read.done)
		for range 3 {
			require.NoError(t, l.Poll())
		}
		require.NoError(t, result(t, l, f.Close))
		require.ErrorIs(t, read.err, loop.ErrClosed)
		require.Equal(t, 2, read.calls)
	})
}

// TestF01Allocations counts what an operation with a stored callback allocates.
func TestF01Allocations(t *testing.T) {
	for _, c := range []column{{"uring", ringColumn(ring.Options{})}, {"epoll", fallbackColumn("epoll")}} {
		t.Run(c.name, func(t *testing.T) {
			runCase(t, c, loop.Options{}, func(t *testing.T, l *loop.Loop) {
				f := newFile(t, l)
				b := noise(4096)
				var failed error
				var moved loop.IOFunc = func(_ []byte, err error) {
					if err != nil {
						failed = err
					}
				}
				var done loop.DoneFunc = func(err error) { moved(nil, err) }
				f.WriteAt(b, 0, moved) // for ReadAt, whichever comes first
				require.NoError(t, l.Run())
				for name, start := range map[string]func(){
					"WriteAt":  func() { f.WriteAt(b, 0, moved) },
					"ReadAt":   func() { f.ReadAt(b, 0, moved) },
					"Append":   func() { f.Append(b, moved) },
					"Sync":     func() { f.Sync(done) },
					"Datasync": func() { f.Datasync(done) },
					"Truncate": func() { f.Truncate(4096, done) },
				} {
					turn := func() {
						start()
						if err := l.Run(); err != nil {
							failed = err
						}
					}
					requireAllocs(t, 0, turn)
					require.NoError(t, failed, name)
				}

				var opened loop.FileFunc = func(f *loop.File, err error) {
					if moved(nil, err); err == nil {
						f.Close(nil)
					}
				}
				open := func() {
					l.Open(os.DevNull, os.O_RDONLY, 0, opened)
					if err := l.Run(); err != nil {
						failed = err
					}
				}
				requireAllocs(t, 2, open)
				require.NoError(t, failed)
				require.NoError(t, result(t, l, f.Close))
			})
		})
	}
}

// TestF01Workers: on io_uring the kernel carries reads, writes and syncs, in user space the workers do.
func TestF01Workers(t *testing.T) {
	for _, c := range []column{{"uring", ringColumn(ring.Options{})}, {"epoll", fallbackColumn("epoll")}} {
		t.Run(c.name, func(t *testing.T) {
			var q loop.Queue
			runCase(t, column{c.name, func() (opened loop.Queue, err error) {
				q, err = c.open()
				return q, err
			}}, loop.Options{}, func(t *testing.T, l *loop.Loop) {
				f := newFile(t, l)
				writeAt(t, l, f, noise(1000), 0)
				require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Sync(fn) }))
				if inUserSpace, ok := q.(*fallback.Queue); ok {
					require.Positive(t, inUserSpace.Stats().Jobs)
				} else {
					require.False(t, workersRun(), "a worker of ours runs beside io_uring")
				}
				require.NoError(t, result(t, l, f.Close))
			})
		})
	}
}

// What is cached is read with a system call: nothing of it goes through a ring, and yet the callback comes later, with the same results.
func TestHotReads(t *testing.T) {
	dir := t.TempDir()
	testenv.CachedReads(t, dir)
	name := filepath.Join(dir, "hot")
	data := noise(100_000)
	require.NoError(t, os.WriteFile(name, data, 0o600))
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := openNamed(t, l, name, os.O_RDONLY)
		b := make([]byte, 4096)
		_, err := readAt(t, l, f, b, 0) // now it is cached, whatever happened before
		require.NoError(t, err)
		before := l.Metrics().Completions
		for off := int64(0); off+4096 <= int64(len(data)); off += 4096 {
			n, err := readAt(t, l, f, b, off)
			require.NoError(t, err)
			require.Equal(t, data[off:off+4096], b[:n])
		}
		if !l.Features().Has(ring.HotReads) {
			require.Equal(t, before, l.Metrics().Completions)
		}
		n, err := readAt(t, l, f, b, int64(len(data)-10))
		require.Equal(t, io.EOF, err)
		require.Equal(t, data[len(data)-10:], b[:n])
		n, err = readAt(t, l, f, b, int64(len(data)))
		require.Equal(t, io.EOF, err)
		require.Zero(t, n)
	})
}

// What is not cached is read through the queue, and a file that is cold is soon not tried any more, but still now and then.
func TestColdReads(t *testing.T) {
	name := filepath.Join(t.TempDir(), "cold")
	data := noise(256 << 12)
	require.NoError(t, os.WriteFile(name, data, 0o600))
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := openNamed(t, l, name, os.O_RDONLY)
		b := make([]byte, 4096)
		for i := range 256 {
			if i%16 == 0 {
				dropCache(t, name)
			}
			off := int64(i*37%256) << 12
			n, err := readAt(t, l, f, b, off)
			require.NoError(t, err)
			require.Equal(t, data[off:off+4096], b[:n])
		}
	})
}

func dropCache(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Sync())
	require.NoError(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}

type stuck struct {
	loop.Queue
	held   *ring.SQE
	result []ring.CQE
}

func (q *stuck) Push(s *ring.SQE) bool {
	if s.Opcode == ring.OpRead && s.Off > 0 {
		q.held = s
		return true
	}
	if s.Opcode == ring.OpCancel && q.held != nil && uint64(s.Off) == q.held.UserData {
		q.result = append(q.result, ring.CQE{UserData: q.held.UserData, Res: -int32(syscall.ECANCELED)}, ring.CQE{UserData: s.UserData})
		q.held = nil
		return true
	}
	return q.Queue.Push(s)
}

func (q *stuck) Enter(timeout time.Duration) error {
	if len(q.result) > 0 {
		timeout = 0
	}
	return q.Queue.Enter(timeout)
}

func (q *stuck) Reap(dst []ring.CQE) int {
	if n := copy(dst, q.result); n > 0 {
		q.result = q.result[n:]
		return n
	}
	return q.Queue.Reap(dst)
}

func TestCancelOfAReadThatIsHotInPart(t *testing.T) {
	inner, err := columns[0].open()
	testenv.Ring(t, err)
	l, err := loop.New(loop.Options{Queue: &stuck{Queue: inner}})
	require.NoError(t, err)
	defer l.Close()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, make([]byte, 64<<10), 0o600))
	raw, err := os.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	defer raw.Close()
	require.NoError(t, raw.Sync())
	require.NoError(t, unix.Fadvise(int(raw.Fd()), 0, 0, unix.FADV_RANDOM))
	require.NoError(t, unix.Fadvise(int(raw.Fd()), 0, 0, unix.FADV_DONTNEED))
	_, err = raw.ReadAt(make([]byte, 4096), 0)
	require.NoError(t, err)
	b := make([]byte, 64<<10)
	ended := false
	l.Open(name, os.O_RDONLY, 0, func(f *loop.File, err error) {
		require.NoError(t, err)
		l.After(time.Second, func() {}) // so that the loop turns
		f.ReadAt(b, 0, func(got []byte, err error) {
			t.Log(len(got), err)
			assert.ErrorIs(t, err, loop.ErrCanceled)
			ended = true
			f.Close(nil)
		}).Cancel()
	})
	for end := time.Now().Add(30 * time.Second); !ended && time.Now().Before(end); {
		require.NoError(t, l.Poll())
		time.Sleep(time.Millisecond)
	}
	assert.True(t, ended, "the cancel was dropped")
}
