//go:build unix

package host_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// scripted is the module of testdata/workflows/script.wat, whose workflow Script gives the
// commands that it is told by payloads.
func scripted(t *testing.T) string {
	return filepath.Join(testbed.Root(t), "testdata", "workflows", "script.wasm")
}

type object = map[string]any

// step is what Script is told to do at once. Its payloads are in the body.
type step struct {
	commands []object
	body     []byte
}

// payload adds a payload to the body.
func (s *step) payload(data []byte) object {
	at := len(s.body)
	s.body = append(s.body, data...)
	return object{"encoding": "binary/plain", "bytes": []int{at, len(data)}}
}

func (s *step) text(text string) object {
	at := len(s.body)
	s.body = append(s.body, text...)
	return object{"bytes": []int{at, len(text)}}
}

func (s *step) add(command string, fields object) *step {
	c := object{"command": command}
	for name, value := range fields {
		c[name] = value
	}
	s.commands = append(s.commands, c)
	return s
}

func (s *step) frame(kept bool) []byte {
	head, err := json.Marshal(object{"commands": s.commands})
	if err != nil {
		panic(err)
	}
	size := uint32(4 + len(head) + len(s.body))
	if kept {
		size |= 1 << 31
	}
	out := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, size), uint32(len(head)))
	return append(append(out, head...), s.body...)
}

// now is the step as a payload; later is it for the next activation without payloads.
func (s *step) now() []byte   { return s.frame(false) }
func (s *step) later() []byte { return s.frame(true) }

// complete completes with a text.
func complete(text string) *step {
	s := &step{}
	return s.add("complete", object{"result": s.text(text)})
}

// echo has the activity Echo give the next step back.
func echo(id int, command string, next *step) *step {
	s := &step{}
	return s.add(command, object{"id": id, "type": "Echo", "args": []any{s.payload(next.now())}, "options": object{"start_to_close_timeout_ms": 60000, "retry_policy": object{"maximum_attempts": 1}}})
}

func startWorkflow(t *testing.T, h *host.Host, workflowType string, args ...any) client.WorkflowRun {
	t.Helper()
	r, err := h.Client().ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "w-" + uuid.NewString(), TaskQueue: h.TaskQueue()}, workflowType, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = h.Client().TerminateWorkflow(context.Background(), r.GetID(), "", "the test is over") // it may have ended
	})
	return r
}

func result(t *testing.T, r client.WorkflowRun, value any) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	err := r.Get(ctx, value)
	if ctx.Err() != nil {
		t.Fatalf("workflow %s did not end", r.GetID())
	}
	return err
}

func workflowHost(t *testing.T, setup ...func(*host.Host)) *host.Host {
	return run(t, options(t, scripted(t), wat(t, "echo")), setup...)
}

func TestWorkflowCommands(t *testing.T) {
	h := workflowHost(t)
	child := &step{}
	child.add("child", object{"id": 1, "type": "Script", "args": []any{child.payload(func() []byte {
		s := &step{}
		return s.add("complete", object{"result": s.payload(complete(`"by the child"`).now())}).now()
	}())}})
	again := &step{}
	again.add("continue_as_new", object{"args": []any{again.payload(complete(`"the next run"`).now())}})
	timer := (&step{}).add("timer", object{"id": 1, "ms": 1, "summary": "a short one"})
	withdrawn := (&step{}).add("timer", object{"id": 1, "ms": 3_600_000}).add("cancel", object{"id": 1})
	unknown := (&step{}).add("activity", object{"id": 1, "type": "Nobody's", "options": object{"start_to_close_timeout_ms": 60000, "retry_policy": object{"maximum_attempts": 1}}})
	for name, c := range map[string]struct {
		told []any
		want string
	}{
		"complete":          {[]any{complete(`"at once"`).now()}, "at once"},
		"activity":          {[]any{echo(1, "activity", echo(2, "activity", complete(`"after two"`))).now()}, "after two"},
		"local activity":    {[]any{echo(1, "local_activity", complete(`"after a local one"`)).now()}, "after a local one"},
		"timer":             {[]any{timer.now(), complete(`"after a while"`).later()}, "after a while"},
		"a canceled timer":  {[]any{withdrawn.now(), complete(`"without waiting"`).later()}, "without waiting"},
		"child":             {[]any{child.now()}, "by the child"},
		"continue as new":   {[]any{again.now()}, "the next run"},
		"a patch":           {nil, ""},
		"an activity fails": {[]any{unknown.now(), complete(`"in spite of it"`).later()}, "in spite of it"},
	} {
		t.Run(name, func(t *testing.T) {
			workflowType := "Script"
			if c.told == nil {
				workflowType, c.told, c.want = "Patch", []any{[]byte("a change")}, ""
			}
			r := startWorkflow(t, h, workflowType, c.told...)
			var got any
			if err := result(t, r, &got); err != nil {
				t.Fatal(err)
			}
			if workflowType == "Patch" && fmt.Sprint(got) != "1" || workflowType == "Script" && got != c.want {
				t.Errorf("the result is %v, want %q", got, c.want)
			}
		})
	}
}

