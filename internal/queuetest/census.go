//go:build unix

package queuetest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A population is what a queue could leave behind: open descriptors and goroutines.
type population struct {
	files      map[string]string
	goroutines int
}

func census() population {
	return population{files: openFiles(), goroutines: runtime.NumGoroutine()}
}

// openFiles maps each open descriptor to what it refers to, or is empty where the system has no
// directory of them.
func openFiles() map[string]string {
	const dir = "/proc/self/fd"
	files := map[string]string{}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		// The descriptor of the directory itself is gone by now, and with it its link.
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			files[e.Name()] = target
		}
	}
	return files
}

// compare fails the test when something came since and does not go. It grants a while,
// because goroutines that are told to end, peers of package net among them, take a moment.
func (p population) compare(t *testing.T) {
	var now population
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		now = census()
		if now.goroutines <= p.goroutines && maps.Equal(p.files, now.files) {
			return
		}
	}
	require.Equal(t, p.files, now.files, "descriptors")
	stacks := make([]byte, 1<<20)
	require.LessOrEqual(t, now.goroutines, p.goroutines, "goroutines:\n%s", stacks[:runtime.Stack(stacks, true)])
}

// watchdog ends the process with all stacks when a case hangs: a queue that does not return from Enter
// cannot be failed from within.
func watchdog(name string) (stop func() bool) {
	return time.AfterFunc(3*patience, func() {
		stacks := make([]byte, 1<<20)
		panic(fmt.Sprintf("queuetest: %s hangs\n%s", name, stacks[:runtime.Stack(stacks, true)]))
	}).Stop
}
