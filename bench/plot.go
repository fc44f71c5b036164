package main

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A picture is an SVG file of the report.
type picture struct {
	title string
	file  string
	draw  func() (*drawing, error)
}

// A drawing is a plot whose legend, if there is one, stands to its right: on the plot it would hide lines.
type drawing struct {
	*plot.Plot
	legend plot.Legend
	labels bool // the legend has some
}

// plotsOf are the pictures that a scenario's figures are enough for.
func plotsOf(r *Results, s Scenario) []picture {
	var all []picture
	curve := func(key, along string, x func(Cell) int) {
		lines := r.lines(s, key, x)
		if len(lines) == 0 {
			return
		}
		title := columnOf(key, s.Op).title
		all = append(all, picture{
			title: title + " over " + along,
			file:  s.Name + "-" + key + ".svg",
			draw:  func() (*drawing, error) { return drawLines(title, along, key == "ctx" || key == "rss_conn", lines) },
		})
	}
	bars := func(cell, key string) {
		if c, ok := r.cell(cell); ok && len(r.runs(cell, uring)) > 0 {
			all = append(all, picture{
				title: columnOf(key, s.Op).title + ", " + cell,
				file:  strings.NewReplacer("/", "-", "%", "").Replace(cell) + "-" + key + ".svg",
				draw:  func() (*drawing, error) { return drawBars(r, c, key) },
			})
		}
	}
	switch s.Name {
	case "curve":
		for _, key := range []string{"rate", "cpu_us", "ctx", "rss_conn"} {
			curve(key, "connections", func(c Cell) int { return c.Conns })
		}
	case "randread":
		for _, key := range []string{"rate", "cpu_us"} {
			curve(key, "reads in flight", func(c Cell) int { return c.Depth })
		}
	case "echo":
		bars("echo/64x64B", "cpu_us")
		bars("echo/512x64B", "cpu_us")
		bars("echo/64x64B/p16", "cpu_us")
		bars("echo/64x16KiB", "cpu_us")
	case "idle":
		bars("idle/5000", "idle_bytes")
	case "latency":
		bars("latency/64/50%", "p999")
	case "http":
		bars("http/64", "cpu_us")
	case "append":
		bars("append/64", "rate")
	}
	return all
}

// A line is a contestant's medians.
type line struct {
	name   string
	points plotter.XYs
}

func (r *Results) lines(s Scenario, key string, x func(Cell) int) []line {
	var names []string
	points := map[string]plotter.XYs{}
	for _, c := range r.Cells {
		if c.Scenario != s.Name {
			continue
		}
		for _, name := range c.Contestants {
			v := r.spread(c.Name, name, key)
			if v.N == 0 || v.Median <= 0 || name == uringAgain {
				continue
			}
			if points[name] == nil {
				names = append(names, name)
			}
			points[name] = append(points[name], plotter.XY{X: float64(x(c)), Y: v.Median})
		}
	}
	var lines []line
	for _, name := range names {
		if len(points[name]) > 1 {
			lines = append(lines, line{name, points[name]})
		}
	}
	return lines
}

const width, height = 7 * vg.Inch, 4 * vg.Inch

func drawLines(title, along string, logarithmic bool, lines []line) (*drawing, error) {
	p := newDrawing(title)
	p.X.Label.Text = along
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, ticksAt(lines)
	p.Y.Min = 0
	if logarithmic {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, powersOfTen{}
		p.Y.Min, p.Y.Max = decades(lines)
	}
	for i, l := range lines {
		curve, points, err := plotter.NewLinePoints(l.points)
		if err != nil {
			return nil, err
		}
		curve.Color, points.Color = colorOf(l.name, i), colorOf(l.name, i)
		points.Shape, points.Radius = glyphs[i%len(glyphs)], vg.Points(2.5)
		curve.Width = vg.Points(1.2)
		if ours(l.name) {
			curve.Width = vg.Points(2.5)
		}
		p.Add(curve, points)
		p.legend.Add(l.name, curve, points)
		p.labels = true
	}
	return p, nil
}

// decades are the powers of ten around all points: a logarithmic axis has no zero to begin at.
func decades(lines []line) (low, high float64) {
	low, high = math.Inf(1), 0
	for _, l := range lines {
		for _, xy := range l.points {
			low, high = min(low, xy.Y), max(high, xy.Y)
		}
	}
	return math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
}

