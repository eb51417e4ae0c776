//go:build unix

package host_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"go.temporal.io/sdk/client"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

func typeScriptModule(t *testing.T) string {
	return filepath.Join(testbed.Root(t), "testdata", "workflows", "typescript", "workflows.wasm")
}

// waits sees that the query step of a run answers with what is wanted.
func waits(t *testing.T, c client.Client, r client.WorkflowRun, want string) {
	t.Helper()
	testbed.Eventually(t, "it is "+want, func() error {
		var step string
		if v, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "step"); err != nil {
			return err
		} else if err := v.Get(&step); err != nil || step != want {
			return fmt.Errorf("it is %s: %v", step, err)
		}
		return nil
	})
}

func TestTypeScriptWorkflows(t *testing.T) {
	h := run(t, options(t, typeScriptModule(t), wat(t, "echo")), rustActivities)
	c := h.Client()
	t.Run("order", func(t *testing.T) {
		t.Parallel()
		r := startWorkflow(t, h, "TypeScriptOrder", map[string]any{"item": "tea", "amount": 7})
		waits(t, c, r, "waiting for approval")
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
		replay(t, h, r, typeScriptModule(t), nil)
	})
}
