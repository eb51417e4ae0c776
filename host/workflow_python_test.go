//go:build python && unix

package host_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

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
	module, _, err := base.Build(t.Context(), app, nil, cacheDir)
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
	var live digests
	file := pythonWorkflows(t)
	h := pythonHost(t, file, live.watch)
	c := h.Client()
	// The replayer finds the states that the run has had here, the last one of those that continue
	// as new.
	replayAlike := func(t *testing.T, r client.WorkflowRun) {
		t.Helper()
		var again digests
		want := live.of(r.GetID())
		replay(t, h, r, file, &again)
		if got := again.of(r.GetID()); len(got) == 0 || len(got) > len(want) || !slices.Equal(got, want[len(want)-len(got):]) {
			t.Errorf("the replayer found\n%v, the worker\n%v", got, want)
		}
	}
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
		replayAlike(t, r)
	})
	t.Run("counter", func(t *testing.T) {
		t.Parallel()
		r := startWorkflow(t, h, "PythonCounter", 10)
		update := func(n any) (sum int, err error) {
			u, err := c.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: r.GetID(), UpdateName: "add", Args: []any{n}, WaitForStage: client.WorkflowUpdateStageCompleted})
			if err == nil {
				err = u.Get(t.Context(), &sum)
			}
			return sum, err
		}
		if sum, err := update(5); err != nil || sum != 15 {
			t.Errorf("%d, %v", sum, err)
		}
		for n, want := range map[any]string{-1: "only what is positive can be added", "x": "argument 1 (n) must be a whole number"} {
			if _, err := update(n); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v", err)
			}
		}
		if _, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "breaks"); err == nil || !strings.Contains(err.Error(), "query breaks cannot begin an activity") {
			t.Errorf("%v", err)
		}
		var total int
		if v, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "total"); err != nil || v.Get(&total) != nil || total != 15 {
			t.Errorf("%d, %v", total, err)
		}
		var stack string
		if v, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "__stack_trace"); err != nil || v.Get(&stack) != nil || !strings.Contains(stack, "app.py") || !strings.Contains(stack, "wait_condition") {
			t.Errorf("%s, %v", stack, err)
		}
		for _, name := range []string{"add", "end"} {
			if err := c.SignalWorkflow(t.Context(), r.GetID(), "", name, 2); err != nil {
				t.Fatal(err)
			}
		}
		if err := result(t, r, &total); err != nil || total != 17 {
			t.Errorf("%d, %v", total, err)
		}
		replayAlike(t, r)
	})
	for name, cleans := range map[string]bool{"PythonCancelled": true, "PythonSleeps": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startWorkflow(t, h, name)
			testbed.Eventually(t, "it waits", func() error {
				for _, e := range history(t, h, r) {
					if e.GetActivityTaskScheduledEventAttributes() != nil || e.GetTimerStartedEventAttributes() != nil {
						return nil
					}
				}
				return errors.New("it does not")
			})
			if err := c.CancelWorkflow(t.Context(), r.GetID(), ""); err != nil {
				t.Fatal(err)
			}
			var canceled *temporal.CanceledError
			if err := result(t, r, nil); !errors.As(err, &canceled) {
				t.Errorf("%v", err)
			}
			replayAlike(t, r)
			if !cleans {
				return
			}
			var cleaned string
			if v, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "cleaned"); err != nil || v.Get(&cleaned) != nil || cleaned != "cleaned up" {
				t.Errorf("%q, %v", cleaned, err)
			}
		})
	}
	for name, want := range map[string]string{"activity": "Declined", "application": "Bad", "wrapped": "WrappedDeclined", "declared": "DeclinedError", "timeout": "TimeoutError"} {
		t.Run("fails: "+name, func(t *testing.T) {
			t.Parallel()
			r := startWorkflow(t, h, "PythonFails", name)
			err := result(t, r, nil)
			var app *temporal.ApplicationError
			if !errors.As(err, &app) || app.Type() != want {
				t.Errorf("%v", err)
			}
			replayAlike(t, r)
		})
	}
	t.Run("raises", func(t *testing.T) {
		t.Parallel()
		r := startWorkflow(t, h, "PythonFails", "otherwise")
		testbed.Eventually(t, "the workflow task fails", func() error {
			for _, e := range history(t, h, r) {
				if a := e.GetWorkflowTaskFailedEventAttributes(); a != nil {
					if text := a.GetFailure().String(); !strings.Contains(text, "out of order") || !strings.Contains(text, "app.py") || !strings.Contains(text, "raise KeyError") {
						t.Errorf("it failed with %s", text)
					}
					return nil
				}
			}
			return errors.New("it does not")
		})
	})
	t.Run("shown", func(t *testing.T) {
		t.Parallel()
		if _, err := c.OperatorService().AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{
			Namespace: "default", SearchAttributes: map[string]enumspb.IndexedValueType{"PythonRegion": enumspb.INDEXED_VALUE_TYPE_KEYWORD}}); err != nil {
			t.Fatal(err)
		}
		other := startWorkflow(t, h, "PythonCounter", 1)
		r := startWorkflow(t, h, "PythonShown", other.GetID())
		if err := c.SignalWorkflow(t.Context(), r.GetID(), "", "anything", "else"); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := result(t, r, &got); err != nil || got != "local, anything else" {
			t.Errorf("%q, %v", got, err)
		}
		d, err := c.DescribeWorkflow(t.Context(), r.GetID(), "")
		if err != nil || string(d.RawResponse.GetWorkflowExecutionInfo().GetMemo().GetFields()["tenant"].GetData()) != `"acme"` {
			t.Errorf("memo %v, %v", d.RawResponse.GetWorkflowExecutionInfo().GetMemo(), err)
		}
		if got := string(d.RawResponse.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()["PythonRegion"].GetData()); got != `"acme"` {
			t.Errorf("search attribute %s", got)
		}
		replayAlike(t, r)
	})
	for name, c := range map[string]struct {
		args []any
		want any
	}{
		"PythonLoop":      {[]any{5}, 10.0},
		"PythonTasks":     {[]any{3}, []any{0.0, 1.0, 2.0}},
		"PythonParent":    {[]any{40}, 42.0},
		"PythonContinues": {[]any{3, 0}, 6.0},
		"PythonPatched":   {nil, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startWorkflow(t, h, name, c.args...)
			var got any
			if err := result(t, r, &got); err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%v, %v", got, err)
			}
			replayAlike(t, r)
		})
	}
}

// TestPythonWorkflowTakenOver sees that a worker that takes a run over finds the state that the
// first one had.
func TestPythonWorkflowTakenOver(t *testing.T) {
	var first, second digests
	o := options(t, pythonWorkflows(t))
	o.TaskQueue = uuid.NewString()
	h := run(t, o, first.watch, rustActivities)
	r := startWorkflow(t, h, "PythonOrder", map[string]any{"item": "tea", "amount": 7})
	waiting := func() error {
		var step string
		if v, err := h.Client().QueryWorkflow(t.Context(), r.GetID(), "", "step"); err != nil {
			return err
		} else if err := v.Get(&step); err != nil || step != "waiting for approval" {
			return fmt.Errorf("it is %s: %v", step, err)
		}
		return nil
	}
	testbed.Eventually(t, "it waits for approval", waiting)
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
	if got := second.of(r.GetID()); len(want) < 3 || len(got) != len(want)+1 || fmt.Sprint(got[:len(want)]) != fmt.Sprint(want) {
		t.Errorf("the second worker found\n%v, the first\n%v", got, want)
	}
}
