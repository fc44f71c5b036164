package loop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

// traceEvent is one event of a trace, as the viewers read it.
type traceEvent struct {
	Phase    string         `json:"ph"`
	Name     string         `json:"name"`
	Category string         `json:"cat"`
	Process  int            `json:"pid"`
	Row      int            `json:"tid"`
	Time     float64        `json:"ts"`
	Duration float64        `json:"dur"`
	ID       string         `json:"id"`
	Args     map[string]any `json:"args"`
}

func readTrace(t *testing.T, text []byte) []traceEvent {
	t.Helper()
	var events []traceEvent
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&events), "%s", text)
	return events
}

// checkTrace demands that callbacks lie within phases, phases follow each other, and operations that begin end.
func checkTrace(t *testing.T, events []traceEvent) {
	t.Helper()
	open := map[string]traceEvent{}
	phases := map[int][]traceEvent{}
	for _, e := range events {
		require.Equal(t, 1, e.Process)
		switch {
		case e.Phase == "X" && e.Category == "phase":
			if before := phases[e.Row]; len(before) > 0 {
				last := before[len(before)-1]
				require.GreaterOrEqual(t, e.Time, last.Time+last.Duration-0.002)
			}
			phases[e.Row] = append(phases[e.Row], e)
		case e.Phase == "b":
			require.NotContains(t, open, e.ID)
			open[e.ID] = e
		case e.Phase == "e":
			require.Contains(t, open, e.ID)
			require.Equal(t, open[e.ID].Name, e.Name)
			require.GreaterOrEqual(t, e.Time, open[e.ID].Time)
			delete(open, e.ID)
		}
	}
	require.Empty(t, open)
	for _, e := range events {
		if e.Category != "callback" {
			continue
		}
		within := false
		for _, p := range phases[e.Row] {
			within = within || p.Time <= e.Time+0.002 && e.Time+e.Duration <= p.Time+p.Duration+0.002
		}
		require.True(t, within, "callback %s at %f is in no phase", e.Name, e.Time)
	}
}

func find(events []traceEvent, category, name string) (found []traceEvent) {
	for _, e := range events {
		if e.Category == category && e.Name == name {
			found = append(found, e)
		}
	}
	return found
}

func TestTracer(t *testing.T) {
	for _, c := range columns {
		t.Run(c.name, func(t *testing.T) {
			var text bytes.Buffer
			tracer := loop.NewTracer(&text)
			runCase(t, c, loop.Options{Tracer: tracer}, func(t *testing.T, l *loop.Loop) {
				conn, peer := connectPeer(t, l)
				name := filepath.Join(t.TempDir(), "file")
				require.NoError(t, os.WriteFile(name, noise(10_000), 0o600))
				l.Open(name, os.O_RDONLY, 0, func(f *loop.File, err error) {
					require.NoError(t, err)
					f.ReadAt(make([]byte, 10_000), 0, func([]byte, error) { f.Close(nil) })
				})
				conn.Recv(make([]byte, 1), func([]byte, error) {
					l.NextTick(func() {})
					l.Immediate(func() {})
				})
				_, err := peer.Write([]byte("x"))
				require.NoError(t, err)
				l.After(0, func() {})
				l.Work(func() error { return nil }, func(error) {})
				require.NoError(t, l.Post(func() {}))
				require.NoError(t, l.Run())
				conn.Recv(make([]byte, 1), func([]byte, error) {}) // ended by Close
				require.NoError(t, l.Close())
				require.NoError(t, tracer.Close())
				require.NoError(t, tracer.Close())

				events := readTrace(t, text.Bytes())
				checkTrace(t, events)
				for _, callback := range []string{"Recv", "Open", "Read", "Timer", "Work", "Post", "NextTick", "Immediate"} {
					require.NotEmpty(t, find(events, "callback", callback), callback)
				}
				for _, operation := range []string{"Recv", "Open", "Read", "Work", "Accept"} {
					require.NotEmpty(t, find(events, "operation", operation), operation)
				}
				for _, phase := range []string{"wait", "completions", "immediates", "timers"} {
					require.NotEmpty(t, find(events, "phase", phase), phase)
				}
				require.Equal(t, "M", events[0].Phase)
			})
		})
	}
}

// Two loops in one trace, on goroutines of their own, and a callback that panics in one of them.
func TestTracerOfTwoLoops(t *testing.T) {
	for _, c := range columns {
		t.Run(c.name, func(t *testing.T) {
			var text bytes.Buffer
			tracer := loop.NewTracer(&text)
			runCase(t, c, loop.Options{Tracer: tracer}, func(t *testing.T, l *loop.Loop) {
				other, err := loop.New(loop.Options{Tracer: tracer})
				require.NoError(t, err)
				done := make(chan error)
				for i := range 100 {
					other.After(0, func() {})
					l.Immediate(func() {
						if i == 50 {
							panic(i)
						}
					})
				}
				go func() { done <- errors.Join(other.Run(), other.Close()) }()
				require.PanicsWithValue(t, 50, func() { _ = l.Run() })
				require.NoError(t, l.Run())
				require.NoError(t, <-done)
				require.NoError(t, l.Close())
				require.NoError(t, tracer.Close())
				events := readTrace(t, text.Bytes())
				checkTrace(t, events)
				require.Len(t, find(events, "callback", "Immediate"), 100)
				require.Len(t, find(events, "callback", "Timer"), 100)
			})
		})
	}
}

func TestTracerWithoutEventsOrWithABadWriter(t *testing.T) {
	var text bytes.Buffer
	require.NoError(t, loop.NewTracer(&text).Close())
	require.Empty(t, readTrace(t, text.Bytes()))
	closed, err := os.Open(os.DevNull)
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	tracer := loop.NewTracer(closed)
	l, err := loop.New(loop.Options{Tracer: tracer})
	require.NoError(t, err)
	require.NoError(t, l.Poll())
	require.NoError(t, l.Close())
	require.ErrorIs(t, tracer.Close(), os.ErrClosed)
}
