package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestLines(t *testing.T) {
	var l lines
	for _, part := range []string{"warning: slow\nlist", "ening on 127.0.0.1:1"} {
		_, err := l.Write([]byte(part))
		require.NoError(t, err)
		require.False(t, l.has("listening"), "the line is not complete")
	}
	_, err := l.Write([]byte("\n"))
	require.NoError(t, err)
	require.True(t, l.has("listening"))
	require.True(t, l.has("warning"))
	require.False(t, l.has("on "))
}

// The affinity is there before the program's first instruction, and is not left to the test's own threads.
func TestPins(t *testing.T) {
	var before unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &before))
	core := 0
	for !before.IsSet(core) {
		core++
	}
	p := newProcess(t.Context(), []string{"grep", "Cpus_allowed_list", "/proc/self/status"}, nil)
	require.NoError(t, p.run([]int{core}))
	require.Equal(t, []string{"Cpus_allowed_list:", strconv.Itoa(core)}, strings.Fields(p.stdout.String()))
	var after unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &after))
	require.Equal(t, before, after)
	require.ErrorContains(t, newProcess(t.Context(), []string{"true"}, nil).run([]int{1000}), "1000")
}

// When the suite is interrupted, children of children die as well.
func TestKillsFamily(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := newProcess(ctx, []string{"sh", "-c", "sleep 1000 & echo $!; wait"}, nil)
	require.NoError(t, p.start([]int{0}))
	grandchild := 0
	require.Eventually(t, func() bool {
		grandchild, _ = strconv.Atoi(strings.TrimSpace(p.stdout.String()))
		return grandchild != 0
	}, time.Minute, time.Millisecond)
	cancel()
	require.Error(t, p.Wait())
	require.Eventually(t, func() bool { return !alive(grandchild) }, time.Minute, time.Millisecond)
}

// alive does not count a zombie, which whoever is process 1 may take its time to reap.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestExplains(t *testing.T) {
	err := newProcess(t.Context(), []string{"sh", "-c", "echo wrong byte at 7 >&2; exit 3"}, nil).run([]int{0})
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "wrong byte at 7")
}

func TestServerThatEnds(t *testing.T) {
	_, err := startServer(newProcess(t.Context(), []string{"sh", "-c", "echo no ring >&2; exit 1"}, nil), []int{0}, "", false)
	require.ErrorContains(t, err, "no ring")
}

func TestPorts(t *testing.T) {
	var p ports
	a, err := p.next()
	require.NoError(t, err)
	b, err := p.next()
	require.NoError(t, err)
	require.NotEqual(t, a, b)
}
