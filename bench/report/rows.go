package main

import (
	"fmt"
	"math"
)

// row is a row of the table.
type row struct {
	Measure  string `json:"measure"`
	Against  string `json:"against"`
	Target   string `json:"to_reach"` // in words
	Measured string `json:"measured"`
	Reached  *bool  `json:"reached,omitempty"` // nil: there is nothing to reach
}

// rows makes the table of the figures that there are.
func rows(r results) (table []row) {
	add := func(have bool, make func() row) {
		if have {
			table = append(table, make())
		}
	}
	kernels := r.below("Kernels", "plain")
	add(len(kernels) > 0, func() row {
		mean, worst, name := overhead(r, kernels)
		return row{"compute kernels in C and Go, metered", "plain wazero", "geometric mean at most 1.2, none above 1.6",
			fmt.Sprintf("%.2f; worst %.2f (%s)", mean, worst, name), reached(mean <= 1.2 && worst <= 1.6)}
	})
	add(len(kernels) > 0, func() row {
		var ratios []float64
		least, most := math.Inf(1), 0.0
		for _, k := range kernels {
			x := r.ratio("Kernels/"+k+"/closeonctxdone", "Kernels/"+k+"/metered", "ns/op")
			ratios, least, most = append(ratios, x), min(least, x), max(most, x)
		}
		return row{"the same", "`WithCloseOnContextDone`", "expected 3 to 10 times faster",
			fmt.Sprintf("%.1f times faster (geometric mean; %.1f to %.1f)", geometricMean(ratios), least, most), nil}
	})
	hostile := r.below("Interrupt", "")
	add(len(hostile) > 0, func() row {
		var p50, p99 float64
		var slowest string
		for _, name := range hostile {
			p50 = max(p50, r.median("Interrupt/"+name, "ms-p50"))
			if x := r.median("Interrupt/"+name, "ms-p99"); x >= p99 {
				p99, slowest = x, name
			}
		}
		return row{"interrupt latency of hostile guests, all cores busy", "the deadline", "p99 at most 20 ms",
			fmt.Sprintf("p99 %s ms in the worst of %d (%s); worst p50 %s ms", short(p99), len(hostile), slowest, short(p50)), reached(p99 <= 20)}
	})
	add(r.has("GC/spinning", "ms-p50"), func() row {
		d := r.difference("GC/spinning", "GC/idle", "ms-p50")
		return row{"`runtime.GC()` while guests spin on all cores", "idle", "at most 5 ms more",
			fmt.Sprintf("%s ms more (medians); maximum %s ms, idle %s ms", short(d), short(r.median("GC/spinning", "ms-max")), short(r.median("GC/idle", "ms-max"))), reached(d <= 5)}
	})
	add(r.has("Call/greet/pristine", "ns/op"), func() row {
		x := r.ratio("Call/greet/fresh", "Call/greet/pristine", "ns/op")
		return row{"pristine call of the 3 MB Go guest, JSON in and out, reset included", "fresh instance and call", "at least 50 times cheaper",
			fmt.Sprintf("%.1f times (a greeting); %.1f times (an order of 600 bytes)", x, r.ratio("Call/order/fresh", "Call/order/pristine", "ns/op")), reached(x >= 50)}
	})
	add(r.has("Call/greet/pristine", "ns/op"), func() row {
		x, y := r.ratio("Call/greet/pristine", "Call/greet/reuse", "ns/op"), r.ratio("Call/order/pristine", "Call/order/reuse", "ns/op")
		return row{"the same", "warm reuse", "at most 1.5 times",
			fmt.Sprintf("%.2f times (a greeting); %.2f times (an order)", x, y), reached(max(x, y) <= 1.5)}
	})
	add(r.has("Call/c/pristine", "ns/op"), func() row {
		d := r.difference("Call/c/pristine", "Call/c/reuse", "ns/op") / 1e3
		return row{"pristine call of a C guest, one dirty page", "warm reuse", "at most 10 us more", short(d) + " us more", reached(d <= 10)}
	})
	add(r.has("Idle/pristine", "KiB/instance"), func() row {
		x := r.ratio("Idle/pristine", "Idle/fresh", "KiB/instance")
		return row{"memory of 500 idle pristine instances of the Go guest", "500 fresh ones", "at most a tenth (sum of PSS)",
			fmt.Sprintf("%.3f, %.3f before they are idle for 10 s; %.0f KiB each, against %.0f KiB", x,
				r.ratio("Idle/pristine", "Idle/fresh", "KiB-soon/instance"), r.median("Idle/pristine", "KiB/instance"), r.median("Idle/fresh", "KiB/instance")), reached(x <= 0.1)}
	})
	add(r.has("Echo/64KiB/wat/wasmworker", "ns/op"), func() row {
		times := func(guest string) (x [3]float64) {
			for i, size := range sizes {
				x[i] = r.ratio("Echo/"+size+"/"+guest+"/extism", "Echo/"+size+"/"+guest+"/wasmworker", "ns/op")
			}
			return x
		}
		wat, goGuest := times("wat"), times("go")
		return row{"echo of 256 B / 64 KiB / 1 MiB, guests written by hand", "Extism go-sdk", "at least 50 times cheaper at 64 KiB",
			fmt.Sprintf("%.1f / %.1f / %.1f times; Go guests: %.1f / %.1f / %.1f times", wat[0], wat[1], wat[2], goGuest[0], goGuest[1], goGuest[2]), reached(wat[1] >= 50)}
	})
	add(r.has("Passthrough/guest", "ns/op"), func() row {
		// of a thousand calls
		d := r.difference("Passthrough/guest", "Passthrough/direct", "ns/op") / 1000 / 1e3
		return row{"call of a passthrough function by a guest, 64 bytes there and back, fetched and closed", "the same function called in Go", "at most 2 us more",
			short(d) + " us more", reached(d <= 2)}
	})
	add(r.has("Worker/pristine/greet", "cpu-ms/activity"), func() row {
		greet, order := r.ratio("Worker/pristine/greet", "Worker/native/greet", "cpu-ms/activity"), r.ratio("Worker/pristine/order", "Worker/native/order", "cpu-ms/activity")
		return row{"worker CPU per activity through a Temporal server, pristine, Go guest", "the same activity native in Go", "at most 1.2 times",
			fmt.Sprintf("%.2f times (a greeting: %.2f ms, native %.2f ms); %.2f times (an order)", greet,
				r.median("Worker/pristine/greet", "cpu-ms/activity"), r.median("Worker/native/greet", "cpu-ms/activity"), order), reached(greet <= 1.2)}
	})
	add(r.has("Worker/pristine/greet", "activities/s"), func() row {
		greet, order := r.ratio("Worker/pristine/greet", "Worker/native/greet", "activities/s"), r.ratio("Worker/pristine/order", "Worker/native/order", "activities/s")
		return row{"throughput, same run", "the same", "at least 0.95 times",
			fmt.Sprintf("%.2f times (a greeting: %.0f/s, native %.0f/s); %.2f times (an order)", greet,
				r.median("Worker/pristine/greet", "activities/s"), r.median("Worker/native/greet", "activities/s"), order), reached(min(greet, order) >= 0.95)}
	})
	add(r.has("Start/modules", "ms-p50"), func() row {
		d := r.difference("Start/modules", "Start/native", "ms-p50")
		return row{"second start to first activity done, ten 3 MB modules", "native worker", "at most 300 ms more",
			fmt.Sprintf("%.0f ms more (%.0f ms, native %.0f ms)", d, r.median("Start/modules", "ms-p50"), r.median("Start/native", "ms-p50")), reached(d <= 300)}
	})
	return append(append(table, pythonRows(r)...), peerRows(r)...)
}

var sizes = [3]string{"256B", "64KiB", "1MiB"}

// overhead returns the geometric mean of what the metering makes of the kernels' times,
// and the worst.
func overhead(r results, kernels []string) (mean, worst float64, name string) {
	var ratios []float64
	for _, k := range kernels {
		x := r.ratio("Kernels/"+k+"/metered", "Kernels/"+k+"/plain", "ns/op")
		if ratios = append(ratios, x); x > worst {
			worst, name = x, k
		}
	}
	return geometricMean(ratios), worst, name
}

func geometricMean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(values)))
}

func reached(yes bool) *bool { return &yes }

// short formats a number with three digits that count.
func short(x float64) string {
	switch a := math.Abs(x); {
	case a >= 100:
		return fmt.Sprintf("%.0f", x)
	case a >= 10:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.2f", x)
	}
}
