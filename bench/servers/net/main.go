// Net is the echo server on package net: a goroutine for each connection that reads into a buffer and writes it back.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"time"
)

// bufferSize is what the event loops among the peers read at once. io.Copy's 32 KiB cost a third more for messages of 64 KiB and save no
// memory, as a page counts only once it was written. io.Copy itself would splice(2) from one TCP connection to the other, which
// costs more for small messages and holds a pipe, two descriptors, for each connection.
const bufferSize = 64 << 10

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "IP address and port to listen on")
	flag.Parse()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", ln.Addr())
	for {
		c, err := ln.Accept()
		if err != nil { // out of descriptors, as a rule
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go echo(c)
	}
}

func echo(c net.Conn) {
	defer c.Close()
	buf := make([]byte, bufferSize)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}
