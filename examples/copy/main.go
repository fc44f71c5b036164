// Copy copies a file and keeps several blocks in flight: each is read, written at the same offset, and then read
// again further on. The target appears under its name when it is complete and on the disk, or not at all.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/proactor-go/proactor/loop"
)

func main() {
	var j job
	backend := flag.String("backend", "auto", "auto, uring, epoll or poll")
	block := flag.String("block", "256k", "bytes per read and write; k, m and g are accepted")
	flag.IntVar(&j.depth, "depth", 16, "blocks in flight")
	flag.BoolVar(&j.direct, "direct", false, "bypass the page cache (O_DIRECT) for all but a last, partial block")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: copy [flags] SRC DST")
		flag.PrintDefaults()
	}
	flag.Parse()
	var err error
	if j.block, err = parseSize(*block); err == nil {
		err = j.validate()
	}
	if err == nil && flag.NArg() != 2 {
		err = errors.New("it takes a source and a target")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "copy:", err)
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*backend, j, flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, "copy:", err)
		os.Exit(1)
	}
}

func run(backend string, j job, src, dst string) error {
	c, err := newCopier(j, src, dst)
	if err != nil {
		return err
	}
	l, err := loop.New(loop.Options{Backend: backend})
	if err != nil {
		return err
	}
	defer l.Close()
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupts
		if err := l.Post(c.interrupt); err != nil {
			return // the copy has just ended
		}
	}()
	stopProgress := showProgress(l, c)
	began := time.Now()
	c.start(l)
	err = l.Run()
	stopProgress()
	if c.err != nil {
		err = c.err
	}
	if err != nil {
		return err
	}
	took := time.Since(began)
	fmt.Printf("copied %d bytes in %v (%s/s, backend %s)\n", c.copied, took.Round(time.Microsecond),
		formatSize(float64(c.copied)/took.Seconds()), l.Backend())
	return nil
}

// showProgress keeps a line up to date if somebody can see it, until the function that it returns is called.
func showProgress(l *loop.Loop, c *copier) (stop func()) {
	if info, err := os.Stderr.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func() {}
	}
	t := l.Every(200*time.Millisecond, func() {
		fmt.Fprintf(os.Stderr, "\r\x1b[K%s of %s", formatSize(float64(c.copied)), formatSize(float64(c.size)))
	}).Unref()
	return func() {
		t.Stop()
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
}

func parseSize(s string) (int, error) {
	digits, shift := strings.ToLower(s), 0
	for suffix, n := range map[string]int{"k": 10, "m": 20, "g": 30} {
		if rest, ok := strings.CutSuffix(digits, suffix); ok {
			digits, shift = rest, n
			break
		}
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > maxBlock>>shift {
		return 0, fmt.Errorf("-block %s: not a size between 1 and %s", s, formatSize(maxBlock))
	}
	return n << shift, nil
}

func formatSize(bytes float64) string {
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if bytes < 1024 {
			return fmt.Sprintf("%.4g %s", bytes, unit)
		}
		bytes /= 1024
	}
	return fmt.Sprintf("%.4g GiB", bytes)
}
