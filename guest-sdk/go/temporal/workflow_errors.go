package temporal

import (
	"context"
	"errors"
	"fmt"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/enums"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/bridge"
)

// ActivityType is the type of an activity.
type ActivityType struct{ Name string }

// GetName returns the type's name; empty for nil.
func (t *ActivityType) GetName() string {
	if t == nil {
		return ""
	}
	return t.Name
}

// ActivityError is what a workflow gets of an activity that did not complete. Its cause
// tells why: an *ApplicationError, a *TimeoutError, a *CanceledError, and so on.
type ActivityError struct{ failure bridge.Failure }

// Error returns type, ID and cause in one line.
func (e *ActivityError) Error() string {
	return withCause(fmt.Sprintf("activity error (type: %s, activityID: %s)", e.failure.ActivityType, e.failure.ActivityID), e.failure.Cause)
}

// Unwrap returns the cause.
func (e *ActivityError) Unwrap() error { return e.failure.Cause }

// ActivityType returns the activity's type.
func (e *ActivityError) ActivityType() *ActivityType { return &ActivityType{e.failure.ActivityType} }

// ActivityID returns the activity's ID.
func (e *ActivityError) ActivityID() string { return e.failure.ActivityID }

// RetryState returns why there was no further attempt.
func (e *ActivityError) RetryState() enums.RetryState { return e.failure.RetryState }

// ChildWorkflowExecutionError is what a workflow gets of a child that did not complete.
// Its cause tells why.
type ChildWorkflowExecutionError struct{ failure bridge.Failure }

// Error returns type, IDs and cause in one line.
func (e *ChildWorkflowExecutionError) Error() string {
	f := &e.failure
	return withCause(fmt.Sprintf("child workflow execution error (type: %s, workflowID: %s, runID: %s)", f.WorkflowType, f.WorkflowID, f.RunID), f.Cause)
}

// Unwrap returns the cause.
func (e *ChildWorkflowExecutionError) Unwrap() error { return e.failure.Cause }

// Namespace returns the child's namespace, empty if it is that of its parent.
func (e *ChildWorkflowExecutionError) Namespace() string { return e.failure.Namespace }

// WorkflowID returns the child's ID.
func (e *ChildWorkflowExecutionError) WorkflowID() string { return e.failure.WorkflowID }

// RunID returns the child's run ID, empty if it did not start.
func (e *ChildWorkflowExecutionError) RunID() string { return e.failure.RunID }

// WorkflowType returns the child's type.
func (e *ChildWorkflowExecutionError) WorkflowType() string { return e.failure.WorkflowType }

// RetryState returns why there was no further run.
func (e *ChildWorkflowExecutionError) RetryState() enums.RetryState { return e.failure.RetryState }

// TimeoutError says that a timeout of an activity or a child workflow has passed.
type TimeoutError struct{ failure bridge.Failure }

// NewTimeoutError returns a *TimeoutError with details of the last heartbeat.
func NewTimeoutError(timeoutType enums.TimeoutType, lastErr error, details ...any) error {
	f := bridge.Failure{Kind: bridge.KindTimeout, TimeoutType: timeoutType, Cause: lastErr}
	for _, d := range details {
		p, err := converter.ToPayload(d)
		if err != nil {
			panic("temporal.NewTimeoutError: " + err.Error())
		}
		f.Details = append(f.Details, p)
	}
	return &TimeoutError{f}
}

// Error returns message, type and cause in one line.
func (e *TimeoutError) Error() string {
	return withCause(fmt.Sprintf("%s (type: %s)", e.failure.Message, e.failure.TimeoutType), e.failure.Cause)
}

// Message returns the message alone.
func (e *TimeoutError) Message() string { return e.failure.Message }

// Unwrap returns the cause: the failure of the last attempt, if there is one.
func (e *TimeoutError) Unwrap() error { return e.failure.Cause }

// TimeoutType returns which timeout has passed.
func (e *TimeoutError) TimeoutType() enums.TimeoutType { return e.failure.TimeoutType }

// HasLastHeartbeatDetails tells whether the last attempt has left heartbeat details.
func (e *TimeoutError) HasLastHeartbeatDetails() bool { return len(e.failure.Details) > 0 }

// LastHeartbeatDetails stores the details of the last heartbeat into what the pointers
// point to. It returns ErrNoData if there are none.
func (e *TimeoutError) LastHeartbeatDetails(d ...any) error {
	return converter.NewValues(e.failure.Details...).Get(d...)
}

// TerminatedError says that a workflow was terminated.
type TerminatedError struct{ failure bridge.Failure }

// Error returns "terminated".
func (e *TerminatedError) Error() string { return "terminated" }

// Unwrap returns the cause.
func (e *TerminatedError) Unwrap() error { return e.failure.Cause }

// ServerError is a failure that Temporal itself reports.
type ServerError struct{ failure bridge.Failure }

// Error returns message and cause in one line.
func (e *ServerError) Error() string { return withCause(e.failure.Message, e.failure.Cause) }

// Message returns the message alone.
func (e *ServerError) Message() string { return e.failure.Message }

// Unwrap returns the cause.
func (e *ServerError) Unwrap() error { return e.failure.Cause }

func withCause(message string, cause error) string {
	if cause == nil {
		return message
	}
	return fmt.Sprintf("%s: %v", message, cause)
}

// Is makes errors.Is(err, context.Canceled) true: what ends because its context was
// canceled can be told as everywhere in Go.
func (e *CanceledError) Is(target error) bool { return target == context.Canceled }

// IsTimeoutError tells whether err is or wraps a *TimeoutError.
func IsTimeoutError(err error) bool { return is[*TimeoutError](err) }

// IsTerminatedError tells whether err is or wraps a *TerminatedError.
func IsTerminatedError(err error) bool { return is[*TerminatedError](err) }

func is[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

func init() {
	bridge.NewError = newError
	bridge.FailureOf = func(err error) *bridge.Failure {
		switch e := err.(type) {
		case *ActivityError:
			return &e.failure
		case *ChildWorkflowExecutionError:
			return &e.failure
		case *TimeoutError:
			return &e.failure
		case *TerminatedError:
			return &e.failure
		case *ServerError:
			return &e.failure
		}
		return nil
	}
}

func newError(f *bridge.Failure) error {
	var details []any
	if len(f.Details) > 0 {
		details = []any{converter.NewValues(f.Details...)}
	}
	switch f.Kind {
	case bridge.KindActivity:
		return &ActivityError{*f}
	case bridge.KindChild:
		return &ChildWorkflowExecutionError{*f}
	case bridge.KindTimeout:
		return &TimeoutError{*f}
	case bridge.KindTerminated:
		return &TerminatedError{*f}
	case bridge.KindServer:
		return &ServerError{*f}
	case bridge.KindCanceled:
		return NewCanceledErrorWithOptions(CanceledErrorOptions{Message: f.Message, Details: details, Cause: f.Cause})
	}
	if f.Type == "PanicError" {
		return &PanicError{f.Message, f.StackTrace}
	}
	options := ApplicationErrorOptions{NonRetryable: f.NonRetryable, Cause: f.Cause, Details: details, NextRetryDelay: f.NextRetryDelay}
	if f.Benign {
		options.Category = ApplicationErrorCategoryBenign
	}
	return NewApplicationErrorWithOptions(f.Message, f.Type, options)
}
