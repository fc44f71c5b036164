package loop_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// Section I, the operations on an open file. What needs Linux is in file_linux_test.go.

// openNamed opens a file that can be opened. l must have nothing else to do.
func openNamed(t *testing.T, l *loop.Loop, name string, flag int) *loop.File {
	t.Helper()
	var file *loop.File
	l.Open(name, flag, 0o600, func(f *loop.File, err error) {
		require.NoError(t, err)
		file = f
	})
	require.NoError(t, l.Run())
	return file
}

// newFile opens a new file for reading and writing.
func newFile(t *testing.T, l *loop.Loop) *loop.File {
	t.Helper()
	return openNamed(t, l, filepath.Join(t.TempDir(), "file"), os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

// moved is what the callback of an operation on a buffer got.
type moved struct {
	b     []byte
	err   error
	calls int
}

func (m *moved) done(b []byte, err error) { m.b, m.err, m.calls = b, err, m.calls+1 }

func (m *moved) vec(n int, err error) { m.b, m.err, m.calls = make([]byte, n), err, m.calls+1 }

// outcome runs the loop until the operation that start starts has ended.
func outcome(t *testing.T, l *loop.Loop, start func(fn loop.IOFunc) loop.Op) (int, error) {
	t.Helper()
	var m moved
	start(m.done)
	require.Zero(t, m.calls, "called back at once")
	require.NoError(t, l.Run())
	require.Equal(t, 1, m.calls)
	return len(m.b), m.err
}

func readAt(t *testing.T, l *loop.Loop, f *loop.File, b []byte, off int64) (int, error) {
	t.Helper()
	return outcome(t, l, func(fn loop.IOFunc) loop.Op { return f.ReadAt(b, off, fn) })
}

func writeAt(t *testing.T, l *loop.Loop, f *loop.File, b []byte, off int64) {
	t.Helper()
	n, err := outcome(t, l, func(fn loop.IOFunc) loop.Op { return f.WriteAt(b, off, fn) })
	require.NoError(t, err)
	require.Equal(t, len(b), n)
}

// result runs the loop until the operation that start starts has ended, and returns its error.
func result(t *testing.T, l *loop.Loop, start func(fn loop.DoneFunc)) (err error) {
	t.Helper()
	calls := 0
	start(func(e error) { err, calls = e, calls+1 })
	require.Zero(t, calls, "called back at once")
	require.NoError(t, l.Run())
	require.Equal(t, 1, calls)
	return err
}

func sizeOf(t *testing.T, l *loop.Loop, f *loop.File) (size int64) {
	t.Helper()
	f.Stat(func(info fs.FileInfo, err error) {
		require.NoError(t, err)
		size = info.Size()
	})
	require.NoError(t, l.Run())
	return size
}

// noise returns n bytes of which no two places look alike.
func noise(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(uint64(n), 0))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestF01RoundTrip(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		data := noise(300_000) // more than the fallback reads by itself
		writeAt(t, l, f, data, 0)
		require.EqualValues(t, len(data), sizeOf(t, l, f))

		b := make([]byte, len(data))
		n, err := readAt(t, l, f, b, 0)
		require.NoError(t, err, "the last byte was asked for, and no more")
		require.Equal(t, data, b[:n])

		n, err = readAt(t, l, f, b, 299_000)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, data[299_000:], b[:n])

		n, err = readAt(t, l, f, b, 300_000)
		require.ErrorIs(t, err, io.EOF)
		require.Zero(t, n)

		n, err = readAt(t, l, f, b[:100], 1<<40)
		require.ErrorIs(t, err, io.EOF)
		require.Zero(t, n)

		require.NoError(t, result(t, l, f.Close))
		onDisk, err := os.ReadFile(f.Name())
		require.NoError(t, err)
		require.Equal(t, data, onDisk)
		require.ErrorIs(t, result(t, l, f.Close), loop.ErrClosed)
	})
}

