// Package servers_test checks that every contestant is an echo server: a benchmark of one that is not says nothing.
package servers_test

import (
	"slices"
	"testing"

	"github.com/proactor-go/proactor/bench/internal/servertest"
)

// A contestant is a server, with the checks that it fails and why. Those are facts about the library, which the server
// cannot change with its public interface, and they are tested like the others: who passes must not be listed.
type contestant struct {
	name  string
	build func(t *testing.T) string
	args  []string
	known map[string]string // by the name of the check
}

func golang(pkg string, flags ...string) func(t *testing.T) string {
	return func(t *testing.T) string { return servertest.Go(t, pkg, flags...) }
}

func c(name, header, pkg string, flags ...string) func(t *testing.T) string {
	return func(t *testing.T) string { return servertest.C(t, "c/"+name+".c", header, pkg, flags...) }
}

const (
	oursPackage = "github.com/proactor-go/proactor/examples/echo"

	losesTail = "it closes as soon as it sees the end of what it receives, and drops what waits to be sent"
)

var contestants = []contestant{
	{name: "ours on io_uring", build: golang(oursPackage), args: []string{"-backend", "uring"}},
	{name: "ours on epoll", build: golang(oursPackage), args: []string{"-backend", "epoll"}},
	{name: "net", build: golang("./net")},
	{name: "gnet", build: golang("./gnet"), known: map[string]string{
		"half close":         losesTail,
		"out of descriptors": "an error of accept shuts the engine down",
	}},
	{name: "netpoll", build: golang("./netpoll"), known: map[string]string{
		"half close": losesTail,
	}},
	{name: "nbio", build: golang("./nbio"), known: map[string]string{
		"half close": losesTail,
	}},
	{name: "evio", build: golang("./evio"), known: map[string]string{
		"out of descriptors": "an error of accept ends the loop",
	}},
	{name: "gaio", build: golang("./gaio")},
	{name: "giouring", build: golang("./giouring", "-ldflags=-checklinkname=0")},
	{name: "C thread", build: c("thread", "pthread.h", "libc6-dev")},
	{name: "C select", build: c("select", "sys/select.h", "libc6-dev")},
	{name: "C poll", build: c("poll", "poll.h", "libc6-dev")},
	{name: "C epoll", build: c("epoll", "sys/epoll.h", "libc6-dev")},
	{name: "C liburing", build: c("liburing", "liburing.h", "liburing-dev", "-luring")},
	{name: "C libuv", build: c("libuv", "uv.h", "libuv1-dev", "-luv")},
}

func TestContestants(t *testing.T) {
	for _, contestant := range contestants {
		t.Run(contestant.name, func(t *testing.T) {
			command := append([]string{contestant.build(t)}, contestant.args...)
			for _, check := range checks {
				t.Run(check.name, func(t *testing.T) {
					s := servertest.Start(t, slices.Concat(check.under, command)...)
					err := check.run(t, s)
					reason, known := contestant.known[check.name]
					switch {
					case known && err == nil:
						t.Errorf("it passes, although it is said that %s: the list of contestants is out of date", reason)
					case known:
						t.Logf("as expected, it fails, because %s: %v", reason, err)
					case err != nil:
						t.Error(err)
					}
				})
			}
		})
	}
}
