package main

// A Scenario is a kind of work: what runs, and how its tables look.
type Scenario struct {
	Name      string
	Title     string
	Text      string
	Group     string // of its contestants
	Driver    driver
	Op        string   // what is counted
	Rank      string   // the figure that sorts the tables, best first
	Columns   []string // of the tables, keys of columns
	Baselines []string // the contestants that all are divided by
}

// A driver is a way to make a run; host.drive has them.
type driver string

const (
	underLoad driver = "load" // a server, and the load generator
	underWrk  driver = "wrk"  // a server, and wrk
	underPair driver = "pair" // a server that reads the disk, and its own client
	alone     driver = "self" // a program that measures itself
)

// scenarios are all there are, in the order of the report.
var scenarios = []Scenario{
	{
		Name: "echo", Title: "Echo", Group: "echo", Driver: underLoad, Op: "msg", Rank: "cpu_us",
		Text:      "Closed loop: every connection keeps as many messages under way as the pipeline says, and sends another when one is back.",
		Columns:   []string{"rate", "cpu_us", "split", "syscalls", "enters", "per_enter", "ctx", "allocs", "latency", "server_busy", "client_busy"},
		Baselines: []string{liburing, "c-epoll", "net"},
	},
	{
		Name: "latency", Title: "Latency at a constant rate", Group: "echo", Driver: underLoad, Op: "msg", Rank: "p99",
		Text: "Open loop: messages are due at a constant rate, the same for all, and their latency counts from when they were due. " +
			"The rate is a share of what the slowest contestant but one reached in a calibration.",
		Columns:   []string{"rate", "p50", "p90", "p99", "p999", "max", "cpu_us", "client_busy"},
		Baselines: []string{liburing, "net"},
	},
	{
		Name: "idle", Title: "Many idle connections", Group: "echo", Driver: underLoad, Op: "msg", Rank: "idle_bytes",
		Text:      "Idle connections are opened first and stay silent while a few others are busy.",
		Columns:   []string{"idle_bytes", "rss_mib", "rate", "cpu_us", "latency", "client_busy"},
		Baselines: []string{liburing, "net"},
	},
	{
		Name: "churn", Title: "Connection churn", Group: "echo", Driver: underLoad, Op: "conn", Rank: "cpu_us",
		Text:      "Connect, one message, its echo, close with a reset, and again.",
		Columns:   []string{"rate", "cpu_us", "split", "ctx", "latency", "client_busy"},
		Baselines: []string{liburing, "c-epoll", "net"},
	},
	{
		Name: "slow", Title: "Slow readers", Group: "echo", Driver: underLoad, Op: "msg", Rank: "rss_mib",
		Text:      "Half of the connections send as fast as they can and hardly read. The figures are the other half's; memory is the server's highest.",
		Columns:   []string{"rss_mib", "rate", "cpu_us", "latency", "client_busy"},
		Baselines: []string{liburing, "net"},
	},
	{
		Name: "curve", Title: "Why does it scale? Curves over connections", Group: "echo", Driver: underLoad, Op: "msg", Rank: "cpu_us",
		Text: "64 B, closed loop, one message under way per connection. Memory is what the process has grown by, with buffers that all " +
			"connections share, divided by their number.",
		Columns:   []string{"rate", "cpu_us", "ctx", "rss_conn", "client_busy"},
		Baselines: []string{liburing, "net"},
	},
	{
		Name: "http", Title: "HTTP", Group: "http", Driver: underWrk, Op: "req", Rank: "cpu_us",
		Text:      "GET / over kept connections, driven by wrk: closed loop, its latencies are not corrected for omission.",
		Columns:   []string{"rate", "cpu_us", "split", "ctx", "latency", "client_busy"},
		Baselines: []string{"net/http", "nginx"},
	},
	{
		Name: "udp", Title: "UDP echo", Group: "udp", Driver: underLoad, Op: "pkt", Rank: "cpu_us",
		Text: "One socket of the server's, and datagrams of 64 B. Closed loop: every client's socket keeps as many under way as the pipeline says. " +
			"A datagram that is lost is missing from the rate and replaced after 100 ms.",
		Columns:   []string{"rate", "cpu_us", "split", "syscalls", "enters", "per_enter", "ctx", "allocs", "latency", "client_busy"},
		Baselines: []string{mmsg, "c-libuv", "net"},
	},
	{
		Name: "send", Title: "Datagrams sent", Group: "micro", Driver: alone, Op: "pkt", Rank: "cpu_ns",
		Text: "1,200 B each over the loopback interface, 48 at a time, to a socket that nobody reads: what a sender costs. ours-segments hands over " +
			"all 48 with one call, and the kernel cuts them (UDP_SEGMENT).",
		Columns:   []string{"rate", "cpu_ns", "split", "syscalls", "allocs"},
		Baselines: []string{"std"},
	},
	{
		Name: "randread", Title: "Random reads, O_DIRECT", Group: "disk", Driver: alone, Op: "read", Rank: "cpu_us",
		Text:      "4 KiB at random offsets of a 1 GiB file, past the page cache. The depth is the number of reads in flight, or of goroutines.",
		Columns:   []string{"rate", "cpu_us", "split", "ctx", "allocs", "latency"},
		Baselines: []string{"fio", "goroutines", "goroutines-p8"},
	},
	{
		Name: "hotread", Title: "Random reads, page cache hot", Group: "disk", Driver: alone, Op: "read", Rank: "cpu_us",
		Text:      "4 KiB at random offsets of a 256 MiB file that is in the page cache.",
		Columns:   []string{"rate", "cpu_us", "split", "ctx", "allocs"},
		Baselines: []string{"pread", "fio", "goroutines"},
	},
	{
		Name: "sequential", Title: "Sequential files", Group: "disk", Driver: alone, Op: "MiB", Rank: "cpu_us",
		Text:      "1 MiB blocks one after the other.",
		Columns:   []string{"rate", "cpu_us", "split", "ctx", "latency"},
		Baselines: []string{"fio", "goroutines"},
	},
	{
		Name: "append", Title: "Durable appends", Group: "disk", Driver: alone, Op: "record", Rank: "ns",
		Text:      "Clients append records of 512 B to one file, and each waits until its record is durable (fdatasync).",
		Columns:   []string{"rate", "ns", "cpu_us", "split", "ctx", "allocs", "latency"},
		Baselines: []string{"goroutines"},
	},
	{
		Name: "small", Title: "Small files", Group: "disk", Driver: alone, Op: "file", Rank: "cpu_us",
		Text:      "Open, stat, read and close files of 1 KiB, 10,000 of them in a tree.",
		Columns:   []string{"rate", "cpu_us", "split", "ctx", "latency"},
		Baselines: []string{"goroutines", "pread"},
	},
	{
		Name: "walk", Title: "Walking a tree", Group: "walk", Driver: alone, Op: "file", Rank: "cpu_us",
		Text: "List directories and lstat each file in them: 100,000 empty files in 100 directories, all of it in the caches. The depth is the number of " +
			"files that are described at the same time; filepath.WalkDir describes one after the other.",
		Columns:   []string{"rate", "cpu_us", "split", "ctx", "latency"},
		Baselines: []string{"filepath", "c-libuv"},
	},
	{
		Name: "mixed", Title: "Network and disk in one process", Group: "mixed", Driver: underPair, Op: "req", Rank: "cpu_us",
		Text:      "Each request has the server read a 4 KiB block past the page cache and answer with 64 B made of it.",
		Columns:   []string{"rate", "cpu_us", "split", "ctx", "latency", "client_busy"},
		Baselines: []string{"net"},
	},
	{
		Name: "nop", Title: "No-ops", Group: "micro", Driver: alone, Op: "nop", Rank: "cpu_ns",
		Text:      "What an operation costs when the kernel does nothing for it.",
		Columns:   []string{"rate", "cpu_ns", "split", "syscalls", "allocs"},
		Baselines: []string{liburing},
	},
	{
		Name: "timers", Title: "Timers", Group: "micro", Driver: alone, Op: "op", Rank: "cpu_ns",
		Text: "timers/pair stops and starts one of a million live timers, drawn at random; ours-reach draws it, has it come from memory and " +
			"reads the clock, and does nothing else. timers/fire has 10,000 timers due every millisecond, which is more than a thread can do: the rate is what counts.",
		Columns:   []string{"rate", "cpu_ns", "allocs", "rss_mib"},
		Baselines: []string{"std", "c-libuv"},
	},
	{
		Name: "post", Title: "Posts from another thread", Group: "micro", Driver: alone, Op: "post", Rank: "ns",
		Text:      "One goroutine or thread hands functions or items to a busy loop as fast as it can.",
		Columns:   []string{"rate", "ns", "cpu_ns", "syscalls", "allocs"},
		Baselines: []string{"std", "c-libuv"},
	},
	{
		Name: "crosspost", Title: "Posts from loop to loop", Group: "micro", Driver: alone, Op: "trip", Rank: "cpu_us",
		Text: "Two loops on two threads, each kept on a core of its own, post to each other in turns, and sleep in between. A trip is there and back. ours-uring sends a message " +
			"from ring to ring (PostTo), ours-uring-eventfd writes to the other's eventfd (Post); std is two goroutines that are " +
			"locked to such threads, with channels.",
		Columns:   []string{"rate", "cpu_us", "split", "syscalls", "enters", "ctx", "allocs"},
		Baselines: []string{"std", "c-libuv"},
	},
	{
		Name: "spawn", Title: "Children", Group: "micro", Driver: alone, Op: "child", Rank: "cpu_us",
		Text: "Start /bin/true and wait until it has ended, 8 of them under way. The CPU time is the parent's alone: what a child does, from its first " +
			"instruction and before it runs its program, is its own. System calls are those of both. std is os/exec, from 8 goroutines.",
		Columns:   []string{"rate", "cpu_us", "split", "syscalls", "ctx", "allocs"},
		Baselines: []string{"std", "c-libuv"},
	},
	{
		Name: "names", Title: "Look-ups", Group: "names", Driver: alone, Op: "answer", Rank: "cpu_us",
		Text:      "64 look-ups of IPv4 addresses under way, from a dnsmasq on the same machine. std is Go's own resolver, from 64 goroutines.",
		Columns:   []string{"rate", "cpu_us", "split", "syscalls", "ctx", "allocs"},
		Baselines: []string{"std"},
	},
}

func scenario(name string) Scenario {
	for _, s := range scenarios {
		if s.Name == name {
			return s
		}
	}
	panic("no scenario is called " + name)
}
