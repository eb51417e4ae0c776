package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/host/sandbox"
)

const (
	// patience is how long a hostile guest runs until its deadline.
	patience = 5 * time.Millisecond
	// enough is how long a guest is sampled: one that is hard to stop gets fewer samples.
	enough = 10 * time.Second
)

// BenchmarkInterrupt measures the time from the deadline of a hostile guest until its
// call has returned, while guests that never stop keep all processors busy. The modules
// are those of testdata/hostile that can only be interrupted.
func BenchmarkInterrupt(b *testing.B) {
	s, names := hostile(b)
	spin(b, s)
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			var late []time.Duration
			for begin := time.Now(); b.Loop(); {
				if time.Since(begin) > enough {
					continue // the number of iterations is given
				}
				// Under this load an instance may come too late to run at all. That is no
				// sample.
				for ran := false; !ran; {
					var usage sandbox.Usage
					ctx, cancel := context.WithTimeout(b.Context(), patience)
					deadline, _ := ctx.Deadline()
					_, err := s.Run(ctx, sandbox.Task{Activity: name + ".A", Usage: &usage})
					returned := time.Since(deadline)
					cancel()
					if !interrupted(err) {
						b.Fatal("not interrupted, but: ", err)
					}
					if ran = usage.Fuel > 0; ran {
						late = append(late, returned)
					}
				}
			}
			b.ReportMetric(float64(len(late)), "samples")
			report(b, late)
		})
	}
}

// BenchmarkGC measures a collection of garbage, with guests that spin on all processors
// and without.
func BenchmarkGC(b *testing.B) {
	s, _ := hostile(b)
	collect := func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			start := time.Now()
			runtime.GC()
			took = append(took, time.Since(start))
		}
		report(b, took)
	}
	b.Run("idle", collect)
	b.Run("spinning", func(b *testing.B) {
		spin(b, s)
		collect(b)
	})
}

// hostile serves the modules of testdata/hostile that are to be interrupted, each with
// its name before that of its activity, A.
func hostile(b *testing.B) (s *sandbox.Sandbox, names []string) {
	b.Helper()
	sources, err := filepath.Glob("../testdata/hostile/*.wat")
	if err != nil {
		b.Fatal(err)
	}
	perModule := map[string]sandbox.Options{}
	var files []string
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			b.Fatal(err)
		}
		if !strings.HasPrefix(string(text), ";; expect: interrupted\n") {
			continue
		}
		file := strings.TrimSuffix(source, ".wat")
		name := filepath.Base(file)
		names, files = append(names, name), append(files, file+".wasm")
		perModule[name] = sandbox.Options{Prefix: name + "."}
	}
	return newSandbox(b, sandbox.Config{PerModule: perModule}, files...), names
}

// spin occupies as many processors as there are until the benchmark's end.
func spin(b *testing.B, s *sandbox.Sandbox) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			if _, err := s.Run(ctx, sandbox.Task{Activity: "loop-endless.A"}); !interrupted(err) {
				b.Error("a spinning guest ended: ", err)
			}
		})
	}
	b.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	time.Sleep(100 * time.Millisecond) // until they all run; nothing depends on it
}

func interrupted(err error) bool {
	_, ok := errors.AsType[*sandbox.InterruptedError](err)
	return ok
}
