package loop_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// newLoop spares the examples a line of error handling each.
func newLoop() *loop.Loop {
	l, err := loop.New(loop.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return l
}

// session is one connection of an echo server. It stores its callbacks: from here on no operation allocates.
type session struct {
	conn     *loop.Conn
	buf      []byte
	received loop.IOFunc
	sent     loop.IOFunc
}

func serve(c *loop.Conn) {
	s := &session{conn: c, buf: make([]byte, 4096)}
	s.received, s.sent = s.onReceived, s.onSent
	c.Recv(s.buf, s.received)
}

func (s *session) onReceived(b []byte, err error) {
	if err != nil { // io.EOF too
		s.conn.Close(nil)
		return
	}
	s.conn.Send(b, s.sent)
}

func (s *session) onSent(_ []byte, err error) {
	if err != nil {
		s.conn.Close(nil)
		return
	}
	s.conn.Recv(s.buf, s.received)
}

// An echo server and its client, on one loop.
func Example() {
	l, err := loop.New(loop.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	ln, err := l.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ln.Accept(func(c *loop.Conn, err error) {
		if err != nil {
			fmt.Println("server:", errors.Is(err, loop.ErrClosed))
			return
		}
		serve(c)
	})

	l.Dial("tcp", ln.Addr().String(), func(c *loop.Conn, err error) {
		if err != nil {
			log.Fatal(err)
		}
		c.Send([]byte("hello"), nil)
		c.RecvFull(make([]byte, 5), func(b []byte, err error) {
			fmt.Println("client:", string(b), err)
			c.Close(nil)
			ln.Close(nil)
		})
	})

	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// client: hello <nil>
	// server: true
}

func ExampleLoop_Run() {
	l := newLoop()
	defer l.Close()

	l.Immediate(func() {
		fmt.Println("in the first turn")
		l.After(time.Millisecond, func() { fmt.Println("a millisecond later") })
	})
	err := l.Run() // until nothing is left to do
	fmt.Println("done", err)
	// Output:
	// in the first turn
	// a millisecond later
	// done <nil>
}

func ExampleTimer() {
	l := newLoop()
	defer l.Close()

	n := 0
	var timer *loop.Timer
	timer = l.NewTimer(func() {
		n++
		fmt.Println("tick", n)
		if n == 3 {
			timer.Stop()
		}
	})
	timer.Repeat(time.Millisecond)
	_ = l.Run()
	// Output:
	// tick 1
	// tick 2
	// tick 3
}

func ExampleLoop_Post() {
	l := newLoop()
	defer l.Close()

	l.Ref() // there is nothing else yet that keeps Run from returning
	go func() {
		answer := 6 * 7 // what takes long is better done out here
		err := l.Post(func() {
			fmt.Println("answer:", answer)
			l.Unref()
		})
		if err != nil {
			log.Fatal(err)
		}
	}()
	_ = l.Run()
	// Output: answer: 42
}

func ExampleConn_Recv() {
	l := newLoop()
	defer l.Close()
	ln, err := l.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}

	ln.Accept(func(c *loop.Conn, err error) {
		if err != nil {
			return
		}
		buf := make([]byte, 4096)
		total := 0
		var received loop.IOFunc
		received = func(b []byte, err error) {
			if err == io.EOF {
				fmt.Println(total, "bytes")
			}
			if err != nil {
				c.Close(nil)
				ln.Close(nil)
				return
			}
			total += len(b)
			c.Recv(buf, received)
		}
		c.Recv(buf, received)
	})

	l.Dial("tcp", ln.Addr().String(), func(c *loop.Conn, err error) {
		if err != nil {
			log.Fatal(err)
		}
		c.Send(make([]byte, 100_000), nil)
		c.CloseWrite(func(error) { c.Close(nil) }) // after all is sent
	})
	_ = l.Run()
	// Output: 100000 bytes
}

func ExampleFile_ReadAt() {
	temp, err := os.CreateTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(temp.Name())
	defer temp.Close()
	if _, err := temp.WriteString("one two three"); err != nil {
		log.Fatal(err)
	}

	l := newLoop()
	defer l.Close()
	l.Open(temp.Name(), os.O_RDONLY, 0, func(f *loop.File, err error) {
		if err != nil {
			log.Fatal(err)
		}
		left := 2
		done := func(b []byte, err error) {
			if err != nil && err != io.EOF {
				log.Fatal(err)
			}
			fmt.Printf("%q %v\n", b, err)
			if left--; left == 0 {
				f.Close(nil)
			}
		}
		f.ReadAt(make([]byte, 3), 4, done) // both are in flight at once
		f.ReadAt(make([]byte, 20), 8, done)
	})
	_ = l.Run()
	// Unordered output:
	// "two" <nil>
	// "three" EOF
}

func ExampleOp_Cancel() {
	l := newLoop()
	defer l.Close()
	ln, err := l.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}

	accept := ln.Accept(func(c *loop.Conn, err error) {
		fmt.Println(errors.Is(err, loop.ErrCanceled), err)
	})
	l.After(time.Millisecond, accept.Cancel)
	_ = l.Run()
	fmt.Println("active:", accept.Active())
	// Output:
	// true loop: operation canceled
	// active: false
}

