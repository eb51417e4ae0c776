package replay_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/hosttest"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/engine"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

func guest(t *testing.T, name string) string { return testbed.Guest(t, "testdata/"+name) }

func wat(t *testing.T, name string) string {
	return testbed.Root(t) + "/testdata/wat/" + name + ".wasm"
}

// Whatever the policy and the engine, everything that can be seen is the same, in a guest
// whose runtime draws random numbers when it starts and looks at the clock when it works.
func TestSameEveryTime(t *testing.T) {
	activities := []replay.Activity{
		{Type: "greet", Args: []any{map[string]string{"name": "Ada"}}},
		{Type: "greet", Args: []any{map[string]string{"name": ""}}},
		{Type: "fail", Args: []any{"typed"}},
		{Type: "crash"},
		{Type: "steps", Args: []any{5}, Details: []any{2}},
		{Type: "logs", Args: []any{"a message"}},
		{Type: "cancel", Cancel: replay.Trigger{Heartbeats: 3}},
		{Type: "greet", Args: []any{map[string]string{"name": "Ada"}}, Kill: 1000},
		{Type: "spin", Kill: 10_000_000},
	}
	want := make([]string, len(activities))
	for n, options := range []replay.Options{
		{}, interpreted(), {Defaults: sandbox.Options{Isolation: sandbox.IsolationFresh}}, {Defaults: sandbox.Options{Isolation: sandbox.IsolationReuse}},
	} {
		options.Modules = []string{guest(t, "conformance/go")}
		env := hosttest.New(t, options)
		for i, a := range activities {
			for range 3 {
				run := env.Run(a)
				if got := run.Digest(); want[i] == "" {
					want[i] = got
				} else if got != want[i] {
					t.Errorf("%s %v with options %d is another one: %d units, %v", a.Type, a.Args, n, run.Fuel, run.Err)
				}
			}
		}
	}
	// Digests of what differs differ.
	seen := map[string]int{}
	for i, digest := range want {
		if other, ok := seen[digest]; ok {
			t.Errorf("%v and %v have the same digest", activities[i], activities[other])
		}
		seen[digest] = i
	}
}

func TestRun(t *testing.T) {
	env := hosttest.New(t, replay.Options{Modules: []string{guest(t, "conformance/go")}})
	var greeting struct{ Greeting string }
	run := env.Run(replay.Activity{Type: "greet", Args: []any{map[string]string{"name": "Ada"}}})
	if err := run.Result(&greeting); err != nil || greeting.Greeting != "Hello, Ada!" || run.Outcome() != replay.Completed || run.Fuel < 1000 || run.Memory < 1<<20 {
		t.Errorf("%+v, %v", run, err)
	}
	run = env.Run(replay.Activity{Type: "greet", Args: []any{map[string]string{"name": ""}}})
	if f := run.Failure(); run.Outcome() != replay.Failed || f == nil || f.Type != "EmptyName" || run.Result(&greeting) == nil {
		t.Errorf("%+v", run)
	}
	run = env.Run(replay.Activity{Type: "steps", Args: []any{5}, Details: []any{2}})
	var from int
	if err := run.Result(&from); err != nil || from != 2 || len(run.Heartbeats) != 3 || string(run.Heartbeats[2][0].Data) != "5" {
		t.Errorf("%+v", run)
	}
	run = env.Run(replay.Activity{Type: "logs", Args: []any{"a message"}})
	if want := []replay.LogRecord{{Level: "WARN", Message: "a message", Attrs: map[string]any{"answer": int64(42)}}, {Level: "DEBUG", Message: "the end"}}; !reflect.DeepEqual(run.Logs, want) {
		t.Errorf("%+v", run.Logs)
	}
	for _, when := range []replay.Trigger{{Heartbeats: 3}, {Fuel: 1_000_000}} {
		run = env.Run(replay.Activity{Type: "cancel", Cancel: when})
		if run.Outcome() != replay.Canceled || string(run.Output.Data) != `"cleaned up"` || when.Heartbeats > 0 && len(run.Heartbeats) != when.Heartbeats || run.Fuel < when.Fuel {
			t.Errorf("%+v: %+v", when, run)
		}
	}
	run = env.Run(replay.Activity{Type: "stopping", Cancel: replay.Trigger{Heartbeats: 1}, Flags: abi.FlagWorkerStopping})
	var text string
	if err := run.Result(&text); err != nil || text != "stopping" {
		t.Errorf("%+v", run)
	}
	run = env.Run(replay.Activity{Type: "spin", Timeout: 50 * time.Millisecond})
	if run.Outcome() != replay.Interrupted || !strings.Contains(run.Err.Error(), "did not end within 50ms") {
		t.Errorf("%+v", run)
	}
	run = env.Run(replay.Activity{Type: "spin", Kill: 1_000_000})
	if f := run.Failure(); f == nil || f.Type != abi.TypeOutOfFuel || run.Fuel > 1_000_000 {
		t.Errorf("%+v", run)
	}
	if _, ok := errors.AsType[*sandbox.UnknownActivityError](env.Run(replay.Activity{Type: "none"}).Err); !ok {
		t.Error("an activity that does not exist ran")
	}
}

