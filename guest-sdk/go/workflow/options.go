package workflow

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/enums"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/flow"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// ActivityOptions are options of an activity. Durations travel as whole milliseconds, of
// which there is at least one.
type ActivityOptions struct {
	// TaskQueue is the task queue; empty for that of the workflow.
	TaskQueue string
	// ScheduleToCloseTimeout limits all attempts together; zero for no limit.
	ScheduleToCloseTimeout time.Duration
	// ScheduleToStartTimeout limits the wait for a worker; zero for no limit.
	ScheduleToStartTimeout time.Duration
	// StartToCloseTimeout limits one attempt. Zero for ScheduleToCloseTimeout.
	StartToCloseTimeout time.Duration
	// HeartbeatTimeout limits the time between two heartbeats; zero for no limit.
	HeartbeatTimeout time.Duration
	// WaitForCancellation makes the future of a canceled activity wait until it has ended.
	WaitForCancellation bool
	// ActivityID is the activity's ID; empty for one that the host chooses.
	ActivityID string
	// RetryPolicy is the retry policy; nil for Temporal's default.
	RetryPolicy *temporal.RetryPolicy
	// DisableEagerExecution keeps the server from handing the activity to the worker of the
	// workflow at once.
	DisableEagerExecution bool
	// Summary is a text for those who look at the workflow.
	Summary string
	// Priority is the order among other tasks.
	Priority temporal.Priority
}

// LocalActivityOptions are options of a local activity.
type LocalActivityOptions struct {
	// ScheduleToCloseTimeout limits all attempts together. Zero for no limit.
	ScheduleToCloseTimeout time.Duration
	// StartToCloseTimeout limits one attempt. Zero for ScheduleToCloseTimeout.
	StartToCloseTimeout time.Duration
	// RetryPolicy is the retry policy; nil for Temporal's default.
	RetryPolicy *temporal.RetryPolicy
	// Summary is a text for those who look at the workflow.
	Summary string
}

// ChildWorkflowOptions are options of a child workflow.
type ChildWorkflowOptions struct {
	// Namespace is the namespace; empty for that of the parent.
	Namespace string
	// WorkflowID is the child's ID; empty for a random one.
	WorkflowID string
	// TaskQueue is the task queue; empty for that of the parent.
	TaskQueue string
	// WorkflowExecutionTimeout limits all runs together; zero for no limit.
	WorkflowExecutionTimeout time.Duration
	// WorkflowRunTimeout limits one run; zero for no limit.
	WorkflowRunTimeout time.Duration
	// WorkflowTaskTimeout limits one workflow task; zero for the default of 10 seconds.
	WorkflowTaskTimeout time.Duration
	// WaitForCancellation makes the future of a canceled child wait until it has ended.
	WaitForCancellation bool
	// WorkflowIDReusePolicy tells whether an ID that was used before may be.
	WorkflowIDReusePolicy enums.WorkflowIdReusePolicy
	// RetryPolicy is the retry policy; nil for no further run.
	RetryPolicy *temporal.RetryPolicy
	// CronSchedule makes the child run again and again.
	CronSchedule string
	// Memo is values for those who list workflows.
	Memo map[string]any
	// TypedSearchAttributes are values to search for.
	TypedSearchAttributes temporal.SearchAttributes
	// ParentClosePolicy is what happens to the child when its parent ends.
	ParentClosePolicy enums.ParentClosePolicy
	// StaticSummary is a text for those who look at the child.
	StaticSummary string
	// StaticDetails is a longer one.
	StaticDetails string
	// Priority is the order among other tasks.
	Priority temporal.Priority
}

type (
	activityKey struct{}
	localKey    struct{}
	childKey    struct{}
)

// WithActivityOptions returns a context whose activities have these options.
func WithActivityOptions(ctx Context, options ActivityOptions) Context {
	return context.WithValue(ctx, activityKey{}, &activityOptions{ActivityOptions: options})
}

// activityOptions are options with what they are for the host, once that is known.
type activityOptions struct {
	ActivityOptions
	encoded []byte
}

// GetActivityOptions returns the options of the activities of ctx.
func GetActivityOptions(ctx Context) ActivityOptions {
	return get[activityOptions](ctx, activityKey{}).ActivityOptions
}

// WithLocalActivityOptions returns a context whose local activities have these options.
func WithLocalActivityOptions(ctx Context, options LocalActivityOptions) Context {
	return context.WithValue(ctx, localKey{}, &options)
}

// GetLocalActivityOptions returns the options of the local activities of ctx.
func GetLocalActivityOptions(ctx Context) LocalActivityOptions {
	return get[LocalActivityOptions](ctx, localKey{})
}

