package main

import (
	"fmt"
	"slices"
	"time"
)

// A Step is one run that is to be made.
type Step struct {
	Cell       int // index of the cell
	Contestant string
	Round      int // from 1; 0 is the counting pass
}

// steps puts the runs in order: cell by cell, and within a cell round by round, so that what is compared ran within the same
// minutes. The order is rotated and turned around from round to round, so that nobody always follows the same neighbour.
func steps(cells []Cell) []Step {
	var all []Step
	for i, c := range cells {
		for round := 1; round <= c.Deep; round++ {
			names := c.Contestants
			if round > c.Rounds {
				names = c.deep()
			}
			for _, name := range order(names, round) {
				all = append(all, Step{i, name, round})
			}
		}
		if c.Counted {
			for _, name := range c.Contestants {
				if name != uringAgain {
					all = append(all, Step{i, name, 0})
				}
			}
		}
	}
	return all
}

// deep are the contestants with the most rounds: those that a target compares, and the noise.
func (c Cell) deep() []string {
	compared := targetContestants(c.Name)
	return slices.DeleteFunc(slices.Clone(c.Contestants), func(name string) bool {
		return name != uringAgain && !slices.Contains(compared, name)
	})
}

func order(names []string, round int) []string {
	if len(names) == 0 {
		return nil
	}
	at := (round - 1) % len(names)
	turned := slices.Concat(names[at:], names[:at])
	if round%2 == 0 {
		slices.Reverse(turned)
	}
	return turned
}

// estimate is how long the steps take.
func estimate(cells []Cell, todo []Step) time.Duration {
	var sum time.Duration
	for _, s := range todo {
		sum += s.cost(cells)
	}
	return sum
}

func (s Step) cost(cells []Cell) time.Duration {
	if s.Round == 0 {
		return countWarmup + countWindow + 500*time.Millisecond
	}
	return cells[s.Cell].cost()
}

// minutes prints a duration to people who wait.
func minutes(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%d h %02d min", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%d min %02d s", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}
