package replay_test

import (
	"context"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/hosttest"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

var _ host.Interceptor = (*replay.Recorder)(nil)

// What a recorder saw of an attempt can be had again: the calls, and being asked to
// cancel at the same instruction.
func TestRecorder(t *testing.T) {
	var seen []replay.Activity
	var runs []*replay.Run
	recorder := &replay.Recorder{MaxSize: 10_000, Ended: func(a replay.Activity, run *replay.Run) { seen, runs = append(seen, a), append(runs, run) }}
	modules, err := modules.Open(wat(t, "misbehave"), wat(t, "passthrough"))
	if err != nil {
		t.Fatal(err)
	}
	set, err := passthrough.NewSet(passthrough.Module{Name: "greeter", Functions: map[string]passthrough.Func{
		"hello": func(_ context.Context, _ *passthrough.Call, req []byte) ([]byte, error) {
			return []byte("hello " + string(req)), nil
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	box, err := sandbox.New(sandbox.Config{Modules: modules, Defaults: sandbox.Options{Passthrough: []string{"greeter"}}, Passthrough: set.Wrap(recorder.Passthrough)})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close(t.Context())
	if err := box.Compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	looks := 0
	execute := func(task sandbox.Task) {
		t.Helper()
		recorder.Execute(t.Context(), task, box.Run) //nolint:errcheck // it is recorded
	}
	execute(sandbox.Task{Activity: "WaitForFlags", Flags: func(context.Context) abi.Flags {
		if looks++; looks < 1000 {
			return 0
		}
		return abi.FlagPaused
	}})
	execute(sandbox.Task{Activity: "Ask", Args: []sandbox.Payload{replay.NewPayload("you")}})
	// and as much again, twice
	execute(sandbox.Task{Activity: "Ask", Args: []sandbox.Payload{replay.NewPayload(strings.Repeat("x", 4_950))}})
	execute(sandbox.Task{Activity: "Nobody"})
	if len(runs) != 2 || seen[0].Type != "WaitForFlags" || seen[1].Type != "Ask" {
		t.Fatalf("recorded: %+v", seen)
	}
	if a := seen[0]; a.Flags != abi.FlagPaused || a.Cancel.Fuel == 0 || a.Cancel.Heartbeats != 0 {
		t.Errorf("%+v", a)
	}
	if call := runs[1].Calls; len(call) != 1 || string(call[0].Request) != `"you"` || string(call[0].Response) != `hello "you"` || seen[1].Cancel != (replay.Trigger{}) {
		t.Errorf("%+v", runs[1])
	}
	env := hosttest.New(t, replay.Options{Modules: []string{wat(t, "misbehave"), wat(t, "passthrough")}})
	for i, a := range seen {
		a.Answer = func(context.Context, replay.Call) ([]byte, error) { return runs[i].Calls[0].Response, nil }
		if again := env.Run(a); again.Digest() != runs[i].Digest() {
			t.Errorf("again, it is %+v, and was %+v", again, runs[i])
		}
	}
}