func TestF01ReaderAt(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		data := noise(5000)
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, data, 0o600))
		f := openNamed(t, l, name, os.O_RDONLY)
		reference := bytes.NewReader(data)
		rng := rand.New(rand.NewPCG(1, 1))
		for range 200 {
			size, off := 1+rng.IntN(6000), rng.Int64N(6000)
			want := make([]byte, size)
			wantN, wantErr := reference.ReadAt(want, off)
			got := make([]byte, size)
			n, err := readAt(t, l, f, got, off)
			require.Equal(t, wantErr, err, "%d bytes at %d", size, off)
			require.Equal(t, want[:wantN], got[:n], "%d bytes at %d", size, off)
		}
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF01ZeroLength(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		for name, start := range map[string]func(fn loop.IOFunc) loop.Op{
			"ReadAt":    func(fn loop.IOFunc) loop.Op { return f.ReadAt(nil, 0, fn) },
			"ReadAt 2":  func(fn loop.IOFunc) loop.Op { return f.ReadAt([]byte{}, 1<<40, fn) },
			"WriteAt":   func(fn loop.IOFunc) loop.Op { return f.WriteAt(nil, 100, fn) },
			"Read":      func(fn loop.IOFunc) loop.Op { return f.Read(nil, fn) },
			"Write":     func(fn loop.IOFunc) loop.Op { return f.Write(nil, fn) },
			"Append":    func(fn loop.IOFunc) loop.Op { return f.Append(nil, fn) },
			"ReadVecAt": func(fn loop.IOFunc) loop.Op { return f.ReadVecAt(nil, 0, func(int, error) { fn(nil, nil) }) },
			"WriteVecAt": func(fn loop.IOFunc) loop.Op {
				return f.WriteVecAt([][]byte{nil, {}}, 100, func(n int, err error) { fn(make([]byte, n), err) })
			},
		} {
			n, err := outcome(t, l, start)
			require.NoError(t, err, name)
			require.Zero(t, n, name)
		}
		require.Zero(t, sizeOf(t, l, f))
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF01NegativeOffset(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		writeAt(t, l, f, []byte("abc"), 0)
		b := make([]byte, 3)
		for _, off := range []int64{-1, -2, -1 << 63} {
			for _, start := range []func(fn loop.IOFunc) loop.Op{
				func(fn loop.IOFunc) loop.Op { return f.ReadAt(b, off, fn) },
				func(fn loop.IOFunc) loop.Op { return f.WriteAt(b, off, fn) },
				func(fn loop.IOFunc) loop.Op {
					return f.ReadVecAt([][]byte{b}, off, func(n int, err error) { fn(b[:n], err) })
				},
				func(fn loop.IOFunc) loop.Op {
					return f.WriteVecAt([][]byte{b}, off, func(n int, err error) { fn(b[:n], err) })
				},
			} {
				n, err := outcome(t, l, start)
				require.ErrorIs(t, err, syscall.EINVAL)
				require.Zero(t, n)
			}
		}
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF01BeyondFourGiB(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		const off, size = int64(5<<30 + 7), int64(6 << 30)
		data := noise(5000)
		writeAt(t, l, f, data, off)
		require.Equal(t, off+5000, sizeOf(t, l, f))
		b := make([]byte, 5000)
		n, err := readAt(t, l, f, b, off)
		require.NoError(t, err)
		require.Equal(t, data, b[:n])
		n, err = readAt(t, l, f, b, off-4000)
		require.NoError(t, err)
		require.Equal(t, append(make([]byte, 4000), data[:1000]...), b[:n])
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Truncate(size, fn) }))
		require.Equal(t, size, sizeOf(t, l, f))
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF01WrongMode(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, []byte("content"), 0o600))
		reader, writer := openNamed(t, l, name, os.O_RDONLY), openNamed(t, l, name, os.O_WRONLY)
		b := make([]byte, 4)

		_, err := readAt(t, l, writer, b, 0)
		osFile, openErr := os.OpenFile(name, os.O_WRONLY, 0)
		require.NoError(t, openErr)
		_, want := osFile.ReadAt(b, 0)
		require.NoError(t, osFile.Close())
		requireSameError(t, want, err)
		require.ErrorIs(t, err, syscall.EBADF)

		_, err = outcome(t, l, func(fn loop.IOFunc) loop.Op { return reader.WriteAt(b, 0, fn) })
		osFile, openErr = os.Open(name)
		require.NoError(t, openErr)
		_, want = osFile.WriteAt(b, 0)
		require.NoError(t, osFile.Close())
		requireSameError(t, want, err)

		var vec moved
		writer.ReadVecAt([][]byte{b}, 0, vec.vec)
		require.NoError(t, l.Run())
		require.ErrorIs(t, vec.err, syscall.EBADF)
		require.NoError(t, result(t, l, reader.Close))
		require.NoError(t, result(t, l, writer.Close))
	})
}

