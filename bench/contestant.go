package main

import "strings"

// A Contestant is a program with its flags, under the name that it has in the tables. Contestants of different groups may share a
// name: "ours-uring" is the echo server in one and the file workload in another.
type Contestant struct {
	Group   string
	Name    string
	Program Program
	Args    []string // after those of the cell, so that they win
	Env     []string
	Limit   int    // connections that it cannot serve more of, 0 if there is no such number
	Why     string // the reason of Limit
	Silent  bool   // a server that does not announce itself
}

// ours reports whether a contestant is this project's own.
func ours(name string) bool { return strings.HasPrefix(name, "ours-") }

const (
	uring      = "ours-uring"
	uringAgain = "ours-uring-again" // the same once more: what a difference means that is none
	epoll      = "ours-epoll"
	liburing   = "c-liburing"
	giouring   = "giouring"
	segments   = "ours-segments"
	reach      = "ours-reach"         // gets at a timer and does nothing with it
	eventfd    = "ours-uring-eventfd" // wakes another loop as any goroutine may
	fixed      = "ours-uring-fixed"   // with registered buffers
	mmsg       = "c-mmsg"             // epoll, recvmmsg, sendmmsg
)

var (
	onUring = []string{"-backend", "uring"}
	onEpoll = []string{"-backend", "epoll"}
)

// goPeers are the Go servers that wait for readiness; giouring is the one that does not.
var goPeers = []string{"net", "gnet", "netpoll", "nbio", "evio", "gaio"}

// contestants are all there are.
func contestants() []Contestant {
	echo := Program{Name: "ours-echo", Package: "../examples/echo"}
	all := []Contestant{
		{Group: "echo", Name: uring, Program: echo, Args: onUring},
		{Group: "echo", Name: uringAgain, Program: echo, Args: onUring},
		{Group: "echo", Name: epoll, Program: echo, Args: onEpoll},
	}
	for _, peer := range goPeers {
		p := goProgram("echo-"+peer, "servers/"+peer)
		if peer == "gaio" { // it has a file in C, and does not build without cgo
			p.Needs = []Need{needGCC, needHeaders}
		}
		all = append(all, Contestant{Group: "echo", Name: peer, Program: p})
	}
	all = append(all,
		// Since Go 1.23 giouring links only with this flag.
		Contestant{Group: "echo", Name: giouring, Program: goProgram("echo-giouring", "servers/giouring", "-ldflags=-checklinkname=0")},
		Contestant{Group: "echo", Name: "c-thread", Program: cProgram("thread")},
		Contestant{Group: "echo", Name: "c-select", Program: cProgram("select"), Limit: 1000, Why: "FD_SETSIZE is 1,024"},
		Contestant{Group: "echo", Name: "c-poll", Program: cProgram("poll")},
		Contestant{Group: "echo", Name: "c-epoll", Program: cProgram("epoll")},
		Contestant{Group: "echo", Name: liburing, Program: cProgram("liburing", needLiburing)},
		Contestant{Group: "echo", Name: "c-libuv", Program: cProgram("libuv", needLibuv)},
	)
	all = append(all, datagramContestants()...)
	all = append(all, httpContestants()...)
	all = append(all, diskContestants()...)
	return append(all, microContestants()...)
}

func datagramContestants() []Contestant {
	ours := Program{Name: "ours-udpecho", Package: "../examples/udpecho"}
	return []Contestant{
		{Group: "udp", Name: uring, Program: ours, Args: onUring},
		{Group: "udp", Name: uringAgain, Program: ours, Args: onUring},
		{Group: "udp", Name: epoll, Program: ours, Args: onEpoll},
		{Group: "udp", Name: "net", Program: goProgram("udp-net", "servers/udpnet")},
		{Group: "udp", Name: "gnet", Program: goProgram("udp-gnet", "servers/udpgnet")},
		{Group: "udp", Name: "nbio", Program: goProgram("udp-nbio", "servers/udpnbio")},
		{Group: "udp", Name: mmsg, Program: cProgram("udpmmsg")},
		{Group: "udp", Name: "c-libuv", Program: cProgram("udpuv", needLibuv)},
	}
}

