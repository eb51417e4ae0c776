package sandbox_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/engine"
)

// workflows is a sandbox with the workflows of testdata/workflows/script.wat.
func workflows(t *testing.T, options sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	files, err := modules.Open("../../testdata/workflows/script.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return start(t, sandbox.Config{Modules: files, Defaults: options})
}

func newWorkflowRun(t *testing.T, s *sandbox.Sandbox, workflowType string, seed byte) *sandbox.WorkflowRun {
	t.Helper()
	r, err := s.NewWorkflowRun(t.Context(), workflowType, rand.NewChaCha8([32]byte{seed}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// frameOf is a frame with a head and a body.
func frameOf(t *testing.T, head any, body []byte) []byte {
	t.Helper()
	encoded, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	return append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(encoded))), encoded...), body...)
}

// told is what the workflow Script is told, to give these commands.
func told(t *testing.T, commands ...map[string]any) []byte {
	t.Helper()
	frame := frameOf(t, map[string]any{"commands": commands}, []byte(`"result"`))
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(frame))), frame...)
}

// epoch is a workflow's time.
var epoch = time.Date(2026, 11, 30, 6, 0, 0, 0, time.UTC)

func activation(t *testing.T, job string, body []byte) sandbox.Activation {
	t.Helper()
	return sandbox.Activation{
		Frame: frameOf(t, map[string]any{"jobs": []any{map[string]any{"job": job}}}, body), Now: epoch,
		Patched: func(id string) bool { return id == "applies" },
	}
}

var complete = map[string]any{"command": "complete", "result": map[string]any{"bytes": []int{0, 8}}}

func TestWorkflowRun(t *testing.T) {
	s := workflows(t, sandbox.Options{})
	if len(s.Activities()) != 0 || len(s.Workflows()) != 12 {
		t.Fatalf("%d activities and %d workflows", len(s.Activities()), len(s.Workflows()))
	}
	r := newWorkflowRun(t, s, "Script", 1)
	outcome, err := r.Activate(t.Context(), activation(t, "start", told(t, map[string]any{"command": "timer", "id": 1, "ms": 10}, complete)))
	if err != nil {
		t.Fatal(err)
	}
	if len(outcome.Commands) != 2 || outcome.FailTask || !outcome.Wake.IsZero() || outcome.Fuel == 0 {
		t.Fatalf("%+v", outcome)
	}
	first, second := outcome.Commands[0], outcome.Commands[1]
	if first.Command != "timer" || first.ID != 1 || first.Ms != 10 || second.Result.Bytes != [2]uint64{0, 8} || string(second.Body) != `"result"` {
		t.Errorf("%+v, %+v", first.WorkflowCommand, second.WorkflowCommand)
	}
	r.Close()
	r.Close()
	if _, err := r.Activate(t.Context(), activation(t, "start", nil)); !errors.Is(err, sandbox.ErrClosed) {
		t.Errorf("an activation of a closed run: %v", err)
	}
	for id, want := range map[string]string{"applies": "1", "other": "0"} {
		outcome, err := newWorkflowRun(t, s, "Patch", 1).Activate(t.Context(), activation(t, "start", []byte(id)))
		if err != nil || string(outcome.Commands[0].Body) != want {
			t.Errorf("patched(%q) is %q, %v", id, outcome.Commands[0].Body, err)
		}
	}
	if _, err := s.NewWorkflowRun(t.Context(), "Scrypt", nil); err == nil || !strings.Contains(err.Error(), `no workflow "Scrypt"; there are: FailTask, Grow, Patch, Patches, Script, Spin`) {
		t.Errorf("an unknown workflow: %v", err)
	}
}

