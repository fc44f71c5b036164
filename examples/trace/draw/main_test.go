package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Two turns, two operations that overlap, and one of another loop.
const small = `[
{"ph":"M","name":"thread_name","pid":1,"tid":1,"ts":0.5,"args":{"name":"loop 1 on <uring>"}},
{"ph":"X","name":"pending","pid":1,"tid":1,"ts":10.000,"cat":"phase","dur":1.000},
{"ph":"X","name":"wait","pid":1,"tid":1,"ts":11.000,"cat":"phase","dur":50.000},
{"ph":"C","name":"in flight","pid":1,"tid":1,"ts":61.000,"args":{"operations":2}},
{"ph":"X","name":"completions","pid":1,"tid":1,"ts":61.000,"cat":"phase","dur":9.000},
{"ph":"b","name":"Read","pid":1,"tid":1,"ts":5.000,"cat":"operation","id":"1.2"},
{"ph":"e","name":"Read","pid":1,"tid":1,"ts":62.000,"cat":"operation","id":"1.2"},
{"ph":"X","name":"Read","pid":1,"tid":1,"ts":62.000,"cat":"callback","dur":3.000,"args":{"fd":7}},
{"ph":"b","name":"Read","pid":1,"tid":2,"ts":5.000,"cat":"operation","id":"2.2"},
{"ph":"e","name":"Read","pid":1,"tid":2,"ts":62.000,"cat":"operation","id":"2.2"},
{"ph":"X","name":"pending","pid":1,"tid":1,"ts":70.000,"cat":"phase","dur":1.000},
{"ph":"X","name":"wait","pid":1,"tid":1,"ts":71.000,"cat":"phase","dur":9.000},
{"ph":"b","name":"Send","pid":1,"tid":1,"ts":60.000,"cat":"operation","id":"1.3"},
{"ph":"e","name":"Send","pid":1,"tid":1,"ts":90.000,"cat":"operation","id":"1.3"}
]
`

func TestWindow(t *testing.T) {
	line, err := parse([]byte(small), 1)
	require.NoError(t, err)
	w, err := line.window(0, 2)
	require.NoError(t, err)
	require.Equal(t, []float64{10, 70, 80}, w.turns)
	require.Len(t, w.phases, 5)
	require.Equal(t, []span{{"Read", 62, 65}}, w.callbacks)
	require.Equal(t, []span{{"Read", 10, 62}, {"Send", 60, 80}}, w.operations, "cut at the window's ends")
	rows, count := stack(w.operations)
	require.Equal(t, []int{0, 1}, rows)
	require.Equal(t, 2, count)

	w, err = line.window(1, 1)
	require.NoError(t, err)
	require.Empty(t, w.callbacks)
	require.Equal(t, []span{{"Send", 70, 80}}, w.operations)
}

func TestRun(t *testing.T) {
	in, out := filepath.Join(t.TempDir(), "trace.json"), filepath.Join(t.TempDir(), "trace.svg")
	require.NoError(t, os.WriteFile(in, []byte(small), 0o600))
	require.NoError(t, run(in, out, "", 1, 0, 2))
	picture, err := os.ReadFile(out)
	require.NoError(t, err)

	var words []string
	elements := map[string]int{}
	decoder := xml.NewDecoder(strings.NewReader(string(picture)))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			elements[token.Name.Local]++
		case xml.CharData:
			words = append(words, strings.TrimSpace(string(token)))
		}
	}
	require.Equal(t, 1, elements["svg"])
	// The background, one stripe, 5 phases, 1 callback, 2 operations, 5 names in the legend.
	require.Equal(t, 15, elements["rect"])
	for _, word := range []string{"loop 1 on <uring>", "phases", "callbacks", "operations", "wait", "completions", "other phases", "Read", "Send", "µs", "70"} {
		require.Contains(t, words, word)
	}
}

func TestRefusals(t *testing.T) {
	in := filepath.Join(t.TempDir(), "trace.json")
	require.ErrorIs(t, run(in, "", "", 1, 0, 1), os.ErrNotExist)
	require.NoError(t, os.WriteFile(in, []byte(small), 0o600))
	require.ErrorContains(t, run(in, "", "", 1, 1, 2), "the trace has 2")
	require.ErrorContains(t, run(in, "", "", 3, 0, 1), "no phases of a loop 3")
	require.NoError(t, os.WriteFile(in, []byte("{"), 0o600))
	require.Error(t, run(in, "", "", 1, 0, 1))
}
