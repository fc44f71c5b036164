package main

import (
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/bench/disk/internal/job"
	"github.com/proactor-go/proactor/bench/disk/internal/pattern"
	"github.com/proactor-go/proactor/bench/disk/internal/wire"
)

// load runs the client against a server that is wrong from request number lies on.
func load(t *testing.T, lies int) (uint64, error) {
	name := filepath.Join(t.TempDir(), "blocks")
	require.NoError(t, job.MakeFile(name, 1<<20))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(c, lies)
		}
	}()
	c := &client{
		addr: ln.Addr().String(), file: name, conns: 3,
		meter: job.Meter{Warmup: 10 * time.Millisecond, Duration: 300 * time.Millisecond},
	}
	r, err := c.measure()
	return r.Ops, err
}

func serve(c net.Conn, lies int) {
	defer c.Close()
	message, block := make([]byte, wire.Size), make([]byte, wire.BlockSize)
	for n := 0; ; n++ {
		if _, err := io.ReadFull(c, message); err != nil {
			return
		}
		off := wire.Offset(message)
		if n >= lies {
			off += wire.BlockSize
		}
		pattern.Fill(block, off, pattern.Base)
		wire.Reply(message, block)
		if _, err := c.Write(message); err != nil {
			return
		}
	}
}

func TestHonestServer(t *testing.T) {
	ops, err := load(t, 1<<30)
	require.NoError(t, err)
	require.NotZero(t, ops)
}

func TestWrongBlock(t *testing.T) {
	_, err := load(t, 5)
	require.ErrorContains(t, err, "wrong bytes")
}