// The next run has the memo that it is given, and not that of the run before.
func TestContinueAsNewWithAMemo(t *testing.T) {
	h := workflowHost(t)
	again := &step{}
	again.add("continue_as_new", object{"args": []any{again.payload(complete(`"the next run"`).now())}, "options": object{"memo": object{"page": again.text("2")}}})
	r, err := h.Client().ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "w-" + uuid.NewString(), TaskQueue: h.TaskQueue(), Memo: map[string]any{"page": 1}}, "Script", again.now())
	if err != nil {
		t.Fatal(err)
	}
	if err := result(t, r, nil); err != nil {
		t.Fatal(err)
	}
	d, err := h.Client().DescribeWorkflow(t.Context(), r.GetID(), "")
	if err != nil {
		t.Fatal(err)
	}
	if page := d.RawResponse.GetWorkflowExecutionInfo().GetMemo().GetFields()["page"]; string(page.GetData()) != "2" {
		t.Errorf("the next run's memo is %v", page)
	}
}

// Signals come before what else has happened, and a cancellation last.
func TestJobsInBatches(t *testing.T) {
	for _, c := range []struct {
		jobs []string
		want string
	}{
		{[]string{"start"}, "[[start]]"},
		{[]string{"cancel"}, "[[cancel]]"},
		{[]string{"start", "cancel", "signal"}, "[[start signal cancel]]"},
		{[]string{"resolve", "signal", "started", "signal"}, "[[signal signal] [resolve started]]"},
		{[]string{"cancel", "resolve", "wake"}, "[[resolve wake cancel]]"},
		{[]string{"cancel", "resolve", "signal"}, "[[signal] [resolve cancel]]"},
	} {
		if got := fmt.Sprint(host.Batches(c.jobs...)); got != c.want {
			t.Errorf("%v became %s, want %s", c.jobs, got, c.want)
		}
	}
}

func TestWorkflowFailures(t *testing.T) {
	h := workflowHost(t)
	s := &step{}
	s.add("fail", object{"failure": object{"message": "card declined", "type": "CardDeclined", "non_retryable": true, "details": []any{s.text(`{"code":51}`)}, "cause": object{"message": "the bank said so"}}})
	err := result(t, startWorkflow(t, h, "Script", s.now()), nil)
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.Type() != "CardDeclined" || !app.NonRetryable() || app.Message() != "card declined" || !strings.Contains(fmt.Sprint(errors.Unwrap(app)), "the bank said so") {
		t.Errorf("%v", err)
	} else {
		var details struct{ Code int }
		if err := app.Details(&details); err != nil || details.Code != 51 {
			t.Errorf("details %+v, %v", details, err)
		}
	}
	// A failure is one, also if it comes of a cancellation.
	for _, cause := range []object{{"kind": "canceled", "message": "canceled"}, {"kind": "activity", "message": "activity canceled", "activity_type": "a", "cause": object{"kind": "canceled"}}} {
		s = &step{}
		s.add("fail", object{"failure": object{"message": "too late", "type": "TooLate", "non_retryable": true, "details": []any{s.text("7")}, "cause": cause}})
		err = result(t, startWorkflow(t, h, "Script", s.now()), nil)
		detail := 0
		if !errors.As(err, &app) || app.Type() != "TooLate" || !app.NonRetryable() || app.Details(&detail) != nil || detail != 7 || !temporal.IsCanceledError(errors.Unwrap(app)) {
			t.Errorf("%v", err)
		}
	}
	// A cancellation with cleanup.
	s = &step{}
	s.add("canceled", object{"details": []any{s.text(`"cleaned up"`)}})
	r := startWorkflow(t, h, "Script", s.later())
	testbed.Eventually(t, "the first workflow task completes", func() error {
		for _, e := range history(t, h, r) {
			if e.GetWorkflowTaskCompletedEventAttributes() != nil {
				return nil
			}
		}
		return errors.New("it has not")
	})
	if err := h.Client().CancelWorkflow(t.Context(), r.GetID(), ""); err != nil {
		t.Fatal(err)
	}
	err = result(t, r, nil)
	var canceled *temporal.CanceledError
	if !errors.As(err, &canceled) {
		t.Errorf("%v", err)
	} else {
		var text string
		if err := canceled.Details(&text); err != nil || text != "cleaned up" {
			t.Errorf("details %q, %v", text, err)
		}
	}
}

