package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/proactor-go/proactor/bench/internal/proc"
)

// writeNginxConf fills in the template's address and directory.
func writeNginxConf(dir, addr string) error {
	template, err := os.ReadFile("http/nginx.conf")
	if err != nil {
		return err
	}
	text := strings.NewReplacer("{{addr}}", addr, "{{dir}}", dir).Replace(string(template))
	if strings.Contains(text, "{{") {
		return errors.New("http/nginx.conf has a place that nobody fills in")
	}
	return os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(text), 0o644)
}

// sampleFamily sums up a process and its children: nginx works in one.
func sampleFamily(pid int) (proc.Counters, error) {
	sum, err := proc.Sample(pid)
	if err != nil {
		return sum, err
	}
	// A child belongs to the thread that made it.
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return sum, err
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, child := range strings.Fields(string(text)) {
			id, err := strconv.Atoi(child)
			if err != nil {
				return sum, err
			}
			c, err := sampleFamily(id)
			if err != nil {
				return sum, err
			}
			sum.CPU += c.CPU
			sum.User += c.User
			sum.System += c.System
			sum.ContextSwitches += c.ContextSwitches
			sum.RSS += c.RSS
		}
	}
	return sum, nil
}
