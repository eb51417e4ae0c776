package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/converter"
	bindings "go.temporal.io/sdk/internalbindings"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// apply does what a command of a run asks for. An error is the guest's fault, but for a
// *codecError.
func (r *workflowRun) apply(c sandbox.Command) error {
	switch c.Command {
	case "activity", "local_activity", "child", "timer", "signal_external", "cancel_external":
		if c.ID <= r.lastID {
			return fmt.Errorf("its id is %d, and that of the command before was %d; each is to be greater", c.ID, r.lastID)
		}
		r.lastID = c.ID
	}
	switch c.Command {
	case "activity":
		return r.startActivity(c)
	case "local_activity":
		return r.startLocalActivity(c)
	case "child":
		return r.startChild(c)
	case "timer":
		if c.Ms < 0 {
			return fmt.Errorf("%d ms are negative", c.Ms)
		}
		b := r.note(c.ID)
		id := r.env.NewTimer(time.Duration(min(c.Ms, maxTimer))*time.Millisecond, workflow.TimerOptions{Summary: c.Summary}, nil, r.resolve(c.ID))
		if id != nil {
			b.cancel = func() { r.env.RequestCancelTimer(*id) }
		}
	case "signal_external":
		args, err := r.encodeAll(c.Args, c.Body)
		if err != nil {
			return err
		}
		header, err := rawHeader(c.Headers, c.Body)
		if err != nil {
			return err
		}
		r.note(c.ID)
		r.env.SignalExternalWorkflow(r.namespace(c.Namespace), c.WorkflowID, c.RunID, c.Name, args, nil, header, c.ChildOnly, nil, r.resolve(c.ID))
	case "cancel_external":
		r.note(c.ID)
		r.env.RequestCancelExternalWorkflow(r.namespace(c.Namespace), c.WorkflowID, c.RunID, nil, r.resolve(c.ID))
	case "cancel":
		if c.ID > r.lastID || c.ID < 1 {
			return fmt.Errorf("nothing has the id %d", c.ID)
		}
		if b := r.begun[c.ID]; b != nil && b.cancel != nil {
			b.cancel()
		}
	case "complete", "fail", "canceled", "continue_as_new":
		return r.end(c)
	case "updated":
		return r.updated(c)
	case "upsert_memo", "upsert_search_attributes":
		return r.upsert(c)
	case "describe":
		size := 0
		for _, list := range [][]*abi.WorkflowHandler{c.Signals, c.Queries, c.Updates} {
			for _, h := range list {
				if h != nil {
					size += len(h.Name) + len(h.Description)
				}
			}
		}
		if size > abi.MaxMetadata {
			return fmt.Errorf("the names and descriptions have %d bytes, and at most %d are allowed", size, abi.MaxMetadata)
		}
		r.described.Definition = &sdkpb.WorkflowDefinition{
			SignalDefinitions: interactions(c.Signals), QueryDefinitions: interactions(c.Queries), UpdateDefinitions: interactions(c.Updates),
		}
	case "current_details":
		if len(c.Text) > abi.MaxMetadata {
			return fmt.Errorf("the text has %d bytes, and at most %d are allowed", len(c.Text), abi.MaxMetadata)
		}
		r.described.CurrentDetails = c.Text
	case "answer":
		return errors.New("it is for queries and validations alone")
	case "fail_task":
		return errors.New("it goes with status 1")
	default:
		return errors.New("there is no such command")
	}
	return nil
}

// maxTimer is how many milliseconds a timer may have: some 100 years.
const maxTimer = 100 * 365 * 24 * 3600 * 1000

func interactions(handlers []*abi.WorkflowHandler) []*sdkpb.WorkflowInteractionDefinition {
	var list []*sdkpb.WorkflowInteractionDefinition
	for _, h := range handlers {
		if h != nil {
			list = append(list, &sdkpb.WorkflowInteractionDefinition{Name: h.Name, Description: h.Description})
		}
	}
	return list
}

