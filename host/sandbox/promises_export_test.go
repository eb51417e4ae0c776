package sandbox

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/host/internal/meter"
)

// KeepExports leaves modules, for one test, the exports that the host does not call.
func KeepExports(t *testing.T) {
	keepExports = true
	t.Cleanup(func() { keepExports = false })
}

// Wasm is what runs in the instance.
func (i *Instance) Wasm() api.Module { return i.wasm }

// Probe calls an export beside all activities.
func (i *Instance) Probe(ctx context.Context, name string, args ...uint64) (results []uint64, err error) {
	f := i.functions[name]
	if f == nil {
		f = i.wasm.ExportedFunction(name)
		i.functions[name] = f
	}
	_, err = i.meter.Run(ctx, meter.Unlimited, func(ctx context.Context) (err error) {
		results, err = f.Call(ctx, args...)
		return err
	})
	return results, err
}
