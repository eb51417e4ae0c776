package host

import (
	"context"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Interceptor stands around what the modules do in a worker: to record it, to trace it,
// to audit it. What it returns is what Temporal or the guest gets. Its methods are called
// concurrently.
//
// Implementations embed [InterceptorBase], so that they compile when a method is added.
type Interceptor interface {
	// Execute is around each attempt of an activity. Next runs the guest, and blocks
	// until it has ended; errors are those of [sandbox.Sandbox.Run]. The functions in the
	// task may be wrapped. The functions that Passthrough returns get the context that
	// next was given.
	Execute(ctx context.Context, task sandbox.Task, next Execute) (*sandbox.Payload, error)
	// Passthrough returns what is called in place of a function of a passthrough module.
	// It is asked once for each. Files and other functions of WASI are not among them.
	Passthrough(m passthrough.Module, function string, f passthrough.Func) passthrough.Func
}

// Execute runs an attempt of an activity. It returns its result, which is nil for none.
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
