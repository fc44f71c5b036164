// Mixedload is the client of the mixed workload, in a closed loop: each connection asks for a random block of the server's file, checks the
// reply against what the file contains, and asks for the next.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"github.com/proactor-go/proactor/bench/disk/internal/job"
	"github.com/proactor-go/proactor/bench/disk/internal/wire"
	"github.com/proactor-go/proactor/bench/internal/result"
)

func main() {
	var c client
	flag.StringVar(&c.addr, "addr", "127.0.0.1:7000", "IP address and port of the server")
	flag.StringVar(&c.file, "file", "", "the file that the server reads")
	flag.IntVar(&c.conns, "conns", 64, "number of connections")
	flag.IntVar(&c.meter.PID, "pid", 0, "the server's process, to measure what it uses")
	flag.DurationVar(&c.meter.Warmup, "warmup", 500*time.Millisecond, "time before the measured window")
	flag.DurationVar(&c.meter.Duration, "duration", 2*time.Second, "length of the measured window")
	flag.Parse()
	r, err := c.measure()
	if err == nil {
		err = r.Write(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mixedload:", err)
		os.Exit(1)
	}
}

type client struct {
	addr   string
	file   string
	conns  int
	blocks int64
	meter  job.Meter
}

func (c *client) measure() (result.Result, error) {
	info, err := os.Stat(c.file)
	if err != nil {
		return result.Result{}, err
	}
	if c.blocks = info.Size() / wire.BlockSize; c.blocks == 0 || c.conns < 1 {
		return result.Result{}, errors.New("nothing to ask for")
	}
	r, err := c.meter.Measure(c.work)
	r.Bytes = r.Ops * wire.Size
	return r, err
}

func (c *client) work() error {
	var lanes []*job.Lane
	for range c.conns {
		lanes = append(lanes, c.meter.Lane())
	}
	var all sync.WaitGroup
	for i, lane := range lanes {
		all.Go(func() {
			if err := c.ask(i, lane); err != nil {
				c.meter.Fail(err)
			}
		})
	}
	all.Wait()
	return nil
}

// patience is how long a reply may take.
const patience = 5 * time.Second

func (c *client) ask(i int, lane *job.Lane) error {
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(c.meter.Warmup + c.meter.Duration + patience)); err != nil {
		return err
	}
	b := make([]byte, wire.Size)
	for id := uint64(i) << 32; !c.meter.Stopped(); id++ {
		off := rand.Int64N(c.blocks) * wire.BlockSize
		begin := lane.Begin()
		wire.Request(b, id, off)
		if _, err := conn.Write(b); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, b); err != nil {
			return err
		}
		if err := wire.Check(b, id, off); err != nil {
			return err
		}
		lane.Done(begin)
	}
	return nil
}
