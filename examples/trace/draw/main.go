// Draw renders a window of a trace as an SVG timeline: phases above, callbacks below them, operations as bars underneath.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"os"
)

const (
	width  = 1200 // of the time line, in pixels
	height = 14   // of a row
	label  = 40   // pixels that a slice needs to have its name in it
)

func main() {
	from := flag.Float64("from", 0, "where to begin, in microseconds after the first phase")
	span := flag.Float64("span", 1000, "how many microseconds to draw")
	title := flag.String("title", "a loop", "the title")
	flag.Parse()
	if err := draw(os.Stdin, os.Stdout, *title, *from, *span); err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}

type event struct {
	Ph, Name, Cat, ID string
	Ts, Dur           float64
}

// rows and colors of the slices, by category.
var (
	rows   = map[string]int{"phase": 0, "callback": 1}
	colors = map[string]string{"phase": "#8fb8de", "callback": "#f2a65a", "wait": "#e8e8e8", "operation": "#9ccc9c"}
)

// draw reads a trace of one loop.
func draw(r io.Reader, w io.Writer, title string, from, span float64) error {
	var events []event
	if err := json.NewDecoder(r).Decode(&events); err != nil {
		return err
	}
	first := -1.0
	for _, e := range events {
		if e.Cat == "phase" && (first < 0 || e.Ts < first) {
			first = e.Ts
		}
	}
	if first < 0 {
		return errors.New("the trace has no phases")
	}
	p := &picture{begin: first + from, end: first + from + span}
	begun := map[string]event{}
	for _, e := range events {
		switch e.Ph {
		case "X":
			color := colors[e.Cat]
			if e.Name == "wait" {
				color = colors["wait"]
			}
			p.bar(e.Name, color, rows[e.Cat], e.Ts, e.Ts+e.Dur)
		case "b":
			begun[e.ID] = e
		case "e":
			p.operation(e.Name, begun[e.ID].Ts, e.Ts)
		}
	}
	return p.write(w, title, span)
}

// picture is what is to be seen between two times.
type picture struct {
	begin, end float64
	svg        bytes.Buffer
	busy       []float64 // until when each row of operations is taken
}

func (p *picture) operation(name string, begin, end float64) {
	if end < p.begin || begin > p.end {
		return
	}
	row := 0
	for row < len(p.busy) && p.busy[row] > begin {
		row++
	}
	if row == len(p.busy) {
		p.busy = append(p.busy, 0)
	}
	p.busy[row] = end
	p.bar(name, colors["operation"], 3+row, begin, end)
}

func (p *picture) bar(name, color string, row int, begin, end float64) {
	if end < p.begin || begin > p.end {
		return
	}
	scale := width / (p.end - p.begin)
	x := (max(begin, p.begin) - p.begin) * scale
	wide := max((min(end, p.end)-p.begin)*scale-x, 0.5)
	y := 24 + row*(height+3)
	fmt.Fprintf(&p.svg, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" stroke="#555" stroke-width="0.3"><title>%s, %.1f µs</title></rect>`+"\n",
		x, y, wide, height, color, html.EscapeString(name), end-begin)
	if wide > label {
		fmt.Fprintf(&p.svg, `<text x="%.1f" y="%d">%s</text>`+"\n", x+2, y+height-4, html.EscapeString(name))
	}
}

func (p *picture) write(w io.Writer, title string, span float64) error {
	tall := 24 + (3+len(p.busy))*(height+3)
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="9">
<rect width="100%%" height="100%%" fill="white"/>
<text x="2" y="14" font-size="12">%s: %g µs; phases, callbacks, and the operations in flight</text>
%s</svg>
`, width, tall, html.EscapeString(title), span, p.svg.Bytes())
	return err
}
