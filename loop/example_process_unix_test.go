//go:build unix

package loop_test

import (
	"fmt"
	"log"
	"os"
	"syscall"

	"github.com/proactor-go/proactor/loop"
)

func ExampleLoop_Start() {
	l := newLoop()
	defer l.Close()
	var exit loop.ExitState
	p, err := l.Start(loop.Command{
		Name: "tr", Args: []string{"a-z", "A-Z"},
		Stdin: loop.StdioPipe(), Stdout: loop.StdioPipe(), Stderr: loop.StdioFD(2),
	}, func(state loop.ExitState, err error) {
		if err != nil {
			log.Fatal(err)
		}
		exit = state // before the end of the output or after it
	})
	if err != nil {
		log.Fatal(err)
	}
	in, out := p.Pipe(0), p.Pipe(1)
	in.Send([]byte("shout"), nil)
	in.CloseWrite(func(error) { in.Close(nil) })
	out.RecvFull(make([]byte, 5), func(b []byte, err error) {
		fmt.Println(string(b), err)
		out.Close(nil)
	})
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("exit code", exit.Code)
	// Output:
	// SHOUT <nil>
	// exit code 0
}

func ExampleLoop_OnSignal() {
	l := newLoop()
	defer l.Close()
	s, err := l.OnSignal(func(sig os.Signal) { fmt.Println("got", sig) }, syscall.SIGUSR1)
	if err != nil {
		log.Fatal(err)
	}
	s.Once().Ref() // Run returns after the one signal
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		log.Fatal(err)
	}
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output: got user defined signal 1
}