// What a module does wrong fails the workflow task, with a message that says what, and not
// the workflow; and all others go on.
func TestWorkflowTaskFailures(t *testing.T) {
	o := options(t, scripted(t), wat(t, "echo"))
	o.PerModule = map[string]host.ModuleOptions{"script": {MaxFuel: 10_000_000}}
	h := run(t, o)
	failTask := (&step{}).add("fail_task", object{"failure": object{"message": "not like this", "type": "Wrong"}})
	for name, c := range map[string]struct {
		workflowType string
		told         *step
		want         string
	}{
		"trap":                 {"Trap", nil, "workflow Trap of module script (digest "},
		"status":               {"Status", nil, "ProtocolError: workflow Status of module script"},
		"fuel":                 {"Spin", nil, "OutOfFuel: workflow Spin of module script"},
		"asked for":            {"FailTask", failTask, "Wrong: not like this"},
		"unknown command":      {"Script", (&step{}).add("dance", nil), `command "dance": there is no such command`},
		"an id twice":          {"Script", (&step{}).add("timer", object{"id": 2, "ms": 1}).add("timer", object{"id": 2, "ms": 1}), "its id is 2, and that of the command before was 2"},
		"after the end":        {"Script", complete("1").add("timer", object{"id": 1, "ms": 1}), `the command "timer" comes after the end of the run`},
		"no timeout":           {"Script", (&step{}).add("activity", object{"id": 1, "type": "Echo"}), "neither start_to_close_timeout_ms nor schedule_to_close_timeout_ms"},
		"nothing to cancel":    {"Script", (&step{}).add("cancel", object{"id": 3}), "nothing has the id 3"},
		"an answer":            {"Script", (&step{}).add("answer", nil), "it is for queries and validations alone"},
		"an update":            {"Script", (&step{}).add("updated", object{"update_id": "x"}), `no update has the id "x"`},
		"beyond the body":      {"Script", (&step{}).add("complete", object{"result": object{"bytes": []int{0, 5}}}), "a payload is not a part of the frame's body"},
		"a search attribute":   {"Script", (&step{}).add("upsert_search_attributes", object{"search_attributes": object{"A": object{"type": "Secret"}}}), `the type of search attribute "A" is unknown`},
		"a parent close":       {"Script", (&step{}).add("child", object{"id": 1, "type": "Script", "options": object{"parent_close_policy": "adopt"}}), `parent_close_policy "adopt" is unknown`},
		"a cancellation":       {"Script", (&step{}).add("child", object{"id": 1, "type": "Script", "options": object{"cancellation_type": "maybe"}}), `cancellation_type "maybe" is unknown`},
		"a fail without":       {"Script", (&step{}).add("fail", nil), "it has no failure"},
		"long details":         {"Script", (&step{}).add("current_details", object{"text": strings.Repeat("x", 1<<16+1)}), "the text has 65537 bytes, and at most 65536 are allowed"},
		"many descriptions":    {"Script", (&step{}).add("describe", object{"signals": []any{object{"name": "go", "description": strings.Repeat("x", 1<<16)}}}), "the names and descriptions have 65538 bytes"},
		"a negative timer":     {"Script", (&step{}).add("timer", object{"id": 1, "ms": -1}), "-1 ms are negative"},
		"a task without cause": {"FailTask", &step{}, "failed its task and did not say why"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var args []any
			if c.told != nil {
				args = append(args, c.told.now())
			}
			r := startWorkflow(t, h, c.workflowType, args...)
			var failed *historypb.WorkflowTaskFailedEventAttributes
			testbed.Eventually(t, "the workflow task fails", func() error {
				for _, e := range history(t, h, r) {
					if a := e.GetWorkflowTaskFailedEventAttributes(); a != nil {
						failed = a
						return nil
					}
				}
				return errors.New("it has not failed")
			})
			if got := failed.GetFailure().GetMessage(); !strings.Contains(got, c.want) {
				t.Errorf("the task failed with %q (%s), want %q", got, failed.GetCause(), c.want)
			}
			d, err := h.Client().DescribeWorkflow(t.Context(), r.GetID(), "")
			if err != nil || d.RawResponse.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				t.Errorf("the workflow is %s, %v", d.RawResponse.GetWorkflowExecutionInfo().GetStatus(), err)
			}
		})
	}
	t.Run("others", func(t *testing.T) {
		var got string
		if err := result(t, startWorkflow(t, h, "Script", complete(`"go on"`).now()), &got); err != nil || got != "go on" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// replay gives the history of a run to the replayer of the SDK with a module, and has its states
// watched where they are wanted.
func replay(t *testing.T, h *host.Host, r client.WorkflowRun, module string, states *digests) {
	t.Helper()
	o := host.DefaultPluginOptions()
	o.Modules, o.CacheDir = []string{module}, cacheDir
	plugin, err := host.NewPlugin(o)
	if err != nil {
		t.Fatal(err)
	}
	if states != nil {
		states.watchPlugin(plugin)
	}
	plugin.ReplayIn("default")
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{Plugins: []worker.Plugin{plugin}})
	if err != nil {
		t.Fatal(err)
	}
	execution := workflow.Execution{ID: r.GetID(), RunID: r.GetRunID()}
	if err := replayer.ReplayWorkflowHistoryWithOptions(nil, &historypb.History{Events: history(t, h, r)}, worker.ReplayWorkflowHistoryOptions{OriginalExecution: execution}); err != nil {
		t.Error(err)
	}
	if err := plugin.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func history(t *testing.T, h *host.Host, r client.WorkflowRun) (events []*historypb.HistoryEvent) {
	t.Helper()
	for i := h.Client().GetWorkflowHistory(t.Context(), r.GetID(), r.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); i.HasNext(); {
		e, err := i.Next()
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

func TestWorkflowSignalsQueriesAndUpdates(t *testing.T) {
	h := workflowHost(t)
	c := h.Client()
	r := startWorkflow(t, h, "Script", (&step{}).add("describe", object{"signals": []any{object{"name": "go", "description": "on"}}}).add("current_details", object{"text": "waits"}).
		add("upsert_memo", object{"memo": object{"tenant": object{"bytes": []int{0, 5}}}}).now2([]byte(`"abc"`)))
	answer := &step{}
	answer.add("answer", object{"result": answer.text(`"yes"`)})
	var got string
	for range 2 { // the second finds nothing of the first
		v, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "any", answer.now())
		if err == nil {
			err = v.Get(&got)
		}
		if err != nil || got != "yes" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	refusal := (&step{}).add("answer", object{"failure": object{"message": "no such query", "type": "UnknownQuery"}})
	if _, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "other", refusal.now()); err == nil || !strings.Contains(err.Error(), "no such query") {
		t.Errorf("%v", err)
	}
	if _, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "silent", (&step{}).add("timer", object{"id": 1, "ms": 1}).now()); err == nil || !strings.Contains(err.Error(), `the command "timer" is not for a query`) {
		t.Errorf("%v", err)
	}
	update := func(told []byte) (string, error) {
		u, err := c.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: r.GetID(), UpdateID: "u" + uuid.NewString()[:4], UpdateName: "add", Args: []any{told}, WaitForStage: client.WorkflowUpdateStageCompleted})
		if err != nil {
			return "", err
		}
		var v string
		return v, u.Get(t.Context(), &v)
	}
	if _, err := update([]byte{1, 0, 0, 0, 'x'}); err == nil || !strings.Contains(err.Error(), "it was refused") {
		t.Errorf("a refused update: %v", err)
	}
	s := &step{}
	s.add("updated", object{"update_id": "u1", "result": s.text(`"done"`)})
	u, err := c.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: r.GetID(), UpdateID: "u1", UpdateName: "add", Args: []any{s.now()}, WaitForStage: client.WorkflowUpdateStageCompleted})
	if err == nil {
		err = u.Get(t.Context(), &got)
	}
	if err != nil || got != "done" {
		t.Errorf("an update: %q, %v", got, err)
	}
	v, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "__temporal_workflow_metadata")
	var text json.RawMessage
	if err == nil {
		var raw converter.RawValue
		err = v.Get(&raw)
		text = raw.Payload().GetData()
	}
	if err != nil || !bytes.Contains(text, []byte(`"description":"on"`)) || !bytes.Contains(text, []byte(`"currentDetails":"waits"`)) {
		t.Errorf("metadata %s, %v", text, err)
	}
	d, err := c.DescribeWorkflow(t.Context(), r.GetID(), "")
	if err != nil || string(d.RawResponse.GetWorkflowExecutionInfo().GetMemo().GetFields()["tenant"].GetData()) != `"abc"` {
		t.Errorf("memo %v, %v", d.RawResponse.GetWorkflowExecutionInfo().GetMemo(), err)
	}
	if err := c.SignalWorkflow(t.Context(), r.GetID(), "", "go", complete(`"signaled"`).now()); err != nil {
		t.Fatal(err)
	}
	if err := result(t, r, &got); err != nil || got != "signaled" {
		t.Errorf("%q, %v", got, err)
	}
	// A query of a run that has ended is answered after a replay.
	if v, err := c.QueryWorkflow(t.Context(), r.GetID(), "", "any", answer.now()); err != nil || v.Get(&got) != nil || got != "yes" {
		t.Errorf("%q, %v", got, err)
	}
}

