//go:build unix

package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// flows has workflows in Go, one for each feature of the SDK.
const flows = "testdata/guests/flows"

func TestGoWorkflows(t *testing.T) {
	o := options(t, testbed.Guest(t, flows), testbed.Guest(t, acts))
	h := run(t, o)
	_, err := h.Client().OperatorService().AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{
		Namespace: "default", SearchAttributes: map[string]enumspb.IndexedValueType{"FlowsRegion": enumspb.INDEXED_VALUE_TYPE_KEYWORD}})
	var exists *serviceerror.AlreadyExists
	if err != nil && !errors.As(err, &exists) {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []any
		want string
	}{
		"Plain":   {[]any{[]string{"a", "b", "c"}}, `["a <nil>","b <nil>","c <nil>","activity","true context deadline exceeded",`},
		"Parent":  {nil, `["from its parent of w","true true","Fails wrapError","true","true"]`},
		"Errors":  {nil, `["true NoCard","false NoCard","true ScheduleToStart","here"]`},
		"Again":   {[]any{1, ""}, `"default"`},
		"Porting": {nil, `["sum 3","version 2 true","found","5 false <nil>"]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startWorkflow(t, h, name, c.args...)
			var got json.RawMessage
			if err := result(t, r, &got); err != nil {
				t.Fatal(err)
			}
			if text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(got)); !strings.HasPrefix(text, c.want) {
				t.Errorf("the result is %s, want %s", text, c.want)
			}
			if name == "Porting" {
				d, err := h.Client().DescribeWorkflow(t.Context(), r.GetID(), "")
				if err != nil {
					t.Fatal(err)
				}
				info := d.RawResponse.GetWorkflowExecutionInfo()
				if string(info.GetMemo().GetFields()["note"].GetData()) != `"x"` || string(info.GetSearchAttributes().GetIndexedFields()["FlowsRegion"].GetData()) != `"found"` {
					t.Errorf("memo %v, search attributes %v", info.GetMemo(), info.GetSearchAttributes())
				}
			}
		})
	}
	t.Run("Fails", func(t *testing.T) {
		t.Parallel()
		var app *temporal.ApplicationError
		err := result(t, startWorkflow(t, h, "Fails", "Card"), nil)
		if !errors.As(err, &app) || app.Type() != "wrapError" || !errors.As(errors.Unwrap(app), &app) || app.Type() != "Card" || !app.NonRetryable() {
			t.Fatalf("%v", err)
		}
		var code int
		var text string
		if err := app.Details(&code, &text); err != nil || code != 51 || text != "text" {
			t.Error(code, text, err)
		}
	})
	t.Run("Cleanup", func(t *testing.T) {
		t.Parallel()
		r := startWorkflow(t, h, "Cleanup")
		testbed.Eventually(t, "the workflow sleeps", func() error {
			for _, e := range history(t, h, r) {
				if e.GetTimerStartedEventAttributes() != nil {
					return nil
				}
			}
			return errors.New("there is no timer")
		})
		if err := h.Client().CancelWorkflow(t.Context(), r.GetID(), ""); err != nil {
			t.Fatal(err)
		}
		var canceled *temporal.CanceledError
		var text string
		if err := result(t, r, nil); !errors.As(err, &canceled) || canceled.Details(&text) != nil || text != "cleaned up" {
			t.Errorf("%q, %v", text, err)
		}
	})
	t.Run("Panics", func(t *testing.T) {
		t.Parallel()
		r := startWorkflow(t, h, "Panics")
		testbed.Eventually(t, "the workflow task fails", func() error {
			for _, e := range history(t, h, r) {
				if a := e.GetWorkflowTaskFailedEventAttributes(); a != nil {
					if text := a.GetFailure().GetMessage(); !strings.Contains(text, "PanicError: a fault of the program") || !strings.Contains(text, "main.Panics(") {
						t.Errorf("the task failed with %s", text)
					}
					return nil
				}
			}
			return errors.New("it has not failed")
		})
	})
}

// Signals, queries and updates of a workflow in Go, before and after another worker has
// taken it over: the state after each activation is the same.
func TestGoWorkflowMessages(t *testing.T) {
	var first, second digests
	o := options(t, testbed.Guest(t, flows), testbed.Guest(t, acts))
	h := run(t, o, first.watch)
	r := startWorkflow(t, h, "Messages")
	plain := startWorkflow(t, h, "Child", "note")
	converse := func(h *host.Host, round int) {
		t.Helper()
		c := h.Client()
		query := func(name string, args ...any) (string, error) {
			v, err := c.QueryWorkflow(t.Context(), r.GetID(), "", name, args...)
			if err != nil {
				return "", err
			}
			var raw converter.RawValue
			err = v.Get(&raw)
			return string(raw.Payload().GetData()), err
		}
		update := func(name string, args ...any) (n int, err error) {
			u, err := c.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: r.GetID(), UpdateID: uuid.NewString(), UpdateName: name, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted})
			if err == nil {
				err = u.Get(t.Context(), &n)
			}
			return n, err
		}
		for range 2 {
			if got, err := query("state", "!"); err != nil || got != `"waits!"` {
				t.Errorf("the state is %s, %v", got, err)
			}
		}
		if n, err := update("add", round); err != nil || n != round {
			t.Errorf("an update: %d, %v", n, err)
		}
		if err := c.SignalWorkflow(t.Context(), r.GetID(), "", "note", fmt.Sprint("round ", round)); err != nil {
			t.Fatal(err)
		}
		for what, want := range map[string]string{"add": "only numbers from 0 on", "fail": "an update failed", "none": "unknown update"} {
			if _, err := update(what, -1); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("update %s: %v", what, err)
			}
		}
		for what, want := range map[string]string{"fails": "not today", "none": "unknown query"} {
			if _, err := query(what); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("query %s: %v", what, err)
			}
		}
		if got, err := query("__stack_trace"); err != nil || !strings.Contains(got, "main.Messages") {
			t.Errorf("stack trace %s, %v", got, err)
		}
		got, err := query("__temporal_workflow_metadata")
		for _, want := range []string{`"what it does"`, `"adds"`, `"waits for signals"`, `"note"`} {
			if err != nil || !strings.Contains(got, want) {
				t.Errorf("metadata %s, %v", got, err)
			}
		}
	}
	converse(h, 1)
	if err := h.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	worker.PurgeStickyWorkflowCache()
	other := options(t, testbed.Guest(t, flows), testbed.Guest(t, acts))
	other.TaskQueue = o.TaskQueue
	h2 := run(t, other, second.watch)
	v, err := h2.Client().QueryWorkflow(t.Context(), r.GetID(), "", "state", "")
	var state string
	if err == nil {
		err = v.Get(&state)
	}
	if err != nil || state != "waits" {
		t.Errorf("the state is %q, %v", state, err)
	}
	for _, name := range []string{"note", "end"} {
		if err := h2.Client().SignalWorkflow(t.Context(), r.GetID(), "", name, "last"); err != nil {
			t.Fatal(err)
		}
	}
	var got json.RawMessage
	if err := result(t, h2.Client().GetWorkflow(t.Context(), r.GetID(), ""), &got); err != nil || !bytes.Equal(got, []byte(`{"signals":["round 1","last"],"state":"waits","total":1}`)) {
		t.Errorf("%s, %v", got, err)
	}
	before, after := first.of(r.GetID()), second.of(r.GetID())
	if len(before) < 4 || len(after) <= len(before) || fmt.Sprint(after[:len(before)]) != fmt.Sprint(before) {
		t.Errorf("the second worker found\n%v, the first\n%v", after, before)
	}
	if err := h2.Client().TerminateWorkflow(context.Background(), plain.GetID(), "", "over"); err != nil {
		t.Error(err)
	}
}
