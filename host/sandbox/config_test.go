package sandbox_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// types lists the activity types of a sandbox.
func types(s *sandbox.Sandbox) []string {
	var list []string
	for _, a := range s.Activities() {
		list = append(list, a.Type)
	}
	return list
}

func TestActivities(t *testing.T) {
	cfg := copies(t, "echo", sandbox.Options{}, "orders", "bills", "plain")
	cfg.Modules = append(cfg.Modules, tool(t))
	cfg.PerModule["orders"] = sandbox.Options{Prefix: "orders.", Rename: map[string]string{"Echo": "Repeat", "Args": "orders.Echo"}}
	cfg.PerModule["plain"] = sandbox.Options{}
	cfg.PerModule["tool"] = sandbox.Options{Rename: map[string]string{"tool": "Shout"}}
	s := start(t, cfg)
	equal(t, "activities", types(s), []string{
		"Args", "Echo", "Info",
		"Repeat", "Shout",
		"bills.Args", "bills.Echo", "bills.Info",
		"orders.Echo", "orders.Info",
	})
	for activity, want := range map[string][2]string{
		"Echo": {"plain", "Echo"}, "Repeat": {"orders", "Echo"}, "orders.Echo": {"orders", "Args"}, "bills.Info": {"bills", "Info"}, "Shout": {"tool", "tool"},
	} {
		a, ok := s.Lookup(activity)
		if !ok {
			t.Errorf("there is no %s", activity)
			continue
		}
		equal(t, activity, [2]string{a.Module.File().Name, a.Export}, want)
	}
	if a, ok := s.Lookup("orders.Args"); ok {
		t.Errorf("what was renamed still has its old name: %+v", a)
	}
	equal(t, "Repeat", text(run(t, s, "Repeat", raw("x"))), "x")
	equal(t, "orders.Echo", text(run(t, s, "orders.Echo", raw("x"))), "1") // it is Args
	equal(t, "Shout", text(run(t, s, "Shout", raw("x"))), "X")
}

// The module says, where it says something, and the default says the rest. Grants add up.
func TestOptions(t *testing.T) {
	defaults := sandbox.Options{
		Env: []string{"A"}, Prefix: "d.", Isolation: sandbox.IsolationReuse,
		MaxCalls: 5, MaxInstances: 3, MemoryLimit: 8 << 20, MaxOutput: 1000, Passthrough: []string{"greeter"},
		InitializeTimeout: time.Second, MaxInitializeFuel: 1_000_000,
		Args: []string{"-d"}, CommandIO: sandbox.CommandPlain, SuccessCodes: []uint32{0},
	}
	own := sandbox.Options{
		Env: []string{"B"}, Prefix: "o.", Isolation: sandbox.IsolationFresh,
		MaxCalls: 7, MaxInstances: 2, MemoryLimit: 16 << 20, MaxOutput: 2000, Passthrough: []string{"greeter"},
		InitializeTimeout: time.Minute, MaxInitializeFuel: 2_000_000,
		Args: []string{"-o"}, CommandIO: sandbox.CommandPlain, SuccessCodes: []uint32{0},
		Rename: map[string]string{"Echo": "E"},
	}
	both := own
	both.Env, both.Passthrough = []string{"A", "B"}, []string{"greeter", "greeter"}
	tests := []struct {
		name                string
		defaults, own, want sandbox.Options
	}{
		{"nothing said", sandbox.Options{}, sandbox.Options{},
			sandbox.Options{Isolation: sandbox.IsolationPristine, MaxCalls: 1000, MemoryLimit: abi.DefaultMemoryLimit, MaxOutput: abi.DefaultMaxOutput,
				InitializeTimeout: 10 * time.Second, MaxInitializeFuel: 10_000_000_000, CommandIO: sandbox.CommandPlain, SuccessCodes: []uint32{0}}},
		{"defaults", defaults, sandbox.Options{}, defaults},
		{"the module's", sandbox.Options{}, own, own},
		{"both", defaults, own, both},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := sandbox.New(sandbox.Config{
				Modules: files(t, "echo"), Defaults: tt.defaults, PerModule: map[string]sandbox.Options{"echo": tt.own},
				Passthrough: greeter(t, silent),
			})
			if err != nil {
				t.Fatal(err)
			}
			got := s.Modules()[0].Options()
			for _, list := range []*[]string{&got.Env, &got.Passthrough, &got.Args, &tt.want.Env, &tt.want.Passthrough, &tt.want.Args} {
				*list = slices.Clip(append([]string{}, *list...)) // nil or empty
			}
			equal(t, "options", got, tt.want)
		})
	}
}

