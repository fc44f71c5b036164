// Package micro is what the programs for the smallest workloads have in common: how much they do, the window in which it
// is measured, and their flags.
//
//	nop       no-ops through io_uring, Batch of them in each turn
//	timers    a Stop and a Reset of one timer out of Live, taken at random
//	reach     what of timers is no work of theirs, for comparison
//	fire      Firing timers that are due every millisecond, which is more than a thread can do: the rate is what counts
//	send      datagrams of Datagram bytes over the loopback interface, Burst of them at a time, to a socket that nobody reads
//	segments  the same, a burst with one call
//	post      functions handed from one goroutine to another, at most UnderWay of them at a time
//	crosspost functions handed from one loop to another and back, one at a time
//	crosswake the same with the post that any goroutine may make
//	names     look-ups of IPv4 addresses, Asking of them under way, from a dnsmasq beside the program
//	spawn     children that end at once, Children of them under way
package micro

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The sizes of the workloads. The C programs have the same.
const (
	Live     = 1_000_000
	Firing   = 10_000
	Period   = time.Millisecond
	UnderWay = 1024
	Burst    = 48
	Datagram = 1200
	Children = 8
	Child    = "/bin/true"
)

// Options are the flags of every program.
type Options struct {
	Work  string
	Batch int
	Window
}

// Works maps the name of a workload to the function that does it until the window is over.
type Works map[string]func(*Options) error

// Main is the whole of a program. register adds flags of its own and may be nil.
func Main(works Works, register func(*flag.FlagSet)) {
	if err := run(os.Args[1:], os.Stdout, works, register); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer, works Works, register func(*flag.FlagSet)) error {
	names := strings.Join(slices.Sorted(maps.Keys(works)), ", ")
	flags := flag.NewFlagSet(os.Args[0], flag.ContinueOnError)
	var o Options
	flags.StringVar(&o.Work, "work", "", "the workload: "+names)
	flags.IntVar(&o.Batch, "batch", 16, "nop: how many in each turn")
	flags.DurationVar(&o.Warmup, "warmup", 300*time.Millisecond, "how long to work before the window")
	flags.DurationVar(&o.Duration, "duration", 2*time.Second, "how long the window is")
	if register != nil {
		register(flags)
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	work := works[o.Work]
	if work == nil {
		return fmt.Errorf("-work %q is none of %s", o.Work, names)
	}
	if o.Batch < 1 {
		return fmt.Errorf("-batch %d", o.Batch)
	}
	if err := work(&o); err != nil {
		return err
	}
	r, err := o.Result()
	if err != nil {
		return err
	}
	return r.Write(out)
}

// Random is a sequence of pseudo-random numbers (xorshift64), the same in every run. Its state is not zero.
type Random uint64

// Next returns a number below n.
func (r *Random) Next(n uint64) uint64 {
	*r ^= *r << 13
	*r ^= *r >> 7
	*r ^= *r << 17
	return uint64(*r) % n
}

// Hours returns a time from one to five hours, which no run lasts.
func (r *Random) Hours() time.Duration {
	return time.Hour + time.Duration(r.Next(uint64(4*time.Hour)))
}
