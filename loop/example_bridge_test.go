package loop_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"

	"github.com/proactor-go/proactor/loop"
)

func ExampleLoop_Work() {
	l := newLoop()
	defer l.Close()
	sum := 0
	l.Work(func() error { // on another goroutine, while the loop goes on
		for i := range 1000 {
			sum += i
		}
		return nil
	}, func(err error) { fmt.Println(sum, err) })
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output: 499500 <nil>
}

// A goroutine that is not the loop's waits for an operation on it.
func ExampleLoop_Await() {
	l := newLoop()
	defer l.Close()
	l.Ref() // Run waits for Stop
	go func() {
		defer l.Stop()
		err := l.Await(context.Background(), func(done loop.DoneFunc) loop.Op {
			return l.Stat("no such file", func(_ os.FileInfo, err error) { done(err) })
		})
		fmt.Println(err)
	}()
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output: stat no such file: no such file or directory
}

func ExampleReader() {
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
		r := loop.NewReader(c, 4096)
		r.ReadUntil('\n', func(line []byte, err error) {
			fmt.Printf("%q %v\n", line, err)
			r.Next(3, func(b []byte, err error) {
				fmt.Printf("%q %v\n", b, err)
				c.Close(nil)
				ln.Close(nil)
			})
		})
	})
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer peer.Close()
	if _, err := peer.Write([]byte("a line\nabcdef")); err != nil {
		log.Fatal(err)
	}
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// "a line\n" <nil>
	// "abc" <nil>
}
