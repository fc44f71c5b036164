package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/proactor-go/proactor/examples/internal/backends"
	"github.com/stretchr/testify/require"
)

// TestMain makes the test binary the program itself when a test starts it as such.
func TestMain(m *testing.M) {
	if os.Getenv("COPY_TEST_PROGRAM") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

func command(args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	cmd = exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "COPY_TEST_PROGRAM=1", "GORACE=atexit_sleep_ms=0")
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// succeed runs the program and returns what it said on stderr.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	cmd, stdout, stderr := command(args...)
	require.NoError(t, cmd.Run(), stderr)
	require.Regexp(t, `^copied \d+ bytes in .*/s, backend \w+\)\n$`, stdout.String())
	return stderr.String()
}

// fail runs the program, which must refuse in one line that contains all of parts.
func fail(t *testing.T, parts []string, args ...string) {
	t.Helper()
	cmd, stdout, stderr := command(args...)
	checkFailure(t, cmd.Run(), stderr, parts...)
	require.Empty(t, stdout.String())
}

func checkFailure(t *testing.T, err error, stderr *bytes.Buffer, parts ...string) {
	t.Helper()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode())
	require.Regexp(t, `^copy: .*\n$`, stderr.String())
	for _, part := range parts {
		require.Contains(t, stderr.String(), part)
	}
}

// write makes a file of random bytes with exactly this mode.
func write(t *testing.T, name string, size int, mode fs.FileMode) []byte {
	t.Helper()
	random := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8)})
	data := make([]byte, size)
	_, _ = random.Read(data)
	require.NoError(t, os.WriteFile(name, data, 0o600))
	require.NoError(t, os.Chmod(name, mode))
	return data
}

// requireFile compares bytes and mode. It does not print megabytes.
func requireFile(t *testing.T, name string, want []byte, mode fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Len(t, got, len(want))
	require.True(t, bytes.Equal(want, got), "%s has other bytes", name)
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, mode, info.Mode())
}

func requireNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, want, names)
}

func TestCopiesEverySize(t *testing.T) {
	const block = 8192
	backends.Each(t, func(t *testing.T, backend string) {
		for _, direct := range []bool{false, true} {
			for _, size := range []int{0, 1, 511, 4096, 4097, block - 1, block, block + 1, 3 * block, 40*block + 4096, 1<<20 + 77} {
				dir := t.TempDir()
				src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "target")
				data := write(t, src, size, 0o751)
				args := []string{"-backend", backend, "-block", "8k", "-depth", "5", fmt.Sprintf("-direct=%v", direct)}
				succeed(t, append(args, src, dst)...)
				requireFile(t, dst, data, 0o751)
				requireNames(t, dir, "src", "target")
			}
		}
	})
}

func TestReplacesTarget(t *testing.T) {
	backends.Each(t, func(t *testing.T, backend string) {
		dir := t.TempDir()
		src, dst, link := filepath.Join(dir, "src"), filepath.Join(dir, "target"), filepath.Join(dir, "link")
		data := write(t, src, 10_000, 0o444)
		write(t, dst, 50_000, 0o600)
		require.NoError(t, os.Symlink("target", link))
		succeed(t, "-backend", backend, src, link)
		requireFile(t, dst, data, 0o444)
		target, err := os.Readlink(link)
		require.NoError(t, err, "the link is to stay a link")
		require.Equal(t, "target", target)
		requireNames(t, dir, "link", "src", "target")
	})
}

func TestRefusals(t *testing.T) {
	backends.Each(t, func(t *testing.T, backend string) {
		dir := t.TempDir()
		name := func(elem string) string { return filepath.Join(dir, elem) }
		data := write(t, name("src"), 5000, 0o600)
		require.NoError(t, os.Mkdir(name("sub"), 0o755))
		require.NoError(t, os.Symlink("src", name("link")))
		for _, c := range []struct{ src, dst, path, reason string }{
			{"missing", "target", "missing", "no such file or directory"},
			{"sub", "target", "sub", "is a directory"},
			{"src", "sub", "sub", "is a directory"},
			{"src", "nowhere/target", "nowhere/target", "no such file or directory"},
			{"src", "src/target", "src/target", "not a directory"},
			{"src", "src", "src", "same file"},
			{"src", "link", "src", "same file"},
		} {
			fail(t, []string{name(c.path), c.reason}, "-backend", backend, name(c.src), name(c.dst))
			requireNames(t, dir, "link", "src", "sub")
			requireFile(t, name("src"), data, 0o600)
		}
		fail(t, []string{"/dev/null", "not a regular file"}, "-backend", backend, name("src"), "/dev/null")
	})
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"one"}, {"-block", "0", "a", "b"}, {"-block", "9g", "a", "b"}, {"-block", "x", "a", "b"},
		{"-depth", "0", "a", "b"}, {"-direct", "-block", "1000", "a", "b"}} {
		cmd, _, stderr := command(args...)
		var exit *exec.ExitError
		require.ErrorAs(t, cmd.Run(), &exit)
		require.Equal(t, 2, exit.ExitCode(), args)
		require.Contains(t, stderr.String(), "usage: copy")
	}
}

// Blocks of one byte make the copy last long enough to be interrupted in its middle.
func TestInterrupt(t *testing.T) {
	backends.Each(t, func(t *testing.T, backend string) {
		for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
			dir := t.TempDir()
			src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "target")
			write(t, src, 0, 0o600)
			require.NoError(t, os.Truncate(src, 1<<30))
			cmd, _, stderr := command("-backend", backend, "-block", "1", src, dst)
			require.NoError(t, cmd.Start())
			kill := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
			defer kill.Stop()
			for !hasPart(t, dir) {
				time.Sleep(time.Millisecond)
			}
			require.NoError(t, cmd.Process.Signal(signal))
			checkFailure(t, cmd.Wait(), stderr, dst, "interrupted")
			requireNames(t, dir, "src")
		}
	})
}

// hasPart reports whether the copy has written something.
func hasPart(t *testing.T, dir string) bool {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), ".part") && info.Size() > 0 {
			return true
		}
	}
	return false
}
