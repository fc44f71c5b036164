// Package backends runs the examples' tests on everything that a loop runs on.
package backends

import (
	"runtime"
	"testing"

	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/proactor-go/proactor/loop"
)

// Each runs test as a subtest for each backend of this system.
func Each(t *testing.T, test func(t *testing.T, backend string)) {
	names := []string{"poll"}
	if runtime.GOOS == "linux" {
		names = []string{"uring", "epoll", "poll"}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			Need(t, name)
			test(t, name)
		})
	}
}

// Need skips the test if the backend is io_uring and this machine has none. From then on a flag decides which one it is, and not the environment.
func Need(t *testing.T, name string) {
	t.Setenv("LOOP_BACKEND", "")
	l, err := loop.New(loop.Options{Backend: name})
	if name == "uring" {
		testenv.Ring(t, err)
	}
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
