package meter

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
)

// BenchmarkKernels runs each kernel as it is, metered, and with wazero's own way of
// interrupting code. bench/report puts them in relation. BENCH_SCRATCH may name a
// directory for compiled code.
func BenchmarkKernels(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cacheDir := os.Getenv("BENCH_SCRATCH")
	if cacheDir == "" {
		cacheDir = b.TempDir()
	}
	runtimeWith := func(config wazero.RuntimeConfig) wazero.Runtime {
		cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { cache.Close(ctx) })
		return newRuntime(b, config.WithCompilationCache(cache))
	}
	modules := []struct {
		language string
		binary   []byte
	}{{"c", read(b, "testdata/kernels.wasm")}}
	if !testing.Short() {
		modules = append(modules, struct {
			language string
			binary   []byte
		}{"go", guest(b)})
	}
	for _, m := range modules {
		variants := []struct {
			name string
			in   *instance
		}{
			{"plain", instantiate(b, runtimeWith(wazero.NewRuntimeConfigCompiler()), m.binary)},
			{"metered", instantiate(b, runtimeWith(wazero.NewRuntimeConfigCompiler()), instrument(b, m.binary))},
			{"closeonctxdone", instantiate(b, runtimeWith(wazero.NewRuntimeConfigCompiler().WithCloseOnContextDone(true)), m.binary)},
		}
		for _, v := range variants {
			if v.in.ExportedFunction("_initialize") == nil {
				continue
			}
			if _, _, err := v.in.call(ctx, Unlimited, "_initialize"); err != nil {
				b.Fatal(err)
			}
		}
		for _, f := range variants[0].in.functions() {
			if f == "_initialize" {
				continue
			}
			kernel := m.language + "/" + strings.TrimSuffix(strings.TrimPrefix(f, "go_"), "_")
			for _, v := range variants {
				b.Run(kernel+"/"+v.name, func(b *testing.B) {
					fn := v.in.ExportedFunction(f)
					var result [1]uint64
					call := func(ctx context.Context) error { return fn.CallWithStack(ctx, result[:]) }
					for b.Loop() {
						var err error
						if v.in.metered {
							_, err = v.in.Run(ctx, Unlimited, call)
						} else {
							err = call(ctx)
						}
						if err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
