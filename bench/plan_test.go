package main

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// No cell, contestant or round gets lost, and none is doubled.
func TestEveryRunOnce(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			cells := mode.plan()
			count := map[Step]int{}
			for _, s := range steps(cells) {
				count[s]++
			}
			want := 0
			for i, c := range cells {
				for _, who := range c.Contestants {
					rounds := c.Rounds
					if slices.Contains(c.deep(), who) {
						rounds = c.Deep
					}
					for round := 1; round <= rounds; round++ {
						require.Equal(t, 1, count[Step{i, who, round}], "%s %s round %d", c.Name, who, round)
					}
					want += rounds
					if c.Counted && who != uringAgain {
						require.Equal(t, 1, count[Step{i, who, 0}], "%s %s", c.Name, who)
						want++
					}
				}
			}
			require.Len(t, count, want)
		})
	}
}

func TestCellsAreSound(t *testing.T) {
	known := map[[2]string]bool{}
	for _, who := range contestants() {
		key := [2]string{who.Group, who.Name}
		require.False(t, known[key], "%v twice", key)
		known[key] = true
	}
	for name, mode := range modes {
		seen := map[string]bool{}
		for _, c := range mode.plan() {
			require.False(t, seen[c.Name], "%s: %s twice", name, c.Name)
			seen[c.Name] = true
			s := c.scenario()
			for _, who := range c.Contestants {
				require.True(t, known[[2]string{s.Group, who}], "%s: nobody is %s", c.Name, who)
			}
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(c.Contestants))), len(c.Contestants), c.Name)
			figure(s.Rank)
			for _, key := range s.Columns {
				columnOf(key, s.Op)
			}
			require.Contains(t, s.Columns, s.Rank, s.Name)
			require.False(t, figure(s.Rank).MoreIsBetter, "the summary takes less for better")
		}
	}
}

// A round is done before the next begins, every contestant is each one's neighbour on either side, and nobody is always first.
func TestInterleaved(t *testing.T) {
	cells := []Cell{{Name: "a", Contestants: []string{"x", "y", "z"}, Rounds: 4, Deep: 4}, {Name: "b", Contestants: []string{"x"}, Rounds: 2, Deep: 2}}
	var order []string
	round := 0
	for _, s := range steps(cells) {
		if s.Cell == 0 {
			require.GreaterOrEqual(t, s.Round, round)
			round = s.Round
			order = append(order, s.Contestant)
		}
	}
	require.Equal(t, []string{"x", "y", "z", "x", "z", "y", "z", "x", "y", "z", "y", "x"}, order)
}

func TestDeepRounds(t *testing.T) {
	c := Cell{Name: "echo/512x64B/p16", Contestants: []string{uring, uringAgain, "net", liburing}, Rounds: 5, Deep: 15}
	require.Equal(t, []string{uring, uringAgain, liburing}, c.deep())
}

func TestEstimates(t *testing.T) {
	for name, limit := range map[string]time.Duration{
		"full": 2 * time.Hour, "quick": 8 * time.Minute, "targets": time.Hour, "sanity": 105 * time.Second,
	} {
		cells := modes[name].plan()
		require.Less(t, estimate(cells, steps(cells)), limit, name)
	}
	require.Equal(t, "1 h 05 min", minutes(65*time.Minute+10*time.Second))
	require.Equal(t, "2 min 03 s", minutes(123*time.Second))
	require.Equal(t, "9 s", minutes(9*time.Second))
}

// Every target is measured by the full mode and by the one that measures nothing else, with every contestant it compares.
func TestTargetsAreMeasured(t *testing.T) {
	for _, name := range []string{"full", "targets"} {
		cells := modes[name].plan()
		for _, target := range targets {
			i := slices.IndexFunc(cells, func(c Cell) bool { return c.Name == target.Cell })
			require.GreaterOrEqual(t, i, 0, "%s lacks %s", name, target.Cell)
			require.Subset(t, cells[i].Contestants, append(target.Against, target.Ours), target.Cell)
			require.GreaterOrEqual(t, cells[i].Deep, 15, target.Cell)
			figure(target.Figure)
		}
	}
	require.Len(t, modes["targets"].plan(), len(findCells(modes["full"].plan(), isTarget)))
}

// Idle connections count as well.
func TestLimitMarksWhatIsTooLarge(t *testing.T) {
	cells := []Cell{
		echoCell(1000, 64, 1, []string{"c-select", "c-poll"}), echoCell(1001, 64, 1, []string{"c-select", "c-poll"}),
		idleCell(5000, 64, []string{"c-select", "c-poll"}),
	}
	s := &Suite{contestants: contestants(), results: &Results{Cells: cells}}
	s.limit()
	require.Len(t, s.results.Absent, 2)
	for i, a := range s.results.Absent {
		require.Equal(t, "c-select", a.Contestant)
		require.Equal(t, cells[i+1].Name, a.Cell)
	}
}