// namespace is the run's own for an empty one.
func (r *workflowRun) namespace(name string) string {
	if name == "" {
		return r.env.WorkflowInfo().Namespace
	}
	return name
}

// note notes that a command has begun something.
func (r *workflowRun) note(id int64) *begun {
	b := &begun{}
	r.begun[id] = b
	return b
}

// finish tells the guest how what a command began has ended, once.
func (r *workflowRun) finish(id int64, result *commonpb.Payload, err error) {
	if r.begun[id] == nil {
		return
	}
	delete(r.begun, id)
	r.jobs = append(r.jobs, job{WorkflowJob: abi.WorkflowJob{Job: "resolve", ID: id}, result: result, failure: err})
}

// resolve is finish as the SDK calls it.
func (r *workflowRun) resolve(id int64) func(*commonpb.Payloads, error) {
	return func(result *commonpb.Payloads, err error) { r.finish(id, first(result), err) }
}

func first(p *commonpb.Payloads) *commonpb.Payload {
	if list := p.GetPayloads(); len(list) > 0 {
		return list[0]
	}
	return nil
}

// Cancellation types.
const (
	cancelTry           = "try_cancel"
	cancelWait          = "wait"
	cancelWaitRequested = "wait_requested"
	cancelAbandon       = "abandon"
)

// checkCancellation refuses unknown types of cancellation.
func checkCancellation(kind string, known ...string) error {
	for _, k := range append(known, "", cancelTry, cancelWait, cancelAbandon) {
		if kind == k {
			return nil
		}
	}
	return fmt.Errorf("cancellation_type %q is unknown", kind)
}

func (r *workflowRun) startActivity(c sandbox.Command) error {
	o := c.Options
	if o == nil {
		o = &abi.WorkflowOptions{}
	}
	if c.Type == "" {
		return errors.New("it has no type")
	}
	if o.StartToCloseTimeout <= 0 && o.ScheduleToCloseTimeout <= 0 {
		return fmt.Errorf("activity %s has neither start_to_close_timeout_ms nor schedule_to_close_timeout_ms; one of them is required", c.Type)
	}
	if err := checkCancellation(o.CancellationType); err != nil {
		return err
	}
	args, err := r.encodeAll(c.Args, c.Body)
	if err != nil {
		return err
	}
	header, err := rawHeader(c.Headers, c.Body)
	if err != nil {
		return err
	}
	params := bindings.ExecuteActivityParams{ActivityType: bindings.ActivityType{Name: c.Type}, Input: args, Header: header}
	params.ActivityID, params.TaskQueueName = o.ActivityID, o.TaskQueue
	if params.TaskQueueName == "" {
		params.TaskQueueName = r.env.WorkflowInfo().TaskQueueName
	}
	params.ScheduleToCloseTimeout, params.ScheduleToStartTimeout = time.Duration(o.ScheduleToCloseTimeout), time.Duration(o.ScheduleToStartTimeout)
	params.StartToCloseTimeout, params.HeartbeatTimeout = time.Duration(o.StartToCloseTimeout), time.Duration(o.HeartbeatTimeout)
	params.WaitForCancellation = o.CancellationType == cancelWait
	params.DisableEagerExecution, params.Summary = o.DisableEager, o.Summary
	params.RetryPolicy, params.Priority = retryPolicy(o.RetryPolicy), priority(o.Priority)
	b := r.note(c.ID)
	id := r.env.ExecuteActivity(params, r.resolve(c.ID))
	b.cancel = func() {
		if o.CancellationType == cancelAbandon {
			r.finish(c.ID, nil, temporal.NewCanceledError())
			return
		}
		r.env.RequestCancelActivity(id)
	}
	return nil
}

