package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A rawFile is raw.csv: one line per run, written at once, so that it survives whatever happens to the suite.
type rawFile struct {
	file *os.File
	csv  *csv.Writer
}

func createRaw(dir string) (*rawFile, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(dir, "raw.csv"))
	if err != nil {
		return nil, err
	}
	raw := &rawFile{file, csv.NewWriter(file)}
	header := []string{"started", "cell", "contestant", "round", "ops", "seconds", "failure"}
	for _, f := range figures {
		header = append(header, f.Key)
	}
	return raw, raw.line(header)
}

func (f *rawFile) add(r *Run) error {
	line := []string{
		r.Started.UTC().Format(time.RFC3339), r.Cell, r.Contestant, strconv.Itoa(r.Round),
		strconv.FormatUint(r.Ops, 10), strconv.FormatFloat(r.Seconds, 'g', -1, 64), r.Failure,
	}
	for _, figure := range figures {
		text := ""
		if v, ok := figure.Of(r); ok && r.Failure == "" {
			text = strconv.FormatFloat(v, 'g', 6, 64)
		}
		line = append(line, text)
	}
	return f.line(line)
}

func (f *rawFile) line(cells []string) error {
	if err := f.csv.Write(cells); err != nil {
		return err
	}
	f.csv.Flush()
	return f.csv.Error()
}

// writeAll writes results.json, and what is made of it: the report and its pictures.
func writeAll(dir string, r *Results) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err := create(filepath.Join(dir, "results.json"), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(r)
	})
	if err != nil {
		return err
	}
	if err := create(filepath.Join(dir, "REPORT.md"), func(w io.Writer) error { return writeReport(w, r) }); err != nil {
		return err
	}
	return writePlots(dir, r)
}

func create(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	err = write(file)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

func readResults(dir string) (*Results, error) {
	text, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil {
		return nil, err
	}
	var r Results
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("results.json: %w", err)
	}
	return &r, nil
}
