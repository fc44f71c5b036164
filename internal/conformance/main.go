// Conformance makes the table of which conformance case passes on which backend, out of what the tests did:
//
//	go test -json -tags giouring -ldflags=-checklinkname=0 ./loop | go run ./internal/conformance
//
// It prints what fails, and ends with an error if something does, or if CONFORMANCE.md says anything else. With -write it writes that file.
//
// A case is a test TestXnn..., of which there may be several, and what it does on a backend is a subtest that is named after it (forEachQueue).
package main

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

//go:embed cases.txt
var cases string

// columns are the kinds of queue in the order of the table.
var columns = []struct{ name, title string }{
	{"uring", "io_uring"},
	{"uring-tiny", "io_uring, 1 entry"},
	{"uring-masked", "io_uring of 5.11"},
	{"giouring", "giouring"},
	{"epoll", "epoll"},
	{"poll", "poll(2)"},
}

// once is the column of a test that has no subtest for each backend.
const once = ""

func main() {
	file := flag.String("file", "CONFORMANCE.md", "the table")
	write := flag.Bool("write", false, "write the table")
	flag.Parse()
	if err := run(os.Stdin, *file, *write); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, file string, write bool) error {
	r, err := read(in)
	if err != nil {
		return err
	}
	if r.failed > 0 {
		return fmt.Errorf("%d tests or packages failed", r.failed)
	}
	table, err := r.table()
	if err != nil {
		return err
	}
	if write {
		return os.WriteFile(file, table, 0o644)
	}
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(old, table) {
		return fmt.Errorf("%s is stale: write it anew with -write, and look at what has changed", file)
	}
	return nil
}

// An event is one line of go test -json (cmd/test2json).
type event struct{ Action, Package, Test, Output string }

// results are what the tests of the cases did.
type results struct {
	passed, skipped map[string]map[string]int // by case and column
	failed          int
	summary         []string
}

var name = regexp.MustCompile(`^Test([A-Z][0-9]{2})`)

func read(in io.Reader) (*results, error) {
	r := &results{passed: map[string]map[string]int{}, skipped: map[string]map[string]int{}}
	parents := map[string]bool{} // tests with subtests: these count, and not their sum
	outputs := map[string][]string{}
	var ended []event
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("not from go test -json: %q", lines.Text())
		}
		if i := strings.LastIndexByte(e.Test, '/'); i > 0 {
			parents[e.Test[:i]] = true
		}
		switch e.Action {
		case "output":
			outputs[e.Test] = append(outputs[e.Test], e.Output)
		case "pass", "skip":
			if e.Test != "" {
				ended = append(ended, e)
			} else {
				r.summary = append(r.summary, outputs[""]...)
			}
			delete(outputs, e.Test)
		case "fail", "build-fail":
			r.failed++
			fmt.Print(strings.Join(outputs[e.Test], ""))
		}
	}
	for _, e := range ended {
		if m := name.FindStringSubmatch(e.Test); m != nil && !parents[e.Test] {
			r.count(m[1], e)
		}
	}
	fmt.Print(strings.Join(r.summary, ""))
	return r, lines.Err()
}

func (r *results) count(id string, e event) {
	column := once
	for _, part := range strings.Split(e.Test, "/")[1:] {
		for _, c := range columns {
			if part == c.name {
				column = part
			}
		}
	}
	into := r.passed
	if e.Action == "skip" {
		into = r.skipped
	}
	if into[id] == nil {
		into[id] = map[string]int{}
	}
	into[id][column]++
}

func (r *results) table() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Conformance\n\n")
	b.WriteString("Which case passes on which backend. This page is made of what the tests did, by `make conformance`; CI fails when it is stale. The cases stem from the test suites of\n")
	b.WriteString("libuv, libxev, TigerBeetle and others, and from bug reports. Each is one or more tests in [loop](loop) that begin with its id, such as `TestN13...`.\n\n")
	b.WriteString("✓ passes; n/a does not apply, for the reason in its place; \"once\" is a test that makes its own loops, or needs none.\n")
	known := []string{}
	for _, line := range strings.Split(strings.TrimSpace(cases), "\n") {
		if title, ok := strings.CutPrefix(line, "# "); ok {
			fmt.Fprintf(&b, "\n## %s\n\n| | case |", title)
			for _, c := range columns {
				fmt.Fprintf(&b, " %s |", c.title)
			}
			b.WriteString("\n| --- | --- |" + strings.Repeat(" :-: |", len(columns)) + "\n")
			continue
		}
		id, title, _ := strings.Cut(line, " ")
		known = append(known, id)
		title, absent := strings.CutPrefix(title, "- ")
		passed := r.passed[id]
		if absent != (len(passed) == 0) {
			return nil, fmt.Errorf("case %s (%s): %d columns passed", id, title, len(passed))
		}
		fmt.Fprintf(&b, "| %s | %s |", id, title)
		for _, c := range columns {
			fmt.Fprintf(&b, " %s |", cell(passed, r.skipped[id], c.name))
		}
		b.WriteByte('\n')
	}
	for id := range r.passed {
		if !slices.Contains(known, id) {
			return nil, fmt.Errorf("case %s is in the tests but not in cases.txt", id)
		}
	}
	return b.Bytes(), nil
}

// cell says what a case did in a column.
func cell(passed, skipped map[string]int, column string) string {
	switch {
	case passed[column] > 0 && skipped[column] > 0:
		return "✓, in part"
	case passed[column] > 0:
		return "✓"
	case skipped[column] > 0:
		return "skipped"
	case passed[once] > 0:
		return "once"
	}
	return "n/a"
}
