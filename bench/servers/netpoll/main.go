// Netpoll is the echo server on cloudwego's netpoll: its poller reads into linked buffers, and a goroutine for each readable connection
// writes them back.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"

	"github.com/cloudwego/netpoll"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "IP address and port to listen on")
	flag.Parse()
	// The handler needs no large stack, and then the guide advises against the goroutine pool. One poller is the default for
	// fewer than 20 processors.
	if err := netpoll.Configure(netpoll.Config{Runner: func(_ context.Context, f func()) { go f() }}); err != nil {
		log.Fatal(err)
	}
	ln, err := netpoll.CreateListener("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	loop, err := netpoll.NewEventLoop(echo)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", ln.Addr())
	log.Fatal(loop.Serve(ln))
}

// echo lends the reader's memory to the writer (WriteBinary copies only what is short) and gives it back when all of it is sent: until
// then Flush blocks.
func echo(_ context.Context, c netpoll.Connection) error {
	r, w := c.Reader(), c.Writer()
	b, err := r.Next(r.Len())
	if err != nil {
		return err
	}
	if _, err := w.WriteBinary(b); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return r.Release()
}
