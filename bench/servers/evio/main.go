// Evio is the echo server on evio: a handler that runs on an event loop, on epoll. evio is no longer maintained. It has no
// way to set TCP_NODELAY, waits for writability before every write, and ends when descriptors run out.
package main

import (
	"flag"
	"fmt"
	"log"

	"github.com/tidwall/evio"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "IP address and port to listen on")
	flag.Parse()
	err := evio.Serve(evio.Events{
		NumLoops: 1, // as many as the benchmark gives it cores
		Serving: func(s evio.Server) evio.Action {
			fmt.Println("listening on", s.Addrs[0])
			return evio.None
		},
		Opened: func(evio.Conn) ([]byte, evio.Options, evio.Action) {
			return nil, evio.Options{ReuseInputBuffer: true}, evio.None // evio copies what it is to write
		},
		Data: func(_ evio.Conn, in []byte) ([]byte, evio.Action) {
			return in, evio.None
		},
	}, "tcp://"+*addr)
	log.Fatal("evio ended: ", err)
}