// A guest's calls are answered by fakes, by the test, or not at all; and faults befall
// them.
func TestCalls(t *testing.T) {
	module := guest(t, "conformance/go")
	upper := func(ctx context.Context, call *passthrough.Call, req []byte) ([]byte, error) {
		return []byte(strings.ToUpper(string(req))), nil
	}
	fake := passthrough.Module{Name: "conformance", Functions: map[string]passthrough.Func{"upper": upper, "deny": func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
		return nil, passthrough.Deny("everything", "the fake says no")
	}}}
	env := hosttest.New(t, replay.Options{Modules: []string{module}, Passthrough: []passthrough.Module{fake}})
	var made int
	answer := func(_ context.Context, call replay.Call) ([]byte, error) {
		made++
		return fmt.Appendf(nil, "%s of %s", call.Function, call.Module), nil
	}
	call := func(a replay.Activity) (string, *replay.Run) {
		a.Type, a.Args = "upper", []any{"abc"}
		run := env.Run(a)
		var text string
		if err := run.Result(&text); err != nil {
			text = err.Error()
		}
		return text, run
	}
	for name, tt := range map[string]struct {
		a    replay.Activity
		want string
	}{
		"fake":       {replay.Activity{}, "ABC"},
		"answer":     {replay.Activity{Answer: answer}, "upper of wasmworker:conformance/v1"},
		"unanswered": {replay.Activity{Answer: func(context.Context, replay.Call) ([]byte, error) { return nil, replay.ErrUnanswered }}, "ABC"},
		"failing":    {replay.Activity{Faults: []replay.Fault{{Call: 1, Err: abi.ETIMEDOUT}}}, "ETIMEDOUT"},
		"second":     {replay.Activity{Faults: []replay.Fault{{Call: 2, Err: abi.ETIMEDOUT}}}, "ABC"},
		"garbage":    {replay.Activity{Faults: []replay.Fault{{Response: []byte("garbage")}}}, "garbage"},
		"slow":       {replay.Activity{Faults: []replay.Fault{{Delay: time.Hour}}}, "ABC"},
	} {
		if got, run := call(tt.a); !strings.Contains(got, tt.want) || len(run.Calls) != 1 || string(run.Calls[0].Request) != "abc" {
			t.Errorf("%s: %q, %+v", name, got, run)
		}
	}
	made = 0
	if got, _ := call(replay.Activity{Answer: answer, Faults: []replay.Fault{{Err: abi.EIO, Lost: true}}}); !strings.Contains(got, "EIO") || made != 1 {
		t.Errorf("a lost answer: %q, %d calls were made", got, made)
	}
	if run := env.Run(replay.Activity{Type: "denied"}); len(run.Calls) != 1 || run.Calls[0].Err == nil || run.Calls[0].Err.Errno != abi.EACCES {
		t.Errorf("%+v", run)
	}
	// What nobody answers says so.
	alone := hosttest.New(t, replay.Options{Modules: []string{module}})
	if run := alone.Run(replay.Activity{Type: "upper", Args: []any{"abc"}}); run.Failure() == nil || !strings.Contains(run.Err.Error(), "the test has no answer for wasmworker:conformance/v1 upper") {
		t.Errorf("%+v", run)
	}
	plugin := hosttest.New(t, replay.Options{Modules: []string{guest(t, "conformance/extism-go")}})
	run := plugin.Run(replay.Activity{Type: "config", Args: []any{"region"}, Answer: func(_ context.Context, call replay.Call) ([]byte, error) {
		return []byte(call.Module + " " + string(call.Request)), nil
	}})
	if len(run.Calls) != 1 || run.Calls[0].Module != "wasmworker:config/v1" || !strings.Contains(string(run.Output.Data), "wasmworker:config/v1") {
		t.Errorf("%+v", run)
	}
}

