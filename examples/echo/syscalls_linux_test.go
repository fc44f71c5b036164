package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/proactor-go/proactor/examples/internal/backends"
	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/stretchr/testify/require"
)

// A proactor enters the kernel once for many messages, and a reactor several times for each. On io_uring there is no other system call
// per message, and nothing that has to do with epoll, not even the runtime's own.
func TestSystemCallsPerMessage(t *testing.T) {
	strace := testenv.Tool(t, "strace", "strace")
	backends.Need(t, "uring")
	const connections, rounds = 64, 300
	out := filepath.Join(t.TempDir(), "calls")
	s := startUnder(t, strace, "-D", "-f", "-c", "-o", out) // -D: signals reach the server, not strace
	var clients sync.WaitGroup
	for range connections {
		c := s.dial(t)
		clients.Add(1)
		go func() {
			defer clients.Done()
			buf := make([]byte, 64)
			for range rounds {
				if _, err := c.Write(buf); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(c, buf); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	clients.Wait()
	s.interrupt(t, syscall.SIGINT)
	calls := readCalls(t, out)
	require.Positive(t, calls["io_uring_enter"])
	require.Less(t, calls["io_uring_enter"], connections*rounds/2, "enters for %d messages", connections*rounds)
	for name, n := range calls {
		switch {
		case strings.HasPrefix(name, "epoll_"):
			t.Errorf("%d calls of %s", n, name)
		case strings.HasPrefix(name, "send"), strings.HasPrefix(name, "recv"), strings.HasPrefix(name, "accept"):
			t.Errorf("%d calls of %s beside the ring", n, name)
		case name == "read" || name == "write":
			require.Less(t, n, connections, "calls of %s", name)
		}
	}
}

// startUnder starts a server on io_uring under another program, to which an interrupt goes through.
func startUnder(t *testing.T, command string, args ...string) *process {
	args = append(args, os.Args[0], "-addr", "127.0.0.1:0", "-backend", "uring")
	return startCommand(t, exec.Command(command, args...))
}

// readCalls reads the table that strace -c writes after the server has ended.
func readCalls(t *testing.T, name string) map[string]int {
	var text []byte
	for end := time.Now().Add(hung); !strings.Contains(string(text), " total"); time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "strace wrote no table")
		text, _ = os.ReadFile(name)
	}
	calls := map[string]int{}
	for _, line := range strings.Split(string(text), "\n") {
		if f := strings.Fields(line); len(f) >= 5 {
			if n, err := strconv.Atoi(f[3]); err == nil {
				calls[f[len(f)-1]] = n
			}
		}
	}
	return calls
}
