// Package bench measures wasmworker against its alternatives. It has benchmarks only, in
// the form of the standard library, for `go test -bench` and benchstat; the command in
// report runs them in interleaved rounds and writes docs/benchmarks.md. It is a Go module
// of its own, since it needs Extism's SDK. The compute kernels are not here but in
// host/internal/meter.
//
//	go test -run '^$' -bench Echo/64KiB
//
// BenchmarkWorker and BenchmarkStart need bin/wasmworker-devserver (`make build`) and
// build it where it is missing. BenchmarkIdle and BenchmarkWorker read /proc: Linux.
package bench
