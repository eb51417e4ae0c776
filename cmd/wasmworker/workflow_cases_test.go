//go:build unix

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// workflowDirectory is a directory with the modules of workflows in Go and Rust, and with
// case files.
func workflowDirectory(t *testing.T, files map[string]string) string {
	t.Helper()
	root := testbed.Root(t)
	dir := testbed.Directory(t, testbed.Guest(t, "testdata/guests/flows"), filepath.Join(root, "testdata/workflows/rust/workflows.wasm"), wat(t, "echo"))
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func caseFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testbed.Root(t), path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The cases of workflows in Go and Rust: they pass, with other instances that take them
// over, with what comes at once in other orders, and in the interpreter.
func TestWorkflowCases(t *testing.T) {
	dir := workflowDirectory(t, map[string]string{
		"flows.test.yaml":     caseFile(t, "testdata/guests/flows/flows.test.yaml"),
		"workflows.test.yaml": caseFile(t, "testdata/workflows/rust/workflows.test.yaml"),
	})
	if got := (command{args: []string{"test", "--explore", dir}}).run(t); got.code != 0 || !strings.Contains(got.stdout, "flows.test.yaml  9 cases, explored at 3") || !strings.Contains(got.stdout, "workflows.test.yaml  8 cases, explored at 1") {
		t.Errorf("%+v", got)
	}
	if got := (command{args: []string{"test", "--runs", "2", "--run", "workflows.test", dir}}).run(t); got.code != 0 {
		t.Errorf("%+v", got)
	}
}

const wrongWorkflows = `module: workflows.wasm
cases:
  - name: two at once
    workflow: RustCounter
    args: [0]
    mocks:
      - {activity: echo, args: [5], result: 5}
      - {activity: echo, args: [7], result: 7}
      - {activity: echo, args: [9], result: 9}
    events:
      - {update: add, args: [5], want: {output: 5}}
      - {update: add, args: [7], want: {output: 12}}
      - {at: 1m, signal: end}
    want:
      output: 13
      commands:
        - {activity: echo, args: [5]}
        - {timer: 1s}
  - name: no mock
    workflow: RustLoop
    args: [1]
    mocks: [{activity: echo, args: [1], result: 1}]
  - name: waits
    workflow: RustCounter
    args: [0]
  - name: refused
    workflow: RustCounter
    args: [0]
    events: [{update: add, args: [-1]}, {query: total, want: {output: 1}}, {signal: end}, {at: 1s, signal: add, args: [1]}]
  - name: expects nothing
    workflow: RustContinues
    args: [1, 2]
`

// What does not come out as expected is told, and written down with --update.
func TestWorkflowCasesThatFail(t *testing.T) {
	dir := workflowDirectory(t, map[string]string{"wrong.test.yaml": wrongWorkflows})
	got := command{args: []string{"test", dir}}.run(t)
	for _, want := range []string{
		"mocks[2] (activity echo):\n      - asked for once\n      + asked for 0 times",
		"output:\n      - 13\n      + 12",
		"-     \"timer\": \"1s\"\n      +     \"activity\": \"echo\",\n      +     \"args\": [7]",
		"activity echo:\n      - {\"activity\":\"echo\",\"args\":[1]}\n      + {\"activity\":\"echo\",\"args\":[0]}",
		"- completed\n      + it has not ended, and nothing more comes\n      + waits for",
		"events[0] (update add): refused:\n      - accepted\n      + {",
		"events[1] (query total): output:\n      - 1\n      + 0",
		"events[3] (signal add):\n      - a run that goes on after 1s\n      + it had ended after 0s",
		"- completed\n      + continued as new: {\n      +   \"args\": [0,3],\n      +   \"workflow\": \"RustContinues\"",
		"5 of 5 cases failed",
	} {
		if got.code != 1 || !strings.Contains(got.stdout, want) {
			t.Errorf("there is no %s in\n%s", want, got.stdout)
		}
	}
	got = command{args: []string{"test", "--update", "--run", "nothing", dir}}.run(t)
	text, err := os.ReadFile(filepath.Join(dir, "wrong.test.yaml"))
	if err != nil || got.code != 0 || !strings.Contains(string(text), "want:\n      continued_as_new: {workflow: RustContinues, args: [0, 3]}\n      fuel: ") {
		t.Errorf("%+v, %v:\n%s", got, err, text)
	}
	two := strings.NewReplacer("      - {activity: echo, args: [9], result: 9}\n", "", "output: 13", "output: 12", "        - {timer: 1s}\n", "        - {activity: echo}\n").Replace(wrongWorkflows)
	if err := os.WriteFile(filepath.Join(dir, "wrong.test.yaml"), []byte(two), 0o600); err != nil {
		t.Fatal(err)
	}
	got = command{args: []string{"test", "--explore", "--run", "two at once", dir}}.run(t)
	if want := "what came 0s after the start in the order [2 1]: events[0] (update add): output:\n      - 5\n      + 12"; got.code != 1 || !strings.Contains(got.stdout, want) {
		t.Errorf("there is no %s in %+v", want, got)
	}
}

func TestWorkflowCasesThatCannotBeUsed(t *testing.T) {
	dir := workflowDirectory(t, nil)
	for want, text := range map[string]string{
		`workflows.wasm has no workflow "RustOrders"; did you mean "RustOrder"`:     `{name: a, workflow: RustOrders}`,
		`workflows.wasm has workflows and no activities: write workflow: RustOrder`: `{name: a, activity: RustOrder}`,
		`a mock is for one of activity, local_activity, child, signal, cancel`:      `{name: a, workflow: RustOrder, mocks: [{result: 1}]}`,
		`a mock ends in one way`:                              `{name: a, workflow: RustOrder, mocks: [{activity: echo, result: 1, never: true}]}`,
		`there is no timeout "heart"`:                         `{name: a, workflow: RustOrder, mocks: [{activity: echo, timeout: heart}]}`,
		`this is before the event before, at 2s`:              `{name: a, workflow: RustOrder, events: [{at: 2s, signal: a}, {at: 1s, signal: b}]}`,
		`an event is one of signal, query, update and cancel`: `{name: a, workflow: RustOrder, events: [{at: 2s}]}`,
		`a signal has no answer`:                              `{name: a, workflow: RustOrder, events: [{signal: a, want: {output: 1}}]}`,
		`only an update can be refused`:                       `{name: a, workflow: RustOrder, events: [{query: a, want: {refused: {type: a}}}]}`,
		`want has no key "heartbeats"`:                        `{name: a, workflow: RustOrder, want: {heartbeats: []}}`,
		`want has continued_as_new as well`:                   `{name: a, workflow: RustOrder, want: {continued_as_new: true, waiting: true}}`,
		`info has no key "workflowid"`:                        `{name: a, workflow: RustOrder, info: {workflowid: a}}`,
		`a case of a workflow has no key "calls"`:             `{name: a, workflow: RustOrder, calls: []}`,
		`a case has no key "workflow"`:                        `{name: a, workflow: RustOrder, activity: x}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, "workflows.test.yaml"), []byte("cases:\n  - "+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := (command{args: []string{"test", dir}}).run(t); got.code != 2 || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: %+v", want, got)
		}
	}
	dir = workflowDirectory(t, map[string]string{
		"echo.test.yaml":  "cases: [{name: a, workflow: Echo}]\n",
		"other.test.yaml": "module: workflows.wasm\nenv: {A: b}\nlimits: {output: 1MiB}\ncases: [{name: a, workflow: RustOrder}]\n",
	})
	got := command{args: []string{"test", dir}}.run(t)
	for _, want := range []string{"echo.wasm has activities and no workflows: write activity: Echo", "env is for activities", "output is for activities"} {
		if got.code != 2 || !strings.Contains(got.stderr, want) {
			t.Errorf("there is no %s in %s", want, got.stderr)
		}
	}
}
