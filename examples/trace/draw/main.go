// Draw draws a few turns of one loop, out of a trace of loop.NewTracer, as an SVG picture: the phases of the turns, the callbacks in
// them, and the operations that are under way meanwhile.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	row := flag.Int("loop", 1, "which of the trace's loops, in the order in which they were made")
	turn := flag.Int("turn", 0, "the first turn to draw, counted from 0")
	turns := flag.Int("turns", 5, "how many to draw")
	title := flag.String("title", "", "what the picture says above the time line")
	out := flag.String("o", "trace.svg", "`file` to write")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: draw [flags] trace.json")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *out, *title, *row, *turn, *turns); err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}

func run(in, out, title string, row, turn, turns int) error {
	data, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	t, err := parse(data, row)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	w, err := t.window(turn, turns)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	if title == "" {
		title = t.name
	}
	return os.WriteFile(out, draw(w, title), 0o644)
}
