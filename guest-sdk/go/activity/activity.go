package activity

import (
	"context"
	"log/slog"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/abi"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/task"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// Why the context of an activity has ended, as context.Cause returns it. The
// package comment lists all causes.
var (
	// ErrActivityPaused means that an operator paused the activity.
	ErrActivityPaused = task.ErrPaused
	// ErrActivityReset means that an operator reset the activity: its next attempt
	// begins anew.
	ErrActivityReset = task.ErrReset
	// ErrActivityGone means that Temporal does not wait for this attempt any more,
	// because it has timed out or its workflow has ended. Whatever it returns is dropped.
	ErrActivityGone = task.ErrGone
	// ErrWorkerShutdown means that the worker is shutting down. (The Temporal SDK has
	// this one in its package worker.)
	ErrWorkerShutdown = task.ErrWorkerShutdown
)

// Run runs fn as the activity that the host has just called, and returns the status
// for the host. It belongs into an exported function and nowhere else:
//
//	//go:wasmexport Greet
//	func greet() int32 { return activity.Run(Greet) }
//
// The package comment says what fn may be. Anything else is a failure of type
// InvalidActivity. Run returns when fn has, and panics outside a WebAssembly host;
// tests use package testsuite.
func Run(fn any) int32 {
	h := host.Current()
	if h == nil {
		panic("activity.Run: this is not a WebAssembly module under wasmworker; tests run activities by package testsuite")
	}
	return task.Run(h, fn)
}

// Prepare makes the first call of each of the functions faster, by doing what is
// the same in every first call now. Called from an init function, its work becomes
// a part of the instance that the host makes copies of:
//
//	func init() { activity.Prepare(Greet) }
//
// It is never needed, but without it the first call of a small activity takes five
// to ten times as long, and with pristine instances every call is a first call. It
// calls no activity: it rehearses calls of functions of the same types, with zero
// values for arguments and results, which are decoded and encoded. Prepare panics if
// a function cannot be an activity.
func Prepare(fns ...any) {
	if err := task.Prepare(fns...); err != nil {
		panic("activity.Prepare: " + err.Error())
	}
}

// Type is the type of an activity or a workflow.
type Type struct {
	Name string
}

// WorkflowExecution identifies a run of a workflow.
type WorkflowExecution struct {
	ID    string
	RunID string
}

// Info is what is known about the attempt of an activity that is running.
type Info struct {
	// WorkflowType is the type of the workflow that started the activity, nil for a
	// standalone activity.
	WorkflowType *Type
	// WorkflowNamespace is Namespace for an activity of a workflow, and empty for a
	// standalone one.
	//
	// Deprecated: use Namespace.
	WorkflowNamespace string
	// WorkflowExecution is the workflow that started the activity, empty for a
	// standalone activity.
	WorkflowExecution WorkflowExecution
	// ActivityID is the activity's ID.
	ActivityID string
	// ActivityRunID is the run ID of a standalone activity, and empty otherwise.
	ActivityRunID string
	// ActivityType is the activity's type.
	ActivityType Type
	// TaskQueue is the task queue that the activity came from.
	TaskQueue string
	// Namespace is the activity's namespace.
	Namespace string
	// HeartbeatTimeout is the longest time between two heartbeats, zero for no limit.
	HeartbeatTimeout time.Duration
	// ScheduleToCloseTimeout limits all attempts together, zero for no limit.
	ScheduleToCloseTimeout time.Duration
	// StartToCloseTimeout limits this attempt, zero for no limit.
	StartToCloseTimeout time.Duration
	// ScheduledTime is when the activity was scheduled.
	ScheduledTime time.Time
	// StartedTime is when this attempt started.
	StartedTime time.Time
	// Deadline is when this attempt times out, zero for never.
	Deadline time.Time
	// Attempt is 1 for the first attempt, 2 for the next.
	Attempt int32
	// IsLocalActivity is true for a local activity.
	IsLocalActivity bool
	// Priority is the activity's priority, zero if the server did not send one.
	Priority temporal.Priority
	// RetryPolicy is the activity's retry policy, nil if the server did not send one.
	RetryPolicy *temporal.RetryPolicy
}

// IsWorkflowActivity tells whether a workflow started the activity.
func (i Info) IsWorkflowActivity() bool { return i.WorkflowExecution.ID != "" }

// GetInfo returns what is known about the attempt. It panics if ctx is not the
// context of an activity or derived from one, like all functions that take a
// context here but IsActivity.
func GetInfo(ctx context.Context) Info {
	in := taskOf(ctx).Info()
	info := Info{
		WorkflowExecution:      WorkflowExecution{ID: in.WorkflowID, RunID: in.WorkflowRunID},
		ActivityID:             in.ActivityID,
		ActivityRunID:          in.ActivityRunID,
		ActivityType:           Type{in.ActivityType},
		TaskQueue:              in.TaskQueue,
		Namespace:              in.Namespace,
		HeartbeatTimeout:       time.Duration(in.HeartbeatTimeout),
		ScheduleToCloseTimeout: time.Duration(in.ScheduleToCloseTimeout),
		StartToCloseTimeout:    time.Duration(in.StartToCloseTimeout),
		ScheduledTime:          in.ScheduledTime,
		StartedTime:            in.StartedTime,
		Deadline:               in.Deadline,
		Attempt:                in.Attempt,
		IsLocalActivity:        in.IsLocalActivity,
	}
	if in.WorkflowID != "" {
		info.WorkflowType = &Type{in.WorkflowType}
		info.WorkflowNamespace = in.Namespace
	}
	if p := in.Priority; p != nil {
		info.Priority = temporal.Priority(*p)
	}
	if p := in.RetryPolicy; p != nil {
		info.RetryPolicy = &temporal.RetryPolicy{
			InitialInterval:        time.Duration(p.InitialInterval),
			BackoffCoefficient:     p.BackoffCoefficient,
			MaximumInterval:        time.Duration(p.MaximumInterval),
			MaximumAttempts:        p.MaximumAttempts,
			NonRetryableErrorTypes: p.NonRetryableErrorTypes,
		}
	}
	return info
}

// RecordHeartbeat tells Temporal that the activity is alive, and how far it has come: the
// next attempt gets the details from GetHeartbeatDetails. Without details it only tells
// that it is alive. The host throttles what it sends, so call it as often as is
// convenient. From the first call on, Info.HeartbeatTimeout is the activity's to keep;
// before that, the host heartbeats for it.
//
// If the activity has been asked to stop, ctx has ended when RecordHeartbeat
// returns. It does not wait for Temporal, but gives other goroutines and timers
// their turn.
//
// It panics if a detail cannot be encoded, or if the details are too long together (2 MiB
// by default).
func RecordHeartbeat(ctx context.Context, details ...any) {
	taskOf(ctx).Heartbeat(details)
}

// HasHeartbeatDetails tells whether an earlier attempt has left heartbeat details.
func HasHeartbeatDetails(ctx context.Context) bool {
	return taskOf(ctx).HasDetails()
}

// GetHeartbeatDetails decodes the details of the last heartbeat of an earlier
// attempt into what the pointers point to. Details beyond the pointers are ignored,
// and pointers beyond the details left alone. It returns temporal.ErrNoData if
// there are none.
//
// Details that cannot be decoded, which another version of the activity may have left,
// are a *temporal.ApplicationError of type InvalidInput, not retryable, that wraps an
// error of package converter. A *converter.RawValue takes a detail of any encoding.
func GetHeartbeatDetails(ctx context.Context, ptrs ...any) error {
	payloads, err := taskOf(ctx).Details()
	if err != nil {
		return err
	}
	err = converter.NewValues(payloads...).Get(ptrs...)
	if err == nil || err == converter.ErrNoData {
		return err
	}
	return temporal.NewNonRetryableApplicationError("heartbeat details: "+err.Error(), abi.TypeInvalidInput, err)
}

// GetLogger returns a logger that writes to the host's log. The host chooses the
// level, and adds the module and the activity to each record. Attributes travel
// as JSON: durations and times as text, values that are not JSON by their %+v.
func GetLogger(ctx context.Context) *slog.Logger {
	return taskOf(ctx).Logger()
}

// GetWorkerStopChannel returns a channel that is closed when the worker begins to
// shut down. The attempt may then go on for as long as the operator's graceful
// timeout. The activity's context ends at the same time, see the package comment.
func GetWorkerStopChannel(ctx context.Context) <-chan struct{} {
	return taskOf(ctx).WorkerStop()
}

// IsActivity tells whether ctx is the context of an activity, or derived from one.
func IsActivity(ctx context.Context) bool { return task.FromContext(ctx) != nil }

func taskOf(ctx context.Context) *task.Task {
	t := task.FromContext(ctx)
	if t == nil {
		panic("the context is not one of an activity")
	}
	return t
}