// requireSameError requires the error that package os gives, to the letter.
func requireSameError(t *testing.T, want, got error) {
	t.Helper()
	require.Error(t, want)
	require.Error(t, got)
	require.Equal(t, want.Error(), got.Error())
	var path *fs.PathError
	var link *os.LinkError
	require.Equal(t, errors.As(want, &path), errors.As(got, &path), "%T", got)
	require.Equal(t, errors.As(want, &link), errors.As(got, &link), "%T", got)
}

func TestF01Directory(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := openNamed(t, l, t.TempDir(), os.O_RDONLY)
		n, err := readAt(t, l, f, make([]byte, 10), 0)
		require.ErrorIs(t, err, syscall.EISDIR)
		require.Zero(t, n)
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF01AfterClose(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		closed := false
		f.Close(func(err error) {
			require.NoError(t, err)
			closed = true
		})
		b := make([]byte, 10)
		late := 0
		ended := func(err error) {
			require.ErrorIs(t, err, loop.ErrClosed)
			require.False(t, closed, "the close callback is the last")
			late++
		}
		io := func(got []byte, err error) {
			require.Empty(t, got)
			require.Equal(t, 10, cap(got), "the buffer comes back")
			ended(err)
		}
		f.ReadAt(b, 0, io)
		f.WriteAt(b, 0, io)
		f.Read(b, io)
		f.Write(b, io)
		f.Append(b, io)
		f.ReadVecAt([][]byte{b}, 0, func(_ int, err error) { ended(err) })
		f.WriteVecAt([][]byte{b}, 0, func(_ int, err error) { ended(err) })
		f.Sync(ended)
		f.Datasync(ended)
		f.Truncate(0, ended)
		f.Allocate(0, 1, ended)
		f.Stat(func(info fs.FileInfo, err error) {
			require.Nil(t, info)
			ended(err)
		})
		require.NoError(t, l.Run())
		require.Equal(t, 12, late)
		require.True(t, closed)
	})
}

