package passthrough

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/wasmworker/wasmworker/abi"
)

// Call is a guest's call of a [Func].
type Call struct {
	Module   string // the activity module's name
	Activity string // the activity type
	Policy   any    // of the activity module, of the type that NewPolicy returns; see [PolicyOf]
	// Resources are what the activity has open, for [Call.Open]. If nil, nothing can be
	// opened.
	Resources *Resources
}

// PolicyOf returns the policy of the calling activity module. P is the type that the
// passthrough module's Policy points to. The result is never nil. Calls share it, so it
// must not be changed.
func PolicyOf[P any](call *Call) *P {
	p, ok := call.Policy.(*P)
	if !ok {
		return new(P) // the Func was called without a host
	}
	return p
}

// Denial is the error of a call that the policy does not allow. A Func returns one, or an
// error that wraps one. The host does the rest: the guest gets EACCES with the text, and
// the operator gets a log record and a metric.
type Denial struct {
	// Target is what the guest wanted to do or have, such as "GET
	// https://api.example.com/v1". The operator sees it. It must hold no secrets, and no
	// more of the guest's text than names the target.
	Target string
	// Reason says why the call is denied, and which change of the policy would allow it.
	Reason string
}

// Deny returns a [*Denial]. Reason is a format for args.
func Deny(target, reason string, args ...any) error {
	return &Denial{Target: target, Reason: fmt.Sprintf(reason, args...)}
}

// Error says what was denied and why.
func (d *Denial) Error() string { return d.Target + " is denied: " + d.Reason }

// Unwrap returns EACCES.
func (d *Denial) Unwrap() error { return abi.EACCES }

// Resources are what an activity keeps open between calls: cursors, transactions,
// streams. The zero value is ready to use. Only one goroutine at a time may use it.
type Resources struct {
	open map[uint32]io.Closer
	last uint32
}

// Open gives a resource a handle. Later calls of the same activity find the resource with
// [Resource]. [CloseResource] closes it; otherwise the host closes it when the activity
// ends, the latest resource first. Its Close must return soon, and must not use the
// context of the call, which has ended by then.
//
// If the activity has [abi.MaxHandles] resources open, Open closes the resource and
// returns EMFILE.
func (c *Call) Open(resource io.Closer) (handle uint32, err error) {
	r := c.Resources
	if r == nil || len(r.open) >= abi.MaxHandles {
		resource.Close() //nolint:errcheck // EMFILE is the error to report
		return 0, fmt.Errorf("%w: the activity has %d resources open: close those that are not needed", abi.EMFILE, abi.MaxHandles)
	}
	if r.open == nil {
		r.open = map[uint32]io.Closer{}
	}
	r.last++
	r.open[r.last] = resource
	return r.last, nil
}

// Resource returns the resource of a handle. The error is EBADF if the activity has no
// resource of that handle and type.
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

// CloseResource closes the resource of a handle. The handle is not valid afterward. The
// error is EBADF if the activity has no resource of that handle and type, or else that of
// the resource's Close.
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

// Close closes all resources that are still open, the latest first, and joins their
// errors. The host calls it when the activity has ended.
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
