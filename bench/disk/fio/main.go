// Fio runs fio's io_uring engine and prints its figures as the contestants print theirs: the ceiling of one thread. It neither checks
// what it reads nor calls anybody back.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/proactor-go/proactor/bench/disk/internal/job"
	"github.com/proactor-go/proactor/bench/internal/proc"
	"github.com/proactor-go/proactor/bench/internal/result"
)

func main() {
	fixed := flag.Bool("fixed", false, "register the file and the buffers with the ring")
	if err := run(fixed); err != nil {
		fmt.Fprintln(os.Stderr, "fio:", err)
		os.Exit(1)
	}
}

func run(fixed *bool) error {
	j, err := job.Parse(job.RandRead, job.HotRead, job.SeqRead, job.SeqWrite)
	if err != nil {
		return err
	}
	if err := j.Settle(); err != nil {
		return err
	}
	var out bytes.Buffer
	cmd := exec.Command("fio", arguments(j, *fixed)...)
	cmd.Env = append(os.Environ(), "GLIBC_TUNABLES=glibc.malloc.hugetlb=1") // huge pages for large blocks, as all contestants have
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	used, span, sampleErr := sample(cmd.Process.Pid, j)
	if err := errors.Join(cmd.Wait(), sampleErr); err != nil {
		return err
	}
	r, err := translate(out.Bytes())
	if err != nil {
		return err
	}
	// What was sampled is a part of fio's window.
	part := r.Seconds / span.Seconds()
	used.CPU = time.Duration(float64(used.CPU) * part)
	used.ContextSwitches = int64(float64(used.ContextSwitches) * part)
	job.Charge(&r, used)
	return r.Write(os.Stdout)
}

func arguments(j *job.Job, fixed bool) []string {
	pattern := map[string]string{
		job.RandRead: "randread", job.HotRead: "randread", job.SeqRead: "read", job.SeqWrite: "write",
	}
	bit := map[bool]string{false: "0", true: "1"}
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }
	args := []string{
		"--name=" + j.Work, "--filename=" + j.File, "--allow_file_create=0", "--output-format=json",
		"--ioengine=io_uring", "--rw=" + pattern[j.Work], "--bs=" + strconv.Itoa(j.BlockSize()),
		"--iodepth=" + strconv.Itoa(j.Depth), "--direct=" + bit[j.Direct], "--invalidate=" + bit[j.Direct],
		"--norandommap", "--randrepeat=0", "--percentile_list=50:90:99:99.9",
		"--time_based", "--ramp_time=" + ms(j.Warmup), "--runtime=" + ms(j.Duration),
	}
	if fixed {
		args = append(args, "--registerfiles", "--fixedbufs")
	}
	return args
}

// sample watches fio's worker process for most of its window. Fio itself counts its own thread alone, and so misses the kernel's threads that
// write to the page cache for it.
func sample(fio int, j *job.Job) (used proc.Counters, span time.Duration, err error) {
	worker, err := child(fio)
	if err != nil {
		return used, 0, err
	}
	time.Sleep(j.Warmup)
	before, err := proc.Sample(worker)
	if err != nil {
		return used, 0, err
	}
	begin := time.Now()
	for range samples {
		time.Sleep(j.Duration / samples)
		after, err := proc.Sample(worker)
		if err != nil {
			break // it is through
		}
		used, span = after.Sub(before), time.Since(begin)
	}
	if span == 0 {
		err = errors.New("fio ended before it was looked at")
	}
	return used, span, err
}

// samples are taken one after the other, and the last one counts: when fio ends is not known to the millisecond.
const samples = 20

// child waits until a process has one.
func child(pid int) (int, error) {
	children := fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)
	for range 1000 {
		text, err := os.ReadFile(children)
		if err != nil {
			return 0, err
		}
		if words := bytes.Fields(text); len(words) > 0 {
			return strconv.Atoi(string(words[0]))
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, errors.New("fio did not start its worker")
}

// report is what we need of fio's output.
type report struct {
	Jobs []struct {
		Error uint64
		Read  direction
		Write direction
	}
}

type direction struct {
	Bytes   uint64 `json:"io_bytes"`
	Ops     uint64 `json:"total_ios"`
	Runtime uint64 // ms
	Latency struct {
		Max        float64
		Percentile map[string]float64
	} `json:"clat_ns"`
}

func translate(out []byte) (result.Result, error) {
	var all report
	// Warnings may come before the object.
	if err := json.NewDecoder(bytes.NewReader(out[max(bytes.IndexByte(out, '{'), 0):])).Decode(&all); err != nil {
		return result.Result{}, fmt.Errorf("fio's output: %w", err)
	}
	if len(all.Jobs) != 1 {
		return result.Result{}, fmt.Errorf("fio's output: %d jobs", len(all.Jobs))
	}
	j := all.Jobs[0]
	d := j.Read
	if d.Ops == 0 {
		d = j.Write
	}
	seconds := float64(d.Runtime) / 1e3
	us := func(name string) float64 { return d.Latency.Percentile[name] / 1e3 }
	return result.Result{
		Ops: d.Ops, Seconds: seconds, Bytes: d.Bytes, Errors: j.Error,
		P50US: us("50.000000"), P90US: us("90.000000"), P99US: us("99.000000"), P999US: us("99.900000"), MaxUS: d.Latency.Max / 1e3,
	}, nil
}
