package main

import "fmt"

// pythonRows are the rows of the guest in Python, which is measured where its interpreter was
// built.
func pythonRows(r results) (table []row) {
	if r.has("PythonCall/greet/pristine", "ns/op") {
		greet, order := r.median("PythonCall/greet/pristine", "ns/op")/1e6, r.median("PythonCall/order/pristine", "ns/op")/1e6
		x, y := r.ratio("PythonCall/greet/fresh", "PythonCall/greet/pristine", "ns/op"), r.ratio("PythonCall/order/fresh", "PythonCall/order/pristine", "ns/op")
		table = append(table,
			row{"pristine call of the Python guest, reset included", "the clock", "a greeting at most 0.12 ms, an order of 600 bytes 0.30 ms",
				fmt.Sprintf("%s ms; %s ms", short(greet), short(order)), reached(greet <= 0.12 && order <= 0.30)},
			row{"the same", "fresh instance and call", "at least 1,500 times cheaper",
				fmt.Sprintf("%.0f times (a greeting); %.0f times (an order)", x, y), reached(x >= 1500)})
	}
	if r.has("PythonIdle/pristine", "KiB/instance") {
		idle, busy := r.median("PythonIdle/pristine", "KiB/instance"), r.median("PythonIdle/pristine", "MiB-busy")
		table = append(table,
			row{"memory of an idle pristine instance of the Python guest", "the shared image", "at most 512 KiB more",
				fmt.Sprintf("%.0f KiB more, %.0f KiB before it is idle for 10 s", idle, r.median("PythonIdle/pristine", "KiB-soon/instance")), reached(idle <= 512)},
			row{"memory of 100 Python activities at once", "the shared image", "at most 120 MiB more",
				fmt.Sprintf("%.0f MiB more", busy), reached(busy <= 120)})
	}
	if r.has("PythonStart", "ms-p50") {
		ms := r.median("PythonStart", "ms-p50")
		table = append(table, row{"from the cache to the first activity of the Python guest", "the clock", "at most 300 ms",
			fmt.Sprintf("%.0f ms", ms), reached(ms <= 300)})
	}
	return table
}
