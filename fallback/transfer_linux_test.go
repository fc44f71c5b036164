package fallback_test

import (
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/ring"
)

func onFile(s *ring.SQE) *ring.SQE {
	s.Flags |= ring.MayBlock
	return s
}

// What is in the page cache needs no worker, also where the file ends.
func TestHotRead(t *testing.T) {
	each(t, func(q *harness) {
		testenv.CachedReads(q, q.TempDir())
		content := text(10000)
		fd := temporary(q, string(content))
		buf := make([]byte, 16<<10)
		require.EqualValues(q, len(content), q.do(onFile(read(fd, buf, 0))))
		require.Equal(q, content, buf[:len(content)])
		before := q.Stats().Jobs
		require.EqualValues(q, len(content), q.do(onFile(read(fd, buf, 0))))
		require.EqualValues(q, 4096, q.do(onFile(read(fd, buf[:4096], 1))))
		require.Equal(q, content[1:4097], buf[:4096])
		require.Zero(q, q.do(onFile(read(fd, buf, 1<<20))))
		vecs := []ring.Iovec{{Base: &buf[100]}, {Base: &buf[0]}}
		vecs[0].SetLen(9000)
		vecs[1].SetLen(100)
		s := onFile(&ring.SQE{Opcode: ring.OpReadv, FD: int32(fd), Addr: unsafe.Pointer(&vecs[0]), Len: 2, Off: 950})
		require.EqualValues(q, 9050, q.do(s))
		require.Equal(q, content[950:9950], buf[100:9100])
		require.Equal(q, content[9950:], buf[:50])
		require.Equal(q, before, q.Stats().Jobs)
	})
}

// Of a file only the start is cached: the worker goes on where the loop had to stop, and the result is not short.
func TestReadHalfCached(t *testing.T) {
	each(t, func(q *harness) {
		const size = 60 << 10
		content := text(size)
		fd := temporary(q, string(content))
		require.NoError(q, unix.Fsync(fd))
		for _, off := range []int64{0, -1} {
			require.NoError(q, unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED))
			require.NoError(q, unix.Fadvise(fd, 0, 0, unix.FADV_RANDOM)) // no read-ahead
			head := make([]byte, 8<<10)
			_, err := unix.Pread(fd, head, 0)
			require.NoError(q, err)
			_, err = unix.Seek(fd, 0, 0)
			require.NoError(q, err)
			buf := make([]byte, size+10)
			require.EqualValues(q, size, q.do(onFile(read(fd, buf, off))))
			require.Equal(q, content, buf[:size])
		}
	})
}

// A pipe that blocks never blocks the loop, however much it is asked to write.
func TestBlockingPipe(t *testing.T) {
	each(t, func(q *harness) {
		var pipe [2]int
		require.NoError(q, unix.Pipe(pipe[:]))
		buf := make([]byte, 8)
		r := q.push(read(pipe[0], buf, 0)) // a pipe has no offset
		q.idle(r)
		require.EqualValues(q, 2, q.do(write(pipe[1], []byte("ab"), 0)))
		require.EqualValues(q, 2, q.next(r).Res)

		big := text(1 << 20)
		w := q.push(write(pipe[1], big, -1))
		n := q.next(w).Res
		require.Positive(q, n)
		require.Less(q, int(n), len(big))
		w = q.push(write(pipe[1], big, -1))
		q.idle(w)
		require.EqualValues(q, 8, q.do(read(pipe[0], buf, -1)))
		require.Zero(q, q.cancel(w))
		require.Equal(q, fail(unix.ECANCELED), q.next(w).Res)
		require.Zero(q, q.Stats().Jobs)
		q.closeFD(pipe[0])
		require.Equal(q, fail(unix.EPIPE), q.do(write(pipe[1], big, -1)))
		q.closeFD(pipe[1])
	})
}

// A regular file without the hint: reads still work, and a poll says what poll(2) says.
func TestFileWithoutHint(t *testing.T) {
	each(t, func(q *harness) {
		fd := temporary(q, "content")
		require.NoError(q, unix.Fsync(fd))
		require.NoError(q, unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED))
		buf := make([]byte, 10)
		require.EqualValues(q, 7, q.do(read(fd, buf, 0)))
		require.LessOrEqual(q, q.Stats().Refused, uint64(1), "its readiness means nothing, to wait for it is a spin")
		require.EqualValues(q, 4, q.do(write(fd, []byte("CONT"), 0)))
		require.EqualValues(q, 6, q.do(read(fd, buf, 1)))
		require.Equal(q, "ONTent", string(buf[:6]))
		poll := &ring.SQE{Opcode: ring.OpPollAdd, FD: int32(fd), OpFlags: unix.POLLIN | unix.POLLOUT}
		require.EqualValues(q, unix.POLLIN|unix.POLLOUT, q.do(poll))
	})
}

