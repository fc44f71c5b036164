package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// writeReport prints REPORT.md.
func writeReport(w io.Writer, r *Results) error {
	var b strings.Builder
	b.WriteString("# Results\n\n")
	fmt.Fprintf(&b, "Mode %s, %s, %s, commit %s. %s\n", r.Mode, r.Started.UTC().Format("2006-01-02 15:04 MST"),
		minutes(r.Ended.Sub(r.Started)), r.Machine.fact("commit"), r.Machine.fact("CPU"))
	b.WriteString("[How to read this, and what it does not show](../../README.md).\n")
	if r.Interrupted {
		b.WriteString("\n**Interrupted: what follows is what was measured until then.**\n")
	}
	const quiet = 0.5
	if r.LoadBefore > quiet {
		fmt.Fprintf(&b, "\n**The machine had other work: its load average was %.1f before the session. "+
			"Trust no difference that does not dwarf those of the noise rows.**\n", r.LoadBefore)
	}
	b.WriteString("\nEvery figure is a median over the rounds, followed by the range in which the middle half of the rounds lies. Ratios are " +
		"medians of the ratios of the single rounds. † marks a run whose client was over 95 % busy: its rate may be the client's, " +
		"only the server's CPU time counts.\n")
	for _, part := range []func(*strings.Builder, *Results){
		writeTargets, writeSummary, writeNoise, writeAbsent, writeFailures, writeScenarios, writeMachine, writeCommands,
	} {
		part(&b, r)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeTargets(b *strings.Builder, r *Results) {
	var rows [][]string
	count := map[string]int{}
	for _, v := range r.verdicts() {
		count[v.Status]++
		sign := map[bool]string{true: "≥", false: "≤"}[v.AtLeast]
		against := v.Baseline
		if against == "" {
			against = strings.Join(v.Against, ", ")
		}
		rows = append(rows, []string{
			v.Cell, v.Ours, unitOf(v.Cell, v.Figure), against,
			sign + " " + short(v.Limit), withSpread(v.Measured), v.Status, v.Says,
		})
	}
	fmt.Fprintf(b, "\n## Targets\n\n%d hold, %d are missed, %d are not judged because the client was the limit, %d were not measured.\n\n",
		count[holds], count[missed], count[unjudged], len(targets)-count[holds]-count[missed]-count[unjudged])
	b.WriteString(markdown([]string{"cell", "ours", "figure", "divided by", "limit", "measured", "verdict", "what for"}, rows))
}

func unitOf(cell, key string) string {
	op := "op"
	for _, s := range scenarios {
		if strings.HasPrefix(cell, s.Name+"/") || cell == s.Name {
			op = s.Op
		}
	}
	unit := figure(key).Unit
	if strings.Contains(unit, "%s") {
		return fmt.Sprintf(unit, op)
	}
	return unit
}

// A standing is how ours did in a cell against the best of the others.
type standing struct {
	cell   Cell
	best   string
	ratio  Spread // above 1: ours is behind
	key    string
	place  int
	others int
}

func (r *Results) standings() []standing {
	var all []standing
	for _, c := range r.Cells {
		s := standing{cell: c, key: c.scenario().Rank, place: 1}
		var others []string
		for _, name := range c.Contestants {
			if !ours(name) {
				others = append(others, name)
			}
		}
		if s.best = r.best(c.Name, others, s.key); s.best == "" {
			continue
		}
		if s.ratio = r.ratio(c.Name, uring, s.best, s.key); s.ratio.N == 0 {
			continue
		}
		mine := r.spread(c.Name, uring, s.key).Median
		for _, name := range others {
			if v := r.spread(c.Name, name, s.key); v.N > 0 {
				if s.others++; v.Median < mine {
					s.place++
				}
			}
		}
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b standing) int { return cmp.Compare(b.ratio.Median, a.ratio.Median) })
	return all
}

func (s standing) verdict() string {
	switch {
	case s.ratio.Q1 > 1:
		return "behind"
	case s.ratio.Q3 < 1:
		return "ahead"
	}
	return "level"
}

// writeSummary lists every cell, the losses first.
func writeSummary(b *strings.Builder, r *Results) {
	var rows [][]string
	for _, s := range r.standings() {
		rows = append(rows, []string{
			s.cell.Name, unitOf(s.cell.Name, s.key),
			short(r.spread(s.cell.Name, uring, s.key).Median), s.best, short(r.spread(s.cell.Name, s.best, s.key).Median),
			withSpread(s.ratio), s.verdict(), fmt.Sprintf("%d of %d", s.place, s.others+1),
		})
	}
	if len(rows) == 0 {
		return
	}
	b.WriteString("\n## Ours on io_uring against the best of all others, losses first\n\n" +
		"The best other contestant of each cell, the C programs included, by the figure that ranks the cell; " +
		"less is better in all of them. Level: the middle half of the ratios has 1 in it.\n\n")
	b.WriteString(markdown([]string{"cell", "figure", uring, "best other", "its figure", "ratio", "", "place"}, rows))
}

func writeNoise(b *strings.Builder, r *Results) {
	var rows [][]string
	for _, c := range r.Cells {
		row := []string{c.Name}
		for _, key := range []string{c.scenario().Rank, "rate", "p99"} {
			text := withSpread(r.ratio(c.Name, uringAgain, uring, key))
			row = append(row, text)
		}
		if row[1] != "" {
			row[1] += " " + unitOf(c.Name, c.scenario().Rank)
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return
	}
	b.WriteString("\n## Noise\n\nThe same program twice under two names: these ratios would be 1 on a perfect machine, " +
		"and a difference smaller than theirs is none.\n\n")
	b.WriteString(markdown([]string{"cell", "ranking figure", "rate", "p99"}, rows))
}

func writeAbsent(b *strings.Builder, r *Results) {
	if len(r.Absent) == 0 {
		return
	}
	b.WriteString("\n## Absent\n\n")
	for _, a := range r.Absent {
		where := a.Cell
		if where == "" {
			where = a.Group
		}
		fmt.Fprintf(b, "- %s (%s): %s\n", a.Contestant, where, a.Reason)
	}
}

func writeFailures(b *strings.Builder, r *Results) {
	var text strings.Builder
	for _, c := range r.Cells {
		for _, name := range c.Contestants {
			if messages, of := r.failures(c.Name, name); len(messages) > 0 {
				fmt.Fprintf(&text, "- %s in %s, %d of %d runs: `%s`\n", name, c.Name, len(messages), of, strings.ReplaceAll(messages[0], "`", "'"))
			}
		}
	}
	if text.Len() > 0 {
		b.WriteString("\n## Failed runs\n\n" + text.String())
	}
}

func writeScenarios(b *strings.Builder, r *Results) {
	for _, s := range scenarios {
		var cells []Cell
		for _, c := range r.Cells {
			if c.Scenario == s.Name {
				cells = append(cells, c)
			}
		}
		if len(cells) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n## %s\n\n%s\n", s.Title, s.Text)
		for _, p := range plotsOf(r, s) {
			fmt.Fprintf(b, "\n![%s](%s)\n", p.title, p.file)
		}
		for _, c := range cells {
			writeCell(b, r, c)
		}
	}
}

func writeCell(b *strings.Builder, r *Results, c Cell) {
	s := c.scenario()
	columns := []column{{"", func(_ *Results, _ Cell, name string) string { return name }}}
	for _, key := range s.Columns {
		columns = append(columns, columnOf(key, s.Op))
		if key == s.Rank {
			for _, baseline := range s.Baselines {
				columns = append(columns, ratioColumn(key, baseline))
			}
		}
	}
	titles := make([]string, len(columns))
	for i, col := range columns {
		titles[i] = col.title
	}
	var rows [][]string
	for _, name := range r.ranked(c) {
		row := make([]string, len(columns))
		row[0] = name
		switch {
		case r.absent(c, name) != "":
			row[1] = "absent: " + r.absent(c, name)
		case len(r.runs(c.Name, name)) == 0:
			row[1] = "failed"
			if _, of := r.failures(c.Name, name); of == 0 {
				row[1] = "not run"
			}
		default:
			for i, col := range columns {
				row[i] = col.text(r, c, name)
			}
		}
		rows = append(rows, row)
	}
	title := fmt.Sprintf("\n### %s\n\n%s of %v", c.Name, c.rounds(), c.Window.Round(time.Millisecond))
	if rate := r.Rates[c.Name]; rate > 0 {
		title += fmt.Sprintf(", %s %s/s", short(rate), s.Op)
	}
	b.WriteString(title + ".\n\n" + markdown(titles, rows) + r.notes(c))
}

// notes are what the programs had to say, each once.
func (r *Results) notes(c Cell) string {
	var b strings.Builder
	for _, name := range c.Contestants {
		for _, run := range r.runs(c.Name, name) {
			if run.Note != "" && run.Round != 0 {
				fmt.Fprintf(&b, "\n- %s: %s", name, run.Note)
				break
			}
		}
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}

// ranked sorts a cell's contestants, the best first; those without figures are last.
func (r *Results) ranked(c Cell) []string {
	key := c.scenario().Rank
	names := slices.Clone(c.Contestants)
	slices.SortStableFunc(names, func(a, b string) int {
		x, y := r.spread(c.Name, a, key), r.spread(c.Name, b, key)
		if x.N == 0 || y.N == 0 {
			return cmp.Compare(min(y.N, 1), min(x.N, 1))
		}
		if figure(key).MoreIsBetter {
			return cmp.Compare(y.Median, x.Median)
		}
		return cmp.Compare(x.Median, y.Median)
	})
	return names
}

func writeMachine(b *strings.Builder, r *Results) {
	b.WriteString("\n## Machine\n\n")
	for _, f := range r.Machine.Facts {
		fmt.Fprintf(b, "- %s: %s\n", f.Name, f.Value)
	}
}

// writeCommands prints each contestant's command once and each cell's client once.
func writeCommands(b *strings.Builder, r *Results) {
	if len(r.Commands) == 0 {
		return
	}
	b.WriteString("\n## Commands\n\nAs they were run, in bench/, under the affinity that the line on cores tells; " +
		"$DIR is a directory made for the session. Each contestant's first, then each cell's client with the first contestant.\n\n```\n")
	seen := map[string]bool{}
	for _, c := range r.Commands {
		cell, _ := r.cell(c.Cell)
		program := cell.scenario().Group + " " + c.Contestant
		if seen[program] {
			continue
		}
		seen[program] = true
		fmt.Fprintf(b, "%-24s %s\n", program, strings.Join(append(slices.Clone(c.Env), c.Server...), " "))
	}
	b.WriteByte('\n')
	for _, c := range r.Commands {
		if len(c.Client) == 0 || seen[c.Cell] {
			continue
		}
		seen[c.Cell] = true
		fmt.Fprintf(b, "%-24s %s\n", c.Cell, strings.Join(c.Client, " "))
	}
	b.WriteString("```\n")
}
