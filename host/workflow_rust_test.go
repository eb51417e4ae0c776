//go:build unix

package host_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// rustHost runs the workflows of testdata/workflows/rust beside Go activities.
func rustHost(t *testing.T, setup ...func(*host.Host)) *host.Host {
	o := options(t, filepath.Join(testbed.Root(t), "testdata", "workflows", "rust", "workflows.wasm"), wat(t, "echo"))
	return run(t, o, append(setup, rustActivities)...)
}

func rustActivities(h *host.Host) {
	register := func(name string, f any) { h.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name}) }
	register("echo", func(_ context.Context, v any) (any, error) { return v, nil })
	register("fail", func() error { return temporal.NewNonRetryableApplicationError("declined", "Declined", nil, 51) })
	register("hang", func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
}

func TestRustWorkflows(t *testing.T) {
	h := rustHost(t)
	c := h.Client()
	t.Run("order", func(t *testing.T) {
		t.Parallel()
		r := startWorkflow(t, h, "RustOrder", map[string]any{"item": "tea", "amount": 7})
		testbed.Eventually(t, "it waits for approval", func() error {
			var step string
			if v, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "step"); err != nil {
				return err
			} else if err := v.Get(&step); err != nil || step != "waiting for approval" {
				return fmt.Errorf("it is %s: %v", step, err)
			}
			return nil
		})
		if _, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "other"); err == nil || !strings.Contains(err.Error(), "those that there are: step") {
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
		replay(t, h, r, filepath.Join(testbed.Root(t), "testdata", "workflows", "rust"), nil)
	})
	t.Run("counter", func(t *testing.T) {
		t.Parallel()
		r := startWorkflow(t, h, "RustCounter", 10)
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
		if _, err := update(-1); err == nil || !strings.Contains(err.Error(), "only what is positive can be added") {
			t.Errorf("%v", err)
		}
		var total int
		if v, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "total"); err != nil || v.Get(&total) != nil || total != 15 {
			t.Errorf("%d, %v", total, err)
		}
		for name, arg := range map[string]any{"add": 2, "end": nil} {
			if err := c.SignalWorkflow(t.Context(), r.GetID(), "", name, arg); err != nil {
				t.Fatal(err)
			}
		}
		if err := result(t, r, &total); err != nil || total < 15 || total > 17 {
			t.Errorf("%d, %v", total, err)
		}
		replay(t, h, r, filepath.Join(testbed.Root(t), "testdata", "workflows", "rust"), nil)
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		r := startWorkflow(t, h, "RustCancelled")
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
		replay(t, h, r, filepath.Join(testbed.Root(t), "testdata", "workflows", "rust"), nil)
	})
	for name, want := range map[string]string{"activity": "Declined", "application": "Bad", "wrapped": "WrappedDeclined", "?": "ParseIntError"} {
		t.Run("fails: "+name, func(t *testing.T) {
			t.Parallel()
			r := startWorkflow(t, h, "RustFails", name)
			err := result(t, r, nil)
			var app *temporal.ApplicationError
			if !errors.As(err, &app) || app.Type() != want {
				t.Errorf("%v", err)
			}
			replay(t, h, r, filepath.Join(testbed.Root(t), "testdata", "workflows", "rust"), nil)
		})
	}
	t.Run("panics", func(t *testing.T) {
		t.Parallel()
		r := startWorkflow(t, h, "RustFails", "panic")
		testbed.Eventually(t, "the workflow task fails", func() error {
			for _, e := range history(t, h, r) {
				if a := e.GetWorkflowTaskFailedEventAttributes(); a != nil {
					if text := a.GetFailure().GetMessage(); !strings.Contains(text, "out of order") {
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
		other := startWorkflow(t, h, "RustCounter", 1)
		r := startWorkflow(t, h, "RustShown", other.GetID())
		var got string
		if err := result(t, r, &got); err != nil || got != "local" {
			t.Errorf("%q, %v", got, err)
		}
		d, err := c.DescribeWorkflow(t.Context(), r.GetID(), "")
		if err != nil || string(d.RawResponse.GetWorkflowExecutionInfo().GetMemo().GetFields()["tenant"].GetData()) != `"acme"` {
			t.Errorf("memo %v, %v", d.RawResponse.GetWorkflowExecutionInfo().GetMemo(), err)
		}
		replay(t, h, r, filepath.Join(testbed.Root(t), "testdata", "workflows", "rust"), nil)
	})
	for name, c := range map[string]struct {
		args []any
		want any
	}{
		"RustLoop":      {[]any{5}, 10.0},
		"RustTasks":     {[]any{3}, []any{0.0, 1.0, 2.0}},
		"RustParent":    {[]any{40}, 42.0},
		"RustContinues": {[]any{3, 0}, 6.0},
		"RustPatched":   {nil, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startWorkflow(t, h, name, c.args...)
			var got any
			if err := result(t, r, &got); err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%v, %v", got, err)
			}
			replay(t, h, r, filepath.Join(testbed.Root(t), "testdata", "workflows", "rust"), nil)
		})
	}
}

// TestRustWorkflowTakenOver sees that a worker that takes a run over finds the state that the first
// one had, with random branches, tasks and hash maps in it.
func TestRustWorkflowTakenOver(t *testing.T) {
	var first, second digests
	queue := uuid.NewString()
	o := options(t, filepath.Join(testbed.Root(t), "testdata", "workflows", "rust", "workflows.wasm"))
	o.TaskQueue = queue
	h := run(t, o, first.watch, rustActivities)
	r := startWorkflow(t, h, "RustOrder", map[string]any{"item": "tea", "amount": 7})
	testbed.Eventually(t, "it waits for approval", func() error {
		var step string
		if v, err := h.Client().QueryWorkflow(t.Context(), r.GetID(), "", "step"); err != nil {
			return err
		} else if err := v.Get(&step); err != nil || step != "waiting for approval" {
			return fmt.Errorf("it is %s: %v", step, err)
		}
		return nil
	})
	want := first.of(r.GetID())
	if err := h.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	worker.PurgeStickyWorkflowCache()
	h2 := run(t, o, second.watch, rustActivities)
	if err := h2.Client().SignalWorkflow(t.Context(), r.GetID(), "", "approve", "bob"); err != nil {
		t.Fatal(err)
	}
	again := h2.Client().GetWorkflow(t.Context(), r.GetID(), "")
	if err := result(t, again, nil); err != nil {
		t.Fatal(err)
	}
	if got := second.of(r.GetID()); len(got) != len(want)+1 || fmt.Sprint(got[:len(want)]) != fmt.Sprint(want) {
		t.Errorf("the second worker found\n%v, the first\n%v", got, want)
	}
	if d, err := h2.Client().DescribeWorkflow(t.Context(), r.GetID(), ""); err != nil || d.RawResponse.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		t.Errorf("%v, %v", d, err)
	}
}
