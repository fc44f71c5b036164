package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTranslate(t *testing.T) {
	r, err := translate([]byte(`fio: a warning
{"fio version": "fio-3.33", "jobs": [{"error": 0, 
 "read": {"io_bytes": 4096000, "total_ios": 1000, "runtime": 500,
  "clat_ns": {"max": 9000, "percentile": {"50.000000": 1000, "90.000000": 2000, "99.000000": 3000, "99.900000": 4000}}},
 "write": {"io_bytes": 0, "total_ios": 0, "runtime": 0}}]}`))
	require.NoError(t, err)
	require.EqualValues(t, 1000, r.Ops)
	require.EqualValues(t, 4096000, r.Bytes)
	require.InDelta(t, 0.5, r.Seconds, 1e-9)
	require.Equal(t, []float64{1, 2, 3, 4, 9}, []float64{r.P50US, r.P90US, r.P99US, r.P999US, r.MaxUS})

	_, err = translate([]byte("no such engine"))
	require.Error(t, err)
	_, err = translate([]byte(`{"jobs": []}`))
	require.Error(t, err)
}
