// Gnet is the HTTP server on gnet.
package main

import (
	"flag"
	"fmt"
	"log"

	"github.com/panjf2000/gnet/v2"

	"github.com/proactor-go/proactor/bench/http/internal/hello"
)

type server struct {
	gnet.BuiltinEventEngine
	addr string
}

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "IP address and port to listen on")
	flag.Parse()
	log.Fatal(gnet.Run(&server{addr: *addr}, "tcp://"+*addr,
		gnet.WithNumEventLoop(1),
		gnet.WithReuseAddr(true)))
}

func (s *server) OnBoot(gnet.Engine) gnet.Action {
	fmt.Println("listening on", s.addr)
	return gnet.None
}

// OnTraffic leaves the start of a request in gnet's buffer, which has it in front when the rest arrives.
func (s *server) OnTraffic(c gnet.Conn) gnet.Action {
	data, err := c.Peek(-1)
	if err != nil {
		return gnet.Close
	}
	unread := data
	for {
		n, rest, last := hello.Take(unread)
		if n == 0 {
			break
		}
		unread = rest
		if _, err := c.Write(hello.Responses(n)); err != nil || last {
			return gnet.Close
		}
	}
	if len(unread) > hello.MaxRequest {
		return gnet.Close
	}
	used := len(data) - len(unread)
	if used == 0 {
		return gnet.None // to discard nothing means everything
	}
	if _, err := c.Discard(used); err != nil {
		return gnet.Close
	}
	return gnet.None
}