// WithChildOptions returns a context whose child workflows have these options.
func WithChildOptions(ctx Context, options ChildWorkflowOptions) Context {
	return context.WithValue(ctx, childKey{}, &options)
}

// GetChildWorkflowOptions returns the options of the child workflows of ctx.
func GetChildWorkflowOptions(ctx Context) ChildWorkflowOptions {
	return get[ChildWorkflowOptions](ctx, childKey{})
}

func get[T any](ctx Context, key any) (options T) {
	if o, ok := ctx.Value(key).(*T); ok {
		options = *o
	}
	return options
}

func withActivity(ctx Context, change func(o *ActivityOptions)) Context {
	o := GetActivityOptions(ctx)
	change(&o)
	return WithActivityOptions(ctx, o)
}

// WithTaskQueue returns a context whose activities have this task queue.
func WithTaskQueue(ctx Context, name string) Context {
	return withActivity(ctx, func(o *ActivityOptions) { o.TaskQueue = name })
}

// WithScheduleToCloseTimeout returns a context whose activities have this timeout.
func WithScheduleToCloseTimeout(ctx Context, d time.Duration) Context {
	return withActivity(ctx, func(o *ActivityOptions) { o.ScheduleToCloseTimeout = d })
}

// WithScheduleToStartTimeout returns a context whose activities have this timeout.
func WithScheduleToStartTimeout(ctx Context, d time.Duration) Context {
	return withActivity(ctx, func(o *ActivityOptions) { o.ScheduleToStartTimeout = d })
}

// WithStartToCloseTimeout returns a context whose activities have this timeout.
func WithStartToCloseTimeout(ctx Context, d time.Duration) Context {
	return withActivity(ctx, func(o *ActivityOptions) { o.StartToCloseTimeout = d })
}

// WithHeartbeatTimeout returns a context whose activities have this timeout.
func WithHeartbeatTimeout(ctx Context, d time.Duration) Context {
	return withActivity(ctx, func(o *ActivityOptions) { o.HeartbeatTimeout = d })
}

// WithWaitForCancellation returns a context whose activities have this option.
func WithWaitForCancellation(ctx Context, wait bool) Context {
	return withActivity(ctx, func(o *ActivityOptions) { o.WaitForCancellation = wait })
}

// WithRetryPolicy returns a context whose activities have this retry policy.
func WithRetryPolicy(ctx Context, policy temporal.RetryPolicy) Context {
	return withActivity(ctx, func(o *ActivityOptions) { o.RetryPolicy = &policy })
}

// WithPriority returns a context whose activities have this priority.
func WithPriority(ctx Context, priority temporal.Priority) Context {
	return withActivity(ctx, func(o *ActivityOptions) { o.Priority = priority })
}

func withChild(ctx Context, change func(o *ChildWorkflowOptions)) Context {
	o := GetChildWorkflowOptions(ctx)
	change(&o)
	return WithChildOptions(ctx, o)
}

// WithWorkflowNamespace returns a context whose child workflows, and signals and
// cancellations of others, have this namespace.
func WithWorkflowNamespace(ctx Context, name string) Context {
	return withChild(ctx, func(o *ChildWorkflowOptions) { o.Namespace = name })
}

// WithWorkflowTaskQueue returns a context whose child workflows, and whose next run by
// [NewContinueAsNewError], have this task queue.
func WithWorkflowTaskQueue(ctx Context, name string) Context {
	return withChild(ctx, func(o *ChildWorkflowOptions) { o.TaskQueue = name })
}

// WithWorkflowID returns a context whose child workflows have this ID.
func WithWorkflowID(ctx Context, workflowID string) Context {
	return withChild(ctx, func(o *ChildWorkflowOptions) { o.WorkflowID = workflowID })
}

// WithWorkflowRunTimeout returns a context whose child workflows, and whose next run by
// [NewContinueAsNewError], have this timeout.
func WithWorkflowRunTimeout(ctx Context, d time.Duration) Context {
	return withChild(ctx, func(o *ChildWorkflowOptions) { o.WorkflowRunTimeout = d })
}

// WithWorkflowTaskTimeout returns a context whose child workflows, and whose next run by
// [NewContinueAsNewError], have this timeout.
func WithWorkflowTaskTimeout(ctx Context, d time.Duration) Context {
	return withChild(ctx, func(o *ChildWorkflowOptions) { o.WorkflowTaskTimeout = d })
}

// WithWorkflowPriority returns a context whose child workflows have this priority.
func WithWorkflowPriority(ctx Context, priority temporal.Priority) Context {
	return withChild(ctx, func(o *ChildWorkflowOptions) { o.Priority = priority })
}

