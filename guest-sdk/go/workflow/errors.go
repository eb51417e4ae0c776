package workflow

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/flow"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

func patchOf(changeID string, v Version) string {
	if v <= 1 {
		return changeID
	}
	return changeID + "-" + strconv.Itoa(int(v))
}

func versionError(changeID string, v, least, most Version) string {
	return fmt.Sprintf("workflow.GetVersion: the run uses version %d of the change %q, and this code supports %d to %d", v, changeID, least, most)
}

// ContinueAsNewError ends a workflow and begins a new run of it.
type ContinueAsNewError struct {
	// WorkflowType is the type of the new run, nil for that of this one.
	WorkflowType *Type
	// TaskQueueName is the task queue, empty for that of this run.
	TaskQueueName string
	// WorkflowRunTimeout limits the new run, zero for the limit of this one.
	WorkflowRunTimeout time.Duration
	// WorkflowTaskTimeout limits a workflow task, zero for the limit of this run.
	WorkflowTaskTimeout time.Duration
	// RetryPolicy is the retry policy, nil for that of this run.
	RetryPolicy *temporal.RetryPolicy

	args []flow.Payload
}

// ContinueAsNewErrorOptions are options of [NewContinueAsNewErrorWithOptions].
type ContinueAsNewErrorOptions struct {
	// RetryPolicy is the retry policy, nil for that of this run.
	RetryPolicy *temporal.RetryPolicy
}

// NewContinueAsNewError returns the error that a workflow returns to begin anew, as the
// workflow of that type, or of the function's name. It has the task queue and the timeouts
// that [WithWorkflowTaskQueue] and its like have given to ctx. An argument that cannot be
// encoded is an error of another type.
func NewContinueAsNewError(ctx Context, wfn any, args ...any) error {
	return NewContinueAsNewErrorWithOptions(ctx, ContinueAsNewErrorOptions{}, wfn, args...)
}

// NewContinueAsNewErrorWithOptions is NewContinueAsNewError with options.
func NewContinueAsNewErrorWithOptions(ctx Context, options ContinueAsNewErrorOptions, wfn any, args ...any) error {
	r := runOf(ctx)
	name, err := flow.FunctionName(wfn)
	var payloads []flow.Payload
	if err == nil {
		payloads, err = flow.EncodeAll(args)
	}
	if err != nil {
		return fmt.Errorf("workflow.NewContinueAsNewError: %w", err)
	}
	o := GetChildWorkflowOptions(ctx)
	e := &ContinueAsNewError{
		TaskQueueName:       o.TaskQueue,
		WorkflowRunTimeout:  o.WorkflowRunTimeout,
		WorkflowTaskTimeout: o.WorkflowTaskTimeout,
		RetryPolicy:         options.RetryPolicy,
		args:                payloads,
	}
	if !r.Is(wfn) && name != r.Info().WorkflowType {
		e.WorkflowType = &Type{name}
	}
	return e
}

// Error returns "continue as new".
func (e *ContinueAsNewError) Error() string { return "continue as new" }

// WriteCommand is for the SDK.
func (e *ContinueAsNewError) WriteCommand(w *flow.Writer) {
	if e.WorkflowType != nil {
		w.Text("type", e.WorkflowType.Name)
	}
	w.Payloads("args", e.args)
	w.Object("options", func(w *flow.Writer) {
		w.Text("task_queue", e.TaskQueueName)
		w.Milliseconds("run_timeout_ms", e.WorkflowRunTimeout)
		w.Milliseconds("task_timeout_ms", e.WorkflowTaskTimeout)
		writeRetryPolicy(w, e.RetryPolicy)
	})
}

// IsContinueAsNewError tells whether err is or wraps a *ContinueAsNewError.
func IsContinueAsNewError(err error) bool {
	var target *ContinueAsNewError
	return errors.As(err, &target)
}

// SideEffect calls f and returns what it returns. Here everything that a workflow can do
// is the same in a replay, so that nothing is recorded: this is for code that was written
// for Temporal's Go SDK. A value that cannot be encoded is a panic.
func SideEffect(ctx Context, f func(ctx Context) any) converter.EncodedValue {
	p, err := converter.ToPayload(f(ctx))
	if err != nil {
		panic("workflow.SideEffect: " + err.Error())
	}
	return converter.NewValue(p)
}

// MutableSideEffect is SideEffect.
func MutableSideEffect(ctx Context, id string, f func(ctx Context) any, equals func(a, b any) bool) converter.EncodedValue {
	return SideEffect(ctx, f)
}
