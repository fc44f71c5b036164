package micro

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// startCores are the cores that the program may use, as long as nobody is pinned.
var startCores = sync.OnceValues(func() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	var cores []int
	for core := range len(set) * 64 {
		if set.IsSet(core) {
			cores = append(cores, core)
		}
	}
	return cores, nil
})

// Pin locks the goroutine to its thread, and the thread to a core, the nth that the program may use. Where the scheduler puts two threads that
// wake each other, on one core or on two, changes what that costs by a multiple, and is another in every run.
func Pin(n int) error {
	cores, err := startCores()
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(cores[n%len(cores)])
	return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(0, &set))
}
