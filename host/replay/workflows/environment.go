package workflows

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unsafe"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	bindings "go.temporal.io/sdk/internalbindings"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/replay"
)

// The methods below implement [bindings.WorkflowEnvironment], as far as the host uses it.

// idOf makes an id of the SDK's, which has a single field that is not exported.
func idOf[T bindings.TimerID | bindings.ActivityID | bindings.LocalActivityID](id string) T {
	return *(*T)(unsafe.Pointer(&id))
}

type markers = []*sdkpb.EventGroupMarker

func (r *run) Now() time.Time                                  { return r.now }
func (r *run) IsReplaying() bool                               { return r.replaying }
func (r *run) WorkflowInfo() *workflow.Info                    { return r.info }
func (r *run) GetLogger() log.Logger                           { return guestLog{r} }
func (r *run) GetMetricsHandler() client.MetricsHandler        { return client.MetricsNopHandler }
func (r *run) GetDataConverter() converter.DataConverter       { return converter.GetDefaultDataConverter() }
func (r *run) GetFailureConverter() converter.FailureConverter { return failures }
func (r *run) RegisterCancelHandler(handler func())            { r.cancel = handler }
func (r *run) RegisterSignalHandler(handler func(string, *commonpb.Payloads, *commonpb.Header) error) {
	r.signal = handler
}
func (r *run) RegisterQueryHandler(handler func(string, *commonpb.Payloads, *commonpb.Header) (*commonpb.Payloads, error)) {
	r.query = handler
}
func (r *run) RegisterUpdateHandler(handler func(string, string, *commonpb.Payloads, *commonpb.Header, bindings.UpdateCallbacks)) {
	r.update = handler
}

// newInfo returns what is known of the run, with what the script says of it.
func (r *run) newInfo() *workflow.Info {
	in := r.script.Info
	info := &workflow.Info{
		WorkflowExecution:        workflow.Execution{ID: cmp.Or(in.WorkflowID, "test"), RunID: cmp.Or(in.RunID, "00000000-0000-0000-0000-000000000001")},
		WorkflowType:             workflow.Type{Name: r.script.Type},
		TaskQueueName:            cmp.Or(in.TaskQueue, "test"),
		Namespace:                cmp.Or(in.Namespace, "default"),
		Attempt:                  max(in.Attempt, 1),
		WorkflowStartTime:        r.env.start,
		WorkflowExecutionTimeout: time.Duration(in.ExecutionTimeout),
		WorkflowRunTimeout:       time.Duration(in.RunTimeout),
		WorkflowTaskTimeout:      cmp.Or(time.Duration(in.TaskTimeout), 10*time.Second),
		CronSchedule:             in.CronSchedule,
		ContinuedExecutionRunID:  in.ContinuedRunID,
	}
	info.FirstRunID, info.OriginalRunID = cmp.Or(in.FirstRunID, info.WorkflowExecution.RunID), cmp.Or(in.OriginalRunID, info.WorkflowExecution.RunID)
	if !in.StartTime.IsZero() {
		info.WorkflowStartTime = in.StartTime
	}
	if p := in.Parent; p != nil {
		info.ParentWorkflowExecution, info.ParentWorkflowNamespace = &workflow.Execution{ID: p.WorkflowID, RunID: p.RunID}, cmp.Or(p.Namespace, info.Namespace)
	}
	if p := in.Root; p != nil {
		info.RootWorkflowExecution = &workflow.Execution{ID: p.WorkflowID, RunID: p.RunID}
	}
	if len(r.script.Memo) > 0 {
		info.Memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{}}
		for name, value := range r.script.Memo {
			info.Memo.Fields[name] = payloadOf(value)
		}
	}
	return info
}

// NewTimer implements [bindings.WorkflowTimerClient].
func (r *run) NewTimer(d time.Duration, options workflow.TimerOptions, _ markers, callback bindings.ResultHandler) *bindings.TimerID {
	if d <= 0 {
		callback(nil, nil)
		return nil
	}
	text := object("timer", d.String()).add("summary", options.Summary)
	c, fresh := r.issue(&command{finish: func(d *delivery) { callback(d.result, d.err) }}, text.json(), false)
	if fresh {
		r.schedule(&delivery{at: r.now.Add(d), command: c})
	}
	return new(idOf[bindings.TimerID](c.id()))
}

