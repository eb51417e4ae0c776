package workflows_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/replay/workflows"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

var cacheDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "workflows-")
	if err != nil {
		panic(err)
	}
	cacheDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func open(t *testing.T) *workflows.Env {
	t.Helper()
	env, err := workflows.Open(t.Context(), workflows.Options{Modules: []string{filepath.Join(testbed.Root(t), "testdata/workflows/rust/workflows.wasm")}, CacheDir: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	})
	return env
}

// Time is the script's, and no other passes.
func TestTimeSkips(t *testing.T) {
	env, began := open(t), time.Now()
	w := workflows.Workflow{Type: "RustCounter", Args: []any{1}, Events: []workflows.Event{{At: 24 * time.Hour, Signal: "add", Args: []any{4}}, {At: 100 * 24 * time.Hour, Signal: "end"}}}
	run := env.Run(w)
	var total int
	if err := run.Result(&total); err != nil || total != 5 || len(run.Problems) > 0 || run.Activations[2].At != 100*24*time.Hour {
		t.Errorf("%d, %v, %+v", total, err, run)
	}
	if time.Since(began) > time.Hour {
		t.Error("it took as long as the clock says")
	}
	w.Until = 50 * 24 * time.Hour
	if run := env.Run(w); run.Outcome() != replay.Waiting || len(run.Activations) != 2 {
		t.Errorf("%v, %+v", run.Err, run)
	}
	again := env.Run(w)
	if first := env.Run(w); first.Digest() != again.Digest() {
		t.Error("it comes out differently")
	}
	if run := env.Run(workflows.Workflow{Type: "None"}); run.Err == nil || !strings.Contains(run.Err.Error(), `no workflow "None"`) {
		t.Errorf("%v", run.Err)
	}
}

// Activities are retried as their retry policy says, and time out as their options say.
func TestAttempts(t *testing.T) {
	env := open(t)
	run := env.Run(workflows.Workflow{Type: "RustLoop", Args: []any{2}, Mocks: []workflows.Mock{
		{Kind: workflows.Activity, Args: []any{0}, Timeout: "heartbeat"},
		{Kind: workflows.Activity, Args: []any{0}, Never: true},
		{Kind: workflows.Activity, Args: []any{0}, Delay: 4 * time.Second, Result: 0},
		{Kind: workflows.Activity, Args: []any{1}, Delay: time.Second, Timeout: "schedule_to_start"},
	}})
	// At once and 1 s of backoff, 10 s of a timeout and 2 s of backoff, 4 s; and 1 s.
	if n := len(run.Activations); n != 3 || run.Activations[1].At != 17*time.Second || run.Activations[2].At != 18*time.Second {
		t.Errorf("%+v", run)
	}
	if f := run.Failure(); f == nil || f.Type != "ActivityError" || f.Cause.Type != "TimeoutError" {
		t.Errorf("%+v", run.Failure())
	}
}

// Attempts without end are told of, as workflow tasks without end are. So are events of a
// workflow that there is not.
func TestAttemptsWithoutEnd(t *testing.T) {
	env := open(t)
	run := env.Run(workflows.Workflow{Type: "RustLoop", Args: []any{1}, Mocks: []workflows.Mock{{Kind: workflows.Activity, Timeout: "start_to_close", Times: -1}}})
	if len(run.Problems) != 1 || !strings.Contains(run.Problems[0].Got, "say with until when the test is over") {
		t.Errorf("%+v", run.Problems)
	}
	run = env.Run(workflows.Workflow{Type: "None", Events: []workflows.Event{{Query: "state"}}})
	if len(run.Answers) != 1 {
		t.Errorf("%d answers to one query", len(run.Answers))
	}
}

// An instance that takes over and is told something else is found out.
func TestTakeOver(t *testing.T) {
	env := open(t)
	w := workflows.Workflow{Type: "RustCounter", Args: []any{1}, Events: []workflows.Event{{At: time.Second, Signal: "add", Args: []any{4}}, {At: time.Minute, Signal: "end"}}}
	plain := env.Run(w)
	over, points := env.TakeOver(w, 10)
	if points != 2 || len(over.Problems) > 0 || over.Digest() != plain.Digest() {
		t.Errorf("after %d tasks: %+v", points, over)
	}
	run := env.ChangeAfter(w, 1, func() { w.Events[0].Args[0] = 5 })
	if len(run.Problems) != 1 || run.Problems[0].What != "replayed after task 2: activation 2: the state" || run.Problems[0].Want != "sha256:"+plain.Activations[1].Digest {
		t.Errorf("%+v", run.Problems)
	}
	loop := workflows.Workflow{Type: "RustLoop", Args: []any{2}, Mocks: []workflows.Mock{{Kind: workflows.Activity, Result: 0}, {Kind: workflows.Activity, Result: 1}}}
	run = env.ChangeAfter(loop, 0, func() { loop.Args[0] = 0 })
	if len(run.Problems) == 0 || !strings.Contains(run.Problems[0].What, "activation 1: the state") {
		t.Errorf("%+v", run.Problems)
	}
}

func TestMistakes(t *testing.T) {
	if _, err := workflows.Open(context.Background(), workflows.Options{Modules: []string{filepath.Join(testbed.Root(t), "testdata/wat/echo.wasm")}, NoCache: true}); err == nil || !strings.Contains(err.Error(), "no module has workflows") {
		t.Errorf("%v", err)
	}
	if _, err := workflows.Open(context.Background(), workflows.Options{}); err == nil {
		t.Error("there are no modules")
	}
}
