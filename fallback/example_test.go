//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback_test

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/ring"
)

// The receive is started before there is anything to receive, and its completion comes when it has happened.
func Example() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	queue, err := fallback.New(fallback.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer queue.Close()
	if err := queue.Bind(); err != nil {
		fmt.Println(err)
		return
	}

	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	const receiving, sending = 1, 2
	in, out := make([]byte, 64), []byte("hello")
	queue.Push(&ring.SQE{Opcode: ring.OpRecv, FD: int32(fds[0]), UserData: receiving,
		Addr: unsafe.Pointer(&in[0]), Len: uint64(len(in))})
	queue.Push(&ring.SQE{Opcode: ring.OpSend, FD: int32(fds[1]), UserData: sending,
		Addr: unsafe.Pointer(&out[0]), Len: uint64(len(out))})

	var cqes [8]ring.CQE
	for done := 0; done < 2; {
		if err := queue.Enter(-1); err != nil {
			fmt.Println(err)
			return
		}
		for _, c := range cqes[:queue.Reap(cqes[:])] {
			switch c.UserData {
			case receiving:
				fmt.Printf("received %q\n", in[:c.Res])
			case sending:
				fmt.Printf("sent %d bytes\n", c.Res)
			}
			done++
		}
	}
	for _, fd := range fds {
		queue.Push(&ring.SQE{Opcode: ring.OpClose, FD: int32(fd)})
	}
	if err := queue.Enter(0); err != nil {
		fmt.Println(err)
	}
	// Output:
	// sent 5 bytes
	// received "hello"
}
