//go:build unix

package loop_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"

	"github.com/proactor-go/proactor/loop"
)

// A server hands its client an open file: the client reads from it although it could not open it by its name.
func ExampleConn_SendFDs() {
	l := newLoop()
	defer l.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ln, err := l.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		log.Fatal(err)
	}
	ln.Accept(func(c *loop.Conn, err error) {
		if err != nil {
			return
		}
		ln.Close(nil) // removes the socket's file too
		r, w, err := os.Pipe()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprint(w, "for your eyes only")
		w.Close()
		c.SendFDs([]byte("here you are"), []int{int(r.Fd())}, func(_ []byte, err error) {
			r.Close() // from here on only the client has it
			c.Close(nil)
		})
	})
	l.Dial("unix", ln.Addr().String(), func(c *loop.Conn, err error) {
		if err != nil {
			log.Fatal(err)
		}
		c.RecvFDs(make([]byte, 64), func(b []byte, fds []int, err error) {
			if err != nil {
				log.Fatal(err)
			}
			file := os.NewFile(uintptr(fds[0]), "received")
			defer file.Close()
			text, err := io.ReadAll(file)
			fmt.Printf("%s: %s, %v\n", b, text, err)
			c.Close(nil)
		})
	})
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// here you are: for your eyes only, <nil>
}

// A listener that package net has made, or the service manager has passed, goes on within the loop.
func ExampleLoop_AdoptListener() {
	l := newLoop()
	defer l.Close()
	theirs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ln, err := l.AdoptListener(theirs.(*net.TCPListener))
	if err != nil {
		log.Fatal(err)
	}
	theirs.Close() // the loop has a descriptor of its own
	ln.Accept(func(c *loop.Conn, err error) {
		if err == nil {
			c.Send([]byte("adopted"), func([]byte, error) { c.Close(nil) })
			ln.Close(nil)
		}
	})
	l.Dial("tcp", ln.Addr().String(), func(c *loop.Conn, err error) {
		if err != nil {
			log.Fatal(err)
		}
		c.Recv(make([]byte, 16), func(b []byte, err error) {
			fmt.Printf("%s, %v\n", b, err)
			c.Close(nil)
		})
	})
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// adopted, <nil>
}
