package probe_test

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/bench/internal/probe"
)

// start builds the program in dir with the probe and runs it.
func start(t *testing.T, dir string, args ...string) (cmd *exec.Cmd, in io.Writer, out *bufio.Reader, file string) {
	overlay, err := probe.Overlay(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(filepath.Dir(overlay))) })
	tmp := t.TempDir()
	binary := filepath.Join(tmp, "program")
	said, err := exec.Command("go", "build", "-overlay="+overlay, "-o", binary, dir).CombinedOutput()
	require.NoError(t, err, string(said))

	file = filepath.Join(tmp, "counters")
	cmd = exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), probe.Env+"="+file)
	cmd.Stderr = os.Stderr
	in, err = cmd.StdinPipe()
	require.NoError(t, err)
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, in, bufio.NewReader(pipe), file
}

func TestCountsAllocations(t *testing.T) {
	cmd, in, out, file := start(t, "./testdata/allocates")
	work := func() {
		_, err := in.Write([]byte{1})
		require.NoError(t, err)
		_, err = out.ReadByte()
		require.NoError(t, err)
	}
	work() // it runs by now
	before, err := probe.Read(cmd.Process.Pid, file)
	require.NoError(t, err)
	work()
	after, err := probe.Read(cmd.Process.Pid, file)
	require.NoError(t, err)
	require.InDelta(t, 1000, after.Mallocs-before.Mallocs, 100)
	require.InDelta(t, 16_000, after.TotalAlloc-before.TotalAlloc, 15_000) // what the reading itself allocates is larger
	require.Positive(t, after.HeapBytes)
}

// The echo example is the program that the suite counts first.
func TestEcho(t *testing.T) {
	cmd, _, out, file := start(t, "../../../examples/echo", "-addr", "127.0.0.1:0")
	line, err := out.ReadString('\n')
	require.NoError(t, err)
	addr := regexp.MustCompile(`[\d.]+:\d+`).FindString(line)
	conn, err := net.DialTimeout("tcp", addr, time.Minute)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	echo := func(n int) uint64 {
		b := make([]byte, 64)
		for range n {
			_, err := conn.Write(b)
			require.NoError(t, err)
			_, err = io.ReadFull(conn, b)
			require.NoError(t, err)
		}
		c, err := probe.Read(cmd.Process.Pid, file)
		require.NoError(t, err)
		return c.Mallocs
	}
	first := echo(10)
	require.Positive(t, first)
	require.Less(t, echo(1000)-first, uint64(500), "allocations for 1,000 echoes")
}

func TestReadFails(t *testing.T) {
	cmd := exec.Command("sleep", "100")
	require.NoError(t, cmd.Start())
	file := filepath.Join(t.TempDir(), "counters")
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	_, err := probe.Read(cmd.Process.Pid, file)
	require.ErrorContains(t, err, "no such process")
}
