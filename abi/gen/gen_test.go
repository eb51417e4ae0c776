package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
)

const root = "../.."

func contractOf(t *testing.T) *contract {
	t.Helper()
	c, err := load(filepath.Join(root, "abi", "abi.json"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What is committed is what the generator makes of abi.json now.
func TestGenerated(t *testing.T) {
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		got, err := os.ReadFile(filepath.Join(root, path))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what abi.json says: run make generate (%v)", path, err)
		}
	}
}

// A number, a name or a type that changes in abi.json changes what is generated of it.
func TestChangesAreSeen(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "abi", "abi.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []struct{ from, to, in, want string }{
		{`"EBUSY", "number": 10`, `"EBUSY", "number": 12`, "abi/generated.go", "= 12"},
		{`"name": "canceled", "number": 2`, `"name": "canceled", "number": 3`, "abi/generated.go", "StatusCanceled  Status = 3"},
		{`"name": "GONE", "bit": 16`, `"name": "GONE", "bit": 32`, "abi/generated.go", "Flags = 32"},
		{`"name": "WasmTrap"`, `"name": "WasmFell"`, "abi/generated.go", `"WasmFell"`},
		{`"name": "priority_key", "type": "int"`, `"name": "priority_key", "type": "int64"`, "abi/generated.go", "PriorityKey    int64"},
		{`"MaxCauseDepth", "value": 16`, `"MaxCauseDepth", "value": 17`, "abi/SPEC.md", "| 17 |"},
	} {
		changed := strings.Replace(string(text), change.from, change.to, 1)
		if changed == string(text) {
			t.Errorf("abi.json does not have %s", change.from)
			continue
		}
		dir := t.TempDir()
		for _, path := range []string{"abi/SPEC.md", "docs/errors.md"} {
			copyFile(t, filepath.Join(root, path), filepath.Join(dir, path))
		}
		writeFile(t, filepath.Join(dir, "abi/abi.json"), changed)
		files, err := generate(dir)
		if err != nil {
			t.Errorf("%s: %v", change.to, err)
		} else if !strings.Contains(string(files[change.in]), change.want) {
			t.Errorf("%s: %s does not have %q", change.to, change.in, change.want)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, to, string(data))
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// What would make generated code wrong is refused, by the place.
func TestRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"versions": 1}`:   `unknown field "versions"`,
		`{"version": 1} {}`: "something follows",
		`{"errnos": [{"name": "EA", "number": 1}, {"name": "EB", "number": 1}]}`:                                  "errno number 1 is there twice",
		`{"errnos": [{"name": "EA", "number": 77}]}`:                                                              "errno EA: 77 is no number",
		`{"flags": [{"name": "A", "bit": 3}]}`:                                                                    "flag A: 3 is not one bit",
		`{"records": [{"name": "R", "fields": [{"name": "f", "type": "[]Other"}]}]}`:                              `field f of R: there is no type "[]Other"`,
		`{"modules": [{"name": "m", "grant": "maybe", "functions": []}]}`:                                         `module m: grant "maybe"`,
		module1(`{"name": "f", "params": [{"name": "p", "kind": "pointer"}]}`):                                    `a parameter of kind "pointer"`,
		module1(`{"name": "f", "params": [{"name": "n", "kind": "length"}]}`):                                     "no pointer before n",
		module1(`{"name": "f", "request": {}, "response": {}}`):                                                   "exactly those of passthrough modules",
		module1(`{"name": "f", "params": [], "doc": "` + "`ENOTHING`" + `: never"}`):                              "there is no errno ENOTHING",
		module1(`{"name": "f", "params": []}, {"name": "f", "params": []}`):                                       "f is there twice",
		module1(`{"name": "f", "params": [], "answered_by": "http send"}`):                                        "it is answered by another",
		strings.Replace(module1(`{"name": "f", "request": {"head": "H"}, "response": {}}`), "never", "module", 1): "there is no record H",
	} {
		if _, err := parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func module1(functions string) string {
	return `{"modules": [{"name": "m", "import": "m", "grant": "never", "functions": [` + functions + `]}]}`
}

// A table without an end, or one that does not exist, is no table.
func TestTables(t *testing.T) {
	c := contractOf(t)
	for text, want := range map[string]string{
		"<!-- abi.json: errnos -->\n| a |\n":                      "a table has no end",
		"<!-- abi.json: numbers -->\n<!-- end -->\n":              `there is no table "numbers"`,
		"<!-- abi.json: functions some -->\n<!-- end -->\n":       "there is no module some",
		"<!-- abi.json: functions activity x -->\n<!-- end -->\n": `no functions of the group "x"`,
		"<!-- abi.json: record Nothing -->\n<!-- end -->\n":       "there is no record Nothing",
		"It answers `ENOTHING`.\n":                                "names ENOTHING",
	} {
		if _, err := fillTables(c, "abi/SPEC.md", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	got, err := fillTables(c, "abi/SPEC.md", "  <!-- abi.json: statuses -->\nold\n  <!-- end -->\nrest\n")
	if err != nil || !strings.HasPrefix(string(got), "  <!-- abi.json: statuses -->\n  | status |") || !strings.HasSuffix(string(got), "\n  <!-- end -->\nrest\n") {
		t.Errorf("%s, %v", got, err)
	}
}

// The example of a failure is one that the host takes as it stands.
func TestFailureExample(t *testing.T) {
	f, err := abi.ParseFailure([]byte(inline(contractOf(t).record("Failure"))))
	if err != nil {
		t.Fatal(err)
	}
	if f.Type != "CardDeclined" || f.Category != abi.CategoryBenign || len(f.Details) != 2 || f.Cause == nil {
		t.Errorf("the example of a failure was read as %+v", f)
	}
}

// Examples without an ellipsis are JSON.
func TestExamples(t *testing.T) {
	for _, r := range contractOf(t).Records {
		for _, f := range r.Fields {
			if f.Example != "" && !strings.Contains(f.Example, "…") && r.Name != "Bytes" && !json.Valid([]byte(f.Example)) {
				t.Errorf("%s of %s: %s is not JSON", f.Name, r.Name, f.Example)
			}
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string][3]string{
		"CANCEL_REQUESTED": {"CancelRequested", "cancelRequested", "CANCEL_REQUESTED"},
		"arg_read":         {"ArgRead", "argRead", "ARG_READ"},
		"MaxFailureSize":   {"MaxFailureSize", "maxFailureSize", "MAX_FAILURE_SIZE"},
		"ProtoJSON":        {"ProtoJson", "protoJson", "PROTO_JSON"},
		"JSON":             {"Json", "json", "JSON"},
		"status":           {"Status", "status", "STATUS"},
	} {
		if got := [3]string{pascal(name), camel(name), upper(name)}; got != want {
			t.Errorf("%s became %q, want %q", name, got, want)
		}
	}
}
