package main

import (
	"math"
	"slices"
	"strings"
	"testing"
)

const output = `goos: linux
BenchmarkCall/c/pristine-2   	     120	      3000 ns/op	     512 B/op	       9 allocs/op
BenchmarkCall/c/reuse-2      	     120	      2000 ns/op	     512 B/op	       9 allocs/op
BenchmarkKernels/c/loop-br-table/plain 	 10	 100 ns/op
BenchmarkKernels/c/loop-br-table/metered-16 	 10	 150 ns/op
BenchmarkKernels/go/a/plain 	 10	 100 ns/op
BenchmarkKernels/go/a/metered 	 10	 96 ns/op
PASS
`

func parsed() results {
	r := results{}
	r.parse(output)
	return r
}

func TestParse(t *testing.T) {
	r := parsed()
	if got := r["Call/c/pristine"]; len(got) != 3 || got["ns/op"][0] != 3000 || got["allocs/op"][0] != 9 {
		t.Errorf("got %v", got)
	}
	if got := r.below("Kernels", "plain"); !slices.Equal(got, []string{"c/loop-br-table", "go/a"}) {
		t.Errorf("kernels are %v", got)
	}
	mean, worst, name := overhead(r, r.below("Kernels", "plain"))
	if math.Abs(mean-1.2) > 1e-9 || worst != 1.5 || name != "c/loop-br-table" {
		t.Errorf("overhead is %v, worst %v of %s", mean, worst, name)
	}
}

// A round that was slow as a whole changes no ratio, which that of the medians would.
func TestRatioIsOfRounds(t *testing.T) {
	r := results{"a": {"u": {2, 20, 4}}, "b": {"u": {1, 10, 2}}}
	if got := r.ratio("a", "b", "u"); got != 2 {
		t.Errorf("the ratio is %v, want 2", got)
	}
	if got := r.difference("a", "b", "u"); got != 2 {
		t.Errorf("the difference is %v, want 2", got)
	}
}

func TestRowsAreOfWhatWasMeasured(t *testing.T) {
	if got := rows(results{}); len(got) != 0 {
		t.Errorf("rows of nothing: %v", got)
	}
	var measured []string
	for _, row := range rows(parsed()) {
		measured = append(measured, row.Measured+" "+row.verdict())
	}
	if got := strings.Join(measured, "\n"); !strings.Contains(got, "1.20; worst 1.50 (c/loop-br-table) reached") || !strings.Contains(got, "1.00 us more reached") {
		t.Errorf("rows:\n%s", got)
	}
}

func TestReplaceBetween(t *testing.T) {
	begin, end := marks("bench")
	document := "before\n" + begin + "old\n" + end + "why a bound holds\n"
	got, err := replaceBetween([]byte(document), "bench", []byte("new\n"))
	if want := strings.Replace(document, "old", "new", 1); err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := replaceBetween([]byte("none"), "bench", nil); err == nil {
		t.Error("a document without marks was accepted")
	}
}
