// Walk counts what is below a directory: directories, files and their bytes. It reads several directories and describes many files at the same time.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/proactor-go/proactor/loop"
)

func main() {
	backend := flag.String("backend", "auto", "auto, uring, epoll or poll")
	depth := flag.Int("depth", 64, "files that are described at the same time")
	dirs := flag.Int("dirs", 8, "directories that are read at the same time")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: walk [flags] DIR")
		flag.PrintDefaults()
	}
	flag.Parse()
	var err error
	switch {
	case flag.NArg() != 1:
		err = errors.New("it takes one directory")
	case *depth < 1:
		err = fmt.Errorf("-depth %d: not a positive number", *depth)
	case *dirs < 1:
		err = fmt.Errorf("-dirs %d: not a positive number", *dirs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "walk:", err)
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*backend, *dirs, *depth, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "walk:", err)
		os.Exit(1)
	}
}

func run(backend string, dirs, depth int, root string) error {
	l, err := loop.New(loop.Options{Backend: backend})
	if err != nil {
		return err
	}
	defer l.Close()
	w := newWalker(l, dirs, depth)
	began := time.Now()
	w.walk(root)
	if err := l.Run(); err != nil {
		return err
	}
	fmt.Printf("%d directories, %d files, %d bytes in %v (backend %s)\n", w.dirs, w.files, w.bytes, time.Since(began).Round(time.Microsecond), l.Backend())
	return errors.Join(w.errs...)
}
