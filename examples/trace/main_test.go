package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/proactor-go/proactor/examples/internal/backends"
	"github.com/stretchr/testify/require"
)

func TestTraceIsValid(t *testing.T) {
	backends.Each(t, func(t *testing.T, backend string) {
		out := filepath.Join(t.TempDir(), "trace.json")
		require.NoError(t, record(backend, out))
		text, err := os.ReadFile(out)
		require.NoError(t, err)
		var events []struct {
			Ph, Name, Cat, ID string
			Args              map[string]any
		}
		require.NoError(t, json.Unmarshal(text, &events))
		begun, ended, callbacks := map[string]int{}, map[string]int{}, map[string]int{}
		for _, e := range events {
			switch {
			case e.Ph == "b":
				begun[e.Name]++
			case e.Ph == "e":
				ended[e.Name]++
			case e.Cat == "callback":
				callbacks[e.Name]++
			}
		}
		require.Equal(t, begun, ended, "every operation ends")
		require.Equal(t, clients*rounds, ended["Read"])
		require.Equal(t, clients*rounds, ended["RecvFull"])
		require.Equal(t, clients, ended["Dial"])
		require.GreaterOrEqual(t, callbacks["Read"], clients*rounds)
	})
}

func TestTraceFails(t *testing.T) {
	require.Error(t, record("nothing", filepath.Join(t.TempDir(), "trace.json")))
	require.Error(t, record("poll", filepath.Join(t.TempDir(), "no", "trace.json")))
}
