package host

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/converter"
	bindings "go.temporal.io/sdk/internalbindings"
	"go.temporal.io/sdk/workflow"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// MetricWorkflowFuel is a counter of the Temporal client's metrics handler: the units of
// fuel that activations of workflows have used, replays included.
const MetricWorkflowFuel = "wasmworker_workflow_fuel"

// Queries that Temporal's tools ask of every workflow.
const (
	queryStackTrace = "__stack_trace"
	queryMetadata   = "__temporal_workflow_metadata"
)

// registerWorkflows registers the workflows of the modules with a worker. The SDK panics
// when a type is registered twice.
func (p *Plugin) registerWorkflows(registry interface {
	RegisterWorkflowWithOptions(any, workflow.RegisterOptions)
}) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("wasmworker: a workflow of a module cannot be registered: %v; rename it, or the one in Go", r)
		}
	}()
	for _, w := range p.sandbox.Workflows() {
		registry.RegisterWorkflowWithOptions(&workflowFactory{plugin: p, workflow: w}, workflow.RegisterOptions{Name: w.Type, VersioningBehavior: p.behavior(w.Type)})
	}
	return nil
}

// workflowFactory makes the definitions of a workflow type.
//
// The SDK's internalbindings are what other languages' workers are built on: a definition
// gets jobs by callbacks, and gives commands to its environment. A workflow in Go's own
// sense cannot do this: its coroutine would be within the guest while that waits.
type workflowFactory struct {
	plugin   *Plugin
	workflow sandbox.Workflow
}

// NewWorkflowDefinition implements [bindings.WorkflowDefinitionFactory].
func (f *workflowFactory) NewWorkflowDefinition() bindings.WorkflowDefinition {
	return &workflowRun{plugin: f.plugin, workflow: f.workflow, begun: map[int64]*begun{}, updates: map[string]bindings.UpdateCallbacks{}, patches: map[string]bool{}}
}

// workflowRun is a workflow run while it is in the SDK's cache. The SDK calls it from one
// goroutine at a time. A panic of its methods fails the workflow task, but for that of
// Execute.
type workflowRun struct {
	plugin   *Plugin
	workflow sandbox.Workflow
	env      bindings.WorkflowEnvironment
	run      *sandbox.WorkflowRun // nil before the first workflow task

	jobs    []job
	waiting []update // that have not been validated
	begun   map[int64]*begun
	lastID  int64
	updates map[string]bindings.UpdateCallbacks // that were accepted
	patches map[string]bool                     // as they were answered
	ended   bool
	states  []string // see keepState

	wakeAt    time.Time // what the timer below is for; zero: there is none
	wakeTimer *bindings.TimerID

	described sdkpb.WorkflowMetadata
}

// observer is an environment that sees activations: those of package workflows.
type observer interface {
	// Activated is called after each activation, before its commands are done.
	Activated(run *sandbox.WorkflowRun, outcome sandbox.Outcome)
}

// historian is an environment without the SDK behind it: that of package workflows. It says
// itself how long its history is, since the SDK's fields for that cannot be set.
type historian interface {
	History() abi.WorkflowHistory
	// LocalArgs tells the arguments of the local activity that comes next.
	LocalArgs(args *commonpb.Payloads)
}

// job is a job of the next activation. Its payloads are still the server's.
type job struct {
	abi.WorkflowJob
	args    *commonpb.Payloads
	result  *commonpb.Payload
	failure error
	header  *commonpb.Header
}

type update struct {
	job
	callbacks bindings.UpdateCallbacks
}

// begun is something that a command has begun, and that has not ended.
type begun struct {
	cancel func()
}

