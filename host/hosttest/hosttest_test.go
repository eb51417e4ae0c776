package hosttest_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/hosttest"
	"github.com/wasmworker/wasmworker/host/replay/workflows"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// aDayLater sleeps for a day, and has an activity sleep for another.
func aDayLater(ctx workflow.Context) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	if err := workflow.Sleep(ctx, 24*time.Hour); err != nil {
		return "", err
	}
	var span struct{ Start, End int64 }
	if err := workflow.ExecuteActivity(ctx, "Work", 24*time.Hour/time.Millisecond).Get(ctx, &span); err != nil {
		return "", err
	}
	err := workflow.ExecuteActivity(ctx, "Work", "an hour").Get(ctx, &span)
	return fmt.Sprint(time.Duration(span.End-span.Start).Round(time.Hour), " ", err), nil
}

// A workflow in Go with its real activities, without a server, and with time skipping.
func TestWorkflow(t *testing.T) {
	began := time.Now()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(slog.New(slog.DiscardHandler))
	env := suite.NewTestWorkflowEnvironment()
	plugin := hosttest.NewPlugin(t, host.PluginOptions{Modules: []string{testbed.Guest(t, "testdata/guests/acts")}, Logger: slog.New(slog.DiscardHandler)})
	env.SetWorkerOptions(worker.Options{Plugins: []worker.Plugin{plugin}})
	env.ExecuteWorkflow(aDayLater)
	var got string
	if err := env.GetWorkflowResult(&got); err != nil || !strings.HasPrefix(got, "24h0m0s ") || !strings.Contains(got, "InvalidInput") || time.Since(began) > time.Hour {
		t.Errorf("%q, %v", got, err)
	}
}

// A workflow of a module with mocked activities and events.
func TestWorkflowOfAModule(t *testing.T) {
	env := hosttest.NewWorkflows(t, workflows.Options{Modules: []string{filepath.Join(testbed.Root(t), "testdata/workflows/rust/workflows.wasm")}})
	run := env.Run(workflows.Workflow{
		Type: "RustOrder", Args: []any{map[string]any{"item": "tea", "amount": 3}},
		Mocks: []workflows.Mock{
			{Kind: workflows.Activity, Name: "echo", Args: []any{"tea"}, Result: "tea"}, {Kind: workflows.Activity, Name: "echo", Args: []any{1}, Result: 1},
			{Kind: workflows.Activity, Name: "echo", Args: []any{2}, Result: 2}, {Kind: workflows.Activity, Name: "echo", Result: "x"},
		},
		Events: []workflows.Event{{At: 24 * time.Hour, Signal: "approve", Args: []any{"ann"}}},
	})
	var receipt struct {
		ApprovedBy string `json:"approved_by"`
	}
	if err := run.Result(&receipt); err != nil || receipt.ApprovedBy != "ann" || len(run.Problems) > 0 {
		t.Errorf("%+v, %v, %v", receipt, err, run.Problems)
	}
}
