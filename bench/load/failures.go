package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// failures counts what has failed, mostly connections, by what has gone wrong. Of wrong bytes only the first is told: each is at
// another place.
type failures struct {
	count uint64
	kinds map[string]uint64
	first *wrongByte
}

func (f *failures) add(err error) {
	if f.kinds == nil {
		f.kinds = map[string]uint64{}
	}
	kind := err.Error()
	var wrong *wrongByte
	if errors.As(err, &wrong) {
		if f.first == nil {
			f.first = wrong
		}
		kind = f.first.Error()
	}
	f.count++
	f.kinds[kind]++
}

// err is nil if nothing has failed.
func (f *failures) err() error {
	if f.count == 0 {
		return nil
	}
	var lines []string
	for kind, n := range f.kinds {
		lines = append(lines, fmt.Sprintf("%d x %s", n, kind))
	}
	slices.Sort(lines)
	return errors.New(strings.Join(lines, "\nload: "))
}