// Execute implements [bindings.WorkflowDefinition]. It only takes note of the start.
func (r *workflowRun) Execute(env bindings.WorkflowEnvironment, header *commonpb.Header, input *commonpb.Payloads) {
	r.env = env
	r.jobs = append(r.jobs, job{WorkflowJob: abi.WorkflowJob{Job: "start"}, args: input, header: header})
	env.RegisterCancelHandler(func() { r.jobs = append(r.jobs, job{WorkflowJob: abi.WorkflowJob{Job: "cancel"}}) })
	env.RegisterSignalHandler(func(name string, input *commonpb.Payloads, header *commonpb.Header) error {
		r.jobs = append(r.jobs, job{WorkflowJob: abi.WorkflowJob{Job: "signal", Name: name}, args: input, header: header})
		return nil
	})
	env.RegisterUpdateHandler(func(name, id string, args *commonpb.Payloads, header *commonpb.Header, callbacks bindings.UpdateCallbacks) {
		r.waiting = append(r.waiting, update{job{WorkflowJob: abi.WorkflowJob{Job: "update", UpdateID: id, Name: name}, args: args, header: header}, callbacks})
	})
	env.RegisterQueryHandler(r.query)
}

// OnWorkflowTaskStarted implements [bindings.WorkflowDefinition]: it calls the guest until
// there is nothing left to tell it.
//
// Updates come last, and each in an activation of its own: one that is refused is in no
// history, so nothing else may depend on where it was.
func (r *workflowRun) OnWorkflowTaskStarted(time.Duration) {
	if r.run == nil && !r.ended {
		r.begin()
	}
	for !r.ended {
		switch {
		case len(r.jobs) > 0:
			batches := inBatches(r.jobs)
			r.jobs = nil
			for _, jobs := range batches {
				if !r.ended {
					r.activate(jobs)
				}
			}
		case len(r.waiting) > 0:
			u := r.waiting[0]
			r.waiting = r.waiting[1:]
			if !r.env.IsReplaying() {
				if err := r.validate(u); err != nil {
					u.callbacks.Reject(err)
					continue
				}
			}
			u.callbacks.Accept()
			r.updates[u.UpdateID] = u.callbacks
			r.activate([]job{u.job})
		default:
			return
		}
	}
}

// inBatches returns the jobs of a workflow task as activations: signals come before what else
// has happened, so that handlers have seen them when the workflow goes on, and none is lost
// to a run that ends or continues as a new one. A cancellation comes last.
func inBatches(jobs []job) (batches [][]job) {
	var signals, others, cancellations []job
	for _, j := range jobs {
		switch j.Job {
		case "start", "signal":
			signals = append(signals, j)
		case "cancel":
			cancellations = append(cancellations, j)
		default:
			others = append(others, j)
		}
	}
	for _, batch := range [][]job{signals, others} {
		if len(batch) > 0 {
			batches = append(batches, batch)
		}
	}
	if len(batches) == 0 {
		return [][]job{cancellations}
	}
	last := len(batches) - 1
	batches[last] = append(batches[last], cancellations...)
	return batches
}

// begin makes the instance of the run.
func (r *workflowRun) begin() {
	var err error
	if r.run, err = r.plugin.sandbox.NewWorkflowRun(r.plugin.interruptCtx, r.workflow.Type, r.env.GetRandomStream("wasmworker")); err != nil {
		panic(err)
	}
}

// activate tells the guest of jobs, and does what it asks for.
func (r *workflowRun) activate(jobs []job) {
	frame, err := r.frame(jobs)
	if err != nil {
		panic(r.errorf("an activation", err))
	}
	outcome, err := r.run.Activate(r.plugin.interruptCtx, sandbox.Activation{Frame: frame, Now: r.env.Now(), Patched: r.patched, Log: r.log})
	if err != nil {
		panic(err)
	}
	r.env.GetMetricsHandler().Counter(MetricWorkflowFuel).Inc(outcome.Fuel)
	if r.plugin.activated != nil {
		r.plugin.activated(r.env.WorkflowInfo().WorkflowExecution.ID, r.run)
	}
	r.keepState()
	if o, ok := r.env.(observer); ok {
		o.Activated(r.run, outcome)
	}
	if outcome.FailTask {
		panic(r.taskFailure(outcome.Commands))
	}
	for _, c := range outcome.Commands {
		if r.ended {
			panic(r.protocolError("the command %q comes after the end of the run", c.Command))
		}
		err := r.apply(c)
		if codec, ok := errors.AsType[*codecError](err); ok {
			panic(codec)
		}
		if err != nil {
			panic(r.protocolError("command %q: %v", c.Command, err))
		}
	}
	if !r.ended {
		r.wake(outcome.Wake)
	}
}

