package meter

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fixtures are all modules there are, by name.
func fixtures(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, pattern := range []string{"testdata/*.wasm", "../../../testdata/wat/*.wasm", "../../../testdata/hostile/*.wasm"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			all[strings.TrimSuffix(filepath.Base(f), ".wasm")] = read(t, f)
		}
	}
	if len(all) < 9 {
		t.Fatalf("there are only %d fixtures: %v", len(all), slices.Collect(maps.Keys(all)))
	}
	return all
}

func guest(t testing.TB) []byte {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a Go guest")
	}
	b, err := goGuest()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// instrument is Instrument for binaries that it must accept.
func instrument(t testing.TB, binary []byte) []byte {
	t.Helper()
	b, err := Instrument(t.Context(), binary)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// onEngines runs a test on both engines.
func onEngines(t *testing.T, f func(t *testing.T, rt wazero.Runtime)) {
	for name, config := range engines {
		t.Run(name, func(t *testing.T) { f(t, newRuntime(t, config())) })
	}
}

// newRuntime returns a runtime with everything that fixtures import, except from
// wasmworker.
func newRuntime(t testing.TB, config wazero.RuntimeConfig) wazero.Runtime {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, config.WithMemoryLimitPages(2048))
	t.Cleanup(func() { rt.Close(ctx) })
	if err := Instantiate(ctx, rt); err != nil {
		t.Fatal(err)
	}
	wasi_snapshot_preview1.MustInstantiate(ctx, rt)
	host := rt.NewHostModuleBuilder("host")
	host.NewFunctionBuilder().WithFunc(func(x uint32) uint32 { return 2 * x }).Export("double")
	host.NewFunctionBuilder().WithFunc(func() uint32 { return 1000 }).Export("count")
	if _, err := host.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := rt.InstantiateWithConfig(ctx, read(t, "testdata/env/env.wasm"), wazero.NewModuleConfig().WithName("env")); err != nil {
		t.Fatal(err)
	}
	return rt
}

// instance is an instance of a module, with metering or without.
type instance struct {
	api.Module
	Meter
	metered bool
}

// instantiate makes an instance. Functions like _initialize are not called.
func instantiate(t testing.TB, rt wazero.Runtime, binary []byte) *instance {
	t.Helper()
	in := &instance{}
	compiled, err := rt.CompileModule(context.Background(), binary)
	if err != nil {
		t.Fatal(err)
	}
	_, err = in.Run(context.Background(), Unlimited, func(ctx context.Context) (err error) {
		in.Module, err = rt.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	in.metered = in.ExportedGlobal(GlobalFuel) != nil
	t.Cleanup(func() { in.Close(context.Background()) })
	return in
}

// call calls a function of the instance with a budget.
func (in *instance) call(ctx context.Context, budget int64, function string, args ...uint64) (results []uint64, used int64, err error) {
	used, err = in.Run(ctx, budget, func(ctx context.Context) (err error) {
		results, err = in.ExportedFunction(function).Call(ctx, args...)
		return err
	})
	return results, used, err
}

// functions returns the names of the exported functions, sorted.
func (in *instance) functions() []string {
	return slices.Sorted(maps.Keys(in.ExportedFunctionDefinitions()))
}

// state is what can be seen of an instance from outside.
func (in *instance) state(globals ...string) string {
	var s strings.Builder
	if mem := in.Memory(); !reflect.ValueOf(mem).IsNil() {
		b, _ := mem.Read(0, mem.Size())
		fmt.Fprintf(&s, "%d bytes, %x", len(b), fnv64(b))
	}
	for _, g := range globals {
		if g := in.ExportedGlobal(g); g != nil {
			fmt.Fprintf(&s, ", %v", g.Get())
		}
	}
	return s.String()
}

func fnv64(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range b {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// reason is the reason of a trap, without the stack trace, in which functions have other
// numbers.
func reason(err error) string {
	if err == nil {
		return ""
	}
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}