// The state after the same activations is the same: in another run, in the interpreter,
// with queries in between or without, whether or not these grew the memory or failed.
func TestWorkflowStateIsAFunctionOfTheHistory(t *testing.T) {
	digests := func(s *sandbox.Sandbox, seed byte, between func(r *sandbox.WorkflowRun)) (list [][sha256.Size]byte, fuel []int64) {
		r := newWorkflowRun(t, s, "Script", seed)
		defer r.Close()
		for _, job := range []string{"start", "signal", "resolve"} {
			outcome, err := r.Activate(t.Context(), activation(t, job, told(t, map[string]any{"command": "timer", "id": 1, "ms": 10})))
			if err != nil {
				t.Fatal(err)
			}
			between(r)
			digest, err := r.Digest()
			if err != nil {
				t.Fatal(err)
			}
			list, fuel = append(list, digest), append(fuel, outcome.Fuel)
		}
		return list, fuel
	}
	nothing := func(*sandbox.WorkflowRun) {}
	compiled := workflows(t, sandbox.Options{})
	want, wantFuel := digests(compiled, 1, nothing)
	if want[0] == want[1] || want[1] == want[2] {
		t.Error("the digest does not tell states apart")
	}
	query := func(r *sandbox.WorkflowRun) {
		outcome, err := r.Fork(t.Context(), activation(t, "query", told(t, map[string]any{"command": "answer"})))
		if err != nil || len(outcome.Commands) != 1 {
			t.Errorf("%+v, %v", outcome, err)
		}
	}
	files, err := modules.Open("../../testdata/workflows/script.wasm")
	if err != nil {
		t.Fatal(err)
	}
	config := sandbox.Config{Modules: files}
	engine.Interpret(&config)
	interpreted := start(t, config)
	for name, got := range map[string]func() ([][sha256.Size]byte, []int64){
		"interpreter":  func() ([][sha256.Size]byte, []int64) { return digests(interpreted, 1, query) },
		"another run":  func() ([][sha256.Size]byte, []int64) { return digests(compiled, 1, nothing) },
		"with queries": func() ([][sha256.Size]byte, []int64) { return digests(compiled, 1, query) },
	} {
		digests, fuel := got()
		equal(t, name+": digests", digests, want)
		equal(t, name+": fuel", fuel, wantFuel)
	}
	other, _ := digests(compiled, 2, nothing)
	if other[0] == want[0] {
		t.Error("another stream of random numbers makes no difference")
	}
}

// A query that traps, spins or grows the memory is undone as any other.
func TestWorkflowForkIsUndone(t *testing.T) {
	s := workflows(t, sandbox.Options{MaxFuel: 10_000_000})
	for _, workflowType := range []string{"Grow", "Trap", "Status", "Spin", "FailTask"} {
		r := newWorkflowRun(t, s, workflowType, 1)
		before, err := r.Digest()
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			_, err := r.Fork(t.Context(), activation(t, "query", told(t)))
			if (err == nil) != (workflowType == "Grow" || workflowType == "FailTask") {
				t.Errorf("%s: %v", workflowType, err)
			}
			after, err := r.Digest()
			if err != nil {
				t.Fatal(err)
			}
			equal(t, workflowType+": the state after a query", after, before)
		}
		r.Close()
	}
}

