package ring

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Every operation of the vocabulary once, with its effect looked at from outside.

func TestFileOperations(t *testing.T) {
	f := bound(t, Options{})
	dir := t.TempDir()
	at, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	f.NoError(err)
	defer unix.Close(at)
	in := func(name string) string { return filepath.Join(dir, name) }
	// run skips what an older kernel does not have; then the test has nothing to look at.
	run := func(s *SQE) bool {
		res := f.do(s)
		if !f.Features().Supports(s.Opcode) {
			f.Equal(errno(unix.EOPNOTSUPP), res)
			return false
		}
		f.Zero(res, "%v: %v", s.Opcode, unix.Errno(-res))
		return true
	}

	fd := f.do(&SQE{
		Opcode: OpOpenat, FD: int32(at), Addr: path("file"),
		OpFlags: unix.O_CREAT | unix.O_RDWR | unix.O_CLOEXEC, Arg: 0o640,
	})
	f.Positive(fd)
	mode, err := os.Stat(in("file"))
	f.NoError(err)
	f.Equal(os.FileMode(0o640), mode.Mode())
	f.Equal(errno(unix.ENOENT), f.do(&SQE{Opcode: OpOpenat, FD: int32(at), Addr: path("none")}))

	hello := []byte("hello, world")
	write := &SQE{Opcode: OpWrite, FD: fd, Addr: unsafe.Pointer(&hello[0]), Len: 12, Off: 4, Flags: MayBlock}
	f.EqualValues(12, f.do(write))
	head, tail := []byte("abcd"), []byte("!")
	vec := []Iovec{{Base: &head[0], Len: 4}, {Base: &tail[0], Len: 1}}
	f.EqualValues(5, f.do(&SQE{Opcode: OpWritev, FD: fd, Addr: unsafe.Pointer(&vec[0]), Len: 1 + 1, Flags: MayBlock}))
	f.Zero(f.do(&SQE{Opcode: OpFsync, FD: fd}))
	f.Zero(f.do(&SQE{Opcode: OpFsync, FD: fd, OpFlags: FsyncData}))

	buf := make([]byte, 32)
	f.EqualValues(16, f.do(&SQE{Opcode: OpRead, FD: fd, Addr: unsafe.Pointer(&buf[0]), Len: 32, Flags: MayBlock}))
	f.Equal("abcd!ello, world", string(buf[:16]))
	f.EqualValues(16, f.do(&SQE{Opcode: OpRead, FD: fd, Addr: unsafe.Pointer(&buf[0]), Len: 1 << 40, Flags: MayBlock}))
	for _, want := range []string{"abcd", "!ell"} { // at the file's own position
		f.EqualValues(4, f.do(&SQE{Opcode: OpRead, FD: fd, Addr: unsafe.Pointer(&buf[0]), Len: 4, Off: -1, Flags: MayBlock}))
		f.Equal(want, string(buf[:4]))
	}
	vec = []Iovec{{Base: &buf[0], Len: 2}, {Base: &buf[16], Len: 8}}
	f.EqualValues(10, f.do(&SQE{Opcode: OpReadv, FD: fd, Addr: unsafe.Pointer(&vec[0]), Len: 2, Off: 4, Flags: MayBlock}))
	f.Equal("!e llo, wor", string(buf[:2])+" "+string(buf[16:24]))

	f.Zero(f.do(&SQE{Opcode: OpFallocate, FD: fd, Off: 0, Len: 5000}))
	stat := new(Statx)
	f.Zero(f.do(&SQE{
		Opcode: OpStatx, FD: int32(at), Addr: path("file"),
		OpFlags: unix.AT_SYMLINK_NOFOLLOW, Arg: unix.STATX_SIZE, Addr2: unsafe.Pointer(stat),
	}))
	f.EqualValues(5000, stat.Size)
	if run(&SQE{Opcode: OpFtruncate, FD: fd, Off: 7}) {
		f.Zero(f.do(&SQE{
			Opcode: OpStatx, FD: fd, Addr: path(""),
			OpFlags: unix.AT_EMPTY_PATH, Arg: unix.STATX_SIZE, Addr2: unsafe.Pointer(stat),
		}))
		f.EqualValues(7, stat.Size)
	}
	f.Zero(f.do(&SQE{Opcode: OpClose, FD: fd}))
	f.Equal(errno(unix.EBADF), f.do(&SQE{Opcode: OpClose, FD: fd}))

	to := uint32(at)
	if run(&SQE{Opcode: OpMkdirat, FD: int32(at), Addr: path("sub"), Arg: 0o755}) {
		f.DirExists(in("sub"))
	}
	if run(&SQE{Opcode: OpLinkat, FD: int32(at), Addr: path("file"), Arg: to, Addr2: path("hard")}) {
		f.FileExists(in("hard"))
	}
	if run(&SQE{Opcode: OpSymlinkat, Addr: path("file"), FD: int32(at), Addr2: path("soft")}) {
		target, err := os.Readlink(in("soft"))
		f.NoError(err)
		f.Equal("file", target)
	}
	if run(&SQE{Opcode: OpRenameat, FD: int32(at), Addr: path("file"), Arg: to, Addr2: path("moved")}) {
		f.FileExists(in("moved"))
		f.NoFileExists(in("file"))
		f.Equal(errno(unix.EEXIST), f.do(&SQE{
			Opcode: OpRenameat, FD: int32(at), Addr: path("moved"), Arg: to, Addr2: path("hard"),
			OpFlags: unix.RENAME_NOREPLACE,
		}))
		f.Zero(f.do(&SQE{Opcode: OpUnlinkat, FD: int32(at), Addr: path("moved")}))
		f.NoFileExists(in("moved"))
		f.Zero(f.do(&SQE{Opcode: OpUnlinkat, FD: int32(at), Addr: path("sub"), OpFlags: unix.AT_REMOVEDIR}))
		f.NoDirExists(in("sub"))
	}
}

