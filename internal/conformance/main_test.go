package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const sample = `{"Action":"run","Package":"p","Test":"TestA01x"}
{"Action":"pass","Package":"p","Test":"TestA01x/tcp/uring"}
{"Action":"pass","Package":"p","Test":"TestA01x/unix/uring"}
{"Action":"skip","Package":"p","Test":"TestA01x/unix/epoll"}
{"Action":"pass","Package":"p","Test":"TestA01x/tcp/epoll"}
{"Action":"skip","Package":"p","Test":"TestA01x/tcp/poll"}
{"Action":"pass","Package":"p","Test":"TestA01x/tcp"}
{"Action":"pass","Package":"p","Test":"TestA01x"}
{"Action":"pass","Package":"p","Test":"TestB02y"}
{"Action":"pass","Package":"p","Test":"TestOther/uring"}
{"Action":"output","Package":"p","Output":"ok p\n"}
{"Action":"pass","Package":"p"}
`

func withCases(t *testing.T, text string) {
	before := cases
	cases = text
	t.Cleanup(func() { cases = before })
}

func TestTable(t *testing.T) {
	withCases(t, "# Title\nA01 First\nB02 Second\nC03 - Third: because\n")
	file := filepath.Join(t.TempDir(), "table.md")
	require.ErrorIs(t, run(strings.NewReader(sample), file, false), os.ErrNotExist)
	require.NoError(t, run(strings.NewReader(sample), file, true))
	require.NoError(t, run(strings.NewReader(sample), file, false))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "| A01 | First | ✓ | n/a | n/a | n/a | ✓, in part | skipped |\n")
	require.Contains(t, string(text), "| B02 | Second | once | once | once | once | once | once |\n")
	require.Contains(t, string(text), "| C03 | Third: because | n/a | n/a | n/a | n/a | n/a | n/a |\n")
	require.NoError(t, os.WriteFile(file, text[1:], 0o600))
	require.ErrorContains(t, run(strings.NewReader(sample), file, false), "stale")
}

func TestRefusals(t *testing.T) {
	file := filepath.Join(t.TempDir(), "table.md")
	for _, c := range []struct{ cases, input, want string }{
		{"# T\nA01 First\n", sample, "case B02 is in the tests"},
		{"# T\nA01 First\nB02 Second\nC03 Third\n", sample, "case C03 (Third): 0 columns passed"},
		{"# T\nA01 - First\nB02 Second\n", sample, "case A01 (First): 2 columns passed"},
		{"# T\nA01 First\nB02 Second\n", sample + `{"Action":"fail","Package":"p","Test":"TestZ"}` + "\n", "1 tests or packages failed"},
		{"", "text\n", "not from go test -json"},
	} {
		withCases(t, c.cases)
		require.ErrorContains(t, run(strings.NewReader(c.input), file, true), c.want)
	}
}
