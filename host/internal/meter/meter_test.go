package meter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/host/internal/meter"
	"github.com/wasmworker/wasmworker/host/internal/wasm"
)

var ctx = context.Background()

func fixtures(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../../testdata/*/*.wasm")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		if all[f], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// compiles tells whether wazero accepts a binary. It must have been parsed before: wazero
// trusts the counts in it.
func compiles(t testing.TB, binary []byte) error {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	defer r.Close(ctx)
	_, err := r.CompileModule(ctx, binary)
	return err
}

// What is made of a valid module is valid, by either step and by both.
func TestOutputIsValid(t *testing.T) {
	for name, binary := range fixtures(t) {
		if compiles(t, binary) != nil {
			continue
		}
		metered, err := meter.Instrument(binary)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if err := compiles(t, metered); err != nil {
			t.Errorf("%s, metered: %v", name, err)
		}
		exposed, err := meter.Expose(binary, 1<<16)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := compiles(t, exposed.Binary); err != nil {
			t.Errorf("%s, exposed: %v", name, err)
		}
		if metered, err = meter.Instrument(exposed.Binary); err != nil {
			t.Errorf("%s, exposed: %v", name, err)
		} else if err := compiles(t, metered); err != nil {
			t.Errorf("%s, exposed and metered: %v", name, err)
		}
		if _, err := meter.Instrument(metered); err == nil {
			t.Errorf("%s was metered twice", name)
		}
	}
}

// Whatever is cut off or changed in a module: there is an error or a result, and no panic.
func TestDamagedModules(t *testing.T) {
	for name, binary := range fixtures(t) {
		if len(binary) > 1000 { // as many instructions are in the small ones
			continue
		}
		for i := range binary {
			for _, damaged := range [][]byte{binary[:i], append(append(bytes.Clone(binary[:i]), binary[i]^0x55), binary[i+1:]...)} {
				func() {
					defer func() {
						if p := recover(); p != nil {
							t.Errorf("%s, byte %d: %v", name, i, p)
						}
					}()
					meter.Instrument(damaged)    //nolint:errcheck // that it returns is what counts
					meter.Expose(damaged, 1<<16) //nolint:errcheck // as above
				}()
			}
		}
	}
}

func FuzzInstrument(f *testing.F) {
	for _, binary := range fixtures(f) {
		f.Add(binary)
	}
	f.Fuzz(func(t *testing.T, binary []byte) {
		metered, err := meter.Instrument(binary)
		exposed, exposeErr := meter.Expose(binary, 1<<16)
		if _, parseErr := wasm.Parse(binary); parseErr != nil || compiles(t, binary) != nil {
			return
		}
		// What a compiler takes may be refused, but not be spoilt.
		if err == nil {
			if err := compiles(t, metered); err != nil {
				t.Errorf("metered: %v", err)
			}
		}
		if exposeErr == nil {
			if err := compiles(t, exposed.Binary); err != nil {
				t.Errorf("exposed: %v", err)
			}
		}
	})
}

// instance makes a metered instance of a module of testdata/hostile.
func instance(t *testing.T, engine wazero.RuntimeConfig, name string) (api.Module, *meter.Meter) {
	t.Helper()
	binary, err := os.ReadFile("../../../testdata/hostile/" + name + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	if binary, err = meter.Instrument(binary); err != nil {
		t.Fatal(err)
	}
	r := wazero.NewRuntimeWithConfig(ctx, engine.WithCoreFeatures(api.CoreFeaturesV2))
	t.Cleanup(func() { r.Close(ctx) })
	if err := meter.Instantiate(ctx, r); err != nil {
		t.Fatal(err)
	}
	if _, err := r.NewHostModuleBuilder("wasmworker:activity/v1").NewFunctionBuilder().
		WithFunc(func() uint32 { return 0 }).Export("status").Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	m := &meter.Meter{}
	var mod api.Module
	if _, err := m.Run(ctx, meter.Unlimited, func(ctx context.Context) (err error) {
		mod, err = r.InstantiateWithConfig(ctx, binary, wazero.NewModuleConfig())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return mod, m
}

// call calls the activity A.
func call(ctx context.Context, mod api.Module, m *meter.Meter, budget int64) (int64, error) {
	return m.Run(ctx, budget, func(ctx context.Context) error {
		_, err := mod.ExportedFunction("A").Call(ctx)
		return err
	})
}

var engines = map[string]wazero.RuntimeConfig{"compiler": wazero.NewRuntimeConfigCompiler(), "interpreter": wazero.NewRuntimeConfigInterpreter()}

// Endless work of every shape ends with its context, and by its budget, to the same unit in
// either engine.
func TestEndlessWorkEnds(t *testing.T) {
	used := map[string]int64{}
	for _, name := range []string{"loop-endless", "loop-br-table", "calls-tree", "calls-indirect", "memory-fill"} {
		for engine, config := range engines {
			t.Run(name+"/"+engine, func(t *testing.T) {
				mod, m := instance(t, config, name)
				timeout, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
				if _, err := call(timeout, mod, m, meter.Unlimited); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("without a budget: %v", err)
				}
				const budget = 1_000_003
				units, err := call(ctx, mod, m, budget)
				if !errors.Is(err, meter.ErrOutOfUnits) || units > budget || units < budget/2 {
					t.Errorf("with a budget of %d: %d used, %v", budget, units, err)
				}
				if before, ok := used[name]; ok && before != units {
					t.Errorf("%d units here, %d in the other engine", units, before)
				}
				used[name] = units
			})
		}
	}
}

// A guest that computes does not hold up Go's garbage collector.
func TestGarbageCollection(t *testing.T) {
	mod, m := instance(t, wazero.NewRuntimeConfig(), "loop-endless")
	spinning, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() {
		_, err := call(spinning, mod, m, meter.Unlimited)
		ended <- err
	}()
	for range 20 {
		runtime.GC() // would not return
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// An error names what it is about and where.
func TestRefusals(t *testing.T) {
	good := "\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0a"
	body := func(code string) string {
		return fmt.Sprintf("%s%c\x01%c\x00%s", good, len(code)+3, len(code)+1, code)
	}
	for code, want := range map[string]string{
		body("\x06\x40\x0b"):          "opcode 06 at offset 0x17", // try
		body("\xfe\x00\x0b"):          "opcode fe",                // threads
		body("\x0c\x05\x0b"):          "label 5 at offset 0x17",
		body("\x10\x07\x0b"):          "function 7",
		body("\x0b\x0b"):              "too many",
		body("\x01"):                  "unexpected end",
		"\x00asm\x0d\x00\x01\x00":     "not a WebAssembly binary of version 1",
		"hello":                       "not a WebAssembly binary",
		good[:8] + "\x0e\x00":         "section 14",
		good[:8] + "\x03\x00\x01\x00": "section",
	} {
		if _, err := meter.Instrument([]byte(code)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", code, err, want)
		}
	}
}
