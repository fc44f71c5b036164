package main

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/proactor-go/proactor/bench/internal/result"
)

var (
	wrkTotal   = regexp.MustCompile(`(?m)^\s*(\d+) requests in ([\d.]+)(us|ms|s|m), ([\d.]+)([KMGT]?)B read`)
	wrkLatency = regexp.MustCompile(`(?m)^\s*(50|90|99)%\s+([\d.]+)(us|ms|s|m)\s*$`)
	wrkMax     = regexp.MustCompile(`(?m)^\s*Latency\s+\S+\s+\S+\s+([\d.]+)(us|ms|s|m)`)
	wrkSocket  = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
	wrkStatus  = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
)

// parseWrk reads what wrk --latency prints.
func parseWrk(out string) (result.Result, error) {
	var r result.Result
	total := wrkTotal.FindStringSubmatch(out)
	if total == nil {
		return r, fmt.Errorf("wrk printed no total: %q", out)
	}
	r.Ops = uint64(number(total[1]))
	r.Seconds = wrkTime(total[2], total[3]).Seconds()
	r.Bytes = uint64(number(total[4]) * map[string]float64{"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}[total[5]])
	for _, m := range wrkLatency.FindAllStringSubmatch(out, -1) {
		us := float64(wrkTime(m[2], m[3])) / float64(time.Microsecond)
		switch m[1] {
		case "50":
			r.P50US = us
		case "90":
			r.P90US = us
		case "99":
			r.P99US = us
		}
	}
	if m := wrkMax.FindStringSubmatch(out); m != nil {
		r.MaxUS = float64(wrkTime(m[1], m[2])) / float64(time.Microsecond)
	}
	for _, pattern := range []*regexp.Regexp{wrkSocket, wrkStatus} {
		if m := pattern.FindStringSubmatch(out); m != nil {
			for _, n := range m[1:] {
				r.Errors += uint64(number(n))
			}
		}
	}
	return r, nil
}

func wrkTime(digits, unit string) time.Duration {
	units := map[string]time.Duration{"us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "m": time.Minute}
	return time.Duration(number(digits) * float64(units[unit]))
}

// number reads what a pattern has found to be one.
func number(digits string) float64 {
	v, _ := strconv.ParseFloat(digits, 64)
	return v
}