// taskFailure is what the task fails with by the guest's wish.
func (r *workflowRun) taskFailure(commands []sandbox.Command) error {
	for _, c := range commands {
		if c.Command == "fail_task" && c.Failure != nil {
			text := c.Failure.Message
			if c.Failure.Type != "" {
				text = c.Failure.Type + ": " + text
			}
			if c.Failure.StackTrace != "" {
				text += "\n" + c.Failure.StackTrace
			}
			return fmt.Errorf("workflow %s of module %s: %s", r.workflow.Type, r.workflow.Module.File().Name, text)
		}
	}
	return fmt.Errorf("workflow %s of module %s failed its task and did not say why", r.workflow.Type, r.workflow.Module.File().Name)
}

// errorf is an error about the run that is not the guest's.
func (r *workflowRun) errorf(what string, err error) error {
	return fmt.Errorf("workflow %s of module %s: %s: %w", r.workflow.Type, r.workflow.Module.File().Name, what, err)
}

func (r *workflowRun) protocolError(format string, args ...any) error {
	file := r.workflow.Module.File()
	return &abi.Failure{Type: abi.TypeProtocolError, Message: fmt.Sprintf("workflow %s of module %s (digest %.12s): ", r.workflow.Type, file.Name, file.Digest) + fmt.Sprintf(format, args...)}
}

// patched answers the guest's function in a run.
func (r *workflowRun) patched(id string) bool {
	applies := r.env.GetVersion(id, workflow.DefaultVersion, 1, nil) == 1
	r.patches[id] = applies
	return applies
}

// log is where the guest's records go. The environment's logger drops them in a replay.
func (r *workflowRun) log(_ context.Context, level slog.Level, message string, attrs []slog.Attr) {
	logGuest(r.env.GetLogger(), level, message, attrs)
}

// fork calls the guest for a query or a validation, and returns its answer.
func (r *workflowRun) fork(j job) (answer *sandbox.Command, err error) {
	if r.run == nil {
		return nil, fmt.Errorf("workflow %s has not begun", r.workflow.Type)
	}
	frame, err := r.frame([]job{j})
	if err != nil {
		return nil, r.errorf("a "+j.Job, err)
	}
	outcome, err := r.run.Fork(r.plugin.interruptCtx, sandbox.Activation{Frame: frame, Now: r.env.Now(), Patched: func(id string) bool { return r.patches[id] }, Log: r.log})
	if err != nil {
		return nil, err
	}
	for i, c := range outcome.Commands {
		switch {
		case c.Command != "answer":
			return nil, r.protocolError("the command %q is not for a %s", c.Command, j.Job)
		case i > 0:
			return nil, r.protocolError("a %s was answered twice", j.Job)
		}
		answer = &c
	}
	if answer == nil {
		return nil, r.protocolError("a %s was not answered", j.Job)
	}
	return answer, nil
}

// validate returns why an update is refused, or nil.
func (r *workflowRun) validate(u update) error {
	j := u.job
	j.Job = "validate"
	answer, err := r.fork(j)
	if err != nil || answer.Failure == nil {
		return err
	}
	return r.errorOf(answer.Failure, answer.Body)
}

// query answers a query.
func (r *workflowRun) query(name string, args *commonpb.Payloads, header *commonpb.Header) (*commonpb.Payloads, error) {
	if name == queryMetadata {
		payload, err := converter.GetDefaultDataConverter().ToPayload(r.metadata())
		if err != nil {
			return nil, err
		}
		return r.env.GetDataConverter().ToPayloads(converter.NewRawValue(payload))
	}
	answer, err := r.fork(job{WorkflowJob: abi.WorkflowJob{Job: "query", Name: name}, args: args, header: header})
	switch {
	case err != nil:
		return nil, err
	case answer.Failure != nil:
		return nil, r.errorOf(answer.Failure, answer.Body)
	case answer.Result == nil:
		return nil, nil
	}
	payload, err := r.encode(answer.Result, answer.Body)
	if err != nil {
		return nil, err
	}
	return &commonpb.Payloads{Payloads: []*commonpb.Payload{payload}}, nil
}

