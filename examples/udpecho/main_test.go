package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/proactor-go/proactor/examples/internal/backends"
	"github.com/stretchr/testify/require"
)

// hung is when a step counts as hung. It measures nothing.
const hung = 2 * time.Minute

// TestMain makes the test binary the server itself when a test starts it as such.
func TestMain(m *testing.M) {
	if os.Getenv("UDPECHO_TEST_SERVER") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

// start starts a server and returns its address. At the end of the test it must take SIGTERM as the normal end.
func start(t *testing.T, backend string) string {
	cmd := exec.Command(os.Args[0], "-addr", "127.0.0.1:0", "-backend", backend)
	cmd.Env = append(os.Environ(), "UDPECHO_TEST_SERVER=1", "GORACE=atexit_sleep_ms=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		kill := time.AfterFunc(hung, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		require.NoError(t, cmd.Wait(), stderr.String())
		require.Empty(t, stderr.String())
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	address, rest, found := strings.Cut(strings.TrimPrefix(line, "listening on "), ",")
	require.True(t, found, line)
	require.Equal(t, " backend "+backend+"\n", rest)
	return address
}

// Every client gets its own datagrams back, also an empty one; one that is too long is dropped.
func TestEchoes(t *testing.T) {
	backends.Each(t, func(t *testing.T, backend string) {
		address := start(t, backend)
		var clients sync.WaitGroup
		for i := range 16 {
			clients.Add(1)
			go func() {
				defer clients.Done()
				if err := exchange(address, i); err != nil {
					t.Error(err)
				}
			}()
		}
		clients.Wait()
	})
}

func exchange(address string, client int) error {
	c, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(hung)); err != nil {
		return err
	}
	if _, err := c.Write(make([]byte, 3000)); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	for round := range 50 {
		want := bytes.Repeat([]byte{byte(client), byte(round)}, round*15)
		if _, err := c.Write(want); err != nil {
			return err
		}
		n, err := c.Read(buf)
		if err != nil {
			return err
		}
		if !bytes.Equal(want, buf[:n]) {
			return fmt.Errorf("client %d, round %d: got %d other bytes", client, round, n)
		}
	}
	return nil
}

func TestRefusals(t *testing.T) {
	t.Setenv("LOOP_BACKEND", "")
	require.ErrorContains(t, run("nowhere", "auto"), "missing port")
	require.ErrorContains(t, run("127.0.0.1:0", "kqueue"), "kqueue")
}