// startLocalActivity runs an activity of a module within the workflow task.
func (r *workflowRun) startLocalActivity(c sandbox.Command) error {
	o := c.Options
	if o == nil {
		o = &abi.WorkflowOptions{}
	}
	if o.StartToCloseTimeout <= 0 && o.ScheduleToCloseTimeout <= 0 {
		return fmt.Errorf("local activity %s has neither start_to_close_timeout_ms nor schedule_to_close_timeout_ms; one of them is required", c.Type)
	}
	args, err := r.encodeAll(c.Args, c.Body)
	if err != nil {
		return err
	}
	params := bindings.ExecuteLocalActivityParams{
		ActivityType: c.Type,
		ActivityFn: func(ctx context.Context) (any, error) {
			return r.plugin.execute(ctx, encodedArgs{args, r.env.GetDataConverter()})
		},
		WorkflowInfo:     r.env.WorkflowInfo(),
		DataConverter:    r.env.GetDataConverter(),
		FailureConverter: r.env.GetFailureConverter(),
		Attempt:          1,
		ScheduledTime:    r.env.Now(),
	}
	params.ScheduleToCloseTimeout, params.StartToCloseTimeout = time.Duration(o.ScheduleToCloseTimeout), time.Duration(o.StartToCloseTimeout)
	if params.StartToCloseTimeout == 0 {
		params.StartToCloseTimeout = params.ScheduleToCloseTimeout
	}
	params.Summary = o.Summary
	if params.RetryPolicy = sdkRetryPolicy(o.RetryPolicy); params.RetryPolicy == nil {
		params.RetryPolicy = &temporal.RetryPolicy{}
	}
	fillLocalRetry(params.RetryPolicy)
	if h, ok := r.env.(historian); ok {
		h.LocalArgs(args)
	}
	r.runLocal(c.ID, params)
	return nil
}

// fillLocalRetry sets what is Temporal's default, which no server does for local
// activities.
func fillLocalRetry(p *temporal.RetryPolicy) {
	if p.InitialInterval <= 0 {
		p.InitialInterval = time.Second
	}
	if p.BackoffCoefficient <= 0 {
		p.BackoffCoefficient = 2
	}
	if p.MaximumInterval <= 0 {
		p.MaximumInterval = 100 * p.InitialInterval
	}
}

// runLocal runs a local activity, again after a timer where the next attempt is far away.
func (r *workflowRun) runLocal(id int64, params bindings.ExecuteLocalActivityParams) {
	b := r.note(id)
	local := r.env.ExecuteLocalActivity(params, func(lar *bindings.LocalActivityResultWrapper) {
		if lar.Err == nil || lar.Backoff <= 0 || r.begun[id] == nil {
			r.finish(id, first(lar.Result), lar.Err)
			return
		}
		again := params
		again.Attempt = lar.Attempt + 1
		timer := r.env.NewTimer(lar.Backoff, workflow.TimerOptions{Summary: "retry of " + params.ActivityType}, nil, func(_ *commonpb.Payloads, err error) {
			if err != nil {
				r.finish(id, nil, err)
				return
			}
			r.runLocal(id, again)
		})
		if timer != nil {
			b.cancel = func() { r.env.RequestCancelTimer(*timer) }
		}
	})
	b.cancel = func() { r.env.RequestCancelLocalActivity(local) }
}

// encodedArgs are arguments as the SDK gives them to a dynamic activity.
type encodedArgs struct {
	payloads  *commonpb.Payloads
	converter converter.DataConverter
}

func (a encodedArgs) HasValues() bool { return len(a.payloads.GetPayloads()) > 0 }

func (a encodedArgs) Get(ptrs ...any) error { return a.converter.FromPayloads(a.payloads, ptrs...) }