func TestWorkflowFailures(t *testing.T) {
	s := workflows(t, sandbox.Options{MaxFuel: 10_000_000})
	for workflowType, want := range map[string][2]string{
		"Trap":    {abi.TypeWasmTrap, "workflow Trap of module script (digest "},
		"Patches": {abi.TypeWasmTrap, "patched was called more than 2000 times in one activation"},
		"Status":  {abi.TypeProtocolError, "it returned 7; 0 and 1 have a meaning"},
		"Spin":    {abi.TypeOutOfFuel, "one activation has used up its fuel (10000000) without waiting for anything; raise max_fuel"},
	} {
		r := newWorkflowRun(t, s, workflowType, 1)
		_, err := r.Activate(t.Context(), activation(t, "start", nil))
		f, ok := errors.AsType[*abi.Failure](err)
		if !ok || f.Type != want[0] || !strings.Contains(f.Message, want[1]) {
			t.Errorf("%s: %v", workflowType, err)
		}
		if _, again := r.Activate(t.Context(), activation(t, "signal", nil)); again != err {
			t.Errorf("%s: the next activation after that: %v", workflowType, again)
		}
	}
	outcome, err := newWorkflowRun(t, s, "FailTask", 1).Activate(t.Context(), activation(t, "start", told(t, map[string]any{"command": "fail_task", "failure": map[string]any{"message": "no"}})))
	if err != nil || !outcome.FailTask || outcome.Commands[0].Failure.Message != "no" {
		t.Errorf("%+v, %v", outcome, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := newWorkflowRun(t, s, "Spin", 1).Activate(ctx, activation(t, "start", nil)); !strings.Contains(err.Error(), "enough") {
		t.Errorf("an interruption: %v", err)
	}
}

// Commands beyond the limits, and what is no frame, are refused, and the run goes on.
func TestWorkflowCommandsAreBounded(t *testing.T) {
	s := workflows(t, sandbox.Options{})
	many := make([]map[string]any, abi.MaxCommands+1)
	for i := range many {
		many[i] = map[string]any{"command": "cancel", "id": 1}
	}
	raw := func(frame string) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, uint32(len(frame))), frame...)
	}
	for name, body := range map[string][]byte{
		"too many":     told(t, many...),
		"no frame":     raw("abc"),
		"a long head":  raw("\xff\x00\x00\x00{}"),
		"no JSON":      raw("\x02\x00\x00\x00{["),
		"another type": raw("\x0e\x00\x00\x00{\"commands\":1}"),
		"null":         raw("\x13\x00\x00\x00{\"commands\":[null]}"),
	} {
		outcome, err := newWorkflowRun(t, s, "Script", 1).Activate(t.Context(), activation(t, "start", body))
		if err != nil || len(outcome.Commands) != 0 {
			t.Errorf("%s: %d commands, %v", name, len(outcome.Commands), err)
		}
	}
}

