// Package wire is the protocol of the mixed workload: a request names a block of the server's file, the reply carries the request's
// number and the beginning of that block.
package wire

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/bench/disk/internal/pattern"
)

// Sizes in bytes. Requests and replies are as long as each other.
const (
	Size      = 64
	BlockSize = 4096
)

// OpenFlags bypass the page cache: each request waits for the disk.
const OpenFlags = os.O_RDONLY | unix.O_DIRECT

// Request writes a request to b.
func Request(b []byte, id uint64, off int64) {
	binary.LittleEndian.PutUint64(b, id)
	binary.LittleEndian.PutUint64(b[8:], uint64(off))
}

// Offset returns which block the request b is for.
func Offset(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b[8:])) }

// Reply turns the request b into the reply to it.
func Reply(b, block []byte) { copy(b[8:Size], block) }

// Check looks at the reply b to request id for the block at off.
func Check(b []byte, id uint64, off int64) error {
	if got := binary.LittleEndian.Uint64(b); got != id {
		return fmt.Errorf("a reply to request %d, not to %d", got, id)
	}
	return pattern.CheckAll(b[8:Size], off, pattern.Base)
}

// ServerFlags reads the flags of a server. add may be nil, or adds others.
func ServerFlags(add func()) (addr, file string, err error) {
	flag.StringVar(&addr, "addr", "127.0.0.1:7000", "IP address and port to listen on")
	flag.StringVar(&file, "file", "", "the file to read, made by prepare")
	if add != nil {
		add()
	}
	flag.Parse()
	if file == "" {
		return "", "", errors.New("-file is missing")
	}
	return addr, file, nil
}

// Interrupted calls fn when the server is asked to end.
func Interrupted(fn func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-c
		fn()
	}()
}
