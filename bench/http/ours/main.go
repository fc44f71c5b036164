// Ours is the HTTP server on package loop: one loop on one thread serves all connections.
package main

import (
	"flag"
	"fmt"
	"log"

	"github.com/proactor-go/proactor/loop"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "IP address and port to listen on")
	backend := flag.String("backend", "auto", "auto, uring, epoll or poll")
	flag.Parse()
	l, err := loop.New(loop.Options{Backend: *backend})
	if err != nil {
		log.Fatal(err)
	}
	ln, err := l.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	ln.Accept(func(c *loop.Conn, err error) {
		if err != nil {
			log.Fatal(err)
		}
		serve(c)
	})
	fmt.Printf("listening on %v, backend %s\n", ln.Addr(), l.Backend())
	log.Fatal(l.Run())
}
