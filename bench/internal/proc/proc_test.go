package proc

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if os.Getenv("PROC_TEST_NAPS") == "1" {
		go naps()
		select {}
	}
	os.Exit(m.Run())
}

func TestCPU(t *testing.T) {
	before, err := Self()
	require.NoError(t, err)
	burn(t, 200*time.Millisecond)
	after, err := Self()
	require.NoError(t, err)
	used := after.Sub(before)
	require.GreaterOrEqual(t, used.CPU, 200*time.Millisecond)
	// The split is rounded down to ticks twice, and what it splits is the same time.
	require.InDelta(t, used.CPU.Seconds(), (used.User + used.System).Seconds(), 0.1)
	require.Positive(t, after.RSS)
}

// burn spends CPU time on another thread than the test's, as a counter of one thread would miss it.
func burn(t *testing.T, d time.Duration) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		start, err := CPU(os.Getpid())
		for now := start; err == nil && now-start < d; {
			now, err = CPU(os.Getpid())
		}
		done <- err
	}()
	require.NoError(t, <-done)
}

// The thread that switches is not the process's first one.
func TestContextSwitches(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROC_TEST_NAPS=1")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	before, err := Sample(cmd.Process.Pid)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		now, err := Sample(cmd.Process.Pid)
		return err == nil && now.Sub(before).ContextSwitches >= 1000
	}, time.Minute, 10*time.Millisecond)
}

// naps blocks a thread again and again, for ever.
func naps() {
	runtime.LockOSThread()
	for {
		pause := unix.NsecToTimespec(1000)
		_ = unix.Nanosleep(&pause, nil)
	}
}

func TestOtherProcess(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	// It exists before it has run for the first time.
	require.Eventually(t, func() bool {
		c, err := Sample(cmd.Process.Pid)
		return err == nil && c.CPU > 0 && c.CPU < 10*time.Second && c.RSS > 0
	}, time.Minute, time.Millisecond)
}

func TestNoProcess(t *testing.T) {
	cmd := exec.Command("true")
	require.NoError(t, cmd.Run())
	_, err := Sample(cmd.Process.Pid)
	require.Error(t, err)
	_, err = RSS(cmd.Process.Pid)
	require.Error(t, err)
}

func TestSub(t *testing.T) {
	before := Counters{CPU: 5, User: 3, System: 2, ContextSwitches: 7, RSS: 100}
	after := Counters{CPU: 15, User: 9, System: 6, ContextSwitches: 8, RSS: 90}
	require.Equal(t, Counters{CPU: 10, User: 6, System: 4, ContextSwitches: 1, RSS: 90}, after.Sub(before))
}

func TestField(t *testing.T) {
	status := []byte("Name:\tVmRSS: 7\nVmRSS:\t  1234 kB\nnonvoluntary_ctxt_switches:\t5\nvoluntary_ctxt_switches:\t6\n")
	for name, want := range map[string]int64{"VmRSS:": 1234, "voluntary_ctxt_switches:": 6, "nonvoluntary_ctxt_switches:": 5} {
		got, err := field(status, name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := field(status, "VmSwap:")
	require.Error(t, err)
}
