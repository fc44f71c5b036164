package main

import "time"

// Results are everything that one session of the suite has found. results.json is this, and the report is made of nothing else.
type Results struct {
	Mode        string             `json:"mode"`
	Started     time.Time          `json:"started"`
	Ended       time.Time          `json:"ended"`
	Interrupted bool               `json:"interrupted,omitempty"`
	Machine     Machine            `json:"machine"`
	LoadBefore  float64            `json:"load_before"` // the load average of the minute before
	Cells       []Cell             `json:"cells"`
	Absent      []Absence          `json:"absent,omitempty"`
	Rates       map[string]float64 `json:"rates,omitempty"` // of the open loops, per second, by cell
	Commands    []commands         `json:"commands"`
	Runs        []*Run             `json:"runs"`
}

// An Absence says why a contestant is in none of the cells of its group, or not in one of them.
type Absence struct {
	Group      string `json:"group"`
	Contestant string `json:"contestant"`
	Cell       string `json:"cell,omitempty"` // all of the group, if empty
	Reason     string `json:"reason"`
}

// clientBound is the share of its core from which on the client may be what limits a run.
const clientBound = 0.95

func (r *Results) absent(c Cell, contestant string) string {
	for _, a := range r.Absent {
		if a.Contestant == contestant && a.Group == c.scenario().Group && (a.Cell == "" || a.Cell == c.Name) {
			return a.Reason
		}
	}
	return ""
}

// runs are those of a contestant in a cell that did not fail.
func (r *Results) runs(cell, contestant string) []*Run {
	var found []*Run
	for _, run := range r.Runs {
		if run.Cell == cell && run.Contestant == contestant && run.Failure == "" {
			found = append(found, run)
		}
	}
	return found
}

// failures are the messages of those that did, and how many runs there were.
func (r *Results) failures(cell, contestant string) (messages []string, of int) {
	for _, run := range r.Runs {
		if run.Cell == cell && run.Contestant == contestant {
			if of++; run.Failure != "" {
				messages = append(messages, run.Failure)
			}
		}
	}
	return messages, of
}

// values are those of a figure, by round.
func (r *Results) values(cell, contestant, key string) map[int]float64 {
	f := figure(key)
	values := map[int]float64{}
	for _, run := range r.runs(cell, contestant) {
		if v, ok := f.Of(run); ok {
			values[run.Round] = v
		}
	}
	return values
}

func (r *Results) spread(cell, contestant, key string) Spread {
	var values []float64
	for _, v := range r.values(cell, contestant, key) {
		values = append(values, v)
	}
	return spreadOf(values)
}

// ratio is that of two contestants, round by round.
func (r *Results) ratio(cell, contestant, baseline, key string) Spread {
	return spreadOf(pairedRatios(r.values(cell, contestant, key), r.values(cell, baseline, key)))
}

// best is the one of the contestants with the best median; nobody if the figure is not there.
func (r *Results) best(cell string, contestants []string, key string) string {
	best, value := "", 0.0
	for _, name := range contestants {
		s := r.spread(cell, name, key)
		if s.N == 0 {
			continue
		}
		if better := figure(key).MoreIsBetter == (s.Median > value); best == "" || better {
			best, value = name, s.Median
		}
	}
	return best
}

func (r *Results) clientBound(cell, contestant string) bool {
	return r.spread(cell, contestant, "client_busy").Median > clientBound
}

func (r *Results) cell(name string) (Cell, bool) {
	for _, c := range r.Cells {
		if c.Name == name {
			return c, true
		}
	}
	return Cell{}, false
}