func ExampleOp_Timeout() {
	l := newLoop()
	defer l.Close()
	ln, err := l.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}

	// For a repeating operation it is the time between two callbacks.
	ln.Accept(func(c *loop.Conn, err error) {
		fmt.Println(errors.Is(err, os.ErrDeadlineExceeded), err)
	}).Timeout(time.Millisecond)
	_ = l.Run()
	// Output: true i/o timeout
}

// Work that runs elsewhere becomes an operation: it holds the loop, can be canceled, and ends on the loop's goroutine.
func ExampleLoop_NewOp() {
	l := newLoop()
	defer l.Close()

	quit := make(chan struct{})
	work := l.NewOp(func() { close(quit) }, func(err error) {
		fmt.Println("ended:", err)
	})
	go func() {
		<-quit
		err := l.Post(func() { work.Finish(loop.ErrCanceled) })
		if err != nil {
			log.Fatal(err)
		}
	}()
	work.Op().Timeout(time.Millisecond)
	_ = l.Run()
	// Output: ended: i/o timeout
}

// A read from a pipe, for which there is no method.
func ExampleLoop_Submit() {
	r, w, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := w.WriteString("through the pipe"); err != nil {
		log.Fatal(err)
	}

	l := newLoop()
	defer l.Close()
	buf := make([]byte, 100)
	l.Submit(ring.SQE{
		Opcode: ring.OpRead,
		FD:     int32(r.Fd()),
		Addr:   unsafe.Pointer(&buf[0]),
		Len:    uint64(len(buf)),
		Off:    -1,
	}, func(c ring.CQE) {
		if c.Res < 0 {
			log.Fatal(syscall.Errno(-c.Res))
		}
		fmt.Printf("%s\n", buf[:c.Res])
	})
	_ = l.Run()
	// Output: through the pipe
}

// The loop waits, the descriptor's owner reads.
func ExampleLoop_Watch() {
	r, w, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	defer w.Close()

	l := newLoop()
	defer l.Close()
	var watch loop.Op
	watch = l.Watch(int(r.Fd()), loop.Readable, func(events loop.Events, err error) {
		if err != nil {
			fmt.Println("ended:", err)
			return
		}
		buf := make([]byte, 100)
		n, err := r.Read(buf)
		fmt.Println(string(buf[:n]), err)
		watch.Cancel()
	})
	l.After(time.Millisecond, func() { _, _ = w.WriteString("ping") })
	_ = l.Run()
	// Output:
	// ping <nil>
	// ended: loop: operation canceled
}

func ExampleListenConfig() {
	l := newLoop()
	defer l.Close()

	// One listener for each loop of a program; the kernel spreads the connections.
	config := loop.ListenConfig{ReusePort: true, KeepAlive: time.Minute}
	first, err := config.Listen(l, "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	second, err := config.Listen(l, "tcp", first.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(first.Addr().String() == second.Addr().String())
	// Output: true
}

// What was received goes out again without a copy. Keep and Release are for buffers that outlive the callback.
func ExampleBuffer() {
	l := newLoop()
	defer l.Close()
	ln, err := l.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}

	ln.Accept(func(c *loop.Conn, err error) {
		if err != nil {
			return
		}
		c.RecvMultishot(func(b loop.Buffer, err error) {
			if err != nil {
				c.Close(nil)
				return
			}
			b.Keep()
			l.After(time.Millisecond, func() {
				fmt.Printf("%s\n", b.Bytes())
				c.SendBuffer(b, nil) // which releases it
			})
		})
	})

	l.Dial("tcp", ln.Addr().String(), func(c *loop.Conn, err error) {
		if err != nil {
			log.Fatal(err)
		}
		c.Send([]byte("there and back"), nil)
		c.RecvFull(make([]byte, 14), func(b []byte, err error) {
			fmt.Printf("%s %v\n", b, err)
			c.Close(nil)
			ln.Close(nil)
		})
	})
	_ = l.Run()
	// Output:
	// there and back
	// there and back <nil>
}
