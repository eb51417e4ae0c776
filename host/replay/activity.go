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

// Activity describes one attempt of an activity. Fields but Type may be zero.
type Activity struct {
	// Type is the activity type. Required.
	Type string
	// Args are the arguments. A [sandbox.Payload] is passed as it is, []byte becomes
	// binary/plain, nil becomes binary/null, and any other value becomes JSON.
	Args []any
	// Info is the information that the guest gets about the attempt. Default:
	// [Env.DefaultInfo].
	Info *abi.Info
	// Details are the heartbeat details of the attempt before, in the forms of Args.
	// Default: none.
	Details []any
	// Files are the contents of the directories of [Options.Mounts], by absolute paths. A
	// path that ends with a slash is a directory and has no content. The directories of a
	// file need not be listed. The attempt gets copies in temporary directories of its
	// own. Default: none.
	Files map[string][]byte
	// Answer answers a call of a passthrough module, in place of the modules in Options.
	// The guest gets its error, as it gets that of a [passthrough.Func]. If the error is
	// [ErrUnanswered], the module answers the call. Default: the module answers.
	Answer func(ctx context.Context, call Call) ([]byte, error)
	// Cancel says when the guest is asked to end. Flags says how. The guest learns of it
	// at its next look at the flags. Default: never.
	Cancel Trigger
	// Flags are the flags that the guest finds from then on. Default
	// [abi.FlagCancelRequested].
	Flags abi.Flags
	// Kill ends the instance after this many units of fuel, as the death of the worker
	// would. 0 never ends it.
	Kill int64
	// RefuseMemory is the number of the first request for more memory that is refused, as
	// if the machine had none left. Later requests are refused too. 0 refuses none within
	// the module's limit.
	RefuseMemory int
	// Heartbeat is called during each heartbeat. Within it, [FuelUsed] says how far the
	// activity is, and [Advance] lets time pass. The guest gets its error. Default: none.
	Heartbeat func(ctx context.Context, details []sandbox.Payload) error
	// Changed is called at each change of a file or directory. Within it, [FuelUsed] and
	// [Advance] work as in Heartbeat. Default: none.
	Changed func(context.Context)
	// Faults are injected into calls of passthrough modules. Default: none.
	Faults []Fault
	// Timeout is how long the activity may run, by the machine's clock. Then it is
	// interrupted. Default [DefaultTimeout].
	Timeout time.Duration
}

// Trigger is a moment in an activity's run. Of the fields that are set, the one that is
// reached first counts.
type Trigger struct {
	Heartbeats int   // after this many heartbeats
	Fuel       int64 // after this many units of fuel
	Calls      int   // after this many calls of passthrough modules
}

// Fault changes a call of a passthrough module.
type Fault struct {
	// Call is the number of the call in the activity, from 1. 0 means every call.
	Call int
	// Err is the error that the guest gets in place of the answer. The call is not made,
	// unless Lost is set.
	Err error
	// Lost makes the call and drops its answer; the guest gets Err. It needs Err.
	Lost bool
	// Response is the response that the guest gets in place of the answer, for example
	// garbage. The call is made. Err takes precedence.
	Response []byte
	// Delay is added to the time that the call takes, by the guest's clock.
	Delay time.Duration
}

// Call is a call of a passthrough module.
type Call struct {
	Module   string // import name: wasmworker:http/v1
	Function string
	Request  []byte
	Response []byte
	Err      *CallError // nil if the guest got the response
}

// CallError is an error of a passthrough module in the form in which the guest gets it.
type CallError struct {
	Errno   abi.Errno
	Message string
}

// Error implements error.
func (e *CallError) Error() string { return e.Message }

// Unwrap returns the errno.
func (e *CallError) Unwrap() error { return e.Errno }

// ErrUnanswered is returned by [Activity.Answer] for calls that it leaves to the module.
var ErrUnanswered = errors.New("unanswered")

// FuelUsed returns how many units of fuel the activity has used so far. The context is
// that of a running function of an [Activity] or of a passthrough module. For any other
// context it returns 0.
func FuelUsed(ctx context.Context) int64 { return inject.FuelUsed(ctx) }

// Advance advances the activity's clock by d. The context is as for [FuelUsed]. It does
// nothing if the clock is the machine's, as in a worker.
func Advance(ctx context.Context, d time.Duration) { inject.Advance(ctx, d) }

func payloads(values []any) []sandbox.Payload {
	var all []sandbox.Payload
	for _, v := range values {
		all = append(all, NewPayload(v))
	}
	return all
}

// NewPayload makes a payload. A [sandbox.Payload] is returned as it is, []byte becomes
// binary/plain, nil becomes binary/null, and any other value becomes JSON. It panics if
// the value cannot be encoded as JSON.
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
