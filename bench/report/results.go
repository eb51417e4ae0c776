package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results are the figures of benchmarks, by name and unit, one for each round.
type results map[string]map[string][]float64

// A line of Go's benchmark format, without the number of processors at the end of the
// name.
var line = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.*)`)

// parse adds the figures of a run. What is no figure is passed over.
func (r results) parse(output string) {
	for text := range strings.Lines(output) {
		m := line.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		fields := strings.Fields(m[2])
		for i := 0; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				continue
			}
			if r[m[1]] == nil {
				r[m[1]] = map[string][]float64{}
			}
			r[m[1]][fields[i+1]] = append(r[m[1]][fields[i+1]], value)
		}
	}
}

// has tells whether something was measured.
func (r results) has(name, unit string) bool { return len(r[name][unit]) > 0 }

// median is that of all rounds.
func (r results) median(name, unit string) float64 { return median(r[name][unit]) }

// ratio is the median of the rounds' ratios of a to b: what slowed a round down slowed
// both.
func (r results) ratio(a, b, unit string) float64 {
	return r.compare(a, b, unit, func(x, y float64) float64 { return x / y })
}

// difference is the median of the rounds' differences.
func (r results) difference(a, b, unit string) float64 {
	return r.compare(a, b, unit, func(x, y float64) float64 { return x - y })
}

func (r results) compare(a, b, unit string, f func(x, y float64) float64) float64 {
	var all []float64
	x, y := r[a][unit], r[b][unit]
	for i := range min(len(x), len(y)) {
		all = append(all, f(x[i], y[i]))
	}
	return median(all)
}

// below returns the names of benchmarks below a name, without it and without their own
// last part if that is the given one: below("Kernels", "plain") is c/sieve, and so on.
func (r results) below(name, last string) (names []string) {
	for n := range r {
		if rest, ok := strings.CutPrefix(n, name+"/"); !ok {
			continue
		} else if last == "" {
			names = append(names, rest)
		} else if kernel, ok := strings.CutSuffix(rest, "/"+last); ok {
			names = append(names, kernel)
		}
	}
	slices.Sort(names)
	return names
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