// A FIFO that is called a file by mistake: its worker gets EAGAIN, and the poller takes over.
func TestFIFOWithFileHint(t *testing.T) {
	each(t, func(q *harness) {
		var pipe [2]int
		require.NoError(q, unix.Pipe2(pipe[:], unix.O_NONBLOCK))
		buf := make([]byte, 8)
		r := q.push(onFile(read(pipe[0], buf, -1)))
		q.idle(r)
		q.writeTo(pipe[1], "late")
		require.EqualValues(q, 4, q.next(r).Res)
		r = q.push(onFile(read(pipe[0], buf, -1)))
		q.idle(r)
		require.Zero(q, q.cancel(r))
		require.Equal(q, fail(unix.ECANCELED), q.next(r).Res)
		q.closeFD(pipe[0])
		q.closeFD(pipe[1])
	})
}

// Files that have readiness but no RWF_NOWAIT: poll(2) is asked before each read.
func TestReadWithoutNoWait(t *testing.T) {
	each(t, func(q *harness) {
		dir := q.TempDir()
		fd, err := unix.InotifyInit1(0) // it blocks
		require.NoError(q, err)
		_, err = unix.InotifyAddWatch(fd, dir, unix.IN_CREATE)
		require.NoError(q, err)
		buf := make([]byte, 4096)
		for _, name := range []string{"a", "b"} {
			r := q.push(read(fd, buf, -1))
			q.idle(r)
			require.NoError(q, os.WriteFile(dir+"/"+name, nil, 0o600))
			require.Positive(q, q.next(r).Res)
		}
		require.Zero(q, q.Stats().Jobs)
		q.closeFD(fd)
	})
}

// What a read at the file's position has moved before its worker was withdrawn is not lost: the position has passed it.
func TestCancelHalfRead(t *testing.T) {
	each(t, func(q *harness) {
		queue := q.Queue // with a single worker, which a FIFO without a writer keeps busy
		q.Queue = open(t, fallback.Options{Poller: queue.Poller(), Workers: 1}).Queue
		fifo := filepath.Join(q.TempDir(), "fifo")
		require.NoError(q, unix.Mkfifo(fifo, 0o600))
		name := append([]byte(fifo), 0)
		opening := func() *ring.SQE {
			return q.push(&ring.SQE{Opcode: ring.OpOpenat, FD: unix.AT_FDCWD, Addr: unsafe.Pointer(&name[0]), OpFlags: unix.O_RDONLY})
		}
		const hot = 4096
		content := text(60 << 10)
		fd := temporary(q, string(content))
		require.NoError(q, unix.Fsync(fd))
		for _, cancel := range []ring.SQE{
			{Opcode: ring.OpCancel}, // by its entry
			{Opcode: ring.OpCancel, FD: int32(fd), OpFlags: ring.CancelFD},
		} {
			busy := opening()
			require.NoError(q, unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED))
			require.NoError(q, unix.Fadvise(fd, 0, 0, unix.FADV_RANDOM)) // no read-ahead
			buf := make([]byte, len(content))
			_, err := unix.Pread(fd, buf[:hot], 0)
			require.NoError(q, err)
			_, err = unix.Seek(fd, 0, 0)
			require.NoError(q, err)
			clear(buf)
			r := q.push(onFile(read(fd, buf, -1)))
			require.NoError(q, q.Enter(0))
			if cancel.OpFlags == 0 {
				cancel.Addr, cancel.Off = unsafe.Pointer(r), int64(r.UserData)
			}
			q.do(&cancel)
			n := max(q.next(r).Res, 0)
			position, err := unix.Seek(fd, 0, 1)
			require.NoError(q, err)
			require.EqualValues(q, position, n)
			require.Equal(q, content[:n], buf[:n])

			w, err := unix.Open(fifo, unix.O_RDWR|unix.O_CLOEXEC, 0)
			require.NoError(q, err)
			q.closeFD(int(q.next(busy).Res))
			q.closeFD(w)
		}
		require.NoError(q, q.Close())
		q.Queue = queue
	})
}

// RWF_NOWAIT asks for an answer at once, also where the answer of a worker would be the same, and that of the poller none.
func TestNoWaitFlag(t *testing.T) {
	each(t, func(q *harness) {
		var pipe [2]int
		require.NoError(q, unix.Pipe(pipe[:]))
		r := read(pipe[0], make([]byte, 4), -1)
		r.OpFlags = unix.RWF_NOWAIT
		require.Equal(q, fail(unix.EAGAIN), q.do(r))
		require.Equal(q, fail(unix.EAGAIN), q.do(onFile(r)))
		q.closeFD(pipe[0])
		q.closeFD(pipe[1])

		// To write where the file has no blocks yet takes an allocation.
		dir := q.TempDir()
		testenv.DirectIO(q, dir)
		fd, err := unix.Open(filepath.Join(dir, "file"), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC|unix.O_DIRECT, 0o600)
		require.NoError(q, err)
		page := make([]byte, 2*4096)
		page = page[-int(uintptr(unsafe.Pointer(&page[0])))&4095:][:4096]
		for range 2 {
			w := write(fd, page, 1<<20)
			w.OpFlags = unix.RWF_NOWAIT
			require.Contains(q, []int32{fail(unix.EAGAIN), fail(unix.EOPNOTSUPP), 4096}, q.do(w))
			require.Contains(q, []int32{fail(unix.EAGAIN), fail(unix.EOPNOTSUPP), 4096}, q.do(onFile(w)))
		}
		q.closeFD(fd)
	})
}
