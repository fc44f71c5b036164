package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// A Machine is what somebody must know to judge the figures: facts by name, in order.
type Machine struct {
	Facts []Fact `json:"facts"`
}

// A Fact is one line about the machine.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (m *Machine) add(name, value string) {
	if value = strings.TrimSpace(value); value == "" {
		value = "unknown"
	}
	m.Facts = append(m.Facts, Fact{name, value})
}

func (m Machine) fact(name string) string {
	for _, f := range m.Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// describeMachine asks the machine. What it does not tell is "unknown" or "none", and not an error.
func describeMachine(ctx context.Context, h *host) Machine {
	var m Machine
	m.add("commit", commit(ctx))
	m.add("CPU", cpuModel())
	m.add("cores", fmt.Sprintf("%d; servers on %v, clients on %v, workloads without a client on both", runtime.NumCPU(), h.serverCores, h.clientCores))
	m.add("memory", firstMatch("/proc/meminfo", `MemTotal:\s+(\d+ kB)`))
	m.add("kernel", readLine("/proc/sys/kernel/osrelease")+" "+readLine("/proc/sys/kernel/version"))
	m.add("virtual machine", virtual())
	m.add("clock source", readLine("/sys/devices/system/clocksource/clocksource0/current_clocksource"))
	m.add("CPU governor", readLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "none"))
	m.add("transparent huge pages", readLine("/sys/kernel/mm/transparent_hugepage/enabled"))
	m.add("mitigations", mitigations())
	m.add("kernel.io_uring_disabled", readLine("/proc/sys/kernel/io_uring_disabled", "no such setting"))
	m.add("net.core.somaxconn", readLine("/proc/sys/net/core/somaxconn"))
	m.add("file descriptors", descriptors())
	m.add("file system of $DIR", fileSystem(ctx, h.dir))
	m.add("Go", runtime.Version())
	m.add("gcc", firstLine(ctx, "gcc", "--version"))
	m.add("liburing", headerVersion(ctx, "liburing.h", "IO_URING_VERSION_MAJOR", "IO_URING_VERSION_MINOR"))
	m.add("libuv", headerVersion(ctx, "uv.h", "UV_VERSION_MAJOR", "UV_VERSION_MINOR", "UV_VERSION_PATCH"))
	m.add("fio", firstLine(ctx, "fio", "--version"))
	m.add("nginx", firstLine(ctx, "nginx", "-v"))
	m.add("wrk", firstLine(ctx, "wrk", "-v"))
	for _, module := range peerModules {
		m.add(module, firstLine(ctx, "go", "list", "-m", "-f", "{{.Version}}", module))
	}
	return m
}

var peerModules = []string{
	"github.com/panjf2000/gnet/v2",
	"github.com/cloudwego/netpoll",
	"github.com/lesismal/nbio",
	"github.com/tidwall/evio",
	"github.com/xtaci/gaio",
	"github.com/pawelgaczynski/giouring",
}

func commit(ctx context.Context) string {
	id, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return ""
	}
	changes, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--", "..", ":!results").Output()
	if err != nil || len(changes) > 0 {
		return strings.TrimSpace(string(id)) + ", with uncommitted changes"
	}
	return string(id)
}

// loadAverage is how many threads wanted to run in the last minute.
func loadAverage() float64 {
	return number(firstMatch("/proc/loadavg", `^([\d.]+)`))
}

func cpuModel() string {
	if model := firstMatch("/proc/cpuinfo", `(?m)^model name\s*:\s*(.+)$`); model != "" {
		return model
	}
	return runtime.GOARCH
}

func virtual() string {
	if firstMatch("/proc/cpuinfo", `(?m)^flags.*\b(hypervisor)\b`) != "" {
		return "yes"
	}
	return "no sign of it"
}

func mitigations() string {
	files, _ := filepath.Glob("/sys/devices/system/cpu/vulnerabilities/*")
	var found []string
	for _, file := range files {
		if text := readLine(file); text != "Not affected" {
			found = append(found, filepath.Base(file)+": "+text)
		}
	}
	if len(files) > 0 && len(found) == 0 {
		return "not affected by any"
	}
	return strings.Join(found, "; ")
}

func descriptors() string {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("hard limit %d", limit.Max)
}

func fileSystem(ctx context.Context, dir string) string {
	out, err := exec.CommandContext(ctx, "findmnt", "-no", "FSTYPE,OPTIONS", "-T", dir).Output()
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

// headerVersion has the compiler tell what a header's macros are. Headers that lack them give nothing.
func headerVersion(ctx context.Context, header string, macros ...string) string {
	cmd := exec.CommandContext(ctx, "gcc", "-E", "-P", "-x", "c", "-")
	cmd.Stdin = strings.NewReader("#include <" + header + ">\nbench_version " + strings.Join(macros, " . ") + "\n")
	out, err := cmd.Output()
	if err != nil {
		return "not installed"
	}
	text := string(out)
	_, version, _ := strings.Cut(text[strings.LastIndex(text, "bench_version"):], " ")
	version = strings.Join(strings.Fields(version), "")
	if strings.Contains(version, macros[0]) {
		return firstLine(ctx, "pkg-config", "--modversion", strings.TrimSuffix(header, ".h"))
	}
	return version
}

// firstLine is that of what a command prints, on either output.
func firstLine(ctx context.Context, command string, args ...string) string {
	if _, err := exec.LookPath(command); err != nil {
		return "not installed"
	}
	out, _ := exec.CommandContext(ctx, command, args...).CombinedOutput() // wrk -v ends with status 1
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

func firstMatch(file, pattern string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	if m := regexp.MustCompile(pattern).FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return ""
}

func readLine(file string, otherwise ...string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return strings.Join(otherwise, "")
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
