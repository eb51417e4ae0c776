package main

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
)

const plotFile = "../docs/benchmarks-modules.svg"

// moduleMeasures are the figures of BenchmarkModules, in the order of the table.
var moduleMeasures = []struct{ unit, label, color string }{
	{"first-ms", "first start to first activity, ms", "#c0392b"},
	{"second-ms", "second start to first activity, ms", "#2471a3"},
	{"first-MiB", "RSS when 10 are used, MiB", "#1e8449"},
	{"second-MiB", "the same after the second start, MiB", "#7d3c98"},
	{"cache-MB", "cache, MB for each module used", "#7f8c8d"},
}

// moduleCounts returns for how many modules there are figures.
func moduleCounts(r results) (counts []int) {
	for _, name := range r.below("Modules", "") {
		if n, err := strconv.Atoi(name); err == nil {
			counts = append(counts, n)
		}
	}
	slices.Sort(counts)
	return counts
}

func moduleTable(b *bytes.Buffer, r results, counts []int) {
	head := []string{"modules"}
	for _, m := range moduleMeasures {
		head = append(head, m.label)
	}
	table(b, head...)
	for _, n := range counts {
		cells := []string{strconv.Itoa(n)}
		for _, m := range moduleMeasures {
			cells = append(cells, short(r.median(fmt.Sprintf("Modules/%d", n), m.unit)))
		}
		table(b, cells...)
	}
}

// plot draws the table as SVG, with logarithmic axes: modules from 1 to 1,000, figures from
// 1 to 100,000.
func plot(r results) []byte {
	const left, bottom, decadeX, decadeY = 60.0, 300.0, 150.0, 56.0
	x := func(n int) float64 { return left + decadeX*math.Log10(float64(n)) }
	y := func(v float64) float64 { return bottom - decadeY*math.Log10(max(v, 1)) }
	var b bytes.Buffer
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 330" font-family="sans-serif" font-size="12">` + "\n")
	b.WriteString(`<rect width="760" height="330" fill="white"/>` + "\n")
	for decade := range 6 {
		v := math.Pow(10, float64(decade))
		fmt.Fprintf(&b, `<path d="M%.0f %.0fH510" stroke="#ddd"/><text x="52" y="%.0f" text-anchor="end">%.0f</text>`+"\n", left, y(v), y(v)+4, v)
	}
	counts := moduleCounts(r)
	for _, n := range counts {
		fmt.Fprintf(&b, `<path d="M%.1f 300V20" stroke="#eee"/><text x="%.1f" y="318" text-anchor="middle">%d</text>`+"\n", x(n), x(n), n)
	}
	for i, m := range moduleMeasures {
		b.WriteString(`<polyline fill="none" stroke-width="2" stroke="` + m.color + `" points="`)
		for _, n := range counts {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(n), y(r.median(fmt.Sprintf("Modules/%d", n), m.unit)))
		}
		fmt.Fprintf(&b, `"/><text x="520" y="%d" fill="%s">%s</text>`+"\n", 40+20*i, m.color, m.label)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
