package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// scratchVariable names a directory for what the benchmarks build and compile. Several
// runs can share it, as those of one report do. Without it, each run has its own.
const scratchVariable = "BENCH_SCRATCH"

var scratch = os.Getenv(scratchVariable)

func TestMain(m *testing.M) {
	if policy := os.Getenv(idleVariable); policy != "" {
		os.Exit(idleChild(sandbox.Isolation(policy)))
	}
	os.Exit(testbed.Main(func() int {
		if scratch == "" {
			var err error
			if scratch, err = os.MkdirTemp("", "wasmworker-bench-"); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			defer os.RemoveAll(scratch)
		}
		return m.Run()
	}))
}

// build builds a package of a directory of this module, once for each scratch directory.
func build(b *testing.B, output, dir string, env []string, args ...string) string {
	b.Helper()
	path := filepath.Join(scratch, output)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	cmd := exec.Command("go", append(append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", path}, args...), ".")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("building %s: %v\n%s", dir, err, out)
	}
	return path
}

// guest builds a Go guest.
func guest(b *testing.B, name string) string {
	b.Helper()
	return build(b, name+".wasm", filepath.Join("guests", name), []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}, "-buildmode=c-shared")
}

// newSandbox makes and compiles a sandbox, closed with the benchmark.
func newSandbox(b *testing.B, cfg sandbox.Config, files ...string) *sandbox.Sandbox {
	b.Helper()
	for _, file := range files {
		m, err := modules.Read(file)
		if err != nil {
			b.Fatal(err)
		}
		cfg.Modules = append(cfg.Modules, m)
	}
	cfg.CacheDir = filepath.Join(scratch, "cache")
	s, err := sandbox.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	if err := s.Compile(b.Context()); err != nil {
		b.Fatal(err)
	}
	return s
}

// quantile returns the q-quantile of sorted durations.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

// report reports the distribution of durations instead of the time of an iteration.
func report(b *testing.B, durations []time.Duration) {
	if len(durations) == 0 {
		b.Fatal("nothing was measured")
	}
	slices.Sort(durations)
	ms := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
	b.ReportMetric(ms(quantile(durations, 0.5)), "ms-p50")
	b.ReportMetric(ms(quantile(durations, 0.99)), "ms-p99")
	b.ReportMetric(ms(quantile(durations, 1)), "ms-max")
	b.ReportMetric(0, "ns/op") // leaves it out
}
