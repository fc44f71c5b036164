package main

// A Verdict is a target beside what was measured.
type Verdict struct {
	Target
	Baseline string // the one of Against that was the best
	Measured Spread // the ratio by rounds, or the figure where there is no baseline
	Status   string
}

const (
	holds    = "holds"
	missed   = "**MISSED**"
	unjudged = "client-bound, judged by CPU" // a rate that the client limits says nothing about servers
	nothing  = "not measured"
)

func (r *Results) verdict(t Target) Verdict {
	v := Verdict{Target: t, Status: nothing}
	cell, planned := r.cell(t.Cell)
	if !planned {
		return v
	}
	for _, name := range append([]string{t.Ours}, t.Against...) {
		if reason := r.absent(cell, name); reason != "" && (name == t.Ours || len(t.Against) == 1) {
			v.Status = "absent: " + reason
			return v
		}
	}
	if len(t.Against) == 0 {
		v.Measured = r.spread(t.Cell, t.Ours, t.Figure)
	} else if v.Baseline = r.best(t.Cell, t.Against, t.Figure); v.Baseline != "" {
		v.Measured = r.ratio(t.Cell, t.Ours, v.Baseline, t.Figure)
	}
	switch {
	case v.Measured.N == 0:
	case t.Figure == "rate" && (r.clientBound(t.Cell, t.Ours) || r.clientBound(t.Cell, v.Baseline)):
		v.Status = unjudged
	case t.AtLeast && v.Measured.Median >= t.Limit, !t.AtLeast && v.Measured.Median <= t.Limit:
		v.Status = holds
	default:
		v.Status = missed
	}
	return v
}

func (r *Results) verdicts() []Verdict {
	all := make([]Verdict, len(targets))
	for i, t := range targets {
		all[i] = r.verdict(t)
	}
	return all
}