func TestNewRefuses(t *testing.T) {
	echo := func() []*modules.File { return files(t, "echo") }
	path := filepath.Join("../../testdata/wat", "echo.wasm")
	two := copies(t, "echo", sandbox.Options{}, "a", "b")
	two.PerModule = nil
	tests := []struct {
		name string
		cfg  sandbox.Config
		want []string // what the error says
	}{
		{"no module", sandbox.Config{}, []string{"there is no module to serve"}},
		{"two modules of the same activities", two,
			[]string{`"Args": a and b`, `"Echo": a and b`, `"Info": a and b`, `give one a prefix, such as "b."`}},
		{"the same module twice", sandbox.Config{Modules: append(echo(), echo()...)}, []string{path + `: there is a module of the name "echo" already: ` + path}},
		{"two names for one", sandbox.Config{Modules: echo(), PerModule: map[string]sandbox.Options{"echo": {Rename: map[string]string{"Echo": "X", "Args": "X"}}}},
			[]string{`the activity "X"`}},
		{"a name that is taken", sandbox.Config{Modules: echo(), PerModule: map[string]sandbox.Options{"echo": {Rename: map[string]string{"Echo": "Info"}}}},
			[]string{`the activity "Info"`}},
		{"the rename of what is not there", sandbox.Config{Modules: echo(), PerModule: map[string]sandbox.Options{"echo": {Rename: map[string]string{"echo": "X", "_hidden": "Y"}}}},
			[]string{`it has no activity "echo" (it has: Args, Echo, Info)`, `it has no activity "_hidden"`}},
		{"no name", sandbox.Config{Modules: echo(), PerModule: map[string]sandbox.Options{"echo": {Rename: map[string]string{"Echo": ""}}}}, []string{"name is empty"}},
		{"a name with control characters", sandbox.Config{Modules: echo(), PerModule: map[string]sandbox.Options{"echo": {Rename: map[string]string{"Echo": "a\x1b"}}}},
			[]string{`"a\x1b" contains control characters`}},
		{"Temporal's prefix", sandbox.Config{Modules: echo(), Defaults: sandbox.Options{Prefix: "__temporal_"}},
			[]string{`"__temporal_Args" begins with`, `"__temporal_Echo" begins with`}},
		{"a prefix that is too long", sandbox.Config{Modules: echo(), Defaults: sandbox.Options{Prefix: strings.Repeat("x", 997)}}, []string{"1001 bytes long"}},
		{"options of an unknown module", sandbox.Config{Modules: echo(), PerModule: map[string]sandbox.Options{"ehco": {}, "echo.wasm": {}}},
			[]string{`module "ehco" is configured, but there is no such module (there are: echo)`, `module "echo.wasm" is configured`}},
		{"bad defaults", sandbox.Config{Modules: echo(), Defaults: bad}, badWords("")},
		{"bad options", sandbox.Config{Modules: echo(), PerModule: map[string]sandbox.Options{"echo": bad}}, badWords(`module "echo": `)},
		{"all at once", sandbox.Config{Modules: append(echo(), files(t, "passthrough", "bigtable")...), Defaults: sandbox.Options{MaxCalls: -1}, PerModule: map[string]sandbox.Options{
			"nobody": {}, "echo": {Rename: map[string]string{"Nothing": "X"}},
		}}, []string{"MaxCalls: -1", `module "nobody"`, `it has no activity "Nothing"`, "passthrough.wasm: refused", "bigtable.wasm: refused"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := sandbox.New(tt.cfg)
			if err == nil || s != nil {
				t.Fatalf("got %v, error %v", s, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not contain %q", err, want)
				}
			}
		})
	}
}

// bad has each option as it must not be.
var bad = sandbox.Options{
	Passthrough: []string{"sql"}, Env: []string{"=B"}, Isolation: "sometimes",
	MaxCalls: -1, MaxInstances: -2, MemoryLimit: 4<<30 + 1, MaxOutput: -3,
}

func badWords(where string) []string {
	words := []string{`Isolation: "sometimes"`, "MaxCalls: -1", "MaxInstances: -2", "MemoryLimit: 4294967297", "MaxOutput: -3", `Passthrough: passthrough module "sql" does not exist`, `Env: "=B"`}
	for i := range words {
		words[i] = where + words[i]
	}
	return words
}

// Modules that ask for more than they may have are left out, or nothing is served.
func TestRefusedModules(t *testing.T) {
	cfg := sandbox.Config{
		Modules:     files(t, "passthrough", "echo", "bigtable", "memory"),
		PerModule:   map[string]sandbox.Options{"memory": {MemoryLimit: 64 << 10}},
		Passthrough: greeter(t, silent),
	}
	_, err := sandbox.New(cfg)
	if err == nil {
		t.Fatal("no error")
	}
	refusal, ok := errors.AsType[*passthrough.AdmissionError](err)
	if !ok || refusal.File.Name != "passthrough" {
		t.Errorf("error %v does not contain the refusal", err)
	}
	for _, want := range []string{"passthrough.wasm: refused", `it is not granted "greeter"`, "1048577 elements", "needs 0.125 MiB of memory at the start and may have 0.0625 MiB"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not contain %q", err, want)
		}
	}

	cfg.SkipRefused = true
	s := start(t, cfg)
	equal(t, "activities", types(s), []string{"Args", "Echo", "Info"})
	equal(t, "number of modules", len(s.Modules()), 1)
	equal(t, "number of refused modules", len(s.Refused()), 3)
	if !errors.Is(errors.Join(s.Refused()...), s.Refused()[0]) || s.Refused()[0].Error() != refusal.Error() {
		t.Errorf("the first that is refused is %v", s.Refused()[0])
	}
	equal(t, "result", text(run(t, s, "Echo", raw("x"))), "x")

	// With nothing left there is nothing to serve, and every reason is told.
	cfg.Modules = files(t, "passthrough", "bigtable")
	cfg.PerModule = nil
	_, err = sandbox.New(cfg)
	if err == nil || !strings.Contains(err.Error(), "passthrough.wasm: refused") || !strings.Contains(err.Error(), "bigtable.wasm: refused") {
		t.Errorf("error %v", err)
	}
	// Mistakes in the configuration are not skipped.
	cfg.Modules = files(t, "echo")
	cfg.PerModule = map[string]sandbox.Options{"eco": {}}
	if _, err = sandbox.New(cfg); err == nil {
		t.Error("a misspelled module is skipped")
	}
}

// silent is a passthrough function that returns nothing.
func silent(context.Context, *passthrough.Call, []byte) ([]byte, error) { return nil, nil }
