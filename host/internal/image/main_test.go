package image

import (
	"bytes"
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// onEachSystem runs a test with every way that memories can be kept on this machine.
func onEachSystem(t *testing.T, test func(t *testing.T, sys system)) {
	for name, sys := range systems(t) {
		t.Run(name, func(t *testing.T) {
			before := Usage()
			// Registered first, so it runs when all that the test registered has.
			t.Cleanup(func() {
				if after := Usage(); after != before && !t.Failed() {
					t.Errorf("before the test: %+v; after: %+v", before, after)
				}
			})
			test(t, sys)
		})
	}
}

// host is a wazero runtime with one compiled module.
type host struct {
	t        testing.TB
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
}

// onEachEngine runs a test with wazero's compiler, where there is one, and its
// interpreter.
func onEachEngine(t *testing.T, wasm []byte, test func(t *testing.T, h *host)) {
	for name, config := range map[string]wazero.RuntimeConfig{
		"default":     wazero.NewRuntimeConfig(),
		"interpreter": wazero.NewRuntimeConfigInterpreter(),
	} {
		t.Run(name, func(t *testing.T) { test(t, newHost(t, config, wasm)) })
	}
}

func newHost(t testing.TB, config wazero.RuntimeConfig, wasm []byte) *host {
	t.Helper()
	ctx := t.Context()
	h := &host{t: t, runtime: wazero.NewRuntimeWithConfig(ctx, config.WithCoreFeatures(api.CoreFeaturesV2))}
	t.Cleanup(func() { h.runtime.Close(context.Background()) })
	wasi_snapshot_preview1.MustInstantiate(ctx, h.runtime)
	var err error
	if h.compiled, err = h.runtime.CompileModule(ctx, wasm); err != nil {
		t.Fatal(err)
	}
	return h
}

// in returns the host for use in a subtest.
func (h *host) in(t testing.TB) *host {
	sub := *h
	sub.t = t
	return &sub
}

func defaultHost(t testing.TB, wasm []byte) *host {
	return newHost(t, wazero.NewRuntimeConfig(), wasm)
}

// instance is an instance and its memory. Both are closed at the end of the test.
type instance struct {
	t      testing.TB
	memory *Memory
	module api.Module
}

// instantiate makes an instance of which nothing was called yet.
func (h *host) instantiate(m *Memory) *instance {
	h.t.Helper()
	ctx := experimental.WithMemoryAllocator(h.t.Context(), m)
	module, err := h.runtime.InstantiateModule(ctx, h.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		m.Close()
		h.t.Fatal(err)
	}
	i := &instance{h.t, m, module}
	h.t.Cleanup(i.close)
	return i
}

func (i *instance) close() {
	_ = i.module.Close(context.Background())
	i.memory.Close()
}

// first makes the first instance of a module, and initializes it.
func (h *host) first(sys system, cfg Config) *instance {
	h.t.Helper()
	i := h.instantiate(newTestMemory(h.t, sys, cfg))
	i.call("_initialize")
	return i
}

func (h *host) further(image *Image) *instance {
	h.t.Helper()
	m, err := image.NewMemory()
	if err != nil {
		h.t.Fatal(err)
	}
	i := h.instantiate(m)
	i.reset()
	return i
}

func newTestMemory(t testing.TB, sys system, cfg Config) *Memory {
	t.Helper()
	m, err := newMemory(sys, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (i *instance) try(name string, args ...uint64) ([]uint64, error) {
	return i.module.ExportedFunction(name).Call(i.t.Context(), args...)
}

func (i *instance) call(name string, args ...uint64) uint64 {
	i.t.Helper()
	results, err := i.try(name, args...)
	if err != nil {
		i.t.Fatalf("%s: %v", name, err)
	}
	if len(results) == 0 {
		return 0
	}
	return results[0]
}

func (i *instance) snapshot() *Image {
	i.t.Helper()
	image, err := i.memory.Snapshot()
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(image.Close)
	return image
}

func (i *instance) reset() {
	i.t.Helper()
	if err := i.memory.Reset(i.module.Memory()); err != nil {
		i.t.Fatal(err)
	}
}

// contents returns a copy of the memory, as the host sees it through wazero.
func (i *instance) contents() []byte {
	i.t.Helper()
	pages, _ := i.module.Memory().Grow(0)
	view, ok := i.module.Memory().Read(0, pages*wasmPage)
	if !ok {
		i.t.Fatalf("a memory of %d pages cannot be read", pages)
	}
	return bytes.Clone(view)
}

func (i *instance) mustBe(want []byte) {
	i.t.Helper()
	got := i.contents()
	if len(got) != len(want) {
		i.t.Fatalf("the memory has %d bytes instead of %d", len(got), len(want))
	}
	if !bytes.Equal(got, want) {
		at := 0
		for got[at] == want[at] {
			at++
		}
		i.t.Fatalf("byte %#x of the memory is %#x instead of %#x", at, got[at], want[at])
	}
	if int(i.memory.Size()) != len(want) {
		i.t.Fatalf("Size() = %d; want %d", i.memory.Size(), len(want))
	}
}
