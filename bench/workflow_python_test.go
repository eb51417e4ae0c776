//go:build python

package bench

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/wasmworker/wasmworker/internal/pybundle"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// BenchmarkPythonWorkflow is BenchmarkWorkflow for Python, whose interpreter is not committed.
func BenchmarkPythonWorkflow(b *testing.B) {
	interpreter, err := os.ReadFile(testbed.Python(b))
	if err != nil {
		b.Fatal(err)
	}
	base, err := pybundle.Read(interpreter)
	if err != nil {
		b.Fatal(err)
	}
	app, err := pybundle.Collect("../testdata/workflows/python")
	if err != nil {
		b.Fatal(err)
	}
	module, _, err := base.Build(b.Context(), app, nil, filepath.Join(scratch, "cache"))
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(scratch, "python.wasm")
	if err := os.WriteFile(file, module, 0o600); err != nil {
		b.Fatal(err)
	}
	workflowGuest{"python", file, "PythonLoop", "PythonCounter"}.measure(b)
}
