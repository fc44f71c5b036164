// Mixednet is the server of the mixed workload as package net and package os have it: a goroutine per connection, which receives, reads
// the block and replies.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/proactor-go/proactor/bench/disk/internal/wire"
	"github.com/proactor-go/proactor/loop"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mixednet:", err)
		os.Exit(1)
	}
}

func run() error {
	addr, name, err := wire.ServerFlags(nil)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(name, wire.OpenFlags, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	wire.Interrupted(func() { ln.Close() })
	fmt.Println("listening on", ln.Addr())
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil { // out of descriptors, most likely: some connection will end
			fmt.Fprintln(os.Stderr, "mixednet:", err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go serve(c, file)
	}
}

// serve ends when the client is gone, or has asked for a block that is not there.
func serve(c net.Conn, file *os.File) {
	defer c.Close()
	message, block := make([]byte, wire.Size), loop.AlignedBuffer(wire.BlockSize)
	for {
		if _, err := io.ReadFull(c, message); err != nil {
			return
		}
		if _, err := file.ReadAt(block, wire.Offset(message)); err != nil {
			return
		}
		wire.Reply(message, block)
		if _, err := c.Write(message); err != nil {
			return
		}
	}
}