func (o *ActivityOptions) write(w *flow.Writer) {
	w.Text("activity_id", o.ActivityID)
	w.Text("task_queue", o.TaskQueue)
	w.Milliseconds("schedule_to_close_timeout_ms", o.ScheduleToCloseTimeout)
	w.Milliseconds("schedule_to_start_timeout_ms", o.ScheduleToStartTimeout)
	w.Milliseconds("start_to_close_timeout_ms", o.StartToCloseTimeout)
	w.Milliseconds("heartbeat_timeout_ms", o.HeartbeatTimeout)
	writeRetryPolicy(w, o.RetryPolicy)
	if o.WaitForCancellation {
		w.Text("cancellation_type", "wait")
	}
	w.Bool("disable_eager", o.DisableEagerExecution)
	w.Text("summary", o.Summary)
	writePriority(w, o.Priority)
}

func (o *LocalActivityOptions) write(w *flow.Writer) {
	w.Milliseconds("schedule_to_close_timeout_ms", o.ScheduleToCloseTimeout)
	w.Milliseconds("start_to_close_timeout_ms", o.StartToCloseTimeout)
	writeRetryPolicy(w, o.RetryPolicy)
	w.Text("summary", o.Summary)
}

func (o *ChildWorkflowOptions) write(w *flow.Writer, memo map[string]flow.Payload) {
	w.Text("workflow_id", o.WorkflowID)
	w.Text("task_queue", o.TaskQueue)
	w.Text("namespace", o.Namespace)
	w.Milliseconds("execution_timeout_ms", o.WorkflowExecutionTimeout)
	w.Milliseconds("run_timeout_ms", o.WorkflowRunTimeout)
	w.Milliseconds("task_timeout_ms", o.WorkflowTaskTimeout)
	writeRetryPolicy(w, o.RetryPolicy)
	switch o.ParentClosePolicy {
	case enums.PARENT_CLOSE_POLICY_TERMINATE:
		w.Text("parent_close_policy", "terminate")
	case enums.PARENT_CLOSE_POLICY_ABANDON:
		w.Text("parent_close_policy", "abandon")
	case enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL:
		w.Text("parent_close_policy", "request_cancel")
	}
	if o.WaitForCancellation {
		w.Text("cancellation_type", "wait")
	}
	switch o.WorkflowIDReusePolicy {
	case enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE:
		w.Text("id_reuse_policy", "allow_duplicate")
	case enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY:
		w.Text("id_reuse_policy", "allow_duplicate_failed_only")
	case enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE:
		w.Text("id_reuse_policy", "reject_duplicate")
	}
	w.Text("cron_schedule", o.CronSchedule)
	writeMap(w, "memo", memo)
	writeAttributes(w, "search_attributes", o.TypedSearchAttributes)
	w.Text("summary", o.StaticSummary)
	w.Text("details", o.StaticDetails)
	writePriority(w, o.Priority)
}

func writeRetryPolicy(w *flow.Writer, p *temporal.RetryPolicy) {
	if p == nil {
		return
	}
	w.Object("retry_policy", func(w *flow.Writer) {
		w.Milliseconds("initial_interval_ms", p.InitialInterval)
		if p.BackoffCoefficient != 0 {
			w.JSON("backoff_coefficient", p.BackoffCoefficient)
		}
		w.Milliseconds("maximum_interval_ms", p.MaximumInterval)
		w.Int("maximum_attempts", int64(p.MaximumAttempts))
		if len(p.NonRetryableErrorTypes) > 0 {
			w.JSON("non_retryable_error_types", p.NonRetryableErrorTypes)
		}
	})
}

func writePriority(w *flow.Writer, p temporal.Priority) {
	if p == (temporal.Priority{}) {
		return
	}
	w.Object("priority", func(w *flow.Writer) {
		w.Int("priority_key", int64(p.PriorityKey))
		w.Text("fairness_key", p.FairnessKey)
		if p.FairnessWeight != 0 {
			w.JSON("fairness_weight", p.FairnessWeight)
		}
	})
}

func encodeMap(values map[string]any) (map[string]flow.Payload, error) {
	if len(values) == 0 {
		return nil, nil
	}
	out := make(map[string]flow.Payload, len(values))
	for name, v := range values {
		p, err := flow.Encode(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = p
	}
	return out, nil
}

// writeMap writes an object of payloads, in the order of names.
func writeMap(w *flow.Writer, name string, values map[string]flow.Payload) {
	if len(values) == 0 {
		return
	}
	names := make([]string, 0, len(values))
	for n := range values {
		names = append(names, n)
	}
	slices.Sort(names)
	w.Object(name, func(w *flow.Writer) {
		for _, n := range names {
			w.Payload(n, values[n])
		}
	})
}
