package main

import (
	"fmt"
	"math"
	"strings"
)

// A column is one of a table's: its title, and its text for a contestant in a cell.
type column struct {
	title string
	text  func(r *Results, c Cell, contestant string) string
}

// columnOf returns the column of a figure, or one of those that put several figures in one place.
func columnOf(key, op string) column {
	switch key {
	case "split":
		return column{"user + system", func(r *Results, c Cell, name string) string {
			user, system := r.spread(c.Name, name, "user_us"), r.spread(c.Name, name, "sys_us")
			if user.N == 0 || system.N == 0 {
				return ""
			}
			return short(user.Median) + " + " + short(system.Median)
		}}
	case "latency":
		return column{"p50 / p90 / p99 / p99.9 / max µs", func(r *Results, c Cell, name string) string {
			var parts []string
			for _, key := range []string{"p50", "p90", "p99", "p999", "max"} {
				if s := r.spread(c.Name, name, key); s.N > 0 {
					parts = append(parts, short(s.Median))
				} else {
					parts = append(parts, "-")
				}
			}
			if strings.Join(parts, "") == "-----" {
				return ""
			}
			return strings.Join(parts, " / ")
		}}
	}
	f := figure(key)
	title := f.Unit
	if strings.Contains(title, "%s") {
		title = fmt.Sprintf(title, op)
	}
	return column{title, func(r *Results, c Cell, name string) string {
		s := r.spread(c.Name, name, key)
		text := withSpread(s)
		if s.N > 0 && strings.HasSuffix(key, "_busy") {
			text = percent(s.Median)
		}
		if key == "rate" && r.clientBound(c.Name, name) {
			text += " †"
		}
		return text
	}}
}

// ratioColumn divides a contestant's figure by a baseline's, paired by rounds.
func ratioColumn(key, baseline string) column {
	return column{"÷ " + baseline, func(r *Results, c Cell, name string) string {
		if name == baseline {
			return "1"
		}
		return withSpread(r.ratio(c.Name, name, baseline, key))
	}}
}

// markdown lays out a table. Columns that nobody has a text for are left out.
func markdown(titles []string, rows [][]string) string {
	used := make([]bool, len(titles))
	for _, row := range rows {
		for i, text := range row {
			used[i] = used[i] || text != ""
		}
	}
	var b strings.Builder
	line := func(cells []string) {
		b.WriteByte('|')
		for i, text := range cells {
			if used[i] {
				b.WriteString(" " + strings.ReplaceAll(text, "|", "\\|") + " |")
			}
		}
		b.WriteByte('\n')
	}
	rule := make([]string, len(titles))
	for i := range rule {
		rule[i] = "---"
		if isNumeric(rows, i) {
			rule[i] = "---:"
		}
	}
	line(titles)
	line(rule)
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

// isNumeric tells columns of figures, which stand on the right, by their first text.
func isNumeric(rows [][]string, column int) bool {
	for _, row := range rows {
		if text := row[column]; text != "" {
			return text[0] >= '0' && text[0] <= '9' || text[0] == '-'
		}
	}
	return false
}

// withSpread prints a median, and where half of the rounds lie.
func withSpread(s Spread) string {
	if s.N == 0 {
		return ""
	}
	low, median, high := short(s.Q1), short(s.Median), short(s.Q3)
	if low == high {
		return median
	}
	return fmt.Sprintf("%s [%s, %s]", median, low, high)
}

// short prints three digits that count.
func short(v float64) string {
	abs := math.Abs(v)
	switch {
	case v == 0:
		return "0"
	case abs >= 999_500:
		return digits(v/1e6) + "M"
	case abs >= 9_995:
		return digits(v/1e3) + "k"
	case abs >= 999.5:
		return fmt.Sprintf("%.0f", v)
	case abs < 0.0005:
		return fmt.Sprintf("%.0e", v)
	}
	return digits(v)
}

func digits(v float64) string {
	abs := math.Abs(v)
	switch {
	case abs >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case abs >= 9.995:
		return fmt.Sprintf("%.1f", v)
	case abs >= 0.995:
		return fmt.Sprintf("%.2f", v)
	case abs >= 0.0995:
		return fmt.Sprintf("%.3f", v)
	}
	return fmt.Sprintf("%.4f", v)
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", v*100) }
