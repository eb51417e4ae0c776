package workflows

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	bindings "go.temporal.io/sdk/internalbindings"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// History is the history of a run on a server.
type History struct {
	Events []*historypb.HistoryEvent
	// Recording is what the worker knew that recorded it. Nil: nothing.
	Recording *Recording
}

// Recording is what a worker adds to a history that it records.
type Recording struct {
	Namespace  string `json:"namespace,omitempty"`
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	Module     string `json:"module"`        // the file's name without .wasm
	Digest     string `json:"module_digest"` // SHA-256 of the file
	// States are the digests of the guest's state after each activation. It is empty where
	// secrets were taken out of the events.
	States []string `json:"states,omitempty"`
}

// ReadHistory reads a history: JSON, as Temporal's tools and SDKs write it, or the bytes of
// a protobuf message temporal.api.history.v1.History.
func ReadHistory(path string) (*History, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the history cannot be read: %w", err)
	}
	h := &History{}
	var events historypb.History
	if text := bytes.TrimSpace(data); len(text) > 0 && text[0] == '{' {
		parsed, err := client.HistoryFromJSON(bytes.NewReader(text), client.HistoryJSONOptions{})
		if err != nil {
			return nil, fmt.Errorf("this is not a history in JSON, as `temporal workflow show --output json` writes it: %w", err)
		}
		var added struct {
			Wasmworker *Recording `json:"wasmworker"`
		}
		if err := json.Unmarshal(text, &added); err != nil {
			return nil, fmt.Errorf("what a worker has added to the history cannot be read: %w", err)
		}
		h.Events, h.Recording = parsed.GetEvents(), added.Wasmworker
	} else if err := proto.Unmarshal(data, &events); err != nil {
		return nil, fmt.Errorf("this is neither a history in JSON nor in protobuf: %w", err)
	} else {
		h.Events = events.GetEvents()
	}
	if len(h.Events) < 3 || h.Events[0].GetWorkflowExecutionStartedEventAttributes() == nil {
		return nil, errors.New("the history has to begin with the start of the run, and to have 3 events at least: take all of its pages")
	}
	for i, e := range h.Events {
		if e.GetEventId() != int64(i)+1 {
			return nil, fmt.Errorf("event %d is missing: take all pages of the history", i+1)
		}
	}
	return h, nil
}

// JSON writes the history in the form that [ReadHistory] and Temporal's tools read.
func (h *History) JSON() ([]byte, error) {
	data, err := protojson.Marshal(&historypb.History{Events: h.Events})
	if err != nil {
		return nil, err
	}
	var out struct {
		Wasmworker *Recording      `json:"wasmworker,omitempty"`
		Events     json.RawMessage `json:"events"`
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, err
	}
	out.Wasmworker = h.Recording
	return json.MarshalIndent(out, "", " ")
}