// commandOf returns the command of an id.
func (r *run) commandOf(id string) *command {
	var n int
	if _, err := fmt.Sscan(id, &n); err != nil || n < 0 || n >= len(r.commands) {
		return nil
	}
	return r.commands[n]
}

// withdraw takes back what was to come of a command.
func (r *run) withdraw(c *command) {
	kept := r.queue[:0]
	for _, d := range r.queue {
		if d.command != c {
			kept = append(kept, d)
		}
	}
	r.queue = kept
}

// end ends a command at once, within the workflow task.
func (r *run) end(c *command, err error) {
	if c.done {
		return
	}
	c.done = true
	if !r.replaying {
		r.withdraw(c)
	}
	c.finish(&delivery{command: c, err: err})
}

// cancels notes that the cancellation of a command is asked for.
func (r *run) cancels(c *command) (fresh bool) {
	_, fresh = r.issue(&command{}, object("cancel", "").raw("cancel", c.text).json(), false)
	return fresh
}

// RequestCancelTimer implements [bindings.WorkflowTimerClient].
func (r *run) RequestCancelTimer(id bindings.TimerID) {
	if c := r.commandOf(id.String()); c != nil && !c.done {
		r.cancels(c)
		r.end(c, temporal.NewCanceledError())
	}
}

// ExecuteActivity implements [bindings.AsyncActivityClient].
func (r *run) ExecuteActivity(p bindings.ExecuteActivityParams, callback bindings.ResultHandler) bindings.ActivityID {
	options := object("", "").ms("start_to_close_timeout_ms", p.StartToCloseTimeout).ms("schedule_to_close_timeout_ms", p.ScheduleToCloseTimeout).
		ms("schedule_to_start_timeout_ms", p.ScheduleToStartTimeout).ms("heartbeat_timeout_ms", p.HeartbeatTimeout).add("activity_id", p.ActivityID).add("summary", p.Summary)
	if p.TaskQueueName != r.info.TaskQueueName {
		options.add("task_queue", p.TaskQueueName)
	}
	options.retry(p.RetryPolicy)
	text := object("activity", p.ActivityType.Name).args(p.Input).raw("options", options.json())
	c, fresh := r.issue(&command{finish: func(d *delivery) { callback(d.result, d.err) }}, text.json(), false)
	id := c.id()
	if fresh {
		r.perform(c, &asked{
			kind: Activity, name: p.ActivityType.Name, args: p.Input, id: cmp.Or(p.ActivityID, id), wait: p.WaitForCancellation,
			startToClose: p.StartToCloseTimeout, scheduleToClose: p.ScheduleToCloseTimeout, retry: p.RetryPolicy,
		})
	}
	return idOf[bindings.ActivityID](id)
}

// RequestCancelActivity implements [bindings.AsyncActivityClient].
func (r *run) RequestCancelActivity(id bindings.ActivityID) {
	c := r.commandOf(id.String())
	if c == nil || c.done {
		return
	}
	fresh := r.cancels(c)
	a := c.asked
	if !a.wait {
		r.end(c, temporal.NewCanceledError())
		return
	}
	if fresh {
		r.withdraw(c)
		r.schedule(&delivery{at: r.now, command: c, err: failures.FailureToError(a.wrap(canceledFailure(), enumspb.RETRY_STATE_CANCEL_REQUESTED))})
	}
}

// LocalArgs is called by the host before the method below.
func (r *run) LocalArgs(args *commonpb.Payloads) { r.localArgs = args }

