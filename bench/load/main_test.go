package main

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/bench/internal/result"
)

// TestMain makes the test binary the load generator itself when a test starts it as such.
func TestMain(m *testing.M) {
	if os.Getenv("LOAD_TEST_MAIN") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

// load runs the generator with short times, which args may override.
func load(t *testing.T, addr string, args ...string) (r result.Result, stderr string, status int) {
	cmd := exec.Command(os.Args[0], append([]string{"-addr", addr, "-warmup", "50ms", "-duration", "250ms"}, args...)...)
	cmd.Env = append(os.Environ(), "LOAD_TEST_MAIN=1", "GORACE=atexit_sleep_ms=0")
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(t, err, &exit)
		status = exit.ExitCode()
	}
	if out.Len() > 0 {
		r, err = result.Parse(out.Bytes())
		require.NoError(t, err, out.String())
	}
	return r, complaints.String(), status
}

// loadWell is load of a server that makes no mistakes.
func loadWell(t *testing.T, addr string, args ...string) result.Result {
	r, stderr, status := load(t, addr, args...)
	require.Zero(t, status, stderr)
	require.Empty(t, stderr)
	require.Zero(t, r.Errors)
	return r
}

func ownPID() string { return strconv.Itoa(os.Getpid()) }

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ args, reason string }{
		{"-addr nowhere", "nowhere"},
		{"-addr [::1]:7", "not IPv4"},
		{"-mode chat", "chat"},
		{"-conns 0", "no connections"},
		{"-conns -1", "no connections"},
		{"-size 0", "-size"},
		{"-size 1048576 -pipeline 65", "-pipeline"},
		{"-rate -1", "-rate"},
		{"-duration 0s", "-duration"},
		{"-mode churn -rate 5", "-rate"},
		{"-mode churn -pipeline 2", "-pipeline"},
		{"-mode slow -idle 5", "-idle"},
		{"-mode slow -conns 1", "-slow"},
		{"-mode slow -slow 1", "-slow"},
		{"-mode udp -size 7", "-size"},
		{"-mode udp -rate 5", "-rate"},
		{"-rate 5 -pipeline 2", "-pipeline"},
		{"-rate 5 -conns 0 -idle 1", "-conns"},
		{"-conns x", "-conns"},
		{"more", "more"},
	} {
		args := bytes.Fields([]byte(c.args))
		list := make([]string, len(args))
		for i, a := range args {
			list[i] = string(a)
		}
		_, stderr, status := load(t, "127.0.0.1:1", list...)
		require.Equal(t, 2, status, c.args)
		require.Contains(t, stderr, c.reason, c.args)
	}
}

func TestNobodyListens(t *testing.T) {
	for _, mode := range []string{"echo", "churn", "slow", "udp"} {
		_, stderr, status := load(t, "127.0.0.1:1", "-mode", mode)
		require.Equal(t, 1, status)
		require.Contains(t, stderr, "connection refused")
	}
}

func TestNoSuchServerProcess(t *testing.T) {
	_, stderr, status := load(t, echo(t, nil).addr, "-pid", "999999999")
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "999999999")
}
