//go:build python

package conformance_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/host/hosttest"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// TestPythonConformance runs all cases that hold for Python against the module that
// `wasmworker build` makes with the interpreter of make python.
func TestPythonConformance(t *testing.T) {
	root := testbed.Root(t)
	module := filepath.Join(t.TempDir(), "conformance.wasm")
	build := exec.Command(testbed.Program(t), "build", "--interpreter", filepath.Join(root, "bin/python.wasm"),
		"--passthrough", "http,config,secret,sql,blob,conformance.upper,conformance.deny", "-o", module, filepath.Join(root, "testdata/conformance", python, "app.py"))
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	list, err := modules.Open(filepath.Dir(module))
	if err != nil {
		t.Fatal(err)
	}
	all := suite(t)
	w := world(t)
	env := hosttest.New(t, options(t, list, w, all))
	for _, c := range all.For(list[0].Kind, python) {
		t.Run(strings.ReplaceAll(c.Name, " ", "-"), func(t *testing.T) {
			if err := c.Run(t.Context(), env, w); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("draws-differ", func(t *testing.T) {
		drawn := draws(t, start(t, list, sandbox.IsolationPristine, w.Set, w.Policies), 1000)
		slices.Sort(drawn)
		if n := len(slices.Compact(drawn)); n < 1000 {
			t.Errorf("1000 activities drew %d numbers, one of them %s", n, drawn[0])
		}
	})
	t.Run("interrupted-by-the-host", func(t *testing.T) {
		run := env.RunContext(t.Context(), replay.Activity{Type: "spin", Timeout: 100 * time.Millisecond})
		if run.Outcome() != replay.Interrupted {
			t.Errorf("it was not interrupted: %v", run.Err)
		}
	})
	t.Run("draws-differ", func(t *testing.T) { drawsDiffer(t, list, w) })
	for _, m := range env.Modules() {
		if m.Fallback() != "" {
			t.Errorf("%s cannot be reset: %s", m.File().Name, m.Fallback())
		}
	}
}
