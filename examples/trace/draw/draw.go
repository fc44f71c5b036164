package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
)

// The picture's measures, in pixels.
const (
	width  = 1000
	left   = 92 // of the time line
	right  = 988
	top    = 58
	tall   = 26 // a row of phases or callbacks
	low    = 14 // a row of operations
	swatch = 12
)

// colours are those that colour-blind readers tell apart as well. A name keeps its colour in every picture.
var colours = map[string]string{
	"wait": "#c9ced6", "completions": "#f2a33a", "other phases": "#8a63b8",
	"RecvFull": "#3b7dd8", "Recv": "#3b7dd8", "RecvMultishot": "#3b7dd8", "Read": "#c0392b", "Write": "#8c564b", "Send": "#2c9f6b", "Accept": "#56b4e9",
	"Timer": "#b8860b", "Post": "#7f7f7f",
}

const otherColour = "#5f6b7a"

func colour(name string) string {
	if c := colours[name]; c != "" {
		return c
	}
	return otherColour
}

// A canvas is a picture that is being drawn. Where x is a time, scale has it.
type canvas struct {
	bytes.Buffer
	from, perPixel float64
}

func (c *canvas) x(at float64) float64 { return left + (at-c.from)/c.perPixel }

func (c *canvas) text(x, y float64, attributes, text string) {
	fmt.Fprintf(&c.Buffer, `<text x="%.1f" y="%.1f"%s>`, x, y, attributes)
	_ = xml.EscapeText(c, []byte(text)) // a buffer takes everything
	c.WriteString("</text>\n")
}

func (c *canvas) rect(x, y, w, h float64, fill string) {
	fmt.Fprintf(&c.Buffer, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y, w, h, fill)
}

// span draws what lasts, at least as wide as can be seen.
func (c *canvas) span(s span, y, h float64, fill string) {
	x := c.x(s.from)
	c.rect(x, y, max(c.x(s.to)-x, 1.2), h, fill)
}

func draw(w *window, title string) []byte {
	from, to := w.turns[0], w.turns[len(w.turns)-1]
	rows, rowCount := stack(w.operations)
	phasesY := float64(top)
	callbacksY := phasesY + tall + 8
	operationsY := callbacksY + tall + 8
	axisY := operationsY + float64(rowCount)*low + 4
	height := axisY + 54

	c := &canvas{from: from, perPixel: (to - from) / (right - left)}
	fmt.Fprintf(&c.Buffer, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" font-family="sans-serif" font-size="12" fill="#222">`+"\n", width, height)
	c.rect(0, 0, width, height, "#fff")
	c.text(12, 20, ` font-size="15" font-weight="bold"`, title)
	c.turns(w, axisY)
	for _, row := range []struct {
		y    float64
		name string
	}{{phasesY + 17, "phases"}, {callbacksY + 17, "callbacks"}, {operationsY + 12, "operations"}} {
		c.text(12, row.y, "", row.name)
	}
	used := map[string]bool{}
	for _, p := range w.phases {
		name := p.name
		if colours[name] == "" {
			name = "other phases"
		}
		used[name] = true
		c.span(p, phasesY, tall, colours[name])
	}
	for _, b := range w.callbacks {
		used[b.name] = true
		c.span(b, callbacksY, tall, colour(b.name))
	}
	for i, o := range w.operations {
		used[o.name] = true
		c.span(o, operationsY+float64(rows[i])*low, low-3, colour(o.name))
	}
	c.axis(to-from, axisY)
	c.legend(used, axisY+44)
	c.WriteString("</svg>\n")
	return c.Bytes()
}

// turns draws the turns as stripes in the background, and says how many callbacks each brought.
func (c *canvas) turns(w *window, bottom float64) {
	c.text(12, top-10, ` fill="#666"`, "in each turn")
	for i, from := range w.turns[:len(w.turns)-1] {
		to := w.turns[i+1]
		if i%2 == 0 {
			c.rect(c.x(from), top-24, c.x(to)-c.x(from), bottom-top+24, "#f3f4f7")
		}
		n := 0
		for _, b := range w.callbacks {
			if b.from >= from && b.from < to {
				n++
			}
		}
		if c.x(to)-c.x(from) >= 10 {
			c.text((c.x(from)+c.x(to))/2, top-10, ` fill="#666" text-anchor="middle"`, fmt.Sprint(n))
		}
	}
}

// axis draws the time axis, with steps of 1, 2 or 5 and so that there are about ten.
func (c *canvas) axis(duration, y float64) {
	step := math.Pow(10, math.Floor(math.Log10(duration/8)))
	for _, more := range []float64{2, 2.5, 2} {
		if duration/step <= 12 {
			break
		}
		step *= more
	}
	fmt.Fprintf(&c.Buffer, `<path d="M%d %.1fH%d" stroke="#666"/>`+"\n", left, y, right)
	for at := 0.0; at <= duration; at += step {
		x := c.x(c.from + at)
		fmt.Fprintf(&c.Buffer, `<path d="M%.1f %.1fv5" stroke="#666"/>`+"\n", x, y)
		c.text(x, y+18, ` font-size="11" text-anchor="middle" fill="#666"`, fmt.Sprintf("%g", at))
	}
	c.text(left-34, y+18, ` font-size="11" fill="#666"`, "µs")
}

func (c *canvas) legend(used map[string]bool, y float64) {
	var names []string
	for name := range used {
		names = append(names, name)
	}
	slices.Sort(names)
	order := []string{"wait", "completions", "other phases"}
	x := float64(left)
	for _, name := range append(order, names...) {
		if !used[name] {
			continue
		}
		delete(used, name)
		c.rect(x, y-10, swatch, swatch, colour(name))
		c.text(x+swatch+5, y, "", name)
		x += swatch + 24 + 7*float64(len(name))
	}
}

// stack gives each operation a row in which it overlaps no other, the uppermost that is free.
func stack(operations []span) (rows []int, count int) {
	var free []float64 // when a row is
	for _, o := range operations {
		row := slices.IndexFunc(free, func(at float64) bool { return at <= o.from })
		if row < 0 {
			row = len(free)
			free = append(free, 0)
		}
		free[row] = o.to
		rows = append(rows, row)
	}
	return rows, len(free)
}
