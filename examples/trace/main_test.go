package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/proactor-go/proactor/examples/internal/backends"
	"github.com/proactor-go/proactor/loop"
	"github.com/stretchr/testify/require"
)

type event struct {
	Ph, Name, Cat, ID string
	Pid, Tid          *int
	Ts, Dur           *float64
}

// The trace is an array of events, as the viewers want it, and has the whole work of the server: each operation begins and ends and has a callback.
func TestTrace(t *testing.T) {
	backends.Each(t, func(t *testing.T, backend string) {
		j := job{backend: backend, trace: filepath.Join(t.TempDir(), "trace.json"), dir: t.TempDir(), clients: 4, requests: 5}
		m, ran, err := run(j)
		require.NoError(t, err)
		require.Equal(t, backend, ran)
		checkMetrics(t, m)
		left, err := os.ReadDir(j.dir)
		require.NoError(t, err)
		require.Empty(t, left)

		data, err := os.ReadFile(j.trace)
		require.NoError(t, err)
		var events []event
		require.NoError(t, json.Unmarshal(data, &events))
		loops, phases, callbacks, ended, open := 0, map[string]int{}, map[string]int{}, map[string]int{}, map[string]bool{}
		for _, e := range events {
			require.NotEmpty(t, e.Name)
			require.NotNil(t, e.Pid)
			require.NotNil(t, e.Tid)
			require.NotNil(t, e.Ts)
			switch {
			case e.Ph == "M":
				loops++
			case *e.Tid != 1: // the clients' loop
			case e.Cat == "phase":
				require.NotNil(t, e.Dur)
				phases[e.Name]++
			case e.Cat == "callback":
				require.NotNil(t, e.Dur)
				callbacks[e.Name]++
			case e.Ph == "b":
				require.Equal(t, "operation", e.Cat)
				require.False(t, open[e.ID], "%s begins twice", e.ID)
				open[e.ID] = true
			case e.Ph == "e":
				require.True(t, open[e.ID], "%s ends, and never began", e.ID)
				delete(open, e.ID)
				ended[e.Name]++
			default:
				require.Equal(t, "C", e.Ph)
			}
		}
		require.Empty(t, open)
		require.Equal(t, 2, loops)
		for _, name := range []string{"pending", "submit", "wait", "completions", "timers"} {
			require.Positive(t, phases[name], name)
		}
		for _, name := range []string{"Read", "Write", "Send"} {
			require.Equal(t, 20, ended[name], name)
			require.Equal(t, 20, callbacks[name], name)
		}
		require.Equal(t, 5, callbacks["Accept"], "the last says that the listener is closed")
	})
}

func checkMetrics(t *testing.T, m loop.Metrics) {
	for _, o := range m.Operations {
		require.Zero(t, o.InFlight(), o.Name)
	}
	text := words(m)
	require.Regexp(t, `(?m)^  Read +20 started, 0 still in flight$`, text)
	require.Contains(t, text, "Nothing overflowed")
	m.AcceptsShed = 3
	require.Contains(t, words(m), "3 connections were closed for lack of descriptors")
}

// When the server or its clients fail, the other side ends too, and the first error is the one to hear of.
func TestFailures(t *testing.T) {
	backends.Each(t, func(t *testing.T, backend string) {
		j := job{backend: backend, dir: t.TempDir(), clients: 4, requests: 5}
		start := func() *server {
			l, err := loop.New(loop.Options{Backend: backend})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, l.Close()) })
			s, err := newServer(l, j)
			require.NoError(t, err)
			return s
		}
		s := start()
		s.remove() // before it was opened
		require.ErrorIs(t, s.run(j, nil), os.ErrNotExist)

		s = start()
		j.backend = "kqueue" // for the clients
		require.ErrorContains(t, s.run(j, nil), "kqueue")
	})
}

func TestRefusals(t *testing.T) {
	t.Setenv("LOOP_BACKEND", "")
	j := job{backend: "auto", trace: filepath.Join(t.TempDir(), "t"), dir: t.TempDir()}
	_, _, err := run(j)
	require.ErrorContains(t, err, "at least 1")
	j.clients, j.requests = 1, 1
	j.backend = "kqueue"
	_, _, err = run(j)
	require.ErrorContains(t, err, "kqueue")
	j.dir = "/nowhere"
	j.backend = "auto"
	_, _, err = run(j)
	require.ErrorIs(t, err, os.ErrNotExist)
	j.trace = "/nowhere/t"
	_, _, err = run(j)
	require.ErrorIs(t, err, os.ErrNotExist)
}
