package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/examples/internal/backends"
	"github.com/proactor-go/proactor/internal/testenv"
)

func TestDirect(t *testing.T) {
	backends.Each(t, func(t *testing.T, backend string) {
		dir := t.TempDir()
		testenv.DirectIO(t, dir)
		_, _, err := run(job{backend: backend, trace: filepath.Join(t.TempDir(), "t"), dir: dir, clients: 2, requests: 3, direct: true})
		require.NoError(t, err)
	})
}
