// Udpnbio is the UDP echo server on nbio: a handler that runs on a poller, on epoll. nbio keeps a connection for each sender.
package main

import (
	"flag"
	"fmt"
	"log"

	"github.com/lesismal/nbio"
	"github.com/lesismal/nbio/logging"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "IP address and port to listen on")
	flag.Parse()
	logging.SetLevel(logging.LevelError)
	engine := nbio.NewEngine(nbio.Config{
		Network: "udp",
		Addrs:   []string{*addr},
		NPoller: 1, // as many as the benchmark gives it cores
	})
	engine.OnData(func(c *nbio.Conn, b []byte) {
		_, _ = c.Write(b) // what cannot be sent is lost
	})
	if err := engine.Start(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", *addr)
	select {}
}
