package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// A span is a phase, a callback or an operation, in microseconds.
type span struct {
	name     string
	from, to float64
}

// A timeline is what the trace has of one loop.
type timeline struct {
	name                          string
	phases, callbacks, operations []span
}

// parse reads a trace in the format of Chrome's trace viewer, as an array of events.
func parse(data []byte, row int) (*timeline, error) {
	var events []struct {
		Ph, Name, Cat, ID string
		Tid               int
		Ts, Dur           float64
		Args              struct{ Name string }
	}
	if err := json.Unmarshal(data, &events); err != nil {
		return nil, err
	}
	t := &timeline{}
	began := map[string]float64{}
	for _, e := range events {
		if e.Tid != row {
			continue
		}
		switch {
		case e.Ph == "M":
			t.name = e.Args.Name
		case e.Cat == "phase":
			t.phases = append(t.phases, span{e.Name, e.Ts, e.Ts + e.Dur})
		case e.Cat == "callback":
			t.callbacks = append(t.callbacks, span{e.Name, e.Ts, e.Ts + e.Dur})
		case e.Ph == "b":
			began[e.ID] = e.Ts
		case e.Ph == "e":
			t.operations = append(t.operations, span{e.Name, began[e.ID], e.Ts})
		}
	}
	if len(t.phases) == 0 {
		return nil, fmt.Errorf("no phases of a loop %d", row)
	}
	for _, spans := range [][]span{t.phases, t.callbacks, t.operations} {
		slices.SortStableFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	}
	return t, nil
}

// A window is what falls into some turns, and when these begin and end.
type window struct {
	timeline
	turns []float64 // one more than there are turns
}

// window cuts out turns. A turn begins with its pending phase.
func (t *timeline) window(first, count int) (*window, error) {
	var starts []float64
	for _, p := range t.phases {
		if p.name == "pending" {
			starts = append(starts, p.from)
		}
	}
	starts = append(starts, t.phases[len(t.phases)-1].to)
	if first < 0 || count < 1 || first+count >= len(starts) {
		return nil, fmt.Errorf("%d turns from turn %d: the trace has %d", count, first, len(starts)-1)
	}
	w := &window{turns: starts[first : first+count+1]}
	from, to := w.turns[0], w.turns[count]
	cut := func(spans []span) (inside []span) {
		for _, s := range spans {
			if s.to > from && s.from < to {
				inside = append(inside, span{s.name, max(s.from, from), min(s.to, to)})
			}
		}
		return inside
	}
	w.phases, w.callbacks, w.operations = cut(t.phases), cut(t.callbacks), cut(t.operations)
	return w, nil
}
