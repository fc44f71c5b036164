// Giouring is the echo server on a bare giouring ring, with everything that makes such a server fast: multishot accept and
// receive, a ring of provided buffers, direct descriptors, DEFER_TASKRUN and a registered ring descriptor, on one locked thread.
//
// It must be built with -ldflags=-checklinkname=0, since giouring refers to private functions of package syscall. It uses none of
// giouring's Prepare helpers: many hand the kernel the address of a stack variable, or leave fields of an older entry as they
// are. The entries are filled in here, and all memory that the kernel reads or writes later is mapped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "IP address and port to listen on")
	flag.Parse()
	runtime.LockOSThread() // SINGLE_ISSUER: only the thread that makes the ring may enter it
	if err := run(*addr); err != nil {
		log.Fatal(err)
	}
}

func run(addr string) error {
	config := net.ListenConfig{Control: setNoDelay}
	ln, err := config.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	s, err := newServer(int32(file.Fd()))
	if err != nil {
		return err
	}
	fmt.Println("listening on", ln.Addr())
	return s.run()
}

// setNoDelay sets TCP_NODELAY on the listening socket, from which accepted ones inherit it.
func setNoDelay(_, _ string, c syscall.RawConn) error {
	var err error
	controlErr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	})
	return errors.Join(controlErr, err)
}
