// Udpgnet is the UDP echo server on gnet: a handler that runs on an event loop, on epoll.
package main

import (
	"flag"
	"fmt"
	"log"

	"github.com/panjf2000/gnet/v2"
)

type server struct {
	gnet.BuiltinEventEngine
	addr string
}

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "IP address and port to listen on")
	flag.Parse()
	log.Fatal(gnet.Run(&server{addr: *addr}, "udp://"+*addr,
		gnet.WithNumEventLoop(1), // as many as the benchmark gives it cores
		gnet.WithReuseAddr(true)))
}

func (s *server) OnBoot(gnet.Engine) gnet.Action {
	fmt.Println("listening on", s.addr)
	return gnet.None
}

// OnTraffic gets one datagram, in the loop's own buffer.
func (s *server) OnTraffic(c gnet.Conn) gnet.Action {
	b, err := c.Next(-1)
	if err == nil {
		_, _ = c.Write(b) // what cannot be sent is lost
	}
	return gnet.None
}