// Type returns the workflow type of the run.
func (h *History) Type() string {
	return h.Events[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowType().GetName()
}

// Replayed is what came of a replay.
type Replayed struct {
	// Run has the activations and the end, as they are now.
	*replay.Run
	// Problems are where this is not as the history has it.
	Problems []replay.Problem
	Module   *sandbox.Module // nil: no module has the workflow
}

// Replay replays a run with the SDK's replayer, and compares each command, and then how the
// run ends, with the history; and the state after each activation with that of the
// recording, if there is one of the same module. It blocks until that is done.
func (e *Env) Replay(h *History) *Replayed {
	out := &Replayed{Run: &replay.Run{}}
	problem := func(what, want, got string) {
		out.Problems = append(out.Problems, replay.Problem{What: what, Want: want, Got: got})
	}
	factory, ok := e.factories[h.Type()]
	if !ok {
		var known []string
		for _, k := range e.Workflows() {
			known = append(known, k.Type)
		}
		problem("the workflow type", h.Type(), "there are: "+strings.Join(known, ", "))
		return out
	}
	for _, w := range e.Workflows() {
		if w.Type == h.Type() {
			out.Module = w.Module
		}
	}
	recording := cmp.Or(h.Recording, &Recording{})
	started := h.Events[0].GetWorkflowExecutionStartedEventAttributes()
	seen := &observed{out: out, namespace: cmp.Or(recording.Namespace, "default")}
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(observedFactory{factory, seen}, workflow.RegisterOptions{Name: h.Type()})
	execution := workflow.Execution{ID: cmp.Or(recording.WorkflowID, started.GetWorkflowId()), RunID: recording.RunID}
	err := replayer.ReplayWorkflowHistoryWithOptions(slog.New(slog.DiscardHandler), &historypb.History{Events: h.Events}, worker.ReplayWorkflowHistoryOptions{OriginalExecution: execution})
	file := out.Module.File()
	module := fmt.Sprintf("%s (sha256:%s)", file.Name, file.Digest)
	if recording.Digest != "" && recording.Digest != file.Digest {
		module += fmt.Sprintf(", recorded with sha256:%s", recording.Digest)
	}
	at := func(activation int) string {
		what := fmt.Sprintf("module %s: activation %d", module, activation+1)
		if activation < len(seen.tasks) {
			what += fmt.Sprintf(" (the workflow task of event %d)", seen.tasks[activation])
		}
		return what
	}
	if recording.Digest == file.Digest {
		for i, state := range recording.States {
			if i < len(out.Activations) && out.Activations[i].Digest != state {
				problem(at(i)+": the state", "sha256:"+state, "sha256:"+out.Activations[i].Digest)
				break
			}
		}
	}
	if err != nil {
		last := max(len(out.Activations)-1, 0)
		problem(at(last)+": the commands", "those of the history", historyError(err))
		return out
	}
	seen.compareEnd(h.Events[len(h.Events)-1], func(what, want, got string) { problem("module "+module+": "+what, want, got) })
	return out
}

// historyError returns what the replayer says, without the form in which it does.
func historyError(err error) string {
	text := err.Error()
	if _, message, ok := strings.Cut(text, `message:"`); ok {
		text, _, _ = strings.Cut(message, `"  `)
		text, _, _ = strings.Cut(text, `" source:`)
		text = strings.ReplaceAll(text, `\"`, `"`)
		text = strings.ReplaceAll(text, `\n`, "\n")
	}
	return text
}

// observed is what is seen of a replay.
type observed struct {
	out       *Replayed
	namespace string
	tasks     []int // the events of the workflow tasks, by activation
	ended     bool
	result    *commonpb.Payloads
	err       error
}

// observedFactory makes definitions in an environment that sees what they do.
type observedFactory struct {
	bindings.WorkflowDefinitionFactory
	seen *observed
}

func (f observedFactory) NewWorkflowDefinition() bindings.WorkflowDefinition {
	return observedDefinition{f.WorkflowDefinitionFactory.NewWorkflowDefinition(), f.seen}
}

type observedDefinition struct {
	bindings.WorkflowDefinition
	seen *observed
}

func (d observedDefinition) Execute(env bindings.WorkflowEnvironment, header *commonpb.Header, input *commonpb.Payloads) {
	d.WorkflowDefinition.Execute(&observedEnvironment{env, d.seen}, header, input)
}

type observedEnvironment struct {
	bindings.WorkflowEnvironment
	seen *observed
}

// WorkflowInfo is the SDK's with the namespace, which its replayer does not know.
func (e *observedEnvironment) WorkflowInfo() *workflow.Info {
	info := *e.WorkflowEnvironment.WorkflowInfo()
	info.Namespace = e.seen.namespace
	return &info
}

// Activated is called by the host after each activation.
func (e *observedEnvironment) Activated(run *sandbox.WorkflowRun, outcome sandbox.Outcome) {
	digest, err := run.Digest()
	if err != nil {
		panic(err)
	}
	info, out := e.WorkflowEnvironment.WorkflowInfo(), e.seen.out
	e.seen.tasks = append(e.seen.tasks, info.GetCurrentHistoryLength())
	out.Activations = append(out.Activations, replay.Activation{At: e.Now().Sub(info.WorkflowStartTime), Digest: hex.EncodeToString(digest[:]), Fuel: outcome.Fuel})
	out.Fuel += outcome.Fuel
}

func (e *observedEnvironment) Complete(result *commonpb.Payloads, err error) {
	e.seen.ended, e.seen.result, e.seen.err = true, result, err
	e.seen.out.Output, e.seen.out.Err = endOf(result, err)
	e.WorkflowEnvironment.Complete(result, err)
}

// compareEnd compares how the run ends with the last event. An end that the server gave it
// says nothing about it.
func (o *observed) compareEnd(last *historypb.HistoryEvent, problem func(what, want, got string)) {
	differ := func(what string, want, got any) {
		if w, g := shown(want), shown(got); w != g {
			problem(what, w, g)
		}
	}
	var want endedRun
	switch last.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
		want.Result = values(last.GetWorkflowExecutionCompletedEventAttributes().GetResult())
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
		want.Failure = failureOf(last.GetWorkflowExecutionFailedEventAttributes().GetFailure())
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
		want.Canceled = true
		want.Result = values(last.GetWorkflowExecutionCanceledEventAttributes().GetDetails())
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
		a := last.GetWorkflowExecutionContinuedAsNewEventAttributes()
		want.Next, want.Result = a.GetWorkflowType().GetName(), values(a.GetInput())
	default:
		return
	}
	got := endedRun{Waiting: !o.ended}
	next, again := errors.AsType[*bindings.ContinueAsNewError](o.err)
	switch {
	case again:
		got.Next, got.Result = next.WorkflowType.Name, values(next.Input)
	case temporal.IsCanceledError(o.err) && failures.ErrorToFailure(o.err).GetCanceledFailureInfo() != nil:
		got.Canceled, got.Result = true, values(failures.ErrorToFailure(o.err).GetCanceledFailureInfo().GetDetails())
	case o.err != nil:
		got.Failure = failureOf(failures.ErrorToFailure(o.err))
	default:
		got.Result = values(o.result)
	}
	differ(fmt.Sprintf("the end (event %d)", last.GetEventId()), want, got)
}

// endedRun is how a run ended, for a comparison.
type endedRun struct {
	Result   []any        `json:"payloads,omitempty"` // of the result, of a cancellation, or of the next run
	Failure  *abi.Failure `json:"failure,omitempty"`
	Canceled bool         `json:"canceled,omitempty"`
	Next     string       `json:"continued_as_new,omitempty"`
	Waiting  bool         `json:"waiting,omitempty"`
}

// values returns payloads as JSON has them, so that what is equal is equal as text.
func values(p *commonpb.Payloads) (all []any) {
	for _, payload := range p.GetPayloads() {
		decoder := json.NewDecoder(bytes.NewReader(payloadJSON(payload)))
		decoder.UseNumber()
		var v any
		if decoder.Decode(&v) != nil {
			v = string(payload.GetData())
		}
		all = append(all, v)
	}
	return all
}

func shown(v any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if encoder.Encode(v) != nil {
		return fmt.Sprintf("%+v", v)
	}
	return strings.TrimSpace(b.String())
}
