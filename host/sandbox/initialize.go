package sandbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/meter"
)

// initialization is what the code of a module does while an instance is made. It has
// limits of its own, see [Options.InitializeTimeout].
type initialization struct {
	meter *meter.Meter
	used  int64 // units of the runs that have ended
	limit int64 // of all of them
}

// initializationError is the error for an instance whose initialization has failed.
type initializationError struct {
	error
	fuel int64 // what it took
	// failure is the type of the failure where it was a limit; empty: something else.
	failure string
}

func (e *initializationError) Unwrap() error { return e.error }

// run runs a part of the initialization.
func (i *initialization) run(ctx context.Context, f func(context.Context) error) error {
	used, err := i.meter.Run(ctx, i.limit-i.used, f)
	i.used += used
	return err
}

// soFar is the number of units, also while something runs.
func (i *initialization) soFar() int64 { return i.used + i.meter.Used() }

// failed says why there is no instance. The context is that of the initialization, which
// has ended if its time is over.
func (i *initialization) failed(ctx context.Context, o *Options, err error) error {
	e := &initializationError{error: err, fuel: i.used}
	timeout := errors.Is(context.Cause(ctx), errInitializeTimedOut)
	switch {
	case timeout:
		e.failure = abi.TypeTimedOut
		e.error = fmt.Errorf("its start function or _initialize did not return within %s; raise its initialize timeout if it is to be trusted", o.InitializeTimeout)
	case errors.Is(err, meter.ErrOutOfFuel):
		e.failure = abi.TypeOutOfFuel
		e.error = fmt.Errorf("its start function or _initialize needs more than %d units of fuel; raise its limit of them for initialization if it is to be trusted", o.MaxInitializeFuel)
	}
	return e
}

// errInitializeTimedOut ends the context of an initialization that takes too long.
var errInitializeTimedOut = errors.New("the module's initialize timeout")
