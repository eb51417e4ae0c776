package sandbox

import (
	"context"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/host/internal/meter"
)

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
