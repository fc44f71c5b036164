package loop_test

import (
	"fmt"
	"log"
	"os"

	"github.com/proactor-go/proactor/loop"
)

// A pipe within the loop: CloseWrite lets the queued sends out and gives the reader its EOF.
func ExampleLoop_Pipe() {
	l := newLoop()
	defer l.Close()
	r, w, err := l.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	w.Send([]byte("through a pipe"), nil)
	w.CloseWrite(nil)
	buf := make([]byte, 64)
	var received loop.IOFunc
	received = func(b []byte, err error) {
		if err != nil {
			fmt.Println(err)
			r.Close(nil)
			w.Close(nil)
			return
		}
		fmt.Printf("%s\n", b)
		r.Recv(buf, received)
	}
	r.Recv(buf, received)
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// through a pipe
	// EOF
}

// A pipe that package os has made goes on within the loop, on a descriptor of its own.
func ExampleLoop_Adopt() {
	l := newLoop()
	defer l.Close()
	r, w, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	in, err := l.Adopt(r)
	if err != nil {
		log.Fatal(err)
	}
	r.Close()
	fmt.Fprint(w, "one line\n")
	w.Close()
	in.RecvMultishot(func(b loop.Buffer, err error) {
		if err != nil {
			fmt.Println(err)
			in.Close(nil)
			return
		}
		fmt.Printf("%s", b.Bytes())
	})
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// one line
	// EOF
}