// ExecuteLocalActivity implements [bindings.LocalActivityClient].
func (r *run) ExecuteLocalActivity(p bindings.ExecuteLocalActivityParams, callback bindings.LocalActivityResultHandler) bindings.LocalActivityID {
	input := r.localArgs
	options := object("", "").ms("start_to_close_timeout_ms", p.StartToCloseTimeout).ms("schedule_to_close_timeout_ms", p.ScheduleToCloseTimeout).add("summary", p.Summary)
	text := object("local_activity", p.ActivityType).args(input).raw("options", options.json())
	c, fresh := r.issue(&command{finish: func(d *delivery) {
		callback(&bindings.LocalActivityResultWrapper{Result: d.result, Err: d.err, Attempt: 1})
	}}, text.json(), false)
	id := c.id()
	if fresh {
		a := &asked{kind: LocalActivity, name: p.ActivityType, args: input, id: id, startToClose: p.StartToCloseTimeout, scheduleToClose: p.ScheduleToCloseTimeout}
		if o := p.RetryPolicy; o != nil {
			a.retry = &commonpb.RetryPolicy{BackoffCoefficient: o.BackoffCoefficient, MaximumAttempts: o.MaximumAttempts, NonRetryableErrorTypes: o.NonRetryableErrorTypes, InitialInterval: protoDuration(o.InitialInterval), MaximumInterval: protoDuration(o.MaximumInterval)}
		}
		r.perform(c, a)
	}
	return idOf[bindings.LocalActivityID](id)
}

// RequestCancelLocalActivity implements [bindings.LocalActivityClient].
func (r *run) RequestCancelLocalActivity(id bindings.LocalActivityID) {
	if c := r.commandOf(id.String()); c != nil && !c.done {
		r.cancels(c)
		r.end(c, temporal.NewCanceledError())
	}
}

// ExecuteChildWorkflow implements [bindings.WorkflowEnvironment].
func (r *run) ExecuteChildWorkflow(p bindings.ExecuteWorkflowParams, callback bindings.ResultHandler, started func(bindings.WorkflowExecution, error)) {
	options := object("", "").add("workflow_id", p.WorkflowID).ms("execution_timeout_ms", p.WorkflowExecutionTimeout).ms("run_timeout_ms", p.WorkflowRunTimeout).add("cron_schedule", p.CronSchedule).add("summary", p.StaticSummary)
	if p.TaskQueueName != r.info.TaskQueueName {
		options.add("task_queue", p.TaskQueueName)
	}
	if p.Namespace != r.info.Namespace {
		options.add("namespace", p.Namespace)
	}
	options.retry(p.RetryPolicy)
	text := object("child", p.WorkflowType.Name).args(p.Input).raw("options", options.json())
	c, fresh := r.issue(&command{
		finish: func(d *delivery) { callback(d.result, d.err) },
		begin:  func(d *delivery) { started(d.execution, d.err) },
	}, text.json(), false)
	if fresh {
		id := cmp.Or(p.WorkflowID, fmt.Sprintf("%s_%s", r.info.WorkflowExecution.RunID, c.id()))
		r.perform(c, &asked{kind: Child, name: p.WorkflowType.Name, args: p.Input, id: id, wait: p.WaitForCancellation, retry: p.RetryPolicy})
	}
}

// RequestCancelChildWorkflow implements [bindings.WorkflowEnvironment].
func (r *run) RequestCancelChildWorkflow(_, workflowID string) {
	for _, c := range r.commands {
		if a := c.asked; a != nil && a.kind == Child && a.id == workflowID && !c.done {
			if r.cancels(c) {
				r.withdraw(c)
				r.schedule(&delivery{at: r.now, command: c, err: failures.FailureToError(a.wrap(canceledFailure(), enumspb.RETRY_STATE_CANCEL_REQUESTED))})
			}
			return
		}
	}
}

// SignalExternalWorkflow implements [bindings.WorkflowEnvironment].
func (r *run) SignalExternalWorkflow(namespace, workflowID, runID, name string, input *commonpb.Payloads, _ any, _ *commonpb.Header, child bool, _ markers, callback bindings.ResultHandler) {
	text := object("signal", name).add("workflow_id", workflowID).add("run_id", runID).args(input)
	if namespace != r.info.Namespace {
		text.add("namespace", namespace)
	}
	r.external(&asked{kind: Signal, name: name, id: workflowID, args: input}, text, callback)
}

