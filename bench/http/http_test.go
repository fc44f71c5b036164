// Package http_test checks that all HTTP servers give the same answer.
package http_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/bench/internal/servertest"
	"github.com/proactor-go/proactor/internal/testenv"
)

const (
	get      = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	getLast  = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	response = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"
)

// check is a test of one server, which it has for itself.
type check struct {
	name string
	run  func(t *testing.T, s *servertest.Server)
}

// What every server must do.
var checks = []check{
	{"keep-alive", keepAlive},
	{"pipelined", pipelined},
	{"split requests", splitRequests},
	{"connection close", connectionClose},
	{"half close", halfClose},
}

func TestOurs(t *testing.T) {
	also := []check{{"slow reader", slowReader}, {"endless request", endlessRequest}}
	binary := servertest.Go(t, "./ours")
	for _, backend := range []string{"uring", "epoll"} {
		t.Run(backend, func(t *testing.T) { run(t, append(also, checks...), binary, "-backend", backend) })
	}
}

func TestPeers(t *testing.T) {
	for _, name := range []string{"net", "gnet"} {
		t.Run(name, func(t *testing.T) { run(t, checks, servertest.Go(t, "./"+name)) })
	}
}

func run(t *testing.T, checks []check, command ...string) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.run(t, servertest.Start(t, command...)) })
	}
}

func dial(t *testing.T, s *servertest.Server) *servertest.Conn {
	c, err := s.Dial(t)
	require.NoError(t, err)
	return c
}

// expect reads n answers. Only net/http adds a header of its own, to the last one of a connection.
func expect(t *testing.T, r *bufio.Reader, n int) {
	t.Helper()
	for range n {
		got := make([]byte, len(response))
		_, err := io.ReadFull(r, got)
		require.NoError(t, err)
		require.Equal(t, response, string(got))
	}
}

func keepAlive(t *testing.T, s *servertest.Server) {
	c := dial(t, s)
	r := bufio.NewReader(c)
	for range 3 {
		_, err := io.WriteString(c, get)
		require.NoError(t, err)
		expect(t, r, 1)
	}
	require.Zero(t, r.Buffered())
}

func pipelined(t *testing.T, s *servertest.Server) {
	c := dial(t, s)
	for _, n := range []int{2, 16, 1000} {
		wrote := make(chan error, 1)
		go func() {
			_, err := io.WriteString(c, strings.Repeat(get, n))
			wrote <- err
		}()
		expect(t, bufio.NewReader(c), n)
		require.NoError(t, <-wrote)
	}
}

func splitRequests(t *testing.T, s *servertest.Server) {
	c := dial(t, s)
	r := bufio.NewReader(c)
	for at := range len(get) { // of the second request
		for _, part := range []string{get + get[:at], get[at:]} {
			_, err := io.WriteString(c, part)
			require.NoError(t, err)
			time.Sleep(time.Millisecond) // or they would arrive together
		}
		expect(t, r, 2)
	}
	for _, b := range []byte(get) {
		_, err := c.Write([]byte{b})
		require.NoError(t, err)
	}
	expect(t, r, 1)
}

func connectionClose(t *testing.T, s *servertest.Server) {
	c := dial(t, s)
	_, err := io.WriteString(c, get+getLast)
	require.NoError(t, err)
	all, err := io.ReadAll(c)
	require.NoError(t, err)
	text := strings.ReplaceAll(string(all), "Connection: close\r\n", "") // as net/http says
	require.Equal(t, response+response, text)
}

// What a client asked for before it closed its side is still answered.
func halfClose(t *testing.T, s *servertest.Server) {
	c := dial(t, s)
	_, err := io.WriteString(c, get+get)
	require.NoError(t, err)
	require.NoError(t, c.CloseWrite())
	all, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Equal(t, response+response, string(all))
}

// A client that asks and never reads is held back, and hinders nobody.
func slowReader(t *testing.T, s *servertest.Server) {
	slow := dial(t, s)
	require.NoError(t, slow.SetReadBuffer(64<<10))
	require.NoError(t, slow.SetWriteDeadline(time.Now().Add(2*time.Second)))
	requests := strings.Repeat(get, 1000)
	asked, err := 0, error(nil)
	for n := 0; err == nil; asked += n {
		require.Less(t, asked, 256<<20, "nobody holds it back")
		n, err = io.WriteString(slow.TCPConn, requests[asked%len(get):])
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)

	other := dial(t, s)
	_, err = io.WriteString(other, get)
	require.NoError(t, err)
	expect(t, bufio.NewReader(other), 1)

	expect(t, bufio.NewReader(slow), asked/len(get))
}

func endlessRequest(t *testing.T, s *servertest.Server) {
	c := dial(t, s)
	_, _ = io.WriteString(c, strings.Repeat("x", 64<<10))
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestNginx(t *testing.T) {
	nginx := testenv.Tool(t, "nginx", "nginx-light")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	require.NoError(t, ln.Close())
	dir := t.TempDir()
	template, err := os.ReadFile("nginx.conf")
	require.NoError(t, err)
	conf := filepath.Join(dir, "nginx.conf")
	text := strings.NewReplacer("{{addr}}", addr, "{{dir}}", dir).Replace(string(template))
	require.NoError(t, os.WriteFile(conf, []byte(text), 0o644))
	cmd := exec.Command(nginx, "-e", filepath.Join(dir, "error.log"), "-c", conf)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	defer func() {
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		_ = cmd.Wait()
	}()

	client := &http.Client{Timeout: servertest.Hung}
	defer client.CloseIdleConnections()
	var resp *http.Response
	require.Eventually(t, func() bool {
		resp, err = client.Get("http://" + addr + "/")
		return err == nil
	}, servertest.Hung, 10*time.Millisecond)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "Hello, World!", string(body))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "text/plain", resp.Header.Get("Content-Type"))
	require.EqualValues(t, 13, resp.ContentLength)
	require.False(t, resp.Close)
}
