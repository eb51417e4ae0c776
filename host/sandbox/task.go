package sandbox

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// Task is one activity to run.
type Task struct {
	// Activity is the activity type.
	Activity string
	// Args are the arguments. They are not changed.
	Args []Payload
	// Info is what the guest is told about the attempt.
	Info abi.Info
	// Details are the payloads of the last heartbeat of the attempt before.
	Details []Payload
	// Heartbeat sends a heartbeat. The slice is the callee's. It may block, but not
	// for long after the context that Run was given ended. Nil: heartbeats go nowhere.
	Heartbeat func(ctx context.Context, details []Payload) error
	// MaxFuel is the most units of fuel that this attempt may use, where it is to be less
	// or more than the module's [Options.MaxFuel]. 0: the module's.
	MaxFuel int64
	// Flags returns what has been asked of the guest so far. It is called often,
	// from the guest's goroutine. Nil: nothing ever is.
	Flags func(context.Context) abi.Flags
	// PayloadLimit is the most bytes that the Temporal server takes of a result or a
	// heartbeat's details, as [Size] counts them. It counts where it is less than the
	// module's [Options.MaxOutput]. 0: that alone counts.
	PayloadLimit int
	// Usage is filled in by Run with what the activity has used. Nil: nobody wants to
	// know.
	Usage *Usage
	// Denied is told what a policy denied the guest, from the guest's goroutine, and
	// after it was logged. Nil: nobody wants to know.
	Denied func(capability string, denial *passthrough.Denial)
	// Log gets what the guest logs. Nil: nothing is logged.
	Log func(ctx context.Context, level slog.Level, message string, attrs []slog.Attr)
}

// Usage is what an activity has used.
type Usage struct {
	// Units of computation, about an instruction each: the same work takes the same
	// number on every machine. What the host does for the guest is not counted.
	Fuel int64
	// InitializeFuel is what the initialization of the instance took, where one was made
	// for the activity, also in vain: its start function and, unless it begins with the
	// module's image, its _initialize.
	InitializeFuel int64
	// Memory in bytes that the instance had in the end, which is when it has most.
	Memory uint64
	// Instance is where the instance came from. Empty if there was none.
	Instance Origin
	// Wait is how long the activity waited for its instance, or for none: for a slot, for
	// memory, and until it was made.
	Wait time.Duration
}

// logTo makes a Task.Log of a logger.
func logTo(logger *slog.Logger) func(context.Context, slog.Level, string, []slog.Attr) {
	return func(ctx context.Context, level slog.Level, message string, attrs []slog.Attr) {
		logger.LogAttrs(ctx, level, message, attrs...)
	}
}

// CanceledError is returned by [Sandbox.Run] when a guest stopped because it was asked
// to.
type CanceledError struct {
	// Details is what the guest had written as output, nil for nothing.
	Details *Payload
}

// Error implements error.
func (e *CanceledError) Error() string { return "the activity was canceled" }

// InterruptedError is returned by [Sandbox.Run] when its context ended before the guest
// did.
type InterruptedError struct {
	// Cause is the context's cause.
	Cause error
}

// Error says why.
func (e *InterruptedError) Error() string {
	return fmt.Sprintf("the activity was interrupted: %v", e.Cause)
}

// Unwrap returns the context's cause.
func (e *InterruptedError) Unwrap() error { return e.Cause }