func TestF03Position(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		write := func(s string) {
			n, err := outcome(t, l, func(fn loop.IOFunc) loop.Op { return f.Write([]byte(s), fn) })
			require.NoError(t, err)
			require.Equal(t, len(s), n)
		}
		read := func(n int) (string, error) {
			b := make([]byte, n)
			n, err := outcome(t, l, func(fn loop.IOFunc) loop.Op { return f.Read(b, fn) })
			return string(b[:n]), err
		}
		write("one")
		writeAt(t, l, f, []byte("XYZ"), 10) // leaves the position alone
		write("two")
		s, err := read(100)
		require.NoError(t, err)
		require.Equal(t, "\x00\x00\x00\x00XYZ", s, "less than asked for is no end of the file")
		_, err = read(1)
		require.ErrorIs(t, err, io.EOF)
		n, err := outcome(t, l, func(fn loop.IOFunc) loop.Op { return f.Append([]byte("end"), fn) })
		require.NoError(t, err)
		require.Equal(t, 3, n)
		b := make([]byte, 16)
		n, err = readAt(t, l, f, b, 0)
		require.NoError(t, err)
		require.Equal(t, "onetwo\x00\x00\x00\x00XYZend", string(b[:n]))
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF03Turns(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		var order []int
		var canceled loop.Op
		for i := range 100 {
			op := f.Write([]byte{byte(i)}, func(b []byte, err error) {
				if i == 50 {
					require.ErrorIs(t, err, loop.ErrCanceled)
					require.Empty(t, b)
					return
				}
				require.NoError(t, err)
				require.Len(t, b, 1)
				order = append(order, i)
			})
			if i == 50 {
				canceled = op
			}
		}
		canceled.Cancel()
		require.NoError(t, l.Run())
		require.Len(t, order, 99)
		require.IsIncreasing(t, order)
		content, err := os.ReadFile(f.Name())
		require.NoError(t, err)
		require.Len(t, content, 99)
		for i := range content {
			require.EqualValues(t, order[i], content[i])
		}
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF03ReadsTakeTurns(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		data := noise(100 * 100)
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, data, 0o600))
		f := openNamed(t, l, name, os.O_RDONLY)
		var got []byte
		ends := 0
		for range 101 {
			f.Read(make([]byte, 100), func(b []byte, err error) {
				if err == io.EOF {
					ends++
				} else {
					require.NoError(t, err)
				}
				got = append(got, b...)
			})
		}
		require.NoError(t, l.Run())
		require.Equal(t, data, got)
		require.Equal(t, 1, ends)
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF03AppendMode(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, []byte("start"), 0o600))
		f := openNamed(t, l, name, os.O_RDWR|os.O_APPEND)
		n, err := outcome(t, l, func(fn loop.IOFunc) loop.Op { return f.WriteAt([]byte("no"), 0, fn) })
		require.ErrorContains(t, err, "O_APPEND")
		require.Zero(t, n)
		var vec moved
		f.WriteVecAt([][]byte{[]byte("no")}, 0, vec.vec)
		f.Write([]byte("+write"), func(_ []byte, err error) { require.NoError(t, err) })
		f.Append([]byte("+append"), func(_ []byte, err error) { require.NoError(t, err) })
		require.NoError(t, l.Run())
		require.ErrorContains(t, vec.err, "O_APPEND")
		b := make([]byte, 18)
		n, err = readAt(t, l, f, b, 0) // reading at an offset is no problem
		require.NoError(t, err)
		require.Equal(t, "start+write+append", string(b[:n]))
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF04ManyBuffers(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		data := noise(200_000)
		cut := func(b []byte) (bufs [][]byte) {
			for i := 0; len(b) > 0; i++ { // more than IOV_MAX, which is 1024, some of them empty
				n := min(i%137, len(b))
				bufs = append(bufs, b[:n:n])
				b = b[n:]
			}
			return bufs
		}
		var m moved
		f.WriteVecAt(cut(data), 3, m.vec)
		require.NoError(t, l.Run())
		require.NoError(t, m.err)
		require.Len(t, m.b, len(data))

		got := make([]byte, len(data))
		f.ReadVecAt(cut(got), 3, m.vec)
		require.NoError(t, l.Run())
		require.NoError(t, m.err)
		require.Len(t, m.b, len(data))
		require.Equal(t, data, got)

		got = make([]byte, len(data)+100)
		f.ReadVecAt(cut(got), 3, m.vec)
		require.NoError(t, l.Run())
		require.ErrorIs(t, m.err, io.EOF)
		require.Len(t, m.b, len(data))
		require.Equal(t, append(data[:len(data):len(data)], make([]byte, 100)...), got)
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF05OverlappingReads(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		data := noise(1 << 20)
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, data, 0o600))
		f := openNamed(t, l, name, os.O_RDONLY)
		reads := 0
		for i := range 64 {
			off := i * 10_000
			f.ReadAt(make([]byte, 100_000), int64(off), func(b []byte, err error) {
				require.NoError(t, err)
				require.True(t, bytes.Equal(data[off:off+100_000], b), "at %d", off)
				reads++
			})
		}
		require.NoError(t, l.Run())
		require.Equal(t, 64, reads)
		require.NoError(t, result(t, l, f.Close))
	})
}

