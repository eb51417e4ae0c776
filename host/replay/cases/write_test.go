package cases_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/hosttest"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/replay/cases"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// An update changes what differs and leaves everything else as it was.
func TestUpdate(t *testing.T) {
	const before = `# the head
module: echo.wasm   # this one
cases:
  - name: right
    activity: Echo
    args: [1]
    want: {output:   1.0}   # stays

  - name: wrong
    activity: Echo
    args:
      - {a: [1, 2], text: "with: colon"}
    want:
      # about the output
      output:
        a: [1]
        # inside
      max_memory: 8MiB
      fuel: 1   # exact

  # about the next
  - name: flow
    activity: Args
    args: [1, 2]
    want: {output: 9, max_fuel: 1}
  - activity: Echo
    name: none
  - name: another ending
    activity: Echo
    kill: {fuel: 1}
    want:
      output_contains: {a: 1}
      output_matches: x
      heartbeats:
      - [1]
      - [2]
  - {name: in one line, activity: Echo, args: [2], want: {output: 1}}
# the end
`
	path := write(t, before)
	f := read(t, path)
	results := run(t, path)
	changed, err := f.Update(results)
	if changed != 4 || err == nil || !strings.Contains(err.Error(), ":37:5: \"in one line\": it is written in one line") {
		t.Errorf("%d changed, %v", changed, err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	units := func(i int) string { return fmt.Sprint(results[i].Run.Fuel) }
	want := strings.NewReplacer(
		"      output:\n        a: [1]\n        # inside\n", "      output: {a: [1, 2], text: \"with: colon\"}\n",
		"fuel: 1   # exact", "fuel: "+units(1),
		"want: {output: 9, max_fuel: 1}", "want: {output: 2, max_fuel: 1}",
		"    name: none\n", "    name: none\n    want: {output: null, fuel: "+units(3)+"}\n",
		"      output_contains: {a: 1}\n      output_matches: x\n      heartbeats:\n      - [1]\n      - [2]\n", "      failure:\n        type: OutOfFuel\n        message: \"activity Echo has used up its fuel (1); raise the fuel limit of its module, or send it less\"\n        non_retryable: true\n      heartbeats: []\n",
	).Replace(before)
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	// What was updated is met now, and is not updated again. What is a limit stays as it
	// is.
	f, results = read(t, path), run(t, path)
	for _, result := range results {
		if passed := result.Case.Name != "flow" && result.Case.Name != "in one line"; result.Passed() != passed {
			t.Errorf("%s: %s", result.Case.Name, result)
		}
	}
	if changed, err := f.Update(results[:5]); changed != 0 || err != nil {
		t.Errorf("%d changed, %v", changed, err)
	}
	if err := os.WriteFile(path, append(got, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Update(results); err == nil || !strings.Contains(err.Error(), "has changed since it was read") {
		t.Error(err)
	}
}

// What is recorded is a case that comes out the same.
func TestRecord(t *testing.T) {
	path := write(t, "")
	dir := filepath.Dir(path)
	f := &cases.File{Path: filepath.Join(dir, "recorded.test.yaml"), Module: filepath.Join(dir, "passthrough.wasm"), Start: time.Date(2026, 5, 1, 12, 0, 0, 5, time.UTC), Seed: -3, Limits: cases.Limits{Memory: 3 << 20, Fuel: 12345678}}
	frame, err := passthrough.EncodeFrame(map[string]any{"url": "https://example.com", "n": 1}, []byte{0, 255})
	if err != nil {
		t.Fatal(err)
	}
	// With a < that is escaped, as JSON may have it.
	query, err := passthrough.EncodeFrame(json.RawMessage(`{"sql": "a \u003c b"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	env := hosttest.New(t, replay.Options{Modules: []string{f.Module}, Start: f.Start, Seed: f.Seed, NoCache: true})
	info := env.DefaultInfo("Ask")
	info.Attempt, info.HeartbeatTimeout = 4, abi.Milliseconds(time.Second)
	arguments := [][]any{
		{"text"}, {[]byte{0, 1, 2}}, {nil}, {json.RawMessage(`{"b":1e3,"a":"x\u003cy","$k":[null,true]}`)}, {map[string]any{"$text": "x"}},
		{sandbox.Payload{Metadata: map[string][]byte{"encoding": []byte("json/protobuf"), "messageType": []byte("a.B"), "raw": {255}}, Data: []byte("{}")}},
		{frame}, {query}, {"yes", "null", "1", "a: b", " x ", "# no", "-", "☃\u2028\x7f", "", "two\nlines\r\n", "true"}, {1, "2"}, {sandbox.NewPayload("json/plain", []byte("null"))},
	}
	answers := []replay.Call{{Response: []byte("plain")}, {Response: frame}, {Response: []byte{}}, {Response: []byte{255}}, {Err: &replay.CallError{Errno: abi.EACCES, Message: "no: \"never\""}}}
	for i, args := range arguments {
		a := replay.Activity{Type: "Ask", Args: args, Details: args, Info: &info, Answer: func(context.Context, replay.Call) ([]byte, error) {
			if answer := answers[i%len(answers)]; answer.Err == nil {
				return answer.Response, nil
			}
			return nil, answers[i%len(answers)].Err
		}}
		run := env.Run(a)
		if err := f.Append(cases.Record(fmt.Sprintf("case %d", i), a, run, nil)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `request: {head: {sql: "a < b"}}`) {
		t.Errorf("a request is not there as people read it:\n%s", text)
	}
	again := read(t, f.Path)
	if len(again.Cases) != len(arguments) || again.Seed != -3 || !again.Start.Equal(f.Start) || again.Limits != f.Limits {
		t.Errorf("%+v\n%s", again, text)
	}
	for _, result := range run(t, f.Path) {
		if !result.Passed() {
			t.Errorf("%s: %s\n%s", result.Case.Name, result, text)
		}
	}
	for i, c := range again.Cases { // byte for byte
		for k, arg := range c.Activity.Args {
			if want := replay.NewPayload(arguments[i][k]); string(arg.(sandbox.Payload).Data) != string(want.Data) || arg.(sandbox.Payload).Encoding() != want.Encoding() {
				t.Errorf("%v became %v", want, arg)
			}
		}
	}
	if err := f.Append(cases.Record("case 1", replay.Activity{Type: "Ask"}, &replay.Run{}, nil)); err == nil || !strings.Contains(err.Error(), `a case "case 1" already`) {
		t.Error(err)
	}
	other := *f
	other.Seed = 7
	if err := other.Append(cases.Record("x", replay.Activity{Type: "Ask"}, &replay.Run{}, nil)); err == nil || !strings.Contains(err.Error(), "write to another file") {
		t.Error(err)
	}
	if now, _ := os.ReadFile(f.Path); string(now) != string(text) {
		t.Error("a refused append changed the file")
	}
}

// Sizes are written as they are, in the largest unit in which they are whole.
func TestSizes(t *testing.T) {
	for size, want := range map[uint64]string{100<<20 + 1<<10: `"102401KiB"`, 100 << 20: `"100MiB"`, 1500 << 20: `"1500MiB"`, 4 << 30: `"4GiB"`, 1<<20 + 1: "1048577"} {
		dir := filepath.Dir(write(t, ""))
		f := &cases.File{Path: filepath.Join(dir, "sizes.test.yaml"), Module: filepath.Join(dir, "echo.wasm"), Limits: cases.Limits{Memory: size, Output: int(size >> 2)}}
		if err := f.Append(cases.Record("a", replay.Activity{Type: "Echo"}, &replay.Run{}, nil)); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "memory: "+want) || read(t, f.Path).Limits != f.Limits {
			t.Errorf("%d, want %s: %+v\n%s", size, want, read(t, f.Path).Limits, text)
		}
	}
}

// A case is appended to the list of cases, wherever that is and however it is indented,
// or not at all.
func TestAppend(t *testing.T) {
	for before, want := range map[string]string{
		"cases:\n- name: a\n  activity: Echo\n# about the limits\nlimits: {fuel: 100000}":              "cases:\n- name: a\n  activity: Echo\n- name: new\n  activity: Echo\n  args: [1]\n  want: {output: 1, fuel: 7}\n# about the limits\nlimits: {fuel: 100000}",
		"limits: {fuel: 100000}\ncases:\n    - {activity: Echo,\n       name: a}":                      "",
		"limits: {fuel: 100000}\ncases:\n    - activity: Echo\n      name: a":                          "limits: {fuel: 100000}\ncases:\n    - activity: Echo\n      name: a\n    - name: new\n      activity: Echo\n      args: [1]\n      want: {output: 1, fuel: 7}\n",
		"limits: {fuel: 100000}\ncases: [{activity: Echo, name: a}]":                                   "",
		"limits: {fuel: 100000}\ncases:\n  -\n    activity: Echo\n    name: a\n":                       "",
		"limits: {fuel: 100000}\ncases:\n  - activity: Echo\n    name: a\n    args: [\"\n\n    x\"]\n": "limits: {fuel: 100000}\ncases:\n  - activity: Echo\n    name: a\n    args: [\"\n\n    x\"]\n  - name: new\n    activity: Echo\n    args: [1]\n    want: {output: 1, fuel: 7}\n",
	} {
		path := write(t, before)
		f := &cases.File{Path: path, Module: filepath.Join(filepath.Dir(path), "echo.wasm"), Limits: cases.Limits{Fuel: 100000}}
		output := replay.NewPayload(1)
		err := f.Append(cases.Record("new", replay.Activity{Type: "Echo", Args: []any{1}}, &replay.Run{Output: &output, Fuel: 7}, nil))
		got, _ := os.ReadFile(path)
		switch {
		case want == "" && (err == nil || string(got) != before):
			t.Errorf("%s\nbecame, with %v,\n%s", before, err, got)
		case want != "" && (err != nil || string(got) != want):
			t.Errorf("%s\nbecame, with %v,\n%s\nwant %s", before, err, got, want)
		}
	}
}

// Text that is written as a repetition stays one, also where what is around it is written
// again.
func TestUpdateKeepsRepetitions(t *testing.T) {
	const head = "cases:\n  - name: a\n    activity: Echo\n    args: [{a: !repeat [ab, 3, \"c: d\", 1]}]\n    want: "
	path := write(t, head+"{output: {a: !repeat [ab, 3, \"c: d\", 1]}, fuel: 1}\n")
	f, results := read(t, path), run(t, path)
	results[0].Case = f.Cases[0]
	if changed, err := f.Update(results); changed != 1 || err != nil {
		t.Errorf("%d changed, %v", changed, err)
	}
	want := head + fmt.Sprintf("{output: {a: !repeat [ab, 3, \"c: d\", 1]}, fuel: %d}\n", results[0].Run.Fuel)
	if text, err := os.ReadFile(path); err != nil || string(text) != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, text, want)
	}
}
