package workflow

import (
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/flow"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// Type is the type of a workflow.
type Type struct{ Name string }

// Info is what is known about the run.
type Info struct {
	// WorkflowExecution is the workflow's ID and the run's.
	WorkflowExecution Execution
	// OriginalRunID is the run ID before a reset.
	OriginalRunID string
	// FirstRunID is the ID of the first run of the chain that continue-as-new, retries,
	// cron and resets make.
	FirstRunID string
	// WorkflowType is the workflow's type.
	WorkflowType Type
	// TaskQueueName is the task queue.
	TaskQueueName string
	// WorkflowExecutionTimeout limits all runs together, zero for no limit.
	WorkflowExecutionTimeout time.Duration
	// WorkflowRunTimeout limits this run, zero for no limit.
	WorkflowRunTimeout time.Duration
	// WorkflowTaskTimeout limits one workflow task.
	WorkflowTaskTimeout time.Duration
	// Namespace is the namespace.
	Namespace string
	// Attempt is 1 for the first run of a retry policy, 2 for the next.
	Attempt int32
	// WorkflowStartTime is when the run started.
	WorkflowStartTime time.Time
	// CronSchedule is the schedule, empty for none.
	CronSchedule string
	// ContinuedExecutionRunID is the run before this one, empty for none.
	ContinuedExecutionRunID string
	// ParentWorkflowNamespace is the namespace of the parent, empty for none.
	ParentWorkflowNamespace string
	// ParentWorkflowExecution is the parent, nil for none.
	ParentWorkflowExecution *Execution
	// RootWorkflowExecution is the first workflow of the chain of parents, nil if that is
	// this one.
	RootWorkflowExecution *Execution
	// Memo is the memo, of values that have not been decoded yet.
	Memo map[string]converter.EncodedValue
	// RetryPolicy is the workflow's retry policy, nil for none.
	RetryPolicy *temporal.RetryPolicy
	// Priority is the workflow's priority.
	Priority temporal.Priority

	run *flow.Run
}

// GetCurrentHistoryLength returns the number of events as of the current workflow task.
func (i *Info) GetCurrentHistoryLength() int { return i.run.History().Length }

// GetCurrentHistorySize returns the bytes of the history as of the current workflow task.
func (i *Info) GetCurrentHistorySize() int { return i.run.History().Size }

// GetContinueAsNewSuggested tells whether the server finds the history long.
func (i *Info) GetContinueAsNewSuggested() bool { return i.run.History().ContinueAsNewSuggested }

// GetInfo returns what is known about the run. It panics if ctx is not the context of a
// workflow or derived from one, like all functions that take a context here.
func GetInfo(ctx Context) *Info {
	r := runOf(ctx)
	in := r.Info()
	info := &Info{
		WorkflowExecution:        Execution{in.WorkflowID, in.RunID},
		OriginalRunID:            in.OriginalRunID,
		FirstRunID:               in.FirstRunID,
		WorkflowType:             Type{in.WorkflowType},
		TaskQueueName:            in.TaskQueue,
		WorkflowExecutionTimeout: in.ExecutionTimeout,
		WorkflowRunTimeout:       in.RunTimeout,
		WorkflowTaskTimeout:      in.TaskTimeout,
		Namespace:                in.Namespace,
		Attempt:                  int32(in.Attempt),
		WorkflowStartTime:        in.StartTime,
		CronSchedule:             in.CronSchedule,
		ContinuedExecutionRunID:  in.ContinuedRunID,
		ParentWorkflowNamespace:  in.ParentNamespace,
		ParentWorkflowExecution:  (*Execution)(in.Parent),
		RootWorkflowExecution:    (*Execution)(in.Root),
		Priority:                 temporal.Priority{PriorityKey: in.Priority.Key, FairnessKey: in.Priority.FairnessKey, FairnessWeight: in.Priority.FairnessWeight},
		run:                      r,
	}
	for name, p := range r.Memo() {
		if info.Memo == nil {
			info.Memo = map[string]converter.EncodedValue{}
		}
		info.Memo[name] = converter.NewValue(p.Converter())
	}
	if p := in.RetryPolicy; p != nil {
		info.RetryPolicy = &temporal.RetryPolicy{
			InitialInterval:        p.InitialInterval,
			BackoffCoefficient:     p.BackoffCoefficient,
			MaximumInterval:        p.MaximumInterval,
			MaximumAttempts:        p.MaximumAttempts,
			NonRetryableErrorTypes: p.NonRetryableErrorTypes,
		}
	}
	return info
}

// HasLastCompletionResult tells whether an earlier run of a cron schedule left a result.
func HasLastCompletionResult(ctx Context) bool {
	last := runOf(ctx).Info().LastResult
	return last.Present()
}

// GetLastCompletionResult decodes the result of an earlier run of a cron schedule. It
// returns temporal.ErrNoData if there is none.
func GetLastCompletionResult(ctx Context, ptrs ...any) error {
	last := runOf(ctx).Info().LastResult
	if !last.Present() {
		return temporal.ErrNoData
	}
	return converter.NewValues(last.Converter()).Get(ptrs...)
}

// GetLastError returns why the run before failed; nil if it did not.
func GetLastError(ctx Context) error { return runOf(ctx).Info().LastFailure }

// Version is the version of a change, from 1 on.
type Version int

// DefaultVersion is the version before a change.
const DefaultVersion Version = -1

// Patched tells whether a change applies to this run: it does if the run has passed this
// point with the change in its code, or has not passed it yet.
func Patched(ctx Context, id string) bool {
	r := runOf(ctx)
	return r.Version("patch "+id, func() int {
		if r.Patched(id) {
			return 1
		}
		return 0
	}) == 1
}

// GetVersion returns which version of a change this run is to use: the highest for one
// that has not passed this point yet, and otherwise the one that it used then, or
// DefaultVersion if it has passed the point before there was any. It is the same in a run,
// whatever is asked for later. A version below minSupported fails the workflow task.
//
// Version 1 of a change is the patch changeID, and version n the patch changeID-n.
func GetVersion(ctx Context, changeID string, minSupported, maxSupported Version) Version {
	r := runOf(ctx)
	v := Version(r.Version(changeID, func() int {
		for v := maxSupported; v >= max(minSupported, 1); v-- {
			if r.Patched(patchOf(changeID, v)) {
				return int(v)
			}
		}
		return int(DefaultVersion)
	}))
	if v < minSupported || v > maxSupported {
		panic(versionError(changeID, v, minSupported, maxSupported))
	}
	return v
}