func (r *workflowRun) startChild(c sandbox.Command) error {
	o := c.Options
	if o == nil {
		o = &abi.WorkflowOptions{}
	}
	if c.Type == "" {
		return errors.New("it has no type")
	}
	if err := checkCancellation(o.CancellationType, cancelWaitRequested); err != nil {
		return err
	}
	args, err := r.encodeAll(c.Args, c.Body)
	if err != nil {
		return err
	}
	params := bindings.ExecuteWorkflowParams{WorkflowType: &bindings.WorkflowType{Name: c.Type}, Input: args}
	if params.Header, err = rawHeader(c.Headers, c.Body); err != nil {
		return err
	}
	info := r.env.WorkflowInfo()
	params.WorkflowID, params.TaskQueueName, params.Namespace = o.WorkflowID, o.TaskQueue, r.namespace(o.Namespace)
	if params.TaskQueueName == "" {
		params.TaskQueueName = info.TaskQueueName
	}
	params.WorkflowExecutionTimeout, params.WorkflowRunTimeout, params.WorkflowTaskTimeout = time.Duration(o.ExecutionTimeout), time.Duration(o.RunTimeout), time.Duration(o.TaskTimeout)
	params.RetryPolicy, params.Priority, params.CronSchedule = retryPolicy(o.RetryPolicy), priority(o.Priority), o.CronSchedule
	params.StaticSummary, params.StaticDetails = o.Summary, o.Details
	params.WaitForCancellation = o.CancellationType == cancelWait
	if params.ParentClosePolicy, err = enum(o.ParentClosePolicy, "parent_close_policy", parentClosePolicies); err != nil {
		return err
	}
	if params.WorkflowIDReusePolicy, err = enum(o.IDReusePolicy, "id_reuse_policy", reusePolicies); err != nil {
		return err
	}
	if params.Memo, err = memo(o.Memo, c.Body); err != nil {
		return err
	}
	if params.SearchAttributes, err = searchAttributes(o.SearchAttributes, c.Body); err != nil {
		return err
	}
	b := r.note(c.ID)
	started, cancel := "", false
	request := func() { r.env.RequestCancelChildWorkflow(params.Namespace, started) }
	b.cancel = func() {
		switch {
		case o.CancellationType == cancelAbandon:
			r.finish(c.ID, nil, temporal.NewCanceledError())
		case started == "":
			cancel = true
		case !cancel:
			cancel = true
			request()
		}
	}
	r.env.ExecuteChildWorkflow(params, r.resolve(c.ID), func(execution bindings.WorkflowExecution, err error) {
		if err != nil || r.begun[c.ID] == nil {
			return // it is resolved with that
		}
		started = execution.ID
		r.jobs = append(r.jobs, job{WorkflowJob: abi.WorkflowJob{Job: "started", ID: c.ID, RunID: execution.RunID}})
		if cancel {
			request()
		}
	})
	return nil
}

var parentClosePolicies = map[string]enumspb.ParentClosePolicy{
	"": enumspb.PARENT_CLOSE_POLICY_UNSPECIFIED, "terminate": enumspb.PARENT_CLOSE_POLICY_TERMINATE,
	"abandon": enumspb.PARENT_CLOSE_POLICY_ABANDON, "request_cancel": enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
}

var reusePolicies = map[string]enumspb.WorkflowIdReusePolicy{
	"": enumspb.WORKFLOW_ID_REUSE_POLICY_UNSPECIFIED, "allow_duplicate": enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	"allow_duplicate_failed_only": enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY, "reject_duplicate": enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
}

func enum[E any](text, name string, values map[string]E) (E, error) {
	v, ok := values[text]
	if !ok {
		return v, fmt.Errorf("%s %q is unknown", name, text)
	}
	return v, nil
}

