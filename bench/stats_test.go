package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpread(t *testing.T) {
	require.Zero(t, spreadOf(nil))
	require.Equal(t, Spread{1, 3, 3, 3, 3, 3}, spreadOf([]float64{3}))
	require.Equal(t, Spread{4, 1, 1.75, 2.5, 3.25, 4}, spreadOf([]float64{4, 1, 3, 2}))
	require.Equal(t, Spread{5, 1, 2, 3, 4, 100}, spreadOf([]float64{2, 100, 1, 4, 3}))
}

// The third round is disturbed for both, and does not show; the fourth has one side only.
func TestPairedRatios(t *testing.T) {
	a := map[int]float64{1: 2, 2: 4, 3: 30, 4: 7}
	b := map[int]float64{1: 4, 2: 8, 3: 60, 5: 9}
	require.Equal(t, []float64{0.5, 0.5, 0.5}, pairedRatios(a, b))
	require.Empty(t, pairedRatios(a, map[int]float64{1: 0}))
	require.Empty(t, pairedRatios(a, nil))
}

func TestParseCores(t *testing.T) {
	cores, err := parseCores("0-2,7")
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 2, 7}, cores)
	for _, text := range []string{"", "x", "3-1", "-1", "1-", "0,,1"} {
		_, err := parseCores(text)
		require.Error(t, err, text)
	}
}

func TestNumbers(t *testing.T) {
	for v, text := range map[float64]string{
		0: "0", 1: "1.00", 0.824: "0.824", 0.05: "0.0500", 12.345: "12.3", 99.96: "100", 123.4: "123", 999.7: "1000", 5123: "5123",
		9999: "10.0k", 182_345: "182k", 999_600: "1.00M", 3_050_000: "3.05M", -4: "-4.00", 0.0001: "1e-04",
	} {
		require.Equal(t, text, short(v), "%v", v)
	}
	require.Equal(t, "", withSpread(Spread{}))
	require.Equal(t, "2.00", withSpread(Spread{N: 1, Q1: 2, Median: 2, Q3: 2}))
	require.Equal(t, "2.00", withSpread(Spread{N: 3, Q1: 1.999, Median: 2, Q3: 2.001}))
	require.Equal(t, "2.00 [1.00, 3.00]", withSpread(Spread{N: 3, Q1: 1, Median: 2, Q3: 3}))
}