// now2 is now with a body.
func (s *step) now2(body []byte) []byte {
	s.body = body
	return s.now()
}

// digests are those of a workflow, by the activations of its runs.
type digests struct {
	mu   sync.Mutex
	list map[string][]string
}

func (d *digests) watch(h *host.Host) { d.watchPlugin(h.Plugin()) }

func (d *digests) watchPlugin(p *host.Plugin) {
	p.OnActivation(func(id string, run *sandbox.WorkflowRun) {
		digest, err := run.Digest()
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.list == nil {
			d.list = map[string][]string{}
		}
		d.list[id] = append(d.list[id], fmt.Sprintf("%x %v", digest[:8], err))
	})
}

func (d *digests) of(id string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.list[id]...)
}

// The state after each activation is a function of the history: it is the same in a worker
// that answered queries and refused updates in between, in one that takes the run over,
// and in the SDK's replayer.
func TestWorkflowStatesInAReplay(t *testing.T) {
	var first, second, replayed digests
	o := options(t, scripted(t), wat(t, "echo"))
	h := run(t, o, first.watch)
	r := startWorkflow(t, h, "Script", echo(1, "activity", echo(2, "local_activity", (&step{}).add("timer", object{"id": 3, "ms": 1}))).now())
	testbed.Eventually(t, "the timer fires", func() error {
		if n := len(first.of(r.GetID())); n != 4 {
			return fmt.Errorf("%d activations", n)
		}
		return nil
	})
	answer := (&step{}).add("answer", object{"result": object{"bytes": []int{0, 0}}})
	if _, err := h.Client().QueryWorkflow(t.Context(), r.GetID(), "", "any", answer.now()); err != nil {
		t.Fatal(err)
	}
	u, err := h.Client().UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: r.GetID(), UpdateName: "add", Args: []any{[]byte{1, 0, 0, 0, 'x'}}, WaitForStage: client.WorkflowUpdateStageCompleted})
	if err == nil {
		err = u.Get(t.Context(), nil)
	}
	if err == nil {
		t.Fatal("the update was not refused")
	}
	if err := h.Client().SignalWorkflow(t.Context(), r.GetID(), "", "go", (&step{}).now()); err != nil {
		t.Fatal(err)
	}
	testbed.Eventually(t, "the signal arrives", func() error {
		if n := len(first.of(r.GetID())); n != 5 {
			return fmt.Errorf("%d activations", n)
		}
		return nil
	})
	if err := h.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	worker.PurgeStickyWorkflowCache()
	other := options(t, scripted(t), wat(t, "echo"))
	other.TaskQueue = o.TaskQueue
	h2 := run(t, other, second.watch)
	if err := h2.Client().SignalWorkflow(t.Context(), r.GetID(), "", "go", complete(`"over"`).now()); err != nil {
		t.Fatal(err)
	}
	if err := result(t, h2.Client().GetWorkflow(t.Context(), r.GetID(), ""), nil); err != nil {
		t.Fatal(err)
	}
	replay(t, h2, r, scripted(t), &replayed)
	want := first.of(r.GetID())
	got := second.of(r.GetID())
	if len(got) != 6 || fmt.Sprint(got[:5]) != fmt.Sprint(want) {
		t.Errorf("the second worker found\n%v, the first\n%v", got, want)
	}
	if list := replayed.of(r.GetID()); fmt.Sprint(list) != fmt.Sprint(got) {
		t.Errorf("the replayer found\n%v, the second worker\n%v", list, got)
	}
}