// drawBars shows the contestants of one cell, the best on top. The thin line is where half of the rounds lie.
func drawBars(r *Results, c Cell, key string) (*drawing, error) {
	p := newDrawing(columnOf(key, c.scenario().Op).title + ", " + c.Name)
	var names []string
	for _, name := range r.ranked(c) {
		if r.spread(c.Name, name, key).N > 0 {
			names = append([]string{name}, names...)
		}
	}
	for i, name := range names {
		s := r.spread(c.Name, name, key)
		bar, err := plotter.NewBarChart(plotter.Values{s.Median}, vg.Points(10))
		if err != nil {
			return nil, err
		}
		bar.Horizontal, bar.XMin = true, float64(i)
		bar.Color, bar.LineStyle.Width = color.Gray{0xb0}, 0
		if ours(name) {
			bar.Color = colorOf(name, i)
		}
		y := float64(i)
		half, err := plotter.NewLine(plotter.XYs{{X: s.Q1, Y: y}, {X: s.Q3, Y: y}})
		if err != nil {
			return nil, err
		}
		p.Add(bar, half)
	}
	p.NominalY(names...)
	p.Y.Min, p.Y.Max = -0.7, float64(len(names))-0.3
	p.X.Min, p.X.Max = 0, p.X.Max*1.03
	p.X.Tick.Marker = shortTicks{}
	return p, nil
}

func newDrawing(title string) *drawing {
	p := &drawing{Plot: plot.New(), legend: plot.NewLegend()}
	p.Title.Text = title
	p.Y.Tick.Marker = shortTicks{}
	p.BackgroundColor = color.White
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xe0}, color.Gray{0xe0}
	p.Add(grid)
	return p
}

var glyphs = []draw.GlyphDrawer{
	draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.CrossGlyph{},
	draw.PlusGlyph{}, draw.RingGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{},
}

// colorOf gives ours strong colours and the others Tol's muted ones, which the colour-blind can tell apart.
func colorOf(name string, i int) color.Color {
	switch name {
	case uring:
		return color.RGBA{0xd5, 0x00, 0x32, 0xff}
	case uringAgain:
		return color.RGBA{0xf0, 0xa0, 0xa8, 0xff}
	case epoll:
		return color.RGBA{0xf2, 0x8e, 0x00, 0xff}
	}
	muted := []color.RGBA{
		{0x33, 0x22, 0x88, 0xff}, {0x88, 0xcc, 0xee, 0xff}, {0x44, 0xaa, 0x99, 0xff}, {0x11, 0x77, 0x33, 0xff},
		{0x99, 0x99, 0x33, 0xff}, {0x88, 0x22, 0x55, 0xff}, {0xaa, 0x44, 0x99, 0xff}, {0x66, 0x66, 0x66, 0xff},
	}
	return muted[i%len(muted)]
}

// shortTicks are the usual ones with readable labels.
type shortTicks struct{}

// Ticks implements plot.Ticker.
func (shortTicks) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = axisLabel(ticks[i].Value)
		}
	}
	return ticks
}

func axisLabel(v float64) string {
	if v >= 1e4 {
		return short(v)
	}
	return fmt.Sprintf("%.4g", v)
}

// powersOfTen label a logarithmic axis.
type powersOfTen struct{}

// Ticks implements plot.Ticker.
func (powersOfTen) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		v := math.Pow(10, e)
		ticks = append(ticks, plot.Tick{Value: v, Label: axisLabel(v)})
	}
	return ticks
}

// ticksAt marks the places that were measured.
func ticksAt(lines []line) plot.ConstantTicks {
	seen := map[float64]bool{}
	var ticks plot.ConstantTicks
	for _, l := range lines {
		for _, xy := range l.points {
			if !seen[xy.X] {
				seen[xy.X] = true
				ticks = append(ticks, plot.Tick{Value: xy.X, Label: fmt.Sprint(xy.X)})
			}
		}
	}
	return ticks
}

// writePlots draws every picture into dir.
func writePlots(dir string, r *Results) error {
	for _, s := range scenarios {
		for _, picture := range plotsOf(r, s) {
			p, err := picture.draw()
			if err != nil {
				return fmt.Errorf("%s: %w", picture.file, err)
			}
			if err := p.save(filepath.Join(dir, picture.file)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *drawing) save(name string) error {
	canvas := vgsvg.New(width, height)
	d.on(draw.New(canvas))
	return create(name, func(w io.Writer) error {
		_, err := canvas.WriteTo(w)
		return err
	})
}

func (d *drawing) on(canvas draw.Canvas) {
	canvas = draw.Crop(canvas, vg.Points(4), -vg.Points(12), vg.Points(4), -vg.Points(4))
	if d.labels {
		const room = 100
		d.legend.Left, d.legend.Top = true, true
		d.legend.Draw(draw.Crop(canvas, width-vg.Points(room), 0, 0, -vg.Points(24)))
		canvas = draw.Crop(canvas, 0, -vg.Points(room), 0, 0)
	}
	d.Draw(canvas)
}
