package bench

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/bench/order"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/pybundle"
)

// pythonGuest makes the module of the Python guest, once for each scratch directory, if its
// interpreter was built: that takes minutes and other tools, which a benchmark should not
// ask for.
func pythonGuest(b *testing.B) string {
	b.Helper()
	path := filepath.Join(scratch, "python.wasm")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	interpreter, err := os.ReadFile("../bin/python.wasm")
	if err != nil {
		b.Skip("LEFT OUT: there is no bin/python.wasm; run make python: ", err)
	}
	base, err := pybundle.Read(interpreter)
	if err != nil {
		b.Fatal(err)
	}
	app, err := pybundle.Collect("guests/python")
	if err != nil {
		b.Fatal(err)
	}
	module, _, err := base.Build(b.Context(), app, nil, filepath.Join(scratch, "cache"))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, module, 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// pythonTasks are a greeting and an order, as JSON.
func pythonTasks(b *testing.B) map[string]sandbox.Task {
	input, err := json.Marshal(order.Sample())
	if err != nil {
		b.Fatal(err)
	}
	task := func(activity string, input []byte) sandbox.Task {
		return sandbox.Task{Activity: activity, Args: []sandbox.Payload{sandbox.NewPayload(abi.EncodingJSON, input)}, Info: abi.Info{ActivityID: "1", ActivityType: activity, Attempt: 1}}
	}
	return map[string]sandbox.Task{"greet": task("Greet", []byte(`{"name": "Ada"}`)), "order": task("Price", input)}
}

// BenchmarkPythonCall measures what BenchmarkCall does, with the guest in Python.
func BenchmarkPythonCall(b *testing.B) {
	guest := pythonGuest(b)
	for name, task := range pythonTasks(b) {
		for _, policy := range []sandbox.Isolation{sandbox.IsolationPristine, sandbox.IsolationFresh} {
			b.Run(name+"/"+string(policy), func(b *testing.B) {
				s := newSandbox(b, sandbox.Config{Defaults: sandbox.Options{Isolation: policy}}, guest)
				requirePolicy(b, s, policy)
				call(b, s, task) // the first one makes the instance
				b.ReportAllocs()
				for b.Loop() {
					call(b, s, task)
				}
			})
		}
	}
}

// BenchmarkPythonStart measures how long it takes from a module whose code is in the cache to
// its first activity.
func BenchmarkPythonStart(b *testing.B) {
	file, err := modules.Read(pythonGuest(b))
	if err != nil {
		b.Fatal(err)
	}
	task := pythonTasks(b)["greet"]
	start := func() time.Duration {
		begun := time.Now()
		s, err := sandbox.New(sandbox.Config{Modules: []*modules.File{file}, CacheDir: filepath.Join(scratch, "cache")})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close(context.Background()) //nolint:errcheck // it has been used by then
		if err := s.Compile(b.Context()); err != nil {
			b.Fatal(err)
		}
		call(b, s, task)
		return time.Since(begun)
	}
	start() // compiles, if nobody has
	var took []time.Duration
	for b.Loop() {
		took = append(took, start())
	}
	report(b, took)
}

// BenchmarkPythonIdle measures what instances of the Python guest hold in a call that all of
// them are in, after it, and when they are idle: an operation is an instance, so use
// -benchtime 100x.
func BenchmarkPythonIdle(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("reads /proc/self/smaps_rollup")
	}
	module := pythonGuest(b)
	b.Run("pristine", func(b *testing.B) {
		if b.N == 1 {
			return // the testing package only tries; a try takes as long as a measurement
		}
		kib := idleElsewhere(b, sandbox.IsolationPristine, module)
		b.ReportMetric(kib.Busy/1024*100/float64(b.N), "MiB-busy") // of 100
		b.ReportMetric(kib.Soon/float64(b.N), "KiB-soon/instance")
		b.ReportMetric(kib.Later/float64(b.N), "KiB/instance")
		b.ReportMetric(0, "ns/op")
	})
}
