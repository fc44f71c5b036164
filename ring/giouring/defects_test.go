//go:build giouring && linux

package giouring_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	upstream "github.com/pawelgaczynski/giouring"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// defects are the parts of giouring that are wrong, besides those of TestEncodingMistaken. Each comes with a proof, so
// that the list cannot outlive what it says.
var defects = []struct {
	name, reason string
	proof        func(t *testing.T)
}{
	{"SubmissionQueueEntry.prepareRW", "leaves the operation's flags and the third address of the slot's last use in place",
		func(t *testing.T) {
			e := entry{OpcodeFlags: unix.MSG_NOSIGNAL, Addr3: 1}
			e.PrepareRead(1, 2, 3, 4)
			require.Equal(t, entry{OpCode: upstream.OpRead, Fd: 1, Addr: 2, Len: 3, Off: 4, OpcodeFlags: unix.MSG_NOSIGNAL, Addr3: 1}, e)
		}},
	{"PrepareOpenat2", "has the opcode of openat, and the address of a slice header",
		func(t *testing.T) {
			path := []byte("path\x00")
			var e entry
			e.PrepareOpenat2(unix.AT_FDCWD, path, new(unix.OpenHow))
			require.Equal(t, upstream.OpOpenat, e.OpCode)
			require.NotEqual(t, upstream.OpOpenat2, e.OpCode)
			require.NotEqual(t, uint64(address(&path[0])), e.Addr)
		}},
	{"PrepareSendZC, PrepareSendto", "send the bytes of a slice header",
		func(t *testing.T) {
			b := []byte("data")
			var e entry
			e.PrepareSendZC(1, b, 0, 0)
			require.NotEqual(t, uint64(address(&b[0])), e.Addr)
			var sa syscall.Sockaddr = &syscall.SockaddrInet4{Port: 80}
			e.PrepareSendto(1, b, 0, &sa, 16)
			require.NotEqual(t, uint64(address(&b[0])), e.Addr)
		}},
	{"PrepareSendSetAddr", "stores the address of an interface, which is no socket address",
		func(t *testing.T) {
			var sa syscall.Sockaddr = &syscall.SockaddrInet4{Port: 80}
			var e entry
			e.PrepareSendSetAddr(&sa, 16)
			require.Equal(t, uint64(address(&sa)), e.Off)
		}},
	{"PrepareFgetxattr, PrepareFsetxattr, PrepareGetxattr, PrepareSetxattr", "store addresses of slice headers",
		func(t *testing.T) {
			name, value, path := []byte("name\x00"), []byte("value"), []byte("path\x00")
			for _, prepare := range []func(e *entry){
				func(e *entry) { e.PrepareFgetxattr(1, name, value) },
				func(e *entry) { e.PrepareFsetxattr(1, name, value, 0) },
				func(e *entry) { e.PrepareGetxattr(name, value, path) },
				func(e *entry) { e.PrepareSetxattr(name, value, path, 0, 5) },
			} {
				var e entry
				prepare(&e)
				require.NotEqual(t, uint64(address(&name[0])), e.Addr)
				require.NotEqual(t, uint64(address(&value[0])), e.Off)
				require.NotEqual(t, uint64(address(&path[0])), e.Addr3)
			}
		}},
	{"PrepareFilesUpdate", "stores the address of a slice header, of a slice of 64-bit numbers where the kernel reads 32",
		func(t *testing.T) {
			fds := []int{1, 2}
			var e entry
			e.PrepareFilesUpdate(fds, 0)
			require.NotEqual(t, uint64(address(&fds[0])), e.Addr)
			require.Equal(t, uintptr(8), unsafe.Sizeof(fds[0]))
		}},
	{"PrepareTimeout", "stores the address of a pointer to the time",
		func(t *testing.T) {
			ts := syscall.NsecToTimespec(int64(time.Second))
			var e entry
			e.PrepareTimeout(&ts, 0, 0)
			require.NotEqual(t, uint64(address(&ts)), e.Addr)
		}},
	{"PrepareTimeoutRemove, PrepareTimeoutUpdate", "have no place for the timeout's user data, and put the address of a time there",
		func(t *testing.T) {
			var e entry
			e.PrepareTimeoutRemove(time.Second, 0, 0)
			require.Greater(t, e.Addr, uint64(1<<32))
			e = entry{}
			e.PrepareTimeoutUpdate(time.Second, 5, 0)
			require.Greater(t, e.Addr, uint64(1<<32))
			require.Equal(t, uint64(5), e.Off) // where the kernel expects the new time's address
		}},
	{"PrepareMsgRingFd", "stores the address of the constant IORING_MSG_SEND_FD, not the constant",
		func(t *testing.T) {
			var e entry
			e.PrepareMsgRingFd(1, 2, 3, 4, 0)
			require.NotEqual(t, uint64(upstream.MsgSendFd), e.Addr)
		}},
	{"PrepareCmdSock", "shifts the command out of its field, and ignores all arguments",
		func(t *testing.T) {
			var e entry
			e.PrepareCmdSock(1, 2, 3, 4, nil, 5)
			require.Equal(t, uint64(1)<<32, e.Off)
		}},
	{"BufAndRing.BufRingAdd", "computes the offset in 16 bits, so that entry 4096 is the first one again",
		func(t *testing.T) {
			bufs := make([]upstream.BufAndRing, 8192)
			bufs[0].BufRingAdd(1234, 5, 6, upstream.BufRingMask(8192), 4096)
			require.Equal(t, uint64(1234), bufs[0].Addr)
			require.Zero(t, bufs[4096].Addr)
		}},
	{"Ring.PeekBatchCQE", "fills the slice beyond the number that it returns",
		func(t *testing.T) {
			r := newRing(t, 0)
			r.GetSQE().PrepareNop()
			_, err := r.SubmitAndWait(1)
			require.NoError(t, err)
			cqes := make([]*upstream.CompletionQueueEvent, 4)
			require.Equal(t, uint32(1), r.PeekBatchCQE(cqes))
			require.NotNil(t, cqes[3])
		}},
	{"Ring.QueueInit with NO_SQARRAY", "writes an array that is not there, over the head of the ring",
		func(t *testing.T) {
			const noSQArray = 1 << 16 // 6.6
			r := upstream.NewRing()
			if err := r.QueueInit(64, noSQArray); err != nil {
				t.Skip("the kernel has no NO_SQARRAY: ", err)
			}
			defer r.QueueExit()
			require.NotZero(t, r.CQReady(), "completions of a fresh ring")
		}},
	{"Setup", "returns an error that is not nil when it succeeds",
		func(t *testing.T) {
			fd, err := upstream.Setup(8, new(upstream.Params))
			require.Error(t, err)
			require.ErrorIs(t, err, syscall.Errno(0))
			require.NoError(t, unix.Close(int(fd)))
		}},
	{"Ring.RegisterFiles", "hands 64-bit numbers to a kernel that reads 32: every second file is descriptor 0",
		func(t *testing.T) {
			r := newRing(t, 0)
			var fds []int
			for _, content := range []string{"a", "b"} {
				name := filepath.Join(t.TempDir(), "file")
				require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
				f, err := os.Open(name)
				require.NoError(t, err)
				defer f.Close()
				fds = append(fds, int(f.Fd()))
			}
			_, err := r.RegisterFiles(fds)
			require.NoError(t, err)
			require.Equal(t, "a", readFixed(t, r, 0))
			require.NotEqual(t, "b", readFixed(t, r, 1))
		}},
	{"Ring.RegisterFiles, RegisterFilesTags, RegisterFilesSparse", "drop the errno",
		func(t *testing.T) {
			n, err := newRing(t, 0).RegisterFiles([]int{1 << 29})
			require.NoError(t, err)
			require.Equal(t, ^uint(0), n)
		}},
	{"Ring.RegisterIOWQMaxWorkers", "hands 64-bit numbers to a kernel that reads 32: the second limit is not set",
		func(t *testing.T) {
			runtime.LockOSThread() // for good: the limits end with the thread
			r := newRing(t, 0)
			_, err := r.RegisterIOWQMaxWorkers([]uint{7, 9})
			require.NoError(t, err)
			var old [2]uint32
			_, errno := r.Register(r.RingFd(), upstream.RegisterIOWQMaxWorkers, unsafe.Pointer(&old), 2)
			require.Zero(t, errno)
			require.Equal(t, uint32(7), old[0])
			require.NotEqual(t, uint32(9), old[1])
		}},
	{"Ring.UnregisterRingFd", "refuses exactly the rings that are registered",
		func(t *testing.T) {
			runtime.LockOSThread() // for good: the registration ends with the thread
			r := newRing(t, 0)
			_, err := r.RegisterRingFd()
			require.NoError(t, err)
			_, err = r.UnregisterRingFd()
			require.ErrorIs(t, err, unix.EINVAL)
		}},
	{"Ring.QueueInitMem", "computes sizes of nothing, so that the entries and the queues lie on each other",
		func(t *testing.T) {
			mem, err := unix.Mmap(-1, 0, 1<<21, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
			require.NoError(t, err)
			defer func() { require.NoError(t, unix.Munmap(mem)) }()
			r, p := upstream.NewRing(), new(upstream.Params)
			if r.QueueInitMem(8, p, unsafe.Pointer(&mem[0]), uint64(len(mem))) == nil {
				defer r.QueueExit()
			}
			// The fields are not exported: sq_off.user_addr and cq_off.user_addr.
			words := (*[15]uint64)(unsafe.Pointer(p))
			require.NotZero(t, words[9])
			require.Equal(t, words[9], words[14])
		}},
}

func TestDefects(t *testing.T) {
	for _, d := range defects {
		t.Run(d.name, func(t *testing.T) {
			t.Log(d.reason)
			d.proof(t)
		})
	}
}

func newRing(t *testing.T, flags uint32) *upstream.Ring {
	r := upstream.NewRing()
	require.NoError(t, r.QueueInit(8, flags))
	t.Cleanup(r.QueueExit)
	return r
}

// readFixed reads from the registered file, or returns the error's name.
func readFixed(t *testing.T, r *upstream.Ring, index int) string {
	b := make([]byte, 1)
	e := r.GetSQE()
	*e = entry{}
	e.PrepareRead(index, address(&b[0]), 1, 0)
	e.Flags = upstream.SqeFixedFile
	_, err := r.SubmitAndWait(1)
	require.NoError(t, err)
	c, err := r.WaitCQE()
	require.NoError(t, err)
	res := c.Res
	r.CQESeen(c)
	if res < 0 {
		return unix.Errno(-res).Error()
	}
	return string(b[:res])
}
