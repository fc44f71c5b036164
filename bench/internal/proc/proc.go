// Package proc reads what the kernel has counted for a process: its CPU time, its context switches and its resident memory.
//
// The work of io_uring's own threads (iou-wrk, iou-sqp) is in the figures: they are threads of the process.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Counters are the figures of one process, all its threads together.
type Counters struct {
	CPU time.Duration // precise, of running and of ended threads

	// User and System are the same time as /proc/pid/stat splits it: in steps of 10 ms, the split estimated by the
	// clock's ticks. Scale them to CPU.
	User, System time.Duration

	// ContextSwitches are the voluntary and the involuntary ones of the threads that are alive. A thread that ends takes its
	// own along, so over a time in which threads end the difference is too small, even negative.
	ContextSwitches int64

	RSS int64 // resident bytes
}

// Sample reads all counters of a process. It opens two files, and one for each thread.
func Sample(pid int) (Counters, error) {
	var c Counters
	var err error
	if c.CPU, err = CPU(pid); err != nil {
		return c, err
	}
	if c.User, c.System, err = split(pid); err != nil {
		return c, err
	}
	if c.RSS, err = RSS(pid); err != nil {
		return c, err
	}
	c.ContextSwitches, err = contextSwitches(pid)
	return c, err
}

// Self is Sample of the calling process.
func Self() (Counters, error) { return Sample(os.Getpid()) }

// Sub is what was counted from the sample before to c. RSS is a level and not a count: it stays that of c.
func (c Counters) Sub(before Counters) Counters {
	c.CPU -= before.CPU
	c.User -= before.User
	c.System -= before.System
	c.ContextSwitches -= before.ContextSwitches
	return c
}

// CPU reads the CPU clock of a process, in one system call and to the nanosecond.
func CPU(pid int) (time.Duration, error) {
	const sched = 2                 // CPUCLOCK_SCHED
	clock := int32(^pid<<3 | sched) // MAKE_PROCESS_CPUCLOCK
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// RSS reads how many bytes of a process are resident.
func RSS(pid int) (int64, error) {
	status, err := os.ReadFile(path(pid, "status"))
	if err != nil {
		return 0, err
	}
	kib, err := field(status, "VmRSS:")
	return kib << 10, err
}

// split reads utime and stime.
func split(pid int) (user, system time.Duration, err error) {
	stat, err := os.ReadFile(path(pid, "stat"))
	if err != nil {
		return 0, 0, err
	}
	// The name is in parentheses and may contain some, and blanks. The state, field 3, follows the last one.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, 0, fmt.Errorf("process %d: stat has other fields: %q", pid, stat)
	}
	if user, err = ticks(fields[11]); err != nil {
		return 0, 0, err
	}
	system, err = ticks(fields[12])
	return user, system, err
}

// ticks converts a number of USER_HZ, which is 100 wherever Go runs.
func ticks(field []byte) (time.Duration, error) {
	n, err := strconv.ParseInt(string(field), 10, 64)
	return time.Duration(n) * (time.Second / 100), err
}

func contextSwitches(pid int) (int64, error) {
	tasks, err := os.ReadDir(path(pid, "task"))
	if err != nil {
		return 0, err
	}
	sum := int64(0)
	for _, task := range tasks {
		status, err := os.ReadFile(path(pid, "task/"+task.Name()+"/status"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended since
		}
		if err != nil {
			return 0, err
		}
		for _, name := range []string{"voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"} {
			n, err := field(status, name)
			if err != nil {
				return 0, err
			}
			sum += n
		}
	}
	return sum, nil
}

func path(pid int, file string) string { return "/proc/" + strconv.Itoa(pid) + "/" + file }

// field finds the number that follows name at the start of a line.
func field(status []byte, name string) (int64, error) {
	for line := range bytes.Lines(status) {
		if rest, found := bytes.CutPrefix(line, []byte(name)); found {
			if words := bytes.Fields(rest); len(words) > 0 {
				return strconv.ParseInt(string(words[0]), 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("no %s in the status", name)
}
