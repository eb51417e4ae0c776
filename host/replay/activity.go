package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/inject"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Activity is one attempt to run.
type Activity struct {
	// Type is the activity type. Required.
	Type string
	// Args are the arguments: a [sandbox.Payload] as it is, []byte as binary/plain, nil
	// as binary/null, and anything else as JSON.
	Args []any
	// Info is what the guest is told about the attempt. Default: [Env.DefaultInfo].
	Info *abi.Info
	// Details are those of the last heartbeat of the attempt before. Forms as of Args.
	Details []any
	// Files are what the guest finds in the directories of [Options.Mounts]: contents by
	// absolute paths. A path that ends with a slash is a directory, and has no content;
	// directories of files need not be named. They are copies in temporary directories,
	// which this attempt has for itself. Default: none.
	Files map[string][]byte
	// Answer answers a call of a passthrough module, in place of those in Options. An
	// error is the guest's, as that of a [passthrough.Func]. Returning [ErrUnanswered]
	// leaves the call to the module. Default: none.
	Answer func(ctx context.Context, call Call) ([]byte, error)
	// Cancel says when the guest is asked to end, and Flags how. It is told by its next
	// look at the flags.
	Cancel Trigger
	// Flags is what the guest is asked. Default [abi.FlagCancelRequested].
	Flags abi.Flags
	// Kill ends the instance after so many units of fuel, as the death of the worker
	// would. 0: not.
	Kill int64
	// RefuseMemory is from which request for more memory on the guest gets none, as if
	// the machine had none left. 0: it gets what it may have.
	RefuseMemory int
	// Heartbeat is told of each heartbeat while it is made: [FuelUsed] says where the
	// activity is, and [Advance] lets time pass. Its error is the guest's. Default: none.
	Heartbeat func(ctx context.Context, details []sandbox.Payload) error
	// Changed is told of each change of a file or a directory, as Heartbeat is of
	// heartbeats. Default: none.
	Changed func(context.Context)
	// Faults befall calls of passthrough modules.
	Faults []Fault
	// Timeout is how long the activity may go on, by the machine's clock. Default
	// [DefaultTimeout].
	Timeout time.Duration
}

// Trigger is a moment in an activity's life: whichever of its fields that are set comes
// first.
type Trigger struct {
	Heartbeats int   // after so many heartbeats
	Fuel       int64 // after so many units of fuel
	Calls      int   // after so many calls of passthrough modules
}

// Fault is what befalls a call of a passthrough module.
type Fault struct {
	// Call is the number of the call in the activity, the first being 1. 0: every call.
	Call int
	// Err is what the guest gets in place of the answer. The call has not been made.
	Err error
	// Lost makes the call and keeps the answer from the guest, which gets Err.
	Lost bool
	// Response is what the guest gets in place of the answer: garbage. The call has been
	// made.
	Response []byte
	// Delay is how long the call takes, by the guest's clock.
	Delay time.Duration
}

// Call is a call of a passthrough module.
type Call struct {
	Module   string // import name: wasmworker:http/v1
	Function string
	Request  []byte
	Response []byte
	Err      *CallError // nil: the guest got the response
}

// CallError is an error of a passthrough module, as the guest gets it.
type CallError struct {
	Errno   abi.Errno
	Message string
}

// Error implements error.
func (e *CallError) Error() string { return e.Message }

// Unwrap returns the errno.
func (e *CallError) Unwrap() error { return e.Errno }

// ErrUnanswered is what [Activity.Answer] returns for calls that are the module's to
// answer.
var ErrUnanswered = errors.New("unanswered")

// FuelUsed returns how much fuel the activity has used so far, from the context of a
// function of an [Activity] or of a passthrough module, while that runs. 0: the context
// is of none.
func FuelUsed(ctx context.Context) int64 { return inject.FuelUsed(ctx) }

// Advance advances the activity's clock as if the function had taken so long. The context
// is as for [FuelUsed]. Where the clock is the machine's, as in a worker, it does
// nothing.
func Advance(ctx context.Context, d time.Duration) { inject.Advance(ctx, d) }

func payloads(values []any) []sandbox.Payload {
	var all []sandbox.Payload
	for _, v := range values {
		all = append(all, NewPayload(v))
	}
	return all
}

// NewPayload makes a payload: a [sandbox.Payload] as it is, []byte as binary/plain, nil
// as binary/null, and anything else as JSON. It panics if that cannot be JSON.
func NewPayload(value any) sandbox.Payload {
	switch v := value.(type) {
	case sandbox.Payload:
		return v
	case []byte:
		return sandbox.NewPayload(abi.EncodingBinary, v)
	case nil:
		return sandbox.NewPayload(abi.EncodingNull, nil)
	}
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("replay: an argument cannot be JSON: %v", err))
	}
	return sandbox.NewPayload(abi.EncodingJSON, data)
}
