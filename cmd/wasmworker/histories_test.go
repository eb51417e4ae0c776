//go:build unix

package main_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// A worker records the histories of workflows, which replay to the same commands, states
// and ends; and what is different is told.
func TestHistories(t *testing.T) {
	root, records := testbed.Root(t), t.TempDir()
	flows := testbed.Guest(t, "testdata/guests/flows")
	rust := filepath.Join(root, "testdata/workflows/rust/workflows.wasm")
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	secret := "a-secret-note-of-the-test"
	t.Setenv("NOTE_SECRET", secret)
	config := file(t, "wasmworker.yaml", "secrets: {note: {env: NOTE_SECRET}}\n")
	w := server.Serve(t, "--modules", flows, "--modules", rust, "--modules", testbed.Guest(t, "testdata/guests/acts"), "--config", config, "--record", records, "--task-queue", q)
	start := func(workflow string, args ...any) client.WorkflowRun {
		r, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "w-" + uuid.NewString(), TaskQueue: q}, workflow, args...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	messages, counter := start("Messages"), start("RustCounter", 7)
	for _, signal := range []struct {
		id, name string
		arg      any
	}{{messages.GetID(), "note", secret}, {messages.GetID(), "end", nil}, {counter.GetID(), "end", nil}} {
		if err := c.SignalWorkflow(t.Context(), signal.id, "", signal.name, signal.arg); err != nil {
			t.Fatal(err)
		}
	}
	runs := []client.WorkflowRun{messages, counter, start("Fails", "Card"), start("Again", 2, ""), start("RustPatched")}
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	for _, r := range runs {
		r.Get(ctx, nil) //nolint:errcheck // one of them fails
	}
	find := func(pattern string) string {
		found, _ := filepath.Glob(filepath.Join(records, pattern+".history.json"))
		if len(found) == 0 {
			return ""
		}
		return found[0]
	}
	for _, pattern := range []string{"Messages.completed.*.1", "RustCounter.completed.*.1", "Fails.wrapError.*.1", "Again.continued_as_new.*.2", "Again.completed.*.1", "RustPatched.completed.*.1"} {
		testbed.Eventually(t, pattern+" is recorded", func() error {
			if find(pattern) == "" {
				return errors.New("it is not: " + w.Stderr())
			}
			return nil
		})
	}
	test := func(args ...string) ran {
		got := command{args: append([]string{"test", "--histories"}, args...)}.run(t)
		got.stdout = seconds.ReplaceAllString(got.stdout, "0.00s")
		return got
	}
	if got := test(records, flows, rust); got.code != 0 || strings.Count(got.stdout, "ok    ") != 7 {
		t.Errorf("%+v", got)
	}
	text, err := os.ReadFile(find("Messages.completed.*.1"))
	if err != nil || strings.Contains(string(text), base64.StdEncoding.EncodeToString([]byte(`"` + secret))[:20]) || strings.Contains(string(text), `"states": [`) || !strings.Contains(string(text), `"module_digest": "`) {
		t.Errorf("%v: %s", err, text)
	}
	checkChanges(t, find, test, flows, rust)

	// As others write it: in protobuf, and without what a worker adds.
	var events []*historypb.HistoryEvent
	for i := c.GetWorkflowHistory(t.Context(), counter.GetID(), counter.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); i.HasNext(); {
		e, err := i.Next()
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	data, err := proto.Marshal(&historypb.History{Events: events})
	if err != nil {
		t.Fatal(err)
	}
	path := file(t, "counter.pb", string(data))
	if got := test(path, rust); got.code != 0 || !strings.Contains(got.stdout, "counter.pb") {
		t.Errorf("%+v", got)
	}
	for _, e := range events {
		if a := e.GetWorkflowExecutionCompletedEventAttributes(); a != nil {
			a.Result.Payloads[0].Data = []byte("8")
		}
	}
	if data, err = proto.Marshal(&historypb.History{Events: events}); err != nil {
		t.Fatal(err)
	}
	if got := test(file(t, "counter.pb", string(data)), rust); got.code != 1 || !strings.Contains(got.stdout, "-     8\n      +     7") {
		t.Errorf("%+v", got)
	}
}

// checkChanges changes recorded histories, and sees that it is found.
func checkChanges(t *testing.T, find func(string) string, test func(...string) ran, flows, rust string) {
	t.Helper()
	for pattern, change := range map[string][3]string{
		"Fails.wrapError.*.1":       {`"message": "inner"`, `"message": "outer"`, "the end (event "},
		"RustPatched.completed.*.1": {`"name": "RustPatched"`, `"name": "RustCancelled"`, "activation 1 (the workflow task of event 3): the commands:\n      - those of the history\n      + [TMPRL1100]"},
		"RustCounter.completed.*.1": {`"states": [`, `"states": ["00",`, ": the state:\n      - sha256:00\n      + sha256:"},
		"Again.continued_as_new.*.1": {`"workflowType": {
     "name": "Again"`, `"workflowType": {
     "name": "Missing"`, "there are: "},
	} {
		text, err := os.ReadFile(find(pattern))
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(changed, text) {
			t.Errorf("%s has no %s:\n%s", pattern, change[0], text)
		}
		if got := test(file(t, "changed.json", string(changed)), flows, rust); got.code != 1 || !strings.Contains(got.stdout, change[2]) {
			t.Errorf("%s: there is no %q in %+v", pattern, change[2], got)
		}
	}
	// Workflows of another module do not do the same.
	for want, args := range map[string][]string{
		"there are: RustCancelled": {find("Messages.completed.*.1"), rust},
		"no such file":             {filepath.Join(t.TempDir(), "none"), rust},
		"there is no history":      {t.TempDir(), rust},
		"not a history in JSON":    {file(t, "x.json", "{]"), rust},
		"has to begin with":        {file(t, "x.json", `{"events": []}`), rust},
		"no module of workflows":   {find("Messages.completed.*.1"), wat(t, "echo")},
		"do not go together":       {find("Messages.completed.*.1"), "--explore", rust},
	} {
		if got := test(args...); got.code == 0 || !strings.Contains(got.stdout+got.stderr, want) {
			t.Errorf("there is no %q in %+v", want, got)
		}
	}
}
