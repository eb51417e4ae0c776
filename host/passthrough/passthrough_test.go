package passthrough_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// Modules that are always available need no grant. WASI is one of them, but its functions
// are wazero's.
func TestBuiltinNeedsNoGrant(t *testing.T) {
	equal(t, "functions of WASI", len(passthrough.Builtin(abi.ModuleWASI)), 0)
	equal(t, "functions of http", len(passthrough.Builtin(abi.ModuleHTTP)), 0)
	equal(t, "functions of an unknown module", len(passthrough.Builtin("wasmworker:greeter/v1")), 0)
	equal(t, "arg_read", passthrough.Builtin(abi.ModuleActivity)["arg_read"], "(i32, i32, i32) -> i64")
}

func echo(_ context.Context, _ *passthrough.Call, req []byte) ([]byte, error) { return req, nil }

// newSet makes a set with greeter in versions 1 and 3, and sql.
func newSet(t *testing.T) passthrough.Set {
	t.Helper()
	set, err := passthrough.NewSet(
		passthrough.Module{Name: "greeter", Functions: map[string]passthrough.Func{"hello": echo, "missing": nil}},
		passthrough.Module{Name: "greeter", Version: 3, Functions: map[string]passthrough.Func{"hello": echo}},
		passthrough.Module{Name: "sql", Version: 1, Functions: map[string]passthrough.Func{"query": echo}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const call = "(i32, i32) -> i64"

// module makes what package modules reads of a file, with the given imports: module, name
// and type.
func module(imports ...[3]string) *modules.File {
	m := &modules.File{Name: "orders", Path: "acts/orders.wasm", Kind: modules.KindNative, Exports: []string{"Charge"}}
	for _, imp := range imports {
		kind := "func"
		if !strings.HasPrefix(imp[2], "(") {
			kind, imp[2] = imp[2], ""
		}
		m.Imports = append(m.Imports, modules.Import{Module: imp[0], Name: imp[1], Kind: kind, Type: imp[2]})
	}
	return m
}

func TestCheckGrants(t *testing.T) {
	set := newSet(t)
	guest, err := modules.Read("../../testdata/wat/passthrough.wasm")
	if err != nil {
		t.Fatal(err)
	}
	// Denied by default, and with a grant of anything else.
	for _, granted := range [][]string{nil, {}, {"sql"}, {"wasmworker:greeter/v1"}, {"Greeter"}, {""}, {"activity", "log"}} {
		err := set.Check(guest, granted)
		refusal, ok := errors.AsType[*passthrough.AdmissionError](err)
		if !ok {
			t.Errorf("granted %q: error %v, want a refusal", granted, err)
			continue
		}
		equal(t, "needs", refusal.Needs, []passthrough.Need{{Import: "wasmworker:greeter/v1", Grant: "greeter", Functions: []string{"hello"}}})
		equal(t, "module", refusal.File, guest)
	}
	for _, granted := range [][]string{{"greeter"}, {"sql", "greeter"}, {"greeter", "greeter"}} {
		if err := set.Check(guest, granted); err != nil {
			t.Errorf("granted %q: %v", granted, err)
		}
	}
	// A host without the module refuses, whatever was granted.
	if err := (passthrough.Set{}).Check(guest, []string{"greeter"}); err == nil {
		t.Error("a host without modules grants one")
	}
}

// Modules that every guest may import need no grant. One grant covers all versions of a
// module.
func TestCheckWithoutGrant(t *testing.T) {
	for name, guest := range map[string]*modules.File{
		"nothing": module(),
		"everything of the harmless modules": func() *modules.File {
			var imports [][3]string
			for _, name := range []string{abi.ModuleActivity, abi.ModuleLog} {
				for fn, typ := range passthrough.Builtin(name) {
					imports = append(imports, [3]string{name, fn, typ})
				}
			}
			return module(append(imports, [3]string{abi.ModuleWASI, "fd_write", "(i32, i32, i32, i32) -> i32"})...)
		}(),
	} {
		if err := newSet(t).Check(guest, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	both := module([3]string{"wasmworker:greeter/v1", "hello", call}, [3]string{"wasmworker:greeter/v3", "hello", call})
	if err := newSet(t).Check(both, []string{"greeter"}); err != nil {
		t.Errorf("two versions: %v", err)
	}
}

// Imports that no grant can allow.
func TestCheckProblems(t *testing.T) {
	everything := []string{"greeter", "sql"}
	tests := []struct {
		name  string
		imp   [3]string
		wants []string // what the problem says
	}{
		{"an unknown module", [3]string{"wasmworker:mail/v1", "send", call}, []string{"this host has no module of that name"}},
		{"another version", [3]string{"wasmworker:greeter/v2", "hello", call}, []string{"no module of that name", "it has wasmworker:greeter/v1, wasmworker:greeter/v3"}},
		{"without a version", [3]string{"wasmworker:sql", "query", call}, []string{"it has wasmworker:sql/v1"}},
		{"a later contract", [3]string{"wasmworker:activity/v2", "arg_read", "(i32, i32, i32) -> i64"}, []string{"it has " + abi.ModuleActivity}},
		{"the name that is granted", [3]string{"greeter", "hello", call}, []string{"no module of that name"}},
		{"no name", [3]string{"", "", call}, []string{"no module of that name"}},
		{"an unknown function", [3]string{"wasmworker:greeter/v1", "goodbye", call}, []string{`it has no function "goodbye"`}},
		{"a function without a body", [3]string{"wasmworker:greeter/v1", "missing", call}, []string{`it has no function "missing"`}},
		{"an unknown function of the activity", [3]string{abi.ModuleActivity, "complete_async", "() -> i64"}, []string{`it has no function "complete_async"`}},
		{"an unknown function of the log", [3]string{abi.ModuleLog, "read", "() -> i64"}, []string{`it has no function "read"`}},
		{"another type", [3]string{"wasmworker:greeter/v1", "hello", "(i64) -> ()"}, []string{`"hello"`, call, "(i64) -> ()"}},
		{"another type of the activity's", [3]string{abi.ModuleActivity, "arg_count", "() -> i64"}, []string{`"arg_count"`, "() -> i32", "() -> i64"}},
		{"a memory", [3]string{"wasmworker:greeter/v1", "hello", "memory"}, []string{`memory "hello"`, "only functions"}},
		{"a table of the activity's", [3]string{abi.ModuleActivity, "status", "table"}, []string{`table "status"`, "only functions"}},
		{"a global of WASI's", [3]string{abi.ModuleWASI, "fd_write", "global"}, []string{`global "fd_write"`, "only functions"}},
		{"a memory from the environment", [3]string{"env", "memory", "memory"}, []string{"no module of that name"}},
		{"WASI preview 0", [3]string{"wasi_unstable", "fd_write", "(i32, i32, i32, i32) -> i32"}, []string{"preview 0", "wasm32-wasip1"}},
		{"WASI preview 2", [3]string{"wasi:cli/environment@0.2.0", "get-environment", "(i32) -> ()"}, []string{"preview 2", "wasm32-wasip1"}},
		{"Extism's host of its own", [3]string{"extism:host/user", "lookup", "(i64) -> i64"}, []string{"functions of an Extism host"}},
		{"an unknown function of Extism's", [3]string{abi.ModuleExtism, "teleport", "(i64) -> i64"}, []string{`no function "teleport"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			guest := module([3]string{abi.ModuleActivity, "status", "() -> i32"}, tt.imp)
			refusal, ok := errors.AsType[*passthrough.AdmissionError](newSet(t).Check(guest, everything))
			if !ok || len(refusal.Needs) != 1 {
				t.Fatalf("got %v, want a refusal of one import", refusal)
			}
			need := refusal.Needs[0]
			if need.Import != tt.imp[0] {
				t.Errorf("refused for %q", need.Import)
			}
			for _, want := range tt.wants {
				if !strings.Contains(need.Problem, want) {
					t.Errorf("problem %q does not contain %q", need.Problem, want)
				}
				if !strings.Contains(refusal.Error(), want) {
					t.Errorf("message %q does not contain %q", refusal.Error(), want)
				}
			}
			// Advice to grant it would be in vain.
			if strings.Contains(refusal.Error(), "not granted") {
				t.Errorf("message %q names a remedy that does not help", refusal.Error())
			}
		})
	}
}

func TestRefusalMessage(t *testing.T) {
	guest := module(
		[3]string{"wasmworker:greeter/v1", "hello", call},
		[3]string{abi.ModuleActivity, "status", "() -> i32"},
		[3]string{"wasmworker:sql/v1", "query", call},
		[3]string{"wasmworker:mail/v1", "send", call},
		[3]string{"wasmworker:mail/v1", "receive", call},
	)
	got := newSet(t).Check(guest, []string{"sql"}).Error()
	want := `acts/orders.wasm: refused, because it imports more than it was granted:
  wasmworker:greeter/v1 (hello): it is not granted "greeter"
  wasmworker:mail/v1 (send, receive): this host has no module of that name`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNeeds(t *testing.T) {
	guest := module(
		[3]string{abi.ModuleWASI, "fd_write", "(i32, i32, i32, i32) -> i32"},
		[3]string{"wasmworker:greeter/v3", "hello", call},
		[3]string{abi.ModuleWASI, "proc_exit", "(i32) -> ()"},
		[3]string{"wasmworker:greeter/v3", "goodbye", call},
		[3]string{"wasmworker:greeter/v3", "farewell", call},
		[3]string{"wasmworker:greeter/v3", "hello", call},
	)
	equal(t, "needs", newSet(t).Needs(guest), []passthrough.Need{
		{Import: abi.ModuleWASI, Functions: []string{"fd_write", "proc_exit"}},
		{Import: "wasmworker:greeter/v3", Grant: "greeter", Functions: []string{"hello", "goodbye", "farewell", "hello"}, Problem: `it has no function "goodbye"`},
	})
	equal(t, "needs of no imports", newSet(t).Needs(module()), []passthrough.Need(nil))
}

// The names come from an untrusted file. A message with them must not move a terminal's
// cursor or fill a log.
func TestRefusalOfHostileNames(t *testing.T) {
	mega := strings.Repeat("é\x1b[2J\n", 1<<17)
	many := make([][3]string, 10_000)
	for i := range many {
		many[i] = [3]string{fmt.Sprintf("host%d", i), "f", call}
	}
	for name, guest := range map[string]*modules.File{
		"module":                         module([3]string{mega, "f", call}),
		"function":                       module([3]string{"wasmworker:greeter/v1", mega, call}),
		"function of an unknown module":  module([3]string{"x", mega, call}),
		"function of the activity":       module([3]string{abi.ModuleActivity, mega, call}),
		"memory":                         module([3]string{"wasmworker:greeter/v1", mega, "memory"}),
		"function of WASI that is none":  module([3]string{abi.ModuleWASI, mega, "memory"}),
		"like a WASI module":             module([3]string{"wasi:" + mega, "f", call}),
		"like another version":           module([3]string{"wasmworker:greeter/" + mega, "f", call}),
		"direction override and C1":      module([3]string{"safe\u202egnp.exe\u0085", "f\u009b31m", call}),
		"many modules":                   module(many...),
		"many functions of one module":   module(repeat("x", 10_000)...),
		"many functions that do not fit": module(repeat("wasmworker:greeter/v1", 10_000)...),
	} {
		t.Run(name, func(t *testing.T) {
			err := newSet(t).Check(guest, nil)
			if err == nil {
				t.Fatal("not refused")
			}
			text := err.Error()
			if len(text) > 10_000 {
				t.Errorf("the message has %d bytes", len(text))
			}
			if !utf8.ValidString(text) {
				t.Errorf("the message is not UTF-8: %.500q", text)
			}
			for _, r := range text {
				if r != '\n' && !unicode.IsPrint(r) {
					t.Errorf("the message contains %q: %.500q", r, text)
					break
				}
			}
			if lines := strings.Count(text, "\n"); lines > 2*20+1 {
				t.Errorf("the message has %d lines", lines)
			}
		})
	}
	if text := newSet(t).Check(module(many...), nil).Error(); !strings.HasSuffix(text, "\n  and 9980 more") {
		t.Errorf("the message does not say how many it left out: …%s", text[len(text)-100:])
	}
}

func repeat(module string, n int) [][3]string {
	imports := make([][3]string, n)
	for i := range imports {
		imports[i] = [3]string{module, fmt.Sprintf("function%d", i), call}
	}
	return imports
}

func TestNewSet(t *testing.T) {
	set := newSet(t)
	equal(t, "names", set.Names(), []string{"greeter", "sql"})
	for _, name := range []string{"wasmworker:greeter/v1", "wasmworker:greeter/v3", "wasmworker:sql/v1"} {
		if m, ok := set.Lookup(name); !ok || m.ImportName() != name {
			t.Errorf("%s is %+v", name, m)
		}
	}
	empty, err := passthrough.NewSet()
	if err != nil || len(empty.Names()) != 0 {
		t.Errorf("a set of nothing: %v, error %v", empty, err)
	}
}

// Every mistake is reported, each once.
func TestNewSetProblems(t *testing.T) {
	functions := map[string]passthrough.Func{"f": echo}
	set, err := passthrough.NewSet(
		passthrough.Module{Name: "good", Functions: functions},
		passthrough.Module{Name: "", Functions: functions},
		passthrough.Module{Name: "Upper", Functions: functions},
		passthrough.Module{Name: "9lives", Functions: functions},
		passthrough.Module{Name: "a/v1", Functions: functions},
		passthrough.Module{Name: "line\nbreak", Functions: functions},
		passthrough.Module{Name: "trailing\n", Functions: functions},
		passthrough.Module{Name: "activity", Functions: functions},
		passthrough.Module{Name: "activity", Version: 2, Functions: functions},
		passthrough.Module{Name: "log", Functions: functions},
		passthrough.Module{Name: "env", Functions: functions},
		passthrough.Module{Name: "negative", Version: -1, Functions: functions},
		passthrough.Module{Name: "hollow"},
		passthrough.Module{Name: "good", Version: 1, Functions: functions},
	)
	if err == nil || len(set.Modules()) > 0 {
		t.Fatalf("got %v, error %v", set, err)
	}
	want := []string{
		`"": a name is`, `"Upper": a name is`, `"9lives": a name is`, `"a/v1": a name is`, `"line\nbreak": a name is`, `"trailing\n": a name is`,
		`"activity": the name is taken`, `"activity": the name is taken`, `"log": the name is taken`, `"env": the name is taken`,
		`"negative": version -1 is negative`, `"hollow" has no functions`, `"good" is registered twice in version 1`,
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d problems were reported, want %d:\n%v", len(lines), len(want), err)
	}
	for i, line := range lines {
		if !strings.Contains(line, want[i]) {
			t.Errorf("problem %d is %q, want %q", i, line, want[i])
		}
	}
}

func TestCheckGrant(t *testing.T) {
	set := newSet(t)
	for _, names := range [][]string{nil, {"greeter"}, {"sql", "greeter", "sql"}} {
		if err := set.CheckGrant(names); err != nil {
			t.Errorf("%q: %v", names, err)
		}
	}
	for _, tt := range []struct {
		set  passthrough.Set
		name string
		want string
	}{
		{set, "greter", `passthrough module "greter" does not exist (this host has: greeter, sql)`},
		{set, "wasmworker:greeter/v1", `passthrough module "wasmworker:greeter/v1" does not exist (this host has: greeter, sql)`},
		{set, "", `passthrough module "" does not exist (this host has: greeter, sql)`},
		{passthrough.Set{}, "greeter", `passthrough module "greeter" does not exist (this host has none)`},
	} {
		if err := tt.set.CheckGrant([]string{tt.name}); err == nil || err.Error() != tt.want {
			t.Errorf("%q: error %v, want %s", tt.name, err, tt.want)
		}
	}
	// The unknown one is found beside known ones.
	if err := set.CheckGrant([]string{"greeter", "sgl"}); err == nil || !strings.Contains(err.Error(), `"sgl"`) {
		t.Errorf("error %v", err)
	}
}

func TestImportName(t *testing.T) {
	for version, want := range map[int]string{0: "wasmworker:sql/v1", 1: "wasmworker:sql/v1", 2: "wasmworker:sql/v2"} {
		equal(t, "import name", passthrough.Module{Name: "sql", Version: version}.ImportName(), want)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got\n%v, want\n%v", what, got, want)
	}
}
