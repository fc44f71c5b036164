// Std runs the micro workloads on the standard library: timers of package time, posts through a channel, Go's own resolver, datagrams of
// package net, children of package os/exec.
package main

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/proactor-go/proactor/bench/micro/internal/micro"
)

func main() {
	micro.Main(micro.Works{
		"timers":    timers,
		"fire":      fire,
		"post":      post,
		"crosspost": crosspost,
		"names":     names,
		"send":      send,
		"spawn":     spawn,
	}, nil)
}

func timers(o *micro.Options) error {
	random := micro.Random(1)
	live := make([]*time.Timer, micro.Live)
	for i := range live {
		live[i] = time.AfterFunc(random.Hours(), func() {})
	}
	for ops := uint64(0); !o.Over(ops); ops += micro.Stride {
		for range micro.Stride {
			t := live[random.Next(micro.Live)]
			t.Stop()
			t.Reset(random.Hours())
		}
	}
	return nil
}

// fire has timers that start themselves anew. Each call is on a goroutine of its own, as the package has it.
func fire(o *micro.Options) error {
	var ops atomic.Uint64
	for range micro.Firing {
		var t *time.Timer
		t = time.AfterFunc(time.Hour, func() {
			ops.Add(1)
			t.Reset(micro.Period)
		})
		t.Reset(micro.Period) // not before t is there for the function to see
	}
	for !o.Over(ops.Load()) {
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

func post(o *micro.Options) error {
	ops := uint64(0)
	run := func() { ops++ }
	posts := make(chan func(), micro.UnderWay)
	go func() {
		for {
			posts <- run
		}
	}()
	for run := range posts {
		if run(); ops%micro.Stride == 0 && o.Over(ops) {
			break
		}
	}
	return nil
}

func send(o *micro.Options) error {
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	c, err := net.DialUDP("udp4", nil, sink.LocalAddr().(*net.UDPAddr))
	if err != nil {
		return err
	}
	data := make([]byte, micro.Burst*micro.Datagram)
	for ops := uint64(0); !o.Over(ops); ops += micro.Burst {
		for at := 0; at < len(data); at += micro.Datagram {
			if _, err := c.Write(data[at : at+micro.Datagram]); err != nil {
				return err
			}
		}
	}
	return nil
}
