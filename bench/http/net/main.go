// Net is the HTTP server on net/http.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
)

var (
	body = []byte("Hello, World!")
	text = []string{"text/plain"}
)

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "IP address and port to listen on")
	flag.Parse()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", ln.Addr())
	log.Fatal(http.Serve(ln, http.HandlerFunc(hello)))
}

func hello(w http.ResponseWriter, _ *http.Request) {
	header := w.Header()
	header["Content-Type"] = text
	header["Date"] = nil // the other servers send none
	_, _ = w.Write(body)
}
