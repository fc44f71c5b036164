// Gaio is the echo server on gaio, which has the interface of a proactor on top of epoll: reads and writes are started, and their
// results collected.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/xtaci/gaio"
)

// bufferSize is as large as that of the server on package net. Each connection has its own, because data in the watcher's shared buffer
// is valid only until the next WaitIO, and a write takes longer.
const bufferSize = 64 << 10

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "IP address and port to listen on")
	flag.Parse()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	w, err := gaio.NewWatcher()
	if err != nil {
		log.Fatal(err)
	}
	go echo(w)
	fmt.Println("listening on", ln.Addr())
	for {
		c, err := ln.Accept()
		if err != nil { // out of descriptors, as a rule
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if err := w.Read(nil, c, make([]byte, bufferSize)); err != nil {
			log.Fatal(err)
		}
	}
}

// echo has one operation in flight for each connection.
func echo(w *gaio.Watcher) {
	for {
		results, err := w.WaitIO()
		if err != nil {
			log.Fatal(err)
		}
		for _, r := range results {
			switch r.Operation {
			case gaio.OpRead:
				if r.Error == nil {
					err = w.Write(nil, r.Conn, r.Buffer[:r.Size])
				}
			case gaio.OpWrite:
				if r.Error == nil {
					err = w.Read(nil, r.Conn, r.Buffer[:cap(r.Buffer)])
				}
			default: // a failed Free
				continue
			}
			if r.Error != nil {
				err = w.Free(r.Conn)
				_ = r.Conn.Close() // which the watcher has done, unless it could not take it over
			}
			if err != nil {
				log.Fatal(err)
			}
		}
	}
}