// RequestCancelExternalWorkflow implements [bindings.WorkflowEnvironment].
func (r *run) RequestCancelExternalWorkflow(namespace, workflowID, runID string, _ markers, callback bindings.ResultHandler) {
	text := object("cancel", "").raw("cancel", object("workflow_id", workflowID).add("run_id", runID).json())
	r.external(&asked{kind: Cancel, id: workflowID}, text, callback)
}

// external is a signal or a cancellation of another workflow. It arrives, unless a mock
// says otherwise.
func (r *run) external(a *asked, text *writer, callback bindings.ResultHandler) {
	c, fresh := r.issue(&command{finish: func(d *delivery) { callback(d.result, d.err) }}, text.json(), false)
	if fresh {
		r.perform(c, a)
	}
}

// GetVersion implements [bindings.WorkflowEnvironment].
func (r *run) GetVersion(id string, _, most workflow.Version, _ markers) workflow.Version {
	for _, old := range r.script.Unpatched {
		if id == old {
			return workflow.DefaultVersion
		}
	}
	if !r.patches[id] {
		r.patches[id] = true
		r.issue(&command{}, object("patch", id).json(), true)
	}
	return most
}

// UpsertMemo implements [bindings.WorkflowEnvironment].
func (r *run) UpsertMemo(fields map[string]any, _ markers) error {
	memo := &commonpb.Memo{Fields: map[string]*commonpb.Payload{}}
	for name, payload := range r.info.Memo.GetFields() {
		memo.Fields[name] = payload
	}
	text := object("", "")
	for _, name := range sorted(fields) {
		payload, err := converter.GetDefaultDataConverter().ToPayload(fields[name])
		if err != nil {
			return err
		}
		text.raw(name, payloadJSON(payload))
		if memo.Fields[name] = payload; string(payload.GetMetadata()[abi.MetadataEncoding]) == abi.EncodingNull {
			delete(memo.Fields, name)
		}
	}
	r.info.Memo = memo
	r.issue(&command{}, object("upsert_memo", "").raw("upsert_memo", text.json()).json(), false)
	return nil
}

// UpsertSearchAttributes implements [bindings.WorkflowEnvironment].
func (r *run) UpsertSearchAttributes(attributes map[string]any, _ markers) error {
	all := &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{}}
	//lint:ignore SA1019 as package host has them
	for name, payload := range r.info.SearchAttributes.GetIndexedFields() {
		all.IndexedFields[name] = payload
	}
	text := object("", "")
	for _, name := range sorted(attributes) {
		payload := attributes[name].(*commonpb.Payload)
		text.raw(name, object("type", string(payload.Metadata["type"])).raw("value", payload.Data).json())
		all.IndexedFields[name] = payload
	}
	//lint:ignore SA1019 as package host has them
	r.info.SearchAttributes = all
	r.issue(&command{}, object("upsert_search_attributes", "").raw("upsert_search_attributes", text.json()).json(), false)
	return nil
}

// guestLog takes the guest's log records. In a replay there are none.
type guestLog struct{ run *run }

func (l guestLog) add(level, message string, keyvals []any) {
	if l.run.replaying {
		return
	}
	record := replay.LogRecord{Level: level, Message: message}
	for i := 0; i+1 < len(keyvals); i += 2 {
		if record.Attrs == nil {
			record.Attrs = map[string]any{}
		}
		record.Attrs[strings.TrimPrefix(fmt.Sprint(keyvals[i]), "guest.")] = keyvals[i+1]
	}
	l.run.result.Logs = append(l.run.result.Logs, record)
}

func (l guestLog) Debug(message string, keyvals ...any) { l.add("DEBUG", message, keyvals) }
func (l guestLog) Info(message string, keyvals ...any)  { l.add("INFO", message, keyvals) }
func (l guestLog) Warn(message string, keyvals ...any)  { l.add("WARN", message, keyvals) }
func (l guestLog) Error(message string, keyvals ...any) { l.add("ERROR", message, keyvals) }

// canceledFailure is that of something that was canceled.
func canceledFailure() *failurepb.Failure {
	return &failurepb.Failure{Message: "canceled", FailureInfo: &failurepb.Failure_CanceledFailureInfo{CanceledFailureInfo: &failurepb.CanceledFailureInfo{}}}
}
