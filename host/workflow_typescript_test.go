//go:build unix

package host_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

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
	t.Run("counter", func(t *testing.T) {
		t.Parallel()
		r := startWorkflow(t, h, "TypeScriptCounter", 10)
		update := func(n int) (sum int, err error) {
			u, err := c.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: r.GetID(), UpdateName: "add", Args: []any{n}, WaitForStage: client.WorkflowUpdateStageCompleted})
			if err == nil {
				err = u.Get(t.Context(), &sum)
			}
			return sum, err
		}
		if sum, err := update(5); err != nil || sum != 15 {
			t.Errorf("%d, %v", sum, err)
		}
		for n, want := range map[int]string{-1: "only what is positive can be added", 13: "13 is not added"} {
			if _, err := update(n); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v", err)
			}
		}
		var total int
		if v, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "total"); err != nil || v.Get(&total) != nil || total != 15 {
			t.Errorf("%d, %v", total, err)
		}
		for query, want := range map[string]string{"begins": "must not change anything", "other": "those that there are: begins, total"} {
			if _, err := c.QueryWorkflow(t.Context(), r.GetID(), "", query); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v", err)
			}
		}
		for name, arg := range map[string]any{"add": 2, "end": nil} {
			if err := c.SignalWorkflow(t.Context(), r.GetID(), "", name, arg); err != nil {
				t.Fatal(err)
			}
		}
		if err := result(t, r, &total); err != nil || total < 15 || total > 17 {
			t.Errorf("%d, %v", total, err)
		}
		replay(t, h, r, typeScriptModule(t), nil)
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		r := startWorkflow(t, h, "TypeScriptCancelled")
		testbed.Eventually(t, "the activity is scheduled", func() error {
			for _, e := range history(t, h, r) {
				if e.GetActivityTaskScheduledEventAttributes() != nil {
					return nil
				}
			}
			return errors.New("it is not")
		})
		if err := c.CancelWorkflow(t.Context(), r.GetID(), ""); err != nil {
			t.Fatal(err)
		}
		var canceled *temporal.CanceledError
		if err := result(t, r, nil); !errors.As(err, &canceled) {
			t.Errorf("%v", err)
		}
		var cleaned string
		if v, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "cleaned"); err != nil || v.Get(&cleaned) != nil || cleaned != "cleaned up" {
			t.Errorf("%q, %v", cleaned, err)
		}
		replay(t, h, r, typeScriptModule(t), nil)
	})
	t.Run("default signals", func(t *testing.T) {
		t.Parallel()
		r := startWorkflow(t, h, "TypeScriptDefault")
		for _, name := range []string{"one", "two"} {
			if err := c.SignalWorkflow(t.Context(), r.GetID(), "", name, 7); err != nil {
				t.Fatal(err)
			}
		}
		var got []any
		if err := result(t, r, &got); err != nil || fmt.Sprint(got) != "[one 7 two 7]" {
			t.Errorf("%v, %v", got, err)
		}
		replay(t, h, r, typeScriptModule(t), nil)
	})
	t.Run("shown", func(t *testing.T) {
		t.Parallel()
		other := startWorkflow(t, h, "TypeScriptCounter", 1)
		r := startWorkflow(t, h, "TypeScriptShown", other.GetID())
		var got []any
		if err := result(t, r, &got); err != nil || fmt.Sprint(got) != "[local TypeScriptShown true acme 1 true]" {
			t.Errorf("%v, %v", got, err)
		}
		d, err := c.DescribeWorkflow(t.Context(), r.GetID(), "")
		if err != nil || string(d.RawResponse.GetWorkflowExecutionInfo().GetMemo().GetFields()["tenant"].GetData()) != `"acme"` {
			t.Errorf("memo %v, %v", d.RawResponse.GetWorkflowExecutionInfo().GetMemo(), err)
		}
		replay(t, h, r, typeScriptModule(t), nil)
	})
	t.Run("timers", func(t *testing.T) {
		t.Parallel()
		r := startWorkflow(t, h, "TypeScriptTimers")
		var got []any
		if err := result(t, r, &got); err != nil || len(got) != 2 || got[1] != true {
			t.Fatalf("%v, %v", got, err)
		}
		// The interval's second timer begins when the server has told of the first one, which can
		// take it until after b.
		if seen := fmt.Sprint(got[0]); seen != "a..b" && seen != "a.b." {
			t.Errorf("the timers came as %s", seen)
		}
		replay(t, h, r, typeScriptModule(t), nil)
	})
	for name, c := range map[string]struct {
		args []any
		want any
	}{
		"TypeScriptLoop":      {[]any{5}, 10.0},
		"TypeScriptParent":    {[]any{40}, []any{42.0, "Bad", "new"}},
		"TypeScriptContinues": {[]any{3, 0}, 6.0},
		"TypeScriptScopes": {nil, []any{"timeout: true", "condition: true", "inner: true", "shielded", "outer: true", "root: false", "condition: false", "now: true",
			"number 0", "number 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startWorkflow(t, h, name, c.args...)
			var got any
			if err := result(t, r, &got); err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%v, %v", got, err)
			}
			replay(t, h, r, typeScriptModule(t), nil)
		})
	}
}

func TestTypeScriptWorkflowFails(t *testing.T) {
	h := run(t, options(t, typeScriptModule(t)), rustActivities)
	for name, want := range map[string]string{"activity": "Declined", "application": "Bad", "wrapped": "WrappedDeclined51", "other": "InvalidInput"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startWorkflow(t, h, "TypeScriptFails", name)
			var app *temporal.ApplicationError
			if err := result(t, r, nil); !errors.As(err, &app) || app.Type() != want {
				t.Errorf("%v", err)
			}
			replay(t, h, r, typeScriptModule(t), nil)
		})
	}
	// What is none of Temporal's failures is a fault of the code, which the next version may not
	// have.
	for name, want := range map[string]string{"error": "out of order", "unhandled": "nobody waits"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startWorkflow(t, h, "TypeScriptFails", name)
			testbed.Eventually(t, "the workflow task fails", func() error {
				for _, e := range history(t, h, r) {
					if a := e.GetWorkflowTaskFailedEventAttributes(); a != nil {
						if text := a.GetFailure().GetMessage(); !strings.Contains(text, want) {
							t.Errorf("it failed with %s", text)
						}
						return nil
					}
				}
				return errors.New("it does not")
			})
		})
	}
}

// TestTypeScriptWorkflowTakenOver sees that a worker that takes a run over finds the state that
// the first one had.
func TestTypeScriptWorkflowTakenOver(t *testing.T) {
	var first, second digests
	o := options(t, typeScriptModule(t))
	o.TaskQueue = uuid.NewString()
	h := run(t, o, first.watch, rustActivities)
	r := startWorkflow(t, h, "TypeScriptOrder", map[string]any{"item": "tea", "amount": 7})
	waits(t, h.Client(), r, "waiting for approval")
	want := first.of(r.GetID())
	if err := h.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	worker.PurgeStickyWorkflowCache()
	h2 := run(t, o, second.watch, rustActivities)
	if err := h2.Client().SignalWorkflow(t.Context(), r.GetID(), "", "approve", "bob"); err != nil {
		t.Fatal(err)
	}
	if err := result(t, h2.Client().GetWorkflow(t.Context(), r.GetID(), ""), nil); err != nil {
		t.Fatal(err)
	}
	if got := second.of(r.GetID()); len(want) == 0 || len(got) != len(want)+1 || fmt.Sprint(got[:len(want)]) != fmt.Sprint(want) {
		t.Errorf("the second worker found\n%v, the first\n%v", got, want)
	}
}
