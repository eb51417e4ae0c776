package wasip1

import (
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/hostfunc"
)

// A function takes the place of one of wazero's, of the same type.
func TestSignatures(t *testing.T) {
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(t.Context())
	builder := r.NewHostModuleBuilder(abi.ModuleWASI)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(builder)
	theirs, err := builder.Compile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, fn := range functions {
		params, results := hostfunc.Signature(fn.signature)
		f := theirs.ExportedFunctions()[name]
		if f == nil || !slices.Equal(f.ParamTypes(), params) || !slices.Equal(f.ResultTypes(), results) {
			t.Errorf("%s: %s is not the type of WASI", name, fn.signature)
		}
		if fn.bare == nil && fn.files == nil {
			t.Errorf("%s does nothing", name)
		}
	}
}