// flipped is a codec.
type flipped struct{}

func (flipped) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return flip(payloads, "binary/flipped", func(p *commonpb.Payload) bool { return true })
}

func (flipped) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return flip(payloads, "", func(p *commonpb.Payload) bool { return string(p.Metadata["encoding"]) == "binary/flipped" })
}

func flip(payloads []*commonpb.Payload, encoding string, which func(*commonpb.Payload) bool) (out []*commonpb.Payload, err error) {
	for _, p := range payloads {
		if which(p) {
			q := &commonpb.Payload{Metadata: map[string][]byte{}, Data: bytes.Clone(p.Data)}
			for name, value := range p.Metadata {
				q.Metadata[name] = value
			}
			for i := range q.Data {
				q.Data[i] ^= 0xff
			}
			if encoding != "" {
				q.Metadata["was"], q.Metadata["encoding"] = p.Metadata["encoding"], []byte(encoding)
			} else {
				q.Metadata["encoding"] = p.Metadata["was"]
				delete(q.Metadata, "was")
			}
			p = q
		}
		out = append(out, p)
	}
	return out, nil
}

// Guests see what the client's codec made of payloads, and the server what it makes of
// theirs.
func TestWorkflowPayloadCodec(t *testing.T) {
	o := options(t, scripted(t), wat(t, "echo"))
	o.ClientOptions.DataConverter = converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), flipped{})
	h := run(t, o)
	r := startWorkflow(t, h, "Script", echo(1, "activity", complete(`"in secret"`)).now())
	var got string
	if err := result(t, r, &got); err != nil || got != "in secret" {
		t.Fatalf("%q, %v", got, err)
	}
	for _, e := range history(t, h, r) {
		if text := e.String(); strings.Contains(text, "in secret") || strings.Contains(text, "Echo\\\"") {
			t.Errorf("the history has plain text: %s", text)
		}
	}
}

// Many runs leave nothing behind when they have ended, whether they complete, or are
// dropped while they wait.
func TestWorkflowRunsAreFreed(t *testing.T) {
	h := workflowHost(t)
	var ended, waiting []client.WorkflowRun
	for range 20 {
		ended = append(ended, startWorkflow(t, h, "Script", echo(1, "activity", complete(`"x"`)).now()))
		waiting = append(waiting, startWorkflow(t, h, "Script", (&step{}).now()))
	}
	for _, r := range ended {
		if err := result(t, r, nil); err != nil {
			t.Error(err)
		}
	}
	testbed.Eventually(t, "only those that wait have an instance", func() error {
		for _, m := range h.Plugin().Modules() {
			if n := m.Live(); m.File().Name == "script" && n != len(waiting) {
				return fmt.Errorf("%d instances", n)
			}
		}
		return nil
	})
	if err := h.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