func TestSocketOperations(t *testing.T) {
	f := bound(t, Options{})
	ln, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	f.NoError(err)
	defer unix.Close(ln)
	f.NoError(unix.Bind(ln, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	f.NoError(unix.Listen(ln, 8))
	addr := new(RawSockaddrAny)
	name, err := unix.Getsockname(ln)
	f.NoError(err)
	in4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(addr))
	in4.Family, in4.Addr = unix.AF_INET, [4]byte{127, 0, 0, 1}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&in4.Port))[:], uint16(name.(*unix.SockaddrInet4).Port))

	client, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	f.NoError(err)
	defer unix.Close(client)
	peer, peerLen := new(RawSockaddrAny), uint32(unix.SizeofSockaddrAny)
	accept := f.start(&SQE{
		Opcode: OpAccept, FD: int32(ln), OpFlags: unix.SOCK_CLOEXEC,
		Addr: unsafe.Pointer(peer), Addr2: unsafe.Pointer(&peerLen),
	})
	connect := f.start(&SQE{
		Opcode: OpConnect, FD: int32(client), Addr: unsafe.Pointer(addr), Len: unix.SizeofSockaddrInet4,
	})
	res := f.results(accept, connect)
	f.Zero(res[1])
	server := res[0]
	f.Positive(server)
	f.EqualValues(unix.SizeofSockaddrInet4, peerLen)
	f.EqualValues(unix.AF_INET, peer.Addr.Family)

	hello := []byte("hello")
	send := &SQE{
		Opcode: OpSend, FD: int32(client), Addr: unsafe.Pointer(&hello[0]), Len: 5,
		OpFlags: unix.MSG_NOSIGNAL, Flags: Stream,
	}
	f.EqualValues(5, f.do(send))
	f.EqualValues(unix.POLLIN, f.do(&SQE{Opcode: OpPollAdd, FD: server, OpFlags: unix.POLLIN}))
	buf := make([]byte, 16)
	peek := recv(server, buf)
	peek.OpFlags = unix.MSG_PEEK
	f.EqualValues(5, f.do(peek))
	f.EqualValues(5, f.do(recv(server, buf)))
	f.Equal("hello", string(buf[:5]))

	vec := []Iovec{{Base: &hello[0], Len: 2}, {Base: &hello[2], Len: 3}}
	msg := &Msghdr{Iov: &vec[0]}
	msg.SetIovlen(2)
	f.EqualValues(5, f.do(&SQE{Opcode: OpSendmsg, FD: server, Addr: unsafe.Pointer(msg), OpFlags: unix.MSG_NOSIGNAL}))
	in := []Iovec{{Base: &buf[8], Len: 8}}
	msg = &Msghdr{Iov: &in[0]}
	msg.SetIovlen(1)
	f.EqualValues(5, f.do(&SQE{Opcode: OpRecvmsg, FD: int32(client), Addr: unsafe.Pointer(msg)}))
	f.Equal("hello", string(buf[8:13]))

	// PollFirst is a hint: there is data, and it comes.
	f.write(int32(client), "x")
	s := recv(server, buf)
	s.Flags |= PollFirst
	f.EqualValues(1, f.do(s))
	send.FD, send.Flags = server, Stream|PollFirst
	f.EqualValues(5, f.do(send))

	f.Zero(f.do(&SQE{Opcode: OpShutdown, FD: int32(client), OpFlags: unix.SHUT_WR}))
	f.Zero(f.do(recv(server, buf)))
	f.Zero(f.do(&SQE{Opcode: OpClose, FD: server}))
}

