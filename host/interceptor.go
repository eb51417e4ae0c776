package host

import (
	"context"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Interceptor stands around what the modules do in a worker: to record it, as hosttest's Recorder does, to trace it, to audit it.
// What it returns is what Temporal or the guest gets. Its methods are called concurrently.
type Interceptor interface {
	// Execute is around each attempt of an activity. Next runs the guest, and blocks until it has ended; errors are those of
	// [sandbox.Sandbox.Run]. The functions in the task may be wrapped. What is in the context gets to the functions that
	// Passthrough returns.
	Execute(ctx context.Context, task sandbox.Task, next func(context.Context, sandbox.Task) (*sandbox.Payload, error)) (*sandbox.Payload, error)
	// Passthrough returns what is called in place of a function of a passthrough module. It is asked once for each. Files and
	// other functions of WASI are none.
	Passthrough(m passthrough.Module, function string, f passthrough.Func) passthrough.Func
}