// end ends the run.
func (r *workflowRun) end(c sandbox.Command) error {
	var result *commonpb.Payloads
	var failure error
	switch c.Command {
	case "complete":
		if c.Result != nil {
			payload, err := r.encode(c.Result, c.Body)
			if err != nil {
				return err
			}
			result = &commonpb.Payloads{Payloads: []*commonpb.Payload{payload}}
		}
	case "fail":
		if c.Failure == nil {
			return errors.New("it has no failure")
		}
		failure = r.seal(r.errorOf(c.Failure, c.Body))
	case "canceled":
		details := make([]any, len(c.Details))
		for i, d := range c.Details {
			payload, err := payloadOf(d, c.Body)
			if err != nil {
				return err
			}
			details[i] = converter.NewRawValue(payload)
		}
		failure = temporal.NewCanceledError(details...)
	case "continue_as_new":
		var err error
		if failure, err = r.continueAsNew(c); err != nil {
			return err
		}
	}
	r.ended = true
	r.tellEnd(failure)
	r.env.Complete(result, failure)
	return nil
}

func (r *workflowRun) continueAsNew(c sandbox.Command) (*bindings.ContinueAsNewError, error) {
	args, err := r.encodeAll(c.Args, c.Body)
	if err != nil {
		return nil, err
	}
	info := r.env.WorkflowInfo()
	e := &bindings.ContinueAsNewError{
		WorkflowType: &bindings.WorkflowType{Name: c.Type}, Input: args,
		TaskQueueName: info.TaskQueueName, WorkflowRunTimeout: info.WorkflowRunTimeout, WorkflowTaskTimeout: info.WorkflowTaskTimeout,
	}
	if c.Type == "" {
		e.WorkflowType = &bindings.WorkflowType{Name: info.WorkflowType.Name}
	}
	if e.Header, err = rawHeader(c.Headers, c.Body); err != nil {
		return nil, err
	}
	if o := c.Options; o != nil {
		if o.TaskQueue != "" {
			e.TaskQueueName = o.TaskQueue
		}
		if o.RunTimeout > 0 {
			e.WorkflowRunTimeout = time.Duration(o.RunTimeout)
		}
		if o.TaskTimeout > 0 {
			e.WorkflowTaskTimeout = time.Duration(o.TaskTimeout)
		}
		e.RetryPolicy = sdkRetryPolicy(o.RetryPolicy)
		if err := r.pass(o, c.Body); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// pass gives the next run a memo and search attributes in place of this run's. The SDK takes
// them from where it keeps this run's, which ends with that.
func (r *workflowRun) pass(o *abi.WorkflowOptions, body []byte) error {
	info := r.env.WorkflowInfo()
	if len(o.Memo) > 0 {
		fields := make(map[string]*commonpb.Payload, len(o.Memo))
		for name, p := range o.Memo {
			payload, err := r.encode(p, body)
			if err != nil {
				return err
			}
			fields[name] = payload
		}
		info.Memo = &commonpb.Memo{Fields: fields}
	}
	attributes, err := searchAttributes(o.SearchAttributes, body)
	if err != nil || len(attributes) == 0 {
		return err
	}
	fields := make(map[string]*commonpb.Payload, len(attributes))
	for name, payload := range attributes {
		fields[name] = payload.(*commonpb.Payload)
	}
	//lint:ignore SA1019 it is what the SDK gives to the next run
	info.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: fields}
	return nil
}

// updated tells how an update ended.
func (r *workflowRun) updated(c sandbox.Command) error {
	callbacks := r.updates[c.UpdateID]
	if callbacks == nil {
		return fmt.Errorf("no update has the id %q, or it has ended already", c.UpdateID)
	}
	var result any
	switch {
	case c.Failure != nil:
		delete(r.updates, c.UpdateID)
		callbacks.Complete(nil, r.errorOf(c.Failure, c.Body))
		return nil
	case c.Result != nil:
		payload, err := payloadOf(c.Result, c.Body)
		if err != nil {
			return err
		}
		result = converter.NewRawValue(payload)
	}
	delete(r.updates, c.UpdateID)
	callbacks.Complete(result, nil)
	return nil
}

// upsert changes the memo or the search attributes.
func (r *workflowRun) upsert(c sandbox.Command) error {
	if c.Command == "upsert_memo" {
		fields, err := memo(c.Memo, c.Body)
		if err != nil {
			return err
		}
		return r.env.UpsertMemo(fields, nil)
	}
	attributes, err := searchAttributes(c.SearchAttributes, c.Body)
	if err != nil {
		return err
	}
	if _, reserved := attributes["TemporalChangeVersion"]; reserved {
		return errors.New("TemporalChangeVersion is Temporal's own")
	}
	return r.env.UpsertSearchAttributes(attributes, nil)
}

// memo returns values that the SDK encodes as they are.
func memo(fields map[string]*abi.WorkflowPayload, body []byte) (map[string]any, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	out := make(map[string]any, len(fields))
	for name, p := range fields {
		payload, err := payloadOf(p, body)
		if err != nil {
			return nil, fmt.Errorf("memo %q: %w", name, err)
		}
		out[name] = converter.NewRawValue(payload)
	}
	return out, nil
}

// searchAttributeTypes are the types that the server knows.
var searchAttributeTypes = map[string]bool{"Text": true, "Keyword": true, "Int": true, "Double": true, "Bool": true, "Datetime": true, "KeywordList": true}

func searchAttributes(fields map[string]*abi.WorkflowSearchAttribute, body []byte) (map[string]any, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	out := make(map[string]any, len(fields))
	for name, attribute := range fields {
		if attribute == nil || !searchAttributeTypes[attribute.Type] {
			return nil, fmt.Errorf("the type of search attribute %q is unknown", name)
		}
		payload := &commonpb.Payload{Metadata: map[string][]byte{abi.MetadataEncoding: []byte(abi.EncodingJSON)}, Data: []byte("null")}
		if attribute.Value != nil {
			var err error
			if payload, err = payloadOf(attribute.Value, body); err != nil {
				return nil, fmt.Errorf("search attribute %q: %w", name, err)
			}
		}
		payload.Metadata["type"] = []byte(attribute.Type)
		out[name] = payload
	}
	return out, nil
}

// rawHeader makes a header of payloads that no codec is for.
func rawHeader(fields map[string]*abi.WorkflowPayload, body []byte) (*commonpb.Header, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	header := &commonpb.Header{Fields: make(map[string]*commonpb.Payload, len(fields))}
	for name, p := range fields {
		payload, err := payloadOf(p, body)
		if err != nil {
			return nil, fmt.Errorf("header %q: %w", name, err)
		}
		header.Fields[name] = payload
	}
	return header, nil
}

// sdkRetryPolicy returns a guest's retry policy as the SDK has it; nil for none.
func sdkRetryPolicy(p *abi.RetryPolicy) *temporal.RetryPolicy {
	if p == nil {
		return nil
	}
	return &temporal.RetryPolicy{
		InitialInterval: time.Duration(p.InitialInterval), BackoffCoefficient: p.BackoffCoefficient, MaximumInterval: time.Duration(p.MaximumInterval),
		MaximumAttempts: p.MaximumAttempts, NonRetryableErrorTypes: p.NonRetryableErrorTypes,
	}
}

func retryPolicy(p *abi.RetryPolicy) *commonpb.RetryPolicy {
	if p == nil {
		return nil
	}
	out := &commonpb.RetryPolicy{BackoffCoefficient: p.BackoffCoefficient, MaximumAttempts: p.MaximumAttempts, NonRetryableErrorTypes: p.NonRetryableErrorTypes}
	if out.BackoffCoefficient == 0 {
		out.BackoffCoefficient = 2
	}
	if p.InitialInterval > 0 {
		out.InitialInterval = durationpb.New(time.Duration(p.InitialInterval))
	}
	if p.MaximumInterval > 0 {
		out.MaximumInterval = durationpb.New(time.Duration(p.MaximumInterval))
	}
	return out
}

func priority(p *abi.Priority) *commonpb.Priority {
	if p == nil {
		return nil
	}
	return &commonpb.Priority{PriorityKey: int32(p.PriorityKey), FairnessKey: p.FairnessKey, FairnessWeight: p.FairnessWeight}
}
