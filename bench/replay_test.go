package bench

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// replayed is how many activities a replayed workflow calls, one after the other. Each is six
// events, and the whole history has 1,205.
const replayed = 200

// BenchmarkReplay measures how long the SDK's replayer takes for the history of a workflow: a
// native one, and the same in modules. The histories come from the server.
func BenchmarkReplay(b *testing.B) {
	server := testbed.Shared(b)
	c := server.Client(b)
	for _, side := range []struct {
		name, workflow string
		file           func() string // nil: a workflow in Go, in this process
	}{
		{"native", "Loop", nil},
		{"rust", "RustLoop", func() string { return "../testdata/workflows/rust/workflows.wasm" }},
		{"go", "Loop", func() string { return guest(b, "workflow") }},
		{"typescript", "TypeScriptLoop", func() string { return "../testdata/workflows/typescript/workflows.wasm" }},
	} {
		b.Run(side.name, func(b *testing.B) {
			file := ""
			if side.file != nil {
				file = side.file()
			}
			history := recordLoop(b, c, side.workflow, plugins(b, file))
			replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{Plugins: plugins(b, file)})
			if err != nil {
				b.Fatal(err)
			}
			if file == "" {
				replayer.RegisterWorkflow(Loop)
			}
			for b.Loop() {
				if err := replayer.ReplayWorkflowHistory(nil, history); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Loop calls an activity so often, one call after the other.
func Loop(ctx workflow.Context, times uint64) (uint64, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	sum := uint64(0)
	for n := range times {
		var got uint64
		if err := workflow.ExecuteActivity(ctx, "echo", n).Get(ctx, &got); err != nil {
			return 0, err
		}
		sum += got
	}
	return sum, nil
}

// plugins are those of a worker that serves a module; without one, there are none.
func plugins(b *testing.B, file string) []worker.Plugin {
	b.Helper()
	if file == "" {
		return nil
	}
	o := host.DefaultPluginOptions()
	o.Modules, o.CacheDir = []string{file}, filepath.Join(scratch, "cache")
	plugin, err := host.NewPlugin(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { plugin.Close(context.Background()) }) //nolint:errcheck // a worker has done so, or nothing runs in it
	return []worker.Plugin{plugin}
}

// recordLoop runs a workflow on a server, and returns its history.
func recordLoop(b *testing.B, c client.Client, workflowType string, with []worker.Plugin) *historypb.History {
	b.Helper()
	queue := uuid.NewString()
	w := worker.New(c, queue, worker.Options{Plugins: with})
	if len(with) == 0 {
		w.RegisterWorkflow(Loop)
	}
	w.RegisterActivityWithOptions(func(_ context.Context, n uint64) (uint64, error) { return n, nil }, activity.RegisterOptions{Name: "echo"})
	if err := w.Start(); err != nil {
		b.Fatal(err)
	}
	defer w.Stop()
	run, err := c.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{TaskQueue: queue}, workflowType, replayed)
	if err != nil {
		b.Fatal(err)
	}
	var sum uint64
	if err := run.Get(b.Context(), &sum); err != nil || sum != replayed*(replayed-1)/2 {
		b.Fatalf("%d, %v", sum, err)
	}
	history := &historypb.History{}
	for i := c.GetWorkflowHistory(b.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); i.HasNext(); {
		event, err := i.Next()
		if err != nil {
			b.Fatal(err)
		}
		history.Events = append(history.Events, event)
	}
	return history
}