// TestF05ManyInFlight cancels, times out and closes with many operations of all kinds on one file.
func TestF05ManyInFlight(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		data := noise(100_000)
		writeAt(t, l, f, data, 0)
		started, ended, closed := 0, 0, false
		check := func(err error, allowed ...error) {
			require.False(t, closed, "nothing after the close callback")
			ended++
			for _, one := range allowed {
				if errors.Is(err, one) {
					return
				}
			}
			require.NoError(t, err)
		}
		start := func(i int) loop.Op {
			started++
			allowed := []error{loop.ErrClosed}
			switch i % 3 {
			case 1:
				allowed = append(allowed, loop.ErrCanceled)
			case 2:
				allowed = append(allowed, os.ErrDeadlineExceeded)
			}
			done := func(err error) { check(err, allowed...) }
			io := func(_ []byte, err error) { done(err) }
			b := make([]byte, 10_000)
			switch i % 7 {
			case 0:
				return f.ReadAt(b, int64(i), func(b []byte, err error) {
					require.True(t, bytes.Equal(data[i:i+len(b)], b))
					done(err)
				})
			case 1:
				return f.WriteAt(b, 1<<20, io)
			case 2:
				return f.Append(b, io)
			case 3:
				return f.Sync(done)
			case 4:
				return f.ReadVecAt([][]byte{b[:10], b[10:]}, 0, func(_ int, err error) { done(err) })
			case 5:
				return f.Stat(func(_ fs.FileInfo, err error) { done(err) })
			default:
				return f.Datasync(done)
			}
		}
		for i := range 210 {
			switch op := start(i); i % 3 {
			case 1:
				op.Cancel()
			case 2:
				op.Timeout(time.Microsecond)
			}
		}
		for range 3 {
			require.NoError(t, l.Poll())
		}
		f.Close(func(err error) {
			require.NoError(t, err)
			require.Equal(t, started, ended)
			closed = true
		})
		require.NoError(t, l.Run())
		require.True(t, closed)
	})
}

func TestF05Cancel(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		data := noise(1 << 20)
		for range 20 {
			var m moved
			op := f.WriteAt(data, 0, m.done)
			op.Cancel()
			op.Cancel()
			require.True(t, op.Active())
			require.Zero(t, m.calls)
			require.NoError(t, l.Run())
			require.False(t, op.Active())
			require.Equal(t, 1, m.calls)
			if m.err == nil {
				require.Len(t, m.b, len(data))
			} else {
				require.ErrorIs(t, m.err, loop.ErrCanceled)
			}
		}
		require.NoError(t, result(t, l, f.Close))
	})
}

func TestF08Durability(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		f := newFile(t, l)
		writeAt(t, l, f, noise(10_000), 0)
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Sync(fn) }))
		writeAt(t, l, f, noise(10_000), 0)
		require.NoError(t, result(t, l, func(fn loop.DoneFunc) { f.Datasync(fn) }))
		require.NoError(t, result(t, l, f.Close))
	})
}

// TestF01GarbageCollector reads and writes buffers that only the loop knows, while the garbage collector runs.
func TestF01GarbageCollector(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		defer debug.SetGCPercent(debug.SetGCPercent(1))
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
					runtime.GC()
					time.Sleep(time.Millisecond)
				}
			}
		}()
		f := newFile(t, l)
		const blocks, size = 200, 5000
		checked := 0
		var check loop.IOFunc = func(b []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, strings.Repeat(string(b[:1]), size), string(b))
			checked++
		}
		var writeNext func(i int)
		writeNext = func(i int) {
			block := bytes.Repeat([]byte{byte('A' + i%50)}, size)
			f.WriteAt(block, int64(i)*size, func(_ []byte, err error) {
				require.NoError(t, err)
				f.ReadAt(make([]byte, size), int64(i)*size, check)
				f.ReadVecAt([][]byte{make([]byte, 1), make([]byte, size-1)}, int64(i)*size, func(n int, err error) {
					require.NoError(t, err)
					require.Equal(t, size, n)
				})
				if i += 8; i < blocks {
					writeNext(i)
				}
			})
		}
		for i := range 8 {
			writeNext(i)
		}
		require.NoError(t, l.Run())
		require.Equal(t, blocks, checked)
		require.NoError(t, result(t, l, f.Close))
	})
}

// Who has called back keeps none of the buffers alive, not even those of a step that took more of them than the last.
func TestF04BuffersAreLetGo(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		const count, size = 1500, 1000 // two steps
		f := newFile(t, l)
		var gone atomic.Int32
		func() {
			bufs := make([][]byte, count)
			for i := range bufs {
				bufs[i] = make([]byte, size)
				runtime.SetFinalizer(&bufs[i][0], func(*byte) { gone.Add(1) })
			}
			f.WriteVecAt(bufs, 0, func(n int, err error) {
				require.NoError(t, err)
				require.Equal(t, count*size, n)
			})
		}()
		require.NoError(t, l.Run())
		require.Eventually(t, func() bool {
			runtime.GC()
			return gone.Load() == count
		}, 10*time.Second, time.Millisecond)
		runtime.KeepAlive(l)
	})
}
