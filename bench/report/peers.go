package main

import "fmt"

// peerRows are those of guests in other languages than Go, and of other programs.
func peerRows(r results) (table []row) {
	cpu := func(a, b string) (greet, order float64) {
		return r.ratio("Worker/"+a+"/greet", "Worker/"+b+"/greet", "cpu-ms/activity"), r.ratio("Worker/"+a+"/order", "Worker/"+b+"/order", "cpu-ms/activity")
	}
	for _, g := range []struct {
		side, guest, against, peer string
		most                       float64
	}{
		{"rust", "Rust guest", "native", "the same activity native in Go", 1.08},
		{"c", "C guest", "native", "the same activity native in Go", 1.08},
		{"pristine", "Go guest", "temporalio", "Temporal's SDK for Python, not sandboxed, a pool of threads", 0.7},
		{"rust", "Rust guest", "temporalio", "the same", 0.55},
		{"python", "Python guest, the same file", "temporalio", "the same", 1.1},
	} {
		if !r.has("Worker/"+g.side+"/order", "cpu-ms/activity") || !r.has("Worker/"+g.against+"/order", "cpu-ms/activity") {
			continue
		}
		greet, order := cpu(g.side, g.against)
		table = append(table, row{"worker CPU per activity through a Temporal server, pristine, " + g.guest, g.peer, fmt.Sprintf("at most %.2f times", g.most),
			fmt.Sprintf("%.2f times (a greeting: %.2f ms, there %.2f ms); %.2f times (an order)", greet,
				r.median("Worker/"+g.side+"/greet", "cpu-ms/activity"), r.median("Worker/"+g.against+"/greet", "cpu-ms/activity"), order),
			reached(max(greet, order) <= g.most)})
	}
	for _, guest := range []string{"go", "rust", "c", "python"} {
		ours, theirs := "Clean/"+guest+"/wasmworker", "Clean/"+guest+"/wasmtime"
		if !r.has(ours, "ns/op") || !r.has(theirs, "ns/op") {
			continue
		}
		x := r.ratio(theirs, ours, "ns/op")
		verdict := reached(x > 1)
		if guest == "rust" || guest == "c" {
			verdict = nil // most of it is Python's, see the document
		}
		table = append(table, row{"calls (an order) that each find a clean instance, one after the other, guest in " + guest, "wasmtime of PyPI, pooling allocator, fuel", "ahead",
			fmt.Sprintf("%.1f times as many (%.0f/s, there %.0f/s)", x, 1e9/r.median(ours, "ns/op"), 1e9/r.median(theirs, "ns/op")), verdict})
	}
	return table
}