// What is seen of a call's error is what the guest got of it.
func TestCallError(t *testing.T) {
	env := hosttest.New(t, replay.Options{Modules: []string{wat(t, "passthrough")}})
	for _, err := range []error{errors.New("no\xff\xfe"), fmt.Errorf("%w: no", abi.EACCES), fmt.Errorf("no: %w", abi.EROFS), abi.Errno(-1)} {
		run := env.Run(replay.Activity{Type: "Ask", Args: []any{"x"}, Answer: func(context.Context, replay.Call) ([]byte, error) { return nil, err }})
		if run.Output == nil || len(run.Calls) != 1 || run.Calls[0].Err == nil || run.Calls[0].Err.Message != string(run.Output.Data) {
			t.Errorf("%q: %+v, and the guest got %+v", err, run.Calls, run.Output)
		}
	}
}

// A call knows how far the activity is, what it takes is seen on the guest's clock, and
// the guest can be asked to cancel at any unit.
func TestMoments(t *testing.T) {
	var at []int64
	env := hosttest.New(t, replay.Options{Modules: []string{guest(t, "conformance/go")}})
	see := func(ctx context.Context, _ replay.Call) ([]byte, error) {
		at = append(at, replay.FuelUsed(ctx))
		return []byte("x"), nil
	}
	run := env.Run(replay.Activity{Type: "upper", Args: []any{"abc"}, Answer: see})
	if len(at) != 1 || at[0] <= 0 || at[0] >= run.Fuel {
		t.Errorf("the call came after %v of %d units", at, run.Fuel)
	}
	var slow, fast struct{ Start, End int64 }
	acts := hosttest.New(t, replay.Options{Modules: []string{wat(t, "slowcall")}})
	for into, delay := range map[*struct{ Start, End int64 }]time.Duration{&slow: time.Hour, &fast: 0} {
		run := acts.Run(replay.Activity{Type: "Slow", Faults: []replay.Fault{{Delay: delay}}, Answer: see})
		if run.Err != nil || len(run.Output.Data) != 16 {
			t.Fatalf("%+v", run)
		}
		into.Start, into.End = int64(binary.LittleEndian.Uint64(run.Output.Data)), int64(binary.LittleEndian.Uint64(run.Output.Data[8:]))
	}
	if took := time.Duration((slow.End - slow.Start) - (fast.End - fast.Start)); took != time.Hour {
		t.Errorf("by the guest's clock the slow call took %s more, want an hour", took)
	}
}

// The clock is the guest's own: it begins where it should, advances by what the guest
// does, and sleeping takes no time.
func TestClock(t *testing.T) {
	start := time.Date(2031, 5, 17, 12, 0, 0, 0, time.UTC)
	env := hosttest.New(t, replay.Options{Modules: []string{guest(t, "guests/acts")}, Start: start})
	var span struct{ Start, End int64 }
	began := time.Now()
	run := env.Run(replay.Activity{Type: "Work", Args: []any{int(24 * time.Hour / time.Millisecond)}})
	if err := run.Result(&span); err != nil {
		t.Fatal(err)
	}
	first, slept := time.Unix(0, span.Start).Sub(start), time.Duration(span.End-span.Start)
	if first < 0 || first > time.Second || slept < 24*time.Hour || slept > 24*time.Hour+time.Second || time.Since(began) > time.Hour {
		t.Errorf("it began after %s and slept for %s", first, slept)
	}
}

// A policy of clock is every module's, also of one that has options of its own.
func TestClockPolicy(t *testing.T) {
	start := time.Date(2031, 5, 17, 12, 0, 0, 0, time.UTC)
	env := hosttest.New(t, replay.Options{
		Modules:   []string{guest(t, "guests/acts")},
		Defaults:  sandbox.Options{Policies: map[string]any{wasi.NameClock: &wasi.Clock{Start: start}}},
		PerModule: map[string]sandbox.Options{"acts": {MaxCalls: 1}},
	})
	var span struct{ Start, End int64 }
	if err := env.Run(replay.Activity{Type: "Work", Args: []any{0}}).Result(&span); err != nil {
		t.Fatal(err)
	}
	if after := time.Unix(0, span.Start).Sub(start); after < 0 || after > time.Second {
		t.Errorf("the clock began %s after the policy's start", after)
	}
}

func TestMistakes(t *testing.T) {
	for want, options := range map[string]replay.Options{
		"no modules are named":  {},
		"none.wasm":             {Modules: []string{"none.wasm"}},
		"is not between 1970":   {Modules: []string{wat(t, "echo")}, Start: time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)},
		"there is no such modu": {Modules: []string{wat(t, "echo")}, PerModule: map[string]sandbox.Options{"other": {}}},
	} {
		if env, err := replay.Open(t.Context(), options); err == nil || !strings.Contains(err.Error(), want) || env != nil {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// interpreted are options under which wazero's interpreter runs the guests.
func interpreted() replay.Options {
	var o replay.Options
	engine.InterpretReplay(&o)
	return o
}
