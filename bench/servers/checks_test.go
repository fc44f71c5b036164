package servers_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/proactor-go/proactor/bench/internal/servertest"
)

// A check returns what a server does wrong. It has the server for itself.
type check struct {
	name  string
	under []string // the command that starts the server
	run   func(t *testing.T, s *servertest.Server) error
}

var checks = []check{
	{name: "1 B", run: echoes(1, 1000)},
	{name: "64 B", run: echoes(64, 1000)},
	{name: "1 KiB", run: echoes(1<<10, 500)},
	{name: "16 KiB", run: echoes(16<<10, 100)},
	{name: "64 KiB", run: echoes(64<<10, 50)},
	{name: "1 MiB", run: echoes(1<<20, 5)},
	{name: "half close", run: halfClose},
	{name: "reset", run: reset},
	{name: "500 connections", run: manyConnections},
	{name: "slow readers", run: slowReaders},
	{name: "out of descriptors", run: outOfDescriptors, under: []string{"prlimit", "--nofile=64:64"}},
}

// echoes sends count messages over each of 20 connections, in one go: how they are split into packets is up to the kernel.
func echoes(size, count int) func(t *testing.T, s *servertest.Server) error {
	return func(t *testing.T, s *servertest.Server) error {
		return together(t, s, 20, func(c *servertest.Conn, i int) error {
			return exchange(c, i, size, count)
		})
	}
}

// together runs f on so many connections at the same time.
func together(t *testing.T, s *servertest.Server, connections int, f func(c *servertest.Conn, i int) error) error {
	var group errgroup.Group
	for i := range connections {
		c, err := s.Dial(t)
		if err != nil {
			return err
		}
		group.Go(func() error {
			if err := f(c, i); err != nil {
				return fmt.Errorf("connection %d: %w", i, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// exchange writes messages without waiting for their echo, and reads it meanwhile.
func exchange(c *servertest.Conn, i, size, count int) error {
	wrote := make(chan error, 1)
	go func() {
		for n := range count {
			if _, err := c.Write(pattern(i, n*size, size)); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	if err := expect(c, i, 0, size*count); err != nil {
		c.Close() // or the writer would not end
		<-wrote
		return err
	}
	return <-wrote
}

// halfClose has a client end its side before it reads. What it sent is more than the server's send buffer takes.
func halfClose(t *testing.T, s *servertest.Server) error {
	const size, count = 64 << 10, 128
	return together(t, s, 8, func(c *servertest.Conn, i int) error {
		if err := c.SetReadBuffer(64 << 10); err != nil { // or it grows to many megabytes
			return err
		}
		wrote := make(chan error, 1)
		go func() {
			var err error
			for n := 0; n < count && err == nil; n++ {
				_, err = c.Write(pattern(i, n*size, size))
			}
			wrote <- errors.Join(err, c.CloseWrite())
		}()
		time.Sleep(300 * time.Millisecond) // a server that holds its peer back has stopped receiving by now, another has all of it
		if err := expect(c, i, 0, size*count); err != nil {
			return err
		}
		n, err := c.Read(make([]byte, 1))
		switch {
		case n > 0:
			return errors.New("more bytes than were sent")
		case err != io.EOF:
			return fmt.Errorf("after the last byte: %w", err)
		}
		return <-wrote
	})
}

// reset has clients vanish with data on its way in both directions. Others must not notice.
func reset(t *testing.T, s *servertest.Server) error {
	for range 3 {
		err := together(t, s, 50, func(c *servertest.Conn, i int) error {
			if _, err := c.Write(pattern(i, 0, 30_000)); err != nil {
				return err
			}
			return errors.Join(c.SetLinger(0), c.Close()) // RST
		})
		if err != nil {
			return err
		}
		if err := echoes(1<<10, 100)(t, s); err != nil {
			return err
		}
	}
	return nil
}

func manyConnections(t *testing.T, s *servertest.Server) error {
	return together(t, s, 500, func(c *servertest.Conn, i int) error {
		for range 3 {
			if err := exchange(c, i, 64, 1); err != nil {
				return err
			}
		}
		return nil
	})
}

// slowReaders send and do not read. Others must not notice, and in the end every byte is there.
func slowReaders(t *testing.T, s *servertest.Server) error {
	const connections, size, count = 32, 64 << 10, 128
	begin := make(chan struct{})
	var slow errgroup.Group
	for i := range connections {
		c, err := s.Dial(t)
		if err != nil {
			return err
		}
		if err := c.SetReadBuffer(64 << 10); err != nil { // or the kernel's own buffers grow to many megabytes
			return err
		}
		slow.Go(func() error {
			for n := range count {
				if _, err := c.TCPConn.Write(pattern(i, n*size, size)); err != nil {
					return err
				}
			}
			return nil
		})
		slow.Go(func() error {
			defer c.Close() // if bytes are missing, the writer would never end
			<-begin
			return expect(c, i, 0, size*count)
		})
	}
	time.Sleep(500 * time.Millisecond) // by now they are stuck, or the check is weaker
	others := echoes(1<<10, 500)(t, s)
	close(begin)
	return errors.Join(others, slow.Wait())
}

// outOfDescriptors opens more connections than the server may have, closes them, and expects it to serve again.
func outOfDescriptors(t *testing.T, s *servertest.Server) error {
	var conns []*servertest.Conn
	for range 100 {
		c, err := s.Dial(t)
		if err != nil {
			break // the backlog is full or closed
		}
		conns = append(conns, c)
	}
	time.Sleep(200 * time.Millisecond)
	for _, c := range conns {
		c.Close()
	}
	var err error
	for end := time.Now().Add(servertest.Hung / 2); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = echoes(64, 10)(t, s); err == nil || !s.Running() {
			break
		}
	}
	if !s.Running() {
		return errors.New("the server has ended")
	}
	return err
}

// noise is what connections send, each from another offset. It repeats after a prime number of bytes.
var noise = func() []byte {
	b := make([]byte, 65521)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return bytes.Repeat(b, 18)
}()

// pattern returns size bytes, up to 1 MiB, of what connection i sends, from offset at.
func pattern(i, at, size int) []byte {
	start := (at + i*1009) % 65521
	return noise[start : start+size]
}

// expect reads what connection i has sent, size bytes from offset at.
func expect(c *servertest.Conn, i, at, size int) error {
	b := make([]byte, 64<<10)
	for size > 0 {
		n, err := c.Read(b[:min(len(b), size)])
		if !bytes.Equal(b[:n], pattern(i, at, n)) {
			return fmt.Errorf("other bytes within %d to %d", at, at+n)
		}
		at, size = at+n, size-n
		if err != nil && size > 0 {
			return fmt.Errorf("%w with %d bytes to come", err, size)
		}
	}
	return nil
}
