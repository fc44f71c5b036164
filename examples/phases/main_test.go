package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/proactor-go/proactor/examples/internal/backends"
	"github.com/stretchr/testify/require"
)

// order is what comes in which order, the same on every backend.
var order = [][]string{
	{"timer", "immediate"},
	{"immediate", "timer"},
	{"timer 1", "tick", "timer 2"},
	{"1000 ticks", "immediate"},
	{"immediate 1", "immediate 2", "timer", "immediate 3"},
	{"after Accept", "accept failed: true", "closed"},
	{"immediate"},
}

func TestPhases(t *testing.T) {
	backends.Each(t, func(t *testing.T, backend string) {
		var out bytes.Buffer
		require.NoError(t, show(&out, backend))
		var got [][]string
		for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
			if said, ok := strings.CutPrefix(line, "   "); ok {
				got[len(got)-1] = append(got[len(got)-1], strings.TrimSpace(said[:22]))
				continue
			}
			got = append(got, nil)
		}
		require.Equal(t, order, got)
	})
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestPhasesReportsItsOutput(t *testing.T) {
	require.ErrorIs(t, show(full{}, "poll"), os.ErrClosed)
}
