// Package probe counts the heap allocations of a running Go program without a change to its source: the program is built with
// an overlay that adds one file to its package main.
//
//	overlay, err := probe.Overlay("../examples/echo")
//	// go build -overlay=<overlay> -o bin/echo ../examples/echo; run it with BENCH_PROBE=<file>
//	before, err := probe.Read(pid, file)
//	after, err := probe.Read(pid, file)
//
// Such a program is for counting only, and never the one that is timed.
package probe

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Env is the environment variable that names the file which the probe writes. Without it the probe does nothing.
const Env = "BENCH_PROBE"

// Counters are those of runtime.MemStats. A reading costs the program about ten allocations, which the next one counts.
type Counters struct {
	Mallocs    uint64 `json:"mallocs"`     // objects allocated since the start
	NumGC      uint32 `json:"num_gc"`      // collections since the start
	HeapBytes  uint64 `json:"heap_bytes"`  // allocated and not freed
	TotalAlloc uint64 `json:"total_alloc"` // bytes allocated since the start
}

// The name does not end in .go, or it would be part of this package.
//
//go:embed probe.go.txt
var source []byte

// Overlay writes what go build -overlay needs to add the probe to the package main in dir, and returns the path to give to it. It
// lies in a new temporary directory, with nothing else in it than the probe: remove the whole directory.
func Overlay(dir string) (path string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp("", "probe-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(tmp, "probe.go")
	text, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(dir, "bench_probe.go"): file},
	})
	if err != nil {
		return "", err
	}
	path = filepath.Join(tmp, "overlay.json")
	return path, errors.Join(os.WriteFile(file, source, 0o644), os.WriteFile(path, text, 0o644))
}

// Read has the program write its counters to file, which BENCH_PROBE named when it was started, and returns them. A program without
// the probe would die of the signal; so would one whose package main has not been initialized yet.
func Read(pid int, file string) (Counters, error) {
	var c Counters
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	if err := syscall.Kill(pid, syscall.SIGUSR2); err != nil {
		return c, fmt.Errorf("probe: signal to %d: %w", pid, err)
	}
	const patience = 5 * time.Second
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(file)
		switch {
		case err == nil:
			return c, json.Unmarshal(text, &c)
		case !errors.Is(err, fs.ErrNotExist):
			return c, err
		case time.Now().After(end):
			return c, fmt.Errorf("probe: process %d wrote no counters within %v", pid, patience)
		}
	}
}
