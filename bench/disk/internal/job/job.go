// Package job is what the file contestants share and no contestant is judged by: the command line, the files' layout, which
// block is next, the measured window, and the check that follows it.
package job

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The workloads.
const (
	RandRead = "randread" // 4 KiB at random offsets, O_DIRECT
	HotRead  = "hotread"  // 4 KiB at random offsets, from the page cache
	SeqRead  = "seqread"  // 1 MiB one after the other, round and round; from the page cache unless -direct
	SeqWrite = "seqwrite" // 1 MiB one after the other, over what is there; to the page cache unless -direct
	Append   = "append"   // each client appends a record and waits until it is durable
	Small    = "small"    // open, stat, read and close files of 1 KiB
	Walk     = "walk"     // list a tree of directories and describe each file in it, round and round
)

// All names the workloads but Walk, which has contestants of its own.
var All = []string{RandRead, HotRead, SeqRead, SeqWrite, Append, Small}

// A Job is one run, as the command line describes it.
type Job struct {
	Work     string
	File     string
	Dir      string
	Depth    int
	Direct   bool
	Full     bool
	Warmup   time.Duration
	Duration time.Duration
}

// Parse reads the command line of a contestant that knows the workloads named.
func Parse(works ...string) (*Job, error) {
	j := &Job{}
	flag.StringVar(&j.Work, "work", works[0], strings.Join(works, ", "))
	flag.StringVar(&j.File, "file", "", "the file to work on: made by prepare, but for append, which truncates it")
	flag.StringVar(&j.Dir, "dir", "", "the tree of small files, made by prepare")
	flag.IntVar(&j.Depth, "depth", 1, "operations in flight")
	flag.BoolVar(&j.Direct, "direct", false, "bypass the page cache in seqread and seqwrite")
	flag.BoolVar(&j.Full, "verify", false, "check every word that was read, not just the ends of each block")
	flag.DurationVar(&j.Warmup, "warmup", 300*time.Millisecond, "time before the measured window")
	flag.DurationVar(&j.Duration, "duration", 2*time.Second, "length of the measured window")
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case !slices.Contains(works, j.Work):
		return nil, fmt.Errorf("-work %s: not one of %s", j.Work, strings.Join(works, ", "))
	case j.Depth < 1:
		return nil, fmt.Errorf("-depth %d: not positive", j.Depth)
	case j.inTree() && j.Dir == "":
		return nil, fmt.Errorf("-work %s needs -dir", j.Work)
	case !j.inTree() && j.File == "":
		return nil, fmt.Errorf("-work %s needs -file", j.Work)
	}
	j.Direct = j.Direct && (j.Work == SeqRead || j.Work == SeqWrite) || j.Work == RandRead
	return j, nil
}

// inTree reports whether the work is on a tree and not on one file.
func (j *Job) inTree() bool { return j.Work == Small || j.Work == Walk }

// BlockSize is how much one operation moves.
func (j *Job) BlockSize() int {
	switch j.Work {
	case SeqRead, SeqWrite:
		return 1 << 20
	case Append:
		return 512
	case Small:
		return SmallSize
	case Walk:
		return 0
	}
	return 4096
}

// Flags are what the file is opened with.
func (j *Job) Flags() int {
	flags := os.O_RDONLY
	switch j.Work {
	case SeqWrite:
		flags = os.O_WRONLY
	case Append:
		flags = os.O_WRONLY | os.O_APPEND
	}
	if j.Direct {
		flags |= unix.O_DIRECT
	}
	return flags
}

// Small files are numbered; number i contains the pattern from i*SmallSize on.
const (
	SmallFiles = 10_000
	SmallSize  = 1024
	perDir     = 100
)

// The tree that Walk visits has so many empty files, in directories of wideDir.
const (
	WideFiles = 100_000
	wideDir   = 1000
)

// SmallName is the name of small file i.
func SmallName(dir string, i int) string {
	return filepath.Join(dir, fmt.Sprintf("%02d", i/perDir), fmt.Sprintf("%04d", i))
}

// SmallNames are all of them: contestants are not measured by how they make names.
func (j *Job) SmallNames() []string {
	names := make([]string, SmallFiles)
	for i := range names {
		names[i] = SmallName(j.Dir, i)
	}
	return names
}
