package passthrough

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/wasmworker/wasmworker/abi"
)

// Call is the call of a guest that a [Func] serves.
type Call struct {
	Module   string // the activity module's name
	Activity string // the activity type
	Policy   any    // of the module, as NewPolicy makes them; see [PolicyOf]
	// Resources are what the activity has open, for [Call.Open]. With nil nothing can be
	// opened.
	Resources *Resources
}

// PolicyOf returns the policy of the activity module that calls. P is the type that
// the passthrough module's Policy points to. The value is shared: it must not be changed.
func PolicyOf[P any](call *Call) *P {
	p, ok := call.Policy.(*P)
	if !ok {
		return new(P) // a Func that is called without a host
	}
	return p
}

// Denial is the error of a call that the policy does not allow. A Func that returns one,
// or an error that wraps one, need do nothing else: the guest gets EACCES with the text,
// and the operator a log record and a metric.
type Denial struct {
	// Target is what the guest wanted to do or have, such as "GET
	// https://api.example.com/v1". It is shown to the operator: it must hold no secrets,
	// and of what the guest wrote no more than names the target.
	Target string
	// Reason says why not, and what in the policy would allow it.
	Reason string
}

// Deny makes a [*Denial].
func Deny(target, reason string, args ...any) error {
	return &Denial{Target: target, Reason: fmt.Sprintf(reason, args...)}
}

// Error says what was denied and why.
func (d *Denial) Error() string { return d.Target + " is denied: " + d.Reason }

// Unwrap returns EACCES.
func (d *Denial) Unwrap() error { return abi.EACCES }

// Resources are what an activity has open beyond a call: cursors, transactions, streams.
// The zero value is ready. Like the activity, it belongs to one goroutine at a time.
type Resources struct {
	open map[uint32]io.Closer
	last uint32
}

// Open gives a resource a handle, by which later calls of the same activity find it with
// [Resource]. It is closed by [CloseResource], or else when the activity ends, however it
// does: the latest first. Its Close must not take long, and must not need the context of
// the call, which has ended by then.
//
// The error is EMFILE when the activity has [abi.MaxHandles] open already. The resource
// is closed then.
func (c *Call) Open(resource io.Closer) (handle uint32, err error) {
	r := c.Resources
	if r == nil || len(r.open) >= abi.MaxHandles {
		resource.Close() //nolint:errcheck // the other error says more
		return 0, fmt.Errorf("%w: the activity has %d resources open: close those that are not needed", abi.EMFILE, abi.MaxHandles)
	}
	if r.open == nil {
		r.open = map[uint32]io.Closer{}
	}
	r.last++
	r.open[r.last] = resource
	return r.last, nil
}

// Resource returns the resource of a handle. EBADF: the activity has none of that handle
// and type.
func Resource[T io.Closer](call *Call, handle uint32) (T, error) {
	var none T
	r := call.Resources
	if r == nil {
		return none, badHandle(handle)
	}
	resource, ok := r.open[handle].(T)
	if !ok {
		return none, badHandle(handle)
	}
	return resource, nil
}

// CloseResource closes the resource of a handle, which is not valid any more then. EBADF:
// as for [Resource].
func CloseResource[T io.Closer](call *Call, handle uint32) error {
	resource, err := Resource[T](call, handle)
	if err != nil {
		return err
	}
	delete(call.Resources.open, handle)
	return resource.Close()
}

func badHandle(handle uint32) error {
	return fmt.Errorf("%w: there is no handle %d of that kind", abi.EBADF, handle)
}

// Close closes what is still open, the latest first. The host calls it when the activity
// has ended.
func (r *Resources) Close() error {
	var errs []error
	for len(r.open) > 0 {
		handles := make([]uint32, 0, len(r.open))
		for handle := range r.open {
			handles = append(handles, handle)
		}
		slices.Sort(handles)
		for _, handle := range slices.Backward(handles) {
			resource := r.open[handle]
			delete(r.open, handle)
			errs = append(errs, resource.Close())
		}
	}
	return errors.Join(errs...)
}
