package loop_test

import (
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"github.com/proactor-go/proactor/loop"
)

// An event that is emitted before anybody listens is lost. Here nobody can come too late: an operation has its callback when it starts, and calls it later,
// even if its result is known at once.
func Example_listenerTooLate() {
	l := newLoop()
	defer l.Close()
	l.Open("no such file", os.O_RDONLY, 0, func(_ *loop.File, err error) {
		fmt.Println("in the callback:", err)
	})
	fmt.Println("after the call")
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// after the call
	// in the callback: open no such file: no such file or directory
}

// Data that comes before the first receive is not lost either: it stays in the kernel until somebody asks.
func Example_dataBeforeReceive() {
	l := newLoop()
	defer l.Close()
	ln, err := l.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ln.Accept(func(c *loop.Conn, err error) {
		if err != nil {
			return // closed
		}
		l.After(10*time.Millisecond, func() { // meanwhile the data has come, and the end
			c.RecvFull(make([]byte, 5), func(b []byte, err error) {
				fmt.Printf("%s %v\n", b, err)
				c.Close(nil)
				ln.Close(nil)
			})
		})
	})
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	if _, err := peer.Write([]byte("early")); err != nil {
		log.Fatal(err)
	}
	peer.Close()
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output: early <nil>
}

// An 'error' event says that something failed, somewhere. Here an error arrives in the callback of the operation that failed, with its
// operation and its object, and no other operation hears of it.
func Example_errorKeepsItsOrigin() {
	l := newLoop()
	defer l.Close()
	for _, name := range []string{"a", "b"} {
		l.Stat(name, func(_ os.FileInfo, err error) {
			var p *os.PathError
			if errors.As(err, &p) {
				fmt.Println(name, "failed:", p.Op, p.Path, p.Err)
			}
		})
		if err := l.Run(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// a failed: stat a no such file or directory
	// b failed: stat b no such file or directory
}

// With Options.Debug the list of what is in flight says where each was started, which no stack of a callback could.
func Example_whereItWasStarted() {
	l, err := loop.New(loop.Options{Debug: true})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	l.After(time.Hour, func() {})
	ln, err := l.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ln.Accept(func(*loop.Conn, error) {})
	for _, r := range l.ActiveResources() {
		fmt.Println(r.Kind, r.Where != "")
	}
	// Output:
	// Accept true
	// Timer false
}

// A listener that throws keeps the ones after it from being called. A panic in a callback leaves Run, and what had not been called back by then is, by the next Run.
func Example_panicLosesNothing() {
	l := newLoop()
	defer l.Close()
	l.Immediate(func() { panic("first") })
	l.Immediate(func() { fmt.Println("second") })
	func() {
		defer func() { fmt.Println("recovered:", recover()) }()
		_ = l.Run()
	}()
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// recovered: first
	// second
}