// Options of a module that would make workflows differ between workers are refused, and
// those of all modules are for others.
func TestWorkflowOptions(t *testing.T) {
	files, err := modules.Open("../../testdata/workflows/script.wasm")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []sandbox.Options{
		{Isolation: sandbox.IsolationReuse}, {Env: []string{"A=1"}, Args: []string{"x"}}, {Timeout: time.Second},
	} {
		_, err := sandbox.New(sandbox.Config{Modules: files, PerModule: map[string]sandbox.Options{"script": o}})
		if err == nil || !strings.Contains(err.Error(), "is a module of workflows") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	s, err := sandbox.New(sandbox.Config{Modules: files, Defaults: sandbox.Options{Isolation: sandbox.IsolationReuse, Env: []string{"A=1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if m := s.Modules()[0]; m.Isolation() != sandbox.IsolationPristine || len(m.Env()) != 0 {
		t.Errorf("isolation %s, environment %v", m.Isolation(), m.Env())
	}
}

// A sandbox that is closed frees the runs that are open.
func TestWorkflowRunsAreClosedWithTheSandbox(t *testing.T) {
	s := workflows(t, sandbox.Options{})
	r := newWorkflowRun(t, s, "Script", 1)
	if n := s.Modules()[0].Live(); n != 1 {
		t.Errorf("%d instances", n)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n := s.Modules()[0].Live(); n != 0 {
		t.Errorf("%d instances after Close", n)
	}
	if _, err := r.Activate(t.Context(), activation(t, "start", nil)); !errors.Is(err, sandbox.ErrClosed) {
		t.Error(err)
	}
	if _, err := s.NewWorkflowRun(t.Context(), "Script", rand.NewChaCha8([32]byte{})); !errors.Is(err, sandbox.ErrClosed) {
		t.Error(err)
	}
}

// Bad pointers and lengths into each function trap the guest, and fail no more than its
// task.
func TestWorkflowPointers(t *testing.T) {
	const size = 4 << 16 // of the memory
	s := workflows(t, sandbox.Options{})
	for function := range passthrough.Builtin(abi.ModuleWorkflow) {
		for _, p := range [][2]uint32{
			{0, 8}, {size, 0}, {math.MaxUint32, 0}, {0, size}, {size - 8, 8},
			{size, 1}, {size - 7, 8}, {0, size + 1}, {1, size}, {math.MaxUint32, 1}, {math.MaxUint32, math.MaxUint32}, {1 << 31, 1 << 31}, {16, math.MaxUint32}, {size - 1, math.MaxUint32},
		} {
			r := newWorkflowRun(t, s, "call_"+function, 1)
			_, err := r.Activate(t.Context(), activation(t, "start", binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, p[0]), p[1])))
			r.Close()
			reads := function == "activation" || function == "last_error" // a value of some bytes, if it fits
			bad := p[1] > 0 && uint64(p[0])+uint64(p[1]) > size
			f, failed := errors.AsType[*abi.Failure](err)
			switch {
			case failed && f.Type != abi.TypeWasmTrap, err != nil && !failed:
				t.Errorf("%s%#x: %v", function, p, err)
			case failed && !bad:
				t.Errorf("%s%#x trapped: %v", function, p, err)
			case !failed && bad && !reads:
				t.Errorf("%s%#x did not trap", function, p)
			case !failed && p[0] >= size && p[1] > 256:
				t.Errorf("%s%#x wrote somewhere", function, p)
			}
		}
	}
}

// Runs beyond the limit sleep: they have no instance, and their state is that of one that
// was always awake. A module stays loaded for those that sleep.
func TestWorkflowRunsSleep(t *testing.T) {
	files, err := modules.Open("../../testdata/workflows/script.wasm")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, sandbox.Config{Modules: files, MaxAwakeWorkflows: 2, MemoryLimit: 64 << 20, ModuleIdleTimeout: time.Nanosecond})
	m := s.Modules()[0]
	always := workflows(t, sandbox.Options{})
	var runs, twins []*sandbox.WorkflowRun
	for i := range 10 {
		runs, twins = append(runs, newWorkflowRun(t, s, "Script", byte(i))), append(twins, newWorkflowRun(t, always, "Script", byte(i)))
	}
	for step := range 4 {
		for i := range runs {
			for _, r := range []*sandbox.WorkflowRun{runs[i], twins[i]} {
				if _, err := r.Activate(t.Context(), activation(t, "signal", told(t, map[string]any{"command": "timer", "id": step + 1, "ms": i + 1}))); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := runs[(i+5)%len(runs)].Fork(t.Context(), activation(t, "query", told(t, map[string]any{"command": "answer"}))); err != nil {
				t.Fatal(err)
			}
			if n := m.Live(); n > 2 {
				t.Fatalf("%d runs are awake", n)
			}
		}
		for i := range runs {
			got, err := runs[i].Digest()
			if err != nil {
				t.Fatal(err)
			}
			want, err := twins[i].Digest()
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "the state of a run that slept", got, want)
		}
	}
	asleep := 0
	for _, r := range runs {
		if n, awake := r.Memory(); !awake {
			asleep++
			if n == 0 || n > 16<<10 {
				t.Errorf("a run that sleeps takes %d bytes", n)
			}
		}
	}
	equal(t, "runs that sleep", asleep, 8)
	for _, r := range runs {
		r.Close()
	}
	equal(t, "instances", m.Live(), 0)
}

// Where there is no memory for all, those that wait sleep, for another run and for an
// activity.
func TestWorkflowRunsSleepForMemory(t *testing.T) {
	files, err := modules.Open("../../testdata/workflows/script.wasm", "../../testdata/wat/echo.wasm")
	if err != nil {
		t.Fatal(err)
	}
	// Each run takes 256 KiB while it is awake, and the images of both modules their part.
	s := start(t, sandbox.Config{Modules: files, MemoryLimit: 10 << 20, Defaults: sandbox.Options{Isolation: sandbox.IsolationPristine}})
	var runs []*sandbox.WorkflowRun
	for i := range 60 {
		r := newWorkflowRun(t, s, "Script", byte(i))
		if _, err := r.Activate(t.Context(), activation(t, "start", nil)); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, r)
	}
	for _, r := range runs {
		if _, err := r.Activate(t.Context(), activation(t, "signal", nil)); err != nil {
			t.Fatal(err)
		}
		equal(t, "an activity", text(run(t, s, "Echo", sandbox.NewPayload(abi.EncodingJSON, []byte(`"x"`)))), `"x"`)
	}
}
