// Package result is what every program of the suite prints: one JSON object on one line, the figures of one measured window.
//
// The C programs print the same names. A figure that a program cannot know is absent, which is not the same as zero: fields for
// which zero is a good answer are pointers.
package result

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Result holds the figures of one run. Times ending in S are seconds, those ending in US microseconds.
type Result struct {
	Ops     uint64  `json:"ops"` // finished within the window
	Seconds float64 `json:"seconds"`
	Bytes   uint64  `json:"bytes,omitempty"`
	Errors  uint64  `json:"errors"` // anything but 0 makes the run invalid

	P50US  float64 `json:"p50_us,omitempty"`
	P90US  float64 `json:"p90_us,omitempty"`
	P99US  float64 `json:"p99_us,omitempty"`
	P999US float64 `json:"p999_us,omitempty"`
	MaxUS  float64 `json:"max_us,omitempty"`

	// The process that is measured, with all its threads: the server, or the workload itself. CPUS is the precise sum
	// (the process's CPU clock); the split comes from the tick-based utime and stime.
	CPUUserS    float64 `json:"cpu_user_s,omitempty"`
	CPUSysS     float64 `json:"cpu_sys_s,omitempty"`
	CPUS        float64 `json:"cpu_s,omitempty"`
	CtxSwitches *uint64 `json:"ctx_switches,omitempty"` // voluntary and involuntary
	RSSBytes    uint64  `json:"rss_bytes,omitempty"`

	ClientCPUS       float64  `json:"client_cpu_s,omitempty"`
	IdleBytesPerConn *float64 `json:"idle_bytes_per_conn,omitempty"`
	Allocs           *uint64  `json:"allocs,omitempty"` // heap allocations
	Note             string   `json:"note,omitempty"`
}

// Write prints r as one line of JSON.
func (r Result) Write(w io.Writer) error {
	return json.NewEncoder(w).Encode(r)
}

// Parse reads the output of a program. Lines before the object, such as the server's announcement, are skipped. A window in which
// nothing was measured is an error.
func Parse(out []byte) (Result, error) {
	var r Result
	at := bytes.IndexByte(out, '{')
	if at < 0 {
		return r, errors.New("no JSON object in the output")
	}
	if err := json.NewDecoder(bytes.NewReader(out[at:])).Decode(&r); err != nil {
		return r, fmt.Errorf("the result is not the JSON that was expected: %w", err)
	}
	if r.Seconds <= 0 {
		return r, errors.New("the result has no seconds")
	}
	return r, nil
}
