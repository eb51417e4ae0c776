package sandbox

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// everything links what guests of any kind get.
type everything struct{ contract }

func (everything) link(ctx context.Context, p *program) error {
	var errs []error
	for _, c := range contracts {
		errs = append(errs, c.link(ctx, p))
	}
	return errors.Join(errs...)
}

// LinkedFunctions returns every function that the linker gives to a module that imports
// all there is and was granted everything of a set, by host module and name.
func LinkedFunctions(t *testing.T, set passthrough.Set) map[string]map[string]api.FunctionDefinition {
	ctx := context.Background()
	m := &Module{file: &modules.File{}, contract: everything{}, logger: slog.New(slog.DiscardHandler)}
	p := &program{module: m, runtime: wazero.NewRuntime(ctx)}
	defer p.runtime.Close(ctx)
	for _, name := range []string{abi.ModuleActivity, abi.ModuleLog, abi.ModuleWASI, abi.ModuleExtism} {
		m.file.Imports = append(m.file.Imports, modules.Import{Module: name})
	}
	for _, granted := range set.Modules() {
		m.grants = append(m.grants, granted)
		m.file.Imports = append(m.file.Imports, modules.Import{Module: granted.ImportName()})
	}
	if err := p.link(ctx); err != nil {
		t.Fatal(err)
	}
	functions := map[string]map[string]api.FunctionDefinition{}
	for _, imp := range m.file.Imports {
		functions[imp.Module] = p.runtime.Module(imp.Module).ExportedFunctionDefinitions()
	}
	return functions
}
