package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDraw(t *testing.T) {
	trace := `[{"ph":"b","name":"Recv","cat":"operation","id":"1","ts":5},{"ph":"b","name":"Send","cat":"operation","id":"2","ts":6},
{"ph":"e","name":"Recv","id":"1","ts":15},{"ph":"e","name":"Send","id":"2","ts":15},{"ph":"X","name":"a<b","cat":"callback","ts":11,"dur":4},
{"ph":"X","name":"late","cat":"callback","ts":900,"dur":4},{"ph":"X","name":"completions","cat":"phase","ts":10,"dur":10}]`
	var out bytes.Buffer
	require.NoError(t, draw(strings.NewReader(trace), &out, "a & b", 0, 100))
	svg := out.String()
	for d := xml.NewDecoder(&out); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	require.Contains(t, svg, "a&lt;b")
	require.NotContains(t, svg, "late", "outside of the window")
	require.Equal(t, 5, strings.Count(svg, "<rect"), "the ground, a phase, a callback, two operations")
	require.Error(t, draw(strings.NewReader("[]"), io.Discard, "", 0, 1))
	require.Error(t, draw(strings.NewReader("{"), io.Discard, "", 0, 1))
}
