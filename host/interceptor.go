package host

import (
	"context"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Interceptor wraps the activities of a worker's modules and their calls of passthrough
// modules, to record, trace or audit them. Temporal and the guest get the results that it
// returns. Its methods are called concurrently.
//
// Implementations embed [InterceptorBase], so that they compile when a method is added.
type Interceptor interface {
	// Execute wraps one attempt of an activity. Next runs the guest and blocks until it
	// has ended; its errors are those of [sandbox.Sandbox.Run]. Execute may wrap the
	// functions in the task. The context that it gives to next reaches the functions that
	// Passthrough returns.
	Execute(ctx context.Context, task sandbox.Task, next Execute) (*sandbox.Payload, error)
	// Passthrough returns the function to call in place of f, a function of a passthrough
	// module. It is called once for each function, when the plugin is made. Functions of
	// WASI, such as those for files, are not passed to it.
	Passthrough(m passthrough.Module, function string, f passthrough.Func) passthrough.Func
}

// Execute runs one attempt of an activity. It returns the result, or nil if there is
// none.
type Execute = func(ctx context.Context, task sandbox.Task) (*sandbox.Payload, error)

// InterceptorBase is an [Interceptor] that changes nothing.
type InterceptorBase struct{}

var _ Interceptor = InterceptorBase{}

// Execute implements [Interceptor].
func (InterceptorBase) Execute(ctx context.Context, task sandbox.Task, next Execute) (*sandbox.Payload, error) {
	return next(ctx, task)
}

// Passthrough implements [Interceptor].
func (InterceptorBase) Passthrough(_ passthrough.Module, _ string, f passthrough.Func) passthrough.Func {
	return f
}