// metadata is what the guest said of itself.
func (r *workflowRun) metadata() *sdkpb.WorkflowMetadata {
	definition := r.described.GetDefinition()
	own := []*sdkpb.WorkflowInteractionDefinition{
		{Name: queryStackTrace, Description: "What the workflow waits for"},
		{Name: queryMetadata, Description: "Metadata of the workflow"},
	}
	return &sdkpb.WorkflowMetadata{
		Definition: &sdkpb.WorkflowDefinition{
			Type:              r.workflow.Type,
			QueryDefinitions:  append(own, definition.GetQueryDefinitions()...),
			SignalDefinitions: definition.GetSignalDefinitions(),
			UpdateDefinitions: definition.GetUpdateDefinitions(),
		},
		CurrentDetails: r.described.GetCurrentDetails(),
	}
}

// StackTrace implements [bindings.WorkflowDefinition].
func (r *workflowRun) StackTrace() string {
	answer, err := r.fork(job{WorkflowJob: abi.WorkflowJob{Job: "query", Name: queryStackTrace}})
	switch {
	case err != nil:
		return err.Error()
	case answer.Failure != nil:
		return answer.Failure.Message
	case answer.Result == nil:
		return ""
	}
	payload, err := payloadOf(answer.Result, answer.Body)
	if err != nil {
		return err.Error()
	}
	var text string
	if json.Unmarshal(payload.GetData(), &text) != nil {
		text = string(payload.GetData())
	}
	return text
}

// Close implements [bindings.WorkflowDefinition]. The SDK calls it when the run has ended,
// or leaves the cache.
func (r *workflowRun) Close() {
	r.ended = true
	if r.run != nil {
		r.run.Close()
	}
}

// wake keeps a timer for the time for which the guest waits by WASI.
func (r *workflowRun) wake(at time.Time) {
	if at.Equal(r.wakeAt) {
		return
	}
	if id := r.wakeTimer; id != nil {
		r.wakeAt, r.wakeTimer = time.Time{}, nil
		r.env.RequestCancelTimer(*id)
	}
	r.wakeAt = at
	if at.IsZero() {
		return
	}
	// Temporal's timers have milliseconds. An early one would find the guest waiting.
	wait := max((at.Sub(r.env.Now()) + time.Millisecond - 1).Truncate(time.Millisecond), time.Millisecond)
	r.wakeTimer = r.env.NewTimer(wait, workflow.TimerOptions{Summary: "wake"}, nil, func(_ *commonpb.Payloads, err error) {
		if err == nil && r.wakeAt.Equal(at) {
			r.wakeAt, r.wakeTimer = time.Time{}, nil
			r.jobs = append(r.jobs, job{WorkflowJob: abi.WorkflowJob{Job: "wake"}})
		}
	})
}

// frame makes the frame of an activation.
func (r *workflowRun) frame(jobs []job) ([]byte, error) {
	info := r.env.WorkflowInfo()
	f := &frameWriter{converter: r.env.GetDataConverter()}
	head := abi.WorkflowActivation{
		Now:     r.env.Now().UTC(),
		History: &abi.WorkflowHistory{Length: info.GetCurrentHistoryLength(), Size: info.GetCurrentHistorySize(), ContinueAsNewSuggested: info.GetContinueAsNewSuggested()},
	}
	if h, ok := r.env.(historian); ok {
		head.History = new(h.History())
	}
	for _, j := range jobs {
		out := j.WorkflowJob
		var err error
		if out.Args, err = f.payloads(j.args); err != nil {
			return nil, err
		}
		if out.Headers, err = f.raw(j.header.GetFields()); err != nil {
			return nil, err
		}
		if j.result != nil {
			if out.Result, err = f.payload(j.result); err != nil {
				return nil, err
			}
		}
		if j.failure != nil {
			if out.Failure, err = f.failure(r.env.GetFailureConverter().ErrorToFailure(j.failure)); err != nil {
				return nil, err
			}
		}
		if out.Job == "start" {
			if out.Info, err = f.info(r.env, cmp.Or(r.plugin.replayNamespace, info.Namespace)); err != nil {
				return nil, err
			}
		}
		head.Jobs = append(head.Jobs, &out)
	}
	return passthrough.EncodeFrame(head, f.body)
}

