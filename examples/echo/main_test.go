package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/proactor-go/proactor/examples/internal/backends"
	"github.com/stretchr/testify/require"
)

// hung is when a step counts as hung. It measures nothing.
const hung = 2 * time.Minute

// TestMain makes the test binary the server itself when a test starts it as such: no build, and the race detector
// watches the server as well.
func TestMain(m *testing.M) {
	if os.Getenv("ECHO_TEST_SERVER") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

func forEachBackend(t *testing.T, test func(t *testing.T, s *process)) {
	backends.Each(t, func(t *testing.T, backend string) {
		test(t, start(t, "-addr", "127.0.0.1:0", "-backend", backend))
	})
}

// process is a server that runs by itself.
type process struct {
	cmd    *exec.Cmd
	addr   string
	line   string
	stderr bytes.Buffer
}

func start(t *testing.T, args ...string) *process {
	return startCommand(t, exec.Command(os.Args[0], args...))
}

func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	p := &process{cmd: cmd}
	p.cmd.Env = append(os.Environ(), "ECHO_TEST_SERVER=1", "GORACE=atexit_sleep_ms=0")
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.interrupt(t, syscall.SIGTERM)
		}
	})
	p.line, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	address, _, found := strings.Cut(strings.TrimPrefix(p.line, "listening on "), ",")
	require.True(t, found, p.line)
	p.addr = address
	return p
}

// interrupt ends the server, which must take it as the normal end.
func (p *process) interrupt(t *testing.T, signal os.Signal) {
	require.NoError(t, p.cmd.Process.Signal(signal))
	kill := time.AfterFunc(hung, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	require.NoError(t, p.cmd.Wait(), p.stderr.String())
	require.Empty(t, p.stderr.String())
}

func (p *process) dial(t *testing.T) *net.TCPConn {
	c, err := net.Dial("tcp", p.addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(hung)))
	return c.(*net.TCPConn)
}

func TestAnnounces(t *testing.T) {
	forEachBackend(t, func(t *testing.T, p *process) {
		backend := t.Name()[strings.LastIndex(t.Name(), "/")+1:]
		require.Equal(t, fmt.Sprintf("listening on %s, backend %s\n", p.addr, backend), p.line)
	})
}

// Every byte comes back, in order, and what is queued still does after the client has closed its side.
func TestEchoesAll(t *testing.T) {
	forEachBackend(t, func(t *testing.T, p *process) {
		var clients sync.WaitGroup
		for i := range 32 {
			c := p.dial(t)
			clients.Add(1)
			go func() {
				defer clients.Done()
				if err := exchange(c, uint64(i), 1+i*40_000); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			}()
		}
		clients.Wait()
	})
}

// exchange sends size bytes in pieces of many lengths and compares what comes back.
func exchange(c *net.TCPConn, seed uint64, size int) error {
	random := rand.New(rand.NewPCG(seed, 0))
	sent := make([]byte, 0, size+len(noise))
	for len(sent) < size {
		sent = append(sent, noise[random.IntN(65521):]...)
	}
	sent = sent[:size]
	wrote := make(chan error, 1)
	go func() {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(20_000))
			if _, err := c.Write(rest[:n]); err != nil {
				wrote <- err
				return
			}
			rest = rest[n:]
		}
		wrote <- c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	if err := <-wrote; err != nil {
		return err
	}
	if !bytes.Equal(sent, got) {
		return fmt.Errorf("sent %d bytes, got %d others back", len(sent), len(got))
	}
	return nil
}

// Peers that send and never read are held back, and take neither the buffers nor the attention that others need. Small pieces
// are the harder case: each takes a whole buffer.
func TestSlowReaders(t *testing.T) {
	forEachBackend(t, slowReaders)
}

func slowReaders(t *testing.T, p *process) {
	const (
		count = buffers / highWater // together they could hold all buffers
		limit = 64 << 20            // more than the kernel's own buffers hold
		piece = 4000
	)
	written := make([]atomic.Int64, count)
	var writers sync.WaitGroup
	conns := make([]*net.TCPConn, count)
	for i := range conns {
		c := p.dial(t)
		require.NoError(t, c.SetReadBuffer(128<<10)) // or the kernel's own buffers grow to many megabytes
		conns[i] = c
		writers.Add(1)
		go func() {
			defer writers.Done()
			for n := int64(0); n < limit; {
				k, err := c.Write(pattern(i, n)[:piece])
				if n = written[i].Add(int64(k)); err != nil {
					return
				}
			}
		}()
	}
	waitForStandstill(written)

	healthy := p.dial(t)
	require.NoError(t, exchange(healthy, 1, 1<<20))

	for i, c := range conns {
		require.Less(t, written[i].Load(), int64(limit), "a peer that does not read was not held back")
		require.NoError(t, c.SetWriteDeadline(time.Now()))
	}
	writers.Wait()
	for i, c := range conns {
		require.NoError(t, c.CloseWrite())
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Len(t, got, int(written[i].Load()))
		for at := 0; at < len(got); {
			part := got[at:min(at+1<<15, len(got))]
			if !bytes.Equal(part, pattern(i, int64(at))[:len(part)]) {
				t.Fatalf("connection %d: other bytes at %d", i, at)
			}
			at += len(part)
		}
	}
}

// noise repeats after a prime number of bytes, so that no power of two of them looks like another.
var noise = func() []byte {
	b := make([]byte, 65521)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return append(b, b...)
}()

// pattern returns the 32 KiB or more that connection conn sends at offset at.
func pattern(conn int, at int64) []byte { return noise[(at+int64(conn)*1009)%65521:] }

// waitForStandstill returns when nobody has written for a while. On a loaded machine that may be too early, which makes
// the test weaker and not wrong.
func waitForStandstill(written []atomic.Int64) {
	for last := int64(-1); ; time.Sleep(500 * time.Millisecond) {
		sum := int64(0)
		for i := range written {
			sum += written[i].Load()
		}
		if sum == last {
			return
		}
		last = sum
	}
}

func TestInterrupt(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(fmt.Sprint(signal), func(t *testing.T) {
			forEachBackend(t, func(t *testing.T, p *process) {
				idle, busy := p.dial(t), p.dial(t)
				_, err := busy.Write([]byte("x"))
				require.NoError(t, err)
				_, err = io.ReadFull(busy, make([]byte, 1))
				require.NoError(t, err)
				p.interrupt(t, signal)
				for _, c := range []net.Conn{idle, busy} {
					_, err := c.Read(make([]byte, 1))
					require.ErrorIs(t, err, io.EOF)
				}
			})
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Setenv("LOOP_BACKEND", "")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for _, c := range []struct {
		args   []string
		reason string
	}{
		{[]string{"-addr", taken.Addr().String()}, "address already in use"},
		{[]string{"-addr", "not an address"}, "not an address"},
		{[]string{"-addr", "127.0.0.1:0", "-backend", "kqueue"}, "kqueue"},
	} {
		cmd := exec.Command(os.Args[0], c.args...)
		cmd.Env = append(os.Environ(), "ECHO_TEST_SERVER=1")
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, 1, exit.ExitCode())
		require.Regexp(t, `^echo: .*\n$`, string(out))
		require.Contains(t, string(out), c.reason)
	}
}