func TestMultishot(t *testing.T) {
	f := bound(t, Options{})
	a, b := f.pair()
	s := f.start(&SQE{Opcode: OpPollAdd, FD: a, OpFlags: unix.POLLIN, Flags: Multishot})
	f.idle()
	for range 3 {
		f.write(b, "x")
		c := f.next()
		f.EqualValues(unix.POLLIN, c.Res)
		f.Equal(f.Features().Has(MultishotPoll), c.More())
	}
	stop := f.start(cancel(s))
	f.Equal([]int32{errno(unix.ECANCELED), 0}, f.results(s, stop))
}

func TestCancel(t *testing.T) {
	f := bound(t, Options{})
	a, b := f.pair()
	gone := errno(unix.ECANCELED)
	buf := make([]byte, 4)
	one, two, other := f.start(recv(a, buf)), f.start(recv(a, buf)), f.start(recv(b, buf))
	f.idle()
	stop := f.start(cancel(two))
	f.Equal([]int32{gone, 0}, f.results(two, stop))
	f.Equal(errno(unix.ENOENT), f.do(cancel(two)))

	if !f.Features().Has(CancelByFD) {
		return
	}
	two = f.start(recv(a, buf))
	stop = f.start(&SQE{Opcode: OpCancel, FD: a, OpFlags: CancelFD | CancelAll})
	f.Equal([]int32{gone, gone, 2}, f.results(one, two, stop))
	stop = f.start(&SQE{Opcode: OpCancel, FD: b, OpFlags: CancelFD})
	f.Equal([]int32{gone, 0}, f.results(other, stop))

	// The read that waits for a wake is in the ring too. It is not counted, and it is back when needed.
	for range 3 {
		one, other = f.start(recv(a, buf)), f.start(recv(b, buf))
		f.NoError(f.Enter(1e6))
		stop = f.start(&SQE{Opcode: OpCancel, FD: -1, OpFlags: CancelAny | CancelAll})
		f.Equal([]int32{gone, gone, 2}, f.results(one, other, stop))
		f.Zero(f.do(stop))
		f.NoError(f.Wake())
		f.NoError(f.Enter(-1))
		f.idle()
	}
}

func TestMsgRing(t *testing.T) {
	f := bound(t, Options{})
	if !f.Features().Supports(OpMsgRing) {
		f.Equal(errno(unix.EOPNOTSUPP), f.do(&SQE{Opcode: OpMsgRing}))
		return
	}
	target := make(chan int)
	got := make(chan CQE)
	closed := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		r, err := New(Options{})
		if err == nil {
			err = r.Bind()
		}
		if err != nil {
			t.Error(err)
		}
		target <- r.FD()
		var c [1]CQE
		for r.Reap(c[:]) == 0 {
			if err := r.Enter(patience); err != nil {
				t.Error(err)
				break
			}
		}
		got <- c[0]
		<-target
		closed <- r.Close()
	}()
	f.Zero(f.do(&SQE{Opcode: OpMsgRing, FD: int32(<-target), Off: 0x123456789a, Arg: 77}))
	f.Equal(CQE{UserData: 0x123456789a, Res: 77}, <-got)
	target <- 0
	f.NoError(<-closed)
}
