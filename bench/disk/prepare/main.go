// Prepare makes the files that the file contestants work on: DIR/blocks to read from the disk, DIR/hot to read from the page cache,
// DIR/written to write over, DIR/tree, 10,000 files of 1 KiB, and DIR/wide, 100,000 empty ones. What is there already stays.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/proactor-go/proactor/bench/disk/internal/job"
)

func main() {
	dir := flag.String("dir", "", "where to make the files")
	blocks := flag.Int64("blocks", 1<<30, "size of DIR/blocks in bytes")
	hot := flag.Int64("hot", 256<<20, "size of DIR/hot and DIR/written in bytes")
	flag.Parse()
	err := errors.New("-dir is missing")
	if *dir != "" {
		err = errors.Join(job.Prepare(*dir, *blocks, *hot), job.MakeWide(filepath.Join(*dir, "wide")))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}
