package loop_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/proactor-go/proactor/loop"
)

func ExampleLoop_Metrics() {
	l, err := loop.New(loop.Options{Timing: true})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	l.Work(func() error { time.Sleep(time.Millisecond); return nil }, func(error) {})
	l.After(5*time.Millisecond, func() {})
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	m := l.Metrics() // from any goroutine
	fmt.Println("idle most of the time:", m.Idle > 0 && m.Utilization() < 1)
	fmt.Println("timers:", m.TimerLag.Count)
	for _, lane := range m.Lanes {
		if lane.Name == "work" {
			fmt.Println("work waiting:", lane.Waiting)
		}
	}
	// Output:
	// idle most of the time: true
	// timers: 1
	// work waiting: 0
}

func ExampleTracer() {
	var file bytes.Buffer // an *os.File, as a rule
	tracer := loop.NewTracer(&file)
	l, err := loop.New(loop.Options{Tracer: tracer})
	if err != nil {
		log.Fatal(err)
	}
	l.Immediate(func() {})
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	if err := l.Close(); err != nil {
		log.Fatal(err)
	}
	if err := tracer.Close(); err != nil { // after the loops
		log.Fatal(err)
	}
	var events []struct{ Name, Cat string }
	if err := json.Unmarshal(file.Bytes(), &events); err != nil {
		log.Fatal(err)
	}
	for _, e := range events {
		if e.Cat == "callback" {
			fmt.Println(e.Name)
		}
	}
	// Output: Immediate
}

func ExampleSlowCallback() {
	found := make(chan bool)
	l, err := loop.New(loop.Options{
		SlowCallback: time.Millisecond,
		OnSlow: func(s loop.SlowCallback) { // on a goroutine of its own, while the callback still runs
			found <- strings.Contains(string(s.Stack), "ExampleSlowCallback")
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	l.Immediate(func() { fmt.Println("its stack names it:", <-found) }) // blocks until it is found out
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output: its stack names it: true
}
