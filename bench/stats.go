package main

import (
	"math"
	"slices"
)

// A Spread summarises the values of one figure over the rounds.
type Spread struct {
	N                        int
	Min, Q1, Median, Q3, Max float64
}

func spreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	return Spread{len(v), v[0], quantile(v, 0.25), quantile(v, 0.5), quantile(v, 0.75), v[len(v)-1]}
}

// quantile interpolates between the two neighbours in sorted, which must not be empty.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(math.Floor(at))
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// pairedRatios divides round by round. What disturbs the machine for a while then disturbs both sides of a ratio, so that the
// median of the ratios says more than the ratio of the medians. A round that one side lacks is left out.
func pairedRatios(a, b map[int]float64) []float64 {
	var ratios []float64
	for round, x := range a {
		if y, both := b[round]; both && y != 0 {
			ratios = append(ratios, x/y)
		}
	}
	return ratios
}
