// Package servertest builds servers, runs them and talks to them, for the tests of the contestants.
package servertest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/stretchr/testify/require"
)

// Hung is after what time without progress a server counts as hung. It measures nothing.
const Hung = 10 * time.Second

// Go builds a package and returns the binary. flags are for go build.
func Go(t *testing.T, pkg string, flags ...string) string {
	binary := filepath.Join(t.TempDir(), "server")
	args := append([]string{"build", "-o", binary}, flags...)
	return build(t, binary, "go", append(args, pkg)...)
}

// C builds a C file, or skips the test where the compiler or a header of Debian's package pkg is missing. flags are for the linker.
func C(t *testing.T, source, header, pkg string, flags ...string) string {
	testenv.Header(t, header, pkg)
	binary := filepath.Join(t.TempDir(), "server")
	args := []string{"-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", binary, source}
	return build(t, binary, "gcc", append(args, flags...)...)
}

func build(t *testing.T, binary, command string, args ...string) string {
	out, err := exec.Command(command, args...).CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", command, strings.Join(args, " "), out)
	return binary
}

// A Server is a process that accepts connections at Addr.
type Server struct {
	Addr   string
	cmd    *exec.Cmd
	stderr buffer
	ended  chan struct{}
}

// Start runs a command that takes -addr and prints a line that starts with "listening". At the end of the test it must end on
// SIGTERM.
func Start(t *testing.T, command ...string) *Server {
	s := &Server{Addr: freeAddr(t), ended: make(chan struct{})}
	s.cmd = exec.Command(command[0], slices.Concat(command[1:], []string{"-addr", s.Addr})...)
	s.cmd.Stderr = &s.stderr
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	go func() {
		_ = s.cmd.Wait() // the status does not matter
		close(s.ended)
	}()
	t.Cleanup(func() { s.stop(t) })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "listening") {
			go func() { _, _ = io.Copy(io.Discard, out) }() // or a server that logs would block
			return s
		}
	}
	require.Fail(t, "the server did not listen")
	return nil
}

func (s *Server) stop(t *testing.T) {
	if t.Failed() {
		t.Logf("the server said: %s", &s.stderr)
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(Hung):
		t.Error("SIGTERM did not end the server")
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// Running reports whether the server has not ended by itself.
func (s *Server) Running() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// Dial connects. The connection fails when nothing moves for a time of Hung, and is closed at the end of the test.
func (s *Server) Dial(t *testing.T) (*Conn, error) {
	c, err := net.DialTimeout("tcp", s.Addr, Hung)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { c.Close() })
	return &Conn{TCPConn: c.(*net.TCPConn)}, nil
}

// A Conn is a connection with a time limit for each read and write.
type Conn struct{ *net.TCPConn }

// Read reads.
func (c *Conn) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(Hung)); err != nil {
		return 0, err
	}
	return c.TCPConn.Read(b)
}

// Write writes.
func (c *Conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(Hung)); err != nil {
		return 0, err
	}
	return c.TCPConn.Write(b)
}

// freeAddr returns an address that nobody listened on a moment ago. The port is below those that the kernel gives to clients, of which
// there are many here.
func freeAddr(t *testing.T) string {
	for range 100 {
		addr := fmt.Sprint("127.0.0.1:", 12_000+rand.IntN(18_000))
		if ln, err := net.Listen("tcp", addr); err == nil {
			require.NoError(t, ln.Close())
			return addr
		}
	}
	require.Fail(t, "no port is free")
	return ""
}

// A buffer is written and read at the same time.
type buffer struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}
