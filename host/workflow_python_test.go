//go:build python && unix

package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/internal/pybundle"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// pythonWorkflows builds the workflows of testdata/workflows/python.
func pythonWorkflows(t *testing.T) string {
	t.Helper()
	interpreter, err := os.ReadFile(testbed.Python(t))
	if err != nil {
		t.Fatal(err)
	}
	base, err := pybundle.Read(interpreter)
	if err != nil {
		t.Fatal(err)
	}
	app, err := pybundle.Collect(filepath.Join(testbed.Root(t), "testdata", "workflows", "python"))
	if err != nil {
		t.Fatal(err)
	}
	module, _, err := base.Build(t.Context(), app, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "workflows.wasm")
	if err := os.WriteFile(file, module, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// pythonHost runs them beside Go activities.
func pythonHost(t *testing.T, file string, setup ...func(*host.Host)) *host.Host {
	o := options(t, file, wat(t, "echo"))
	return run(t, o, append(setup, rustActivities)...)
}

func TestPythonWorkflows(t *testing.T) {
	file := pythonWorkflows(t)
	h := pythonHost(t, file)
	c := h.Client()
	t.Run("order", func(t *testing.T) {
		t.Parallel()
		r := startWorkflow(t, h, "PythonOrder", map[string]any{"item": "tea", "amount": 7})
		testbed.Eventually(t, "it waits for approval", func() error {
			var step string
			if v, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "step"); err != nil {
				return err
			} else if err := v.Get(&step); err != nil || step != "waiting for approval" {
				return fmt.Errorf("it is %s: %v", step, err)
			}
			return nil
		})
		if _, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "other"); err == nil || !strings.Contains(err.Error(), "queries that there are: step") {
			t.Errorf("%v", err)
		}
		if err := c.SignalWorkflow(t.Context(), r.GetID(), "", "approve", "ann"); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Item, First, ID string
			Charged         []int
			ApprovedBy      string `json:"approved_by"`
		}
		if err := result(t, r, &got); err != nil || got.Item != "tea" || got.First != "activity" || got.ApprovedBy != "ann" || fmt.Sprint(got.Charged) != "[3 4]" || len(got.ID) != 36 {
			t.Errorf("%+v, %v", got, err)
		}
		replay(t, h, r, file, nil)
	})
}