func httpContestants() []Contestant {
	ours := goProgram("http-ours", "http/ours")
	return []Contestant{
		{Group: "http", Name: uring, Program: ours, Args: onUring},
		{Group: "http", Name: epoll, Program: ours, Args: onEpoll},
		{Group: "http", Name: "net/http", Program: goProgram("http-net", "http/net")},
		{Group: "http", Name: "gnet", Program: goProgram("http-gnet", "http/gnet")},
		{Group: "http", Name: "nginx", Program: Program{Command: "nginx", Needs: []Need{{Command: "nginx", Debian: "nginx-light"}}}, Silent: true},
	}
}

func diskContestants() []Contestant {
	ours := goProgram("disk-loop", "disk/loop")
	goroutines := goProgram("disk-goroutines", "disk/goroutines")
	mixed := goProgram("disk-mixed", "disk/mixed")
	walk := goProgram("disk-walk", "disk/walk")
	uv := cProgram("uvdisk", needLibuv)
	fio := goProgram("disk-fio", "disk/fio")
	fio.Needs = []Need{{Command: "fio", Debian: "fio"}}
	return []Contestant{
		{Group: "disk", Name: uring, Program: ours, Args: onUring},
		{Group: "disk", Name: uringAgain, Program: ours, Args: onUring},
		{Group: "disk", Name: fixed, Program: ours, Args: append([]string{"-fixed"}, onUring...)},
		{Group: "disk", Name: epoll, Program: ours, Args: onEpoll},
		{Group: "disk", Name: "goroutines", Program: goroutines},
		{Group: "disk", Name: "goroutines-p8", Program: goroutines, Env: []string{"GOMAXPROCS=8"}},
		{Group: "disk", Name: "pread", Program: goProgram("disk-pread", "disk/pread")},
		{Group: "disk", Name: "pool", Program: goProgram("disk-pool", "disk/pool")},
		{Group: "disk", Name: "c-libuv", Program: uv},
		{Group: "disk", Name: "c-libuv-t32", Program: uv, Env: []string{"UV_THREADPOOL_SIZE=32"}},
		{Group: "disk", Name: "fio", Program: fio},
		{Group: "disk", Name: "fio-fixed", Program: fio, Args: []string{"-fixed"}},
		{Group: "walk", Name: uring, Program: walk, Args: onUring},
		{Group: "walk", Name: uringAgain, Program: walk, Args: onUring},
		{Group: "walk", Name: epoll, Program: walk, Args: onEpoll},
		{Group: "walk", Name: "filepath", Program: goProgram("disk-walkdir", "disk/walkdir")},
		{Group: "walk", Name: "c-libuv", Program: cProgram("uvwalk", needLibuv)},
		{Group: "mixed", Name: uring, Program: mixed, Args: onUring},
		{Group: "mixed", Name: epoll, Program: mixed, Args: onEpoll},
		{Group: "mixed", Name: "net", Program: goProgram("disk-mixednet", "disk/mixednet")},
	}
}

func microContestants() []Contestant {
	ours := goProgram("micro-loop", "micro/loop")
	std := goProgram("micro-std", "micro/std")
	names, stdNames := goProgram("names-loop", "micro/loop"), goProgram("names-std", "micro/std")
	names.Needs = []Need{{Command: "dnsmasq", Debian: "dnsmasq-base"}}
	stdNames.Needs = names.Needs
	uv := cProgram("uvmicro", needLibuv)
	return []Contestant{
		{Group: "micro", Name: uring, Program: ours, Args: onUring},
		{Group: "micro", Name: uringAgain, Program: ours, Args: onUring},
		{Group: "micro", Name: epoll, Program: ours, Args: onEpoll},
		{Group: "micro", Name: "ours-ring", Program: ours, Args: []string{"-work", "ringnop"}},
		{Group: "micro", Name: reach, Program: ours, Args: []string{"-work", "reach"}},
		{Group: "micro", Name: segments, Program: ours, Args: []string{"-backend", "uring", "-work", "segments"}},
		{Group: "micro", Name: eventfd, Program: ours, Args: []string{"-backend", "uring", "-work", "crosswake"}},
		{Group: "micro", Name: liburing, Program: cProgram("nop", needLiburing)},
		{Group: "micro", Name: "std", Program: std},
		{Group: "micro", Name: "c-libuv", Program: uv},
		{Group: "names", Name: uring, Program: names, Args: onUring},
		{Group: "names", Name: epoll, Program: names, Args: onEpoll},
		{Group: "names", Name: "std", Program: stdNames},
	}
}