// frameWriter makes a frame: payloads are added to its body.
type frameWriter struct {
	converter converter.DataConverter
	body      []byte
}

// payloads adds payloads that have been through the codec.
func (f *frameWriter) payloads(p *commonpb.Payloads) ([]*abi.WorkflowPayload, error) {
	var list []*abi.WorkflowPayload
	for _, payload := range p.GetPayloads() {
		added, err := f.payload(payload)
		if err != nil {
			return nil, err
		}
		list = append(list, added)
	}
	return list, nil
}

// payload adds a payload that has been through the codec.
func (f *frameWriter) payload(p *commonpb.Payload) (*abi.WorkflowPayload, error) {
	var value converter.RawValue
	if err := f.converter.FromPayload(p, &value); err != nil {
		return nil, fmt.Errorf("a payload cannot be decoded by the client's data converter or codec: %w", err)
	}
	return f.add(value.Payload()), nil
}

// raw adds payloads that no codec is for.
func (f *frameWriter) raw(fields map[string]*commonpb.Payload) (map[string]*abi.WorkflowPayload, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	out := make(map[string]*abi.WorkflowPayload, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		out[name] = f.add(fields[name])
	}
	return out, nil
}

func (f *frameWriter) add(p *commonpb.Payload) *abi.WorkflowPayload {
	out := &abi.WorkflowPayload{Bytes: [2]uint64{uint64(len(f.body)), uint64(len(p.GetData()))}}
	f.body = append(f.body, p.GetData()...)
	others := map[string][]byte{}
	for name, value := range p.GetMetadata() {
		if name != abi.MetadataEncoding {
			others[name] = value
		} else if string(value) != abi.EncodingJSON {
			out.Encoding = string(value)
		}
	}
	if len(others) > 0 {
		out.Metadata = abi.MarshalMetadata(others)
	}
	if _, ok := p.GetMetadata()[abi.MetadataEncoding]; !ok {
		out.Metadata = abi.MarshalMetadata(map[string][]byte{abi.MetadataEncoding: nil})
	}
	return out
}

var errPayload = errors.New("a payload is not a part of the frame's body")

// payloadOf returns a payload of the guest's.
func payloadOf(p *abi.WorkflowPayload, body []byte) (*commonpb.Payload, error) {
	if p == nil {
		return nil, errors.New("a payload is null")
	}
	offset, length := p.Bytes[0], p.Bytes[1]
	if offset > uint64(len(body)) || length > uint64(len(body))-offset {
		return nil, errPayload
	}
	metadata := map[string][]byte{}
	if len(p.Metadata) > 0 {
		var err error
		if metadata, err = abi.UnmarshalMetadata(p.Metadata); err != nil {
			return nil, err
		}
	}
	if p.Encoding != "" {
		metadata[abi.MetadataEncoding] = []byte(p.Encoding)
	} else if _, ok := metadata[abi.MetadataEncoding]; !ok {
		metadata[abi.MetadataEncoding] = []byte(abi.EncodingJSON)
	}
	out := &commonpb.Payload{Metadata: metadata}
	if length > 0 {
		out.Data = body[offset : offset+length : offset+length]
	}
	return out, nil
}

// codecError is not the guest's fault: a retry may find the codec again.
type codecError struct{ error }

// encode puts a payload of the guest's through the client's codec.
func (r *workflowRun) encode(p *abi.WorkflowPayload, body []byte) (*commonpb.Payload, error) {
	payload, err := payloadOf(p, body)
	if err != nil {
		return nil, err
	}
	encoded, err := r.env.GetDataConverter().ToPayload(converter.NewRawValue(payload))
	if err != nil {
		return nil, &codecError{r.errorf("a payload cannot be encoded by the client's data converter or codec", err)}
	}
	return encoded, nil
}

func (r *workflowRun) encodeAll(list []*abi.WorkflowPayload, body []byte) (*commonpb.Payloads, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := &commonpb.Payloads{}
	for _, p := range list {
		payload, err := r.encode(p, body)
		if err != nil {
			return nil, err
		}
		out.Payloads = append(out.Payloads, payload)
	}
	return out, nil
}
