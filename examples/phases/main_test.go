package main

import (
	"os"
	"testing"

	"github.com/proactor-go/proactor/examples/internal/backends"
	"github.com/stretchr/testify/require"
)

// The order is the same everywhere and every time: go run ./examples/phases >examples/phases/testdata/order.txt made the file.
func TestOrder(t *testing.T) {
	want, err := os.ReadFile("testdata/order.txt")
	require.NoError(t, err)
	backends.Each(t, func(t *testing.T, backend string) {
		for range 10 {
			order, err := run(backend)
			require.NoError(t, err)
			require.Equal(t, string(want), order)
		}
	})
}

func TestRefusesAnUnknownBackend(t *testing.T) {
	t.Setenv("LOOP_BACKEND", "")
	_, err := run("kqueue")
	require.ErrorContains(t, err, "kqueue")
}
