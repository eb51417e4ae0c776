// Package temporal holds the errors that an activity returns to say more than
// "failed", and a few types of activity.Info. Names and signatures are those of
// go.temporal.io/sdk/temporal.
//
// # How an error becomes a failure
//
//   - An *ApplicationError keeps its type, details, retry behavior and category.
//   - Any other error becomes a retryable failure whose type is the name of its Go
//     type (for *fs.PathError "PathError"); errors of errors.New have no type.
//   - The chain of errors.Unwrap becomes the chain of causes, at most 16 deep. Of an
//     error of several, as errors.Join makes them, the first becomes the cause. The
//     message lists the others, as far as it does not have their texts already: at most
//     10, each cut at 512 bytes, 4 KiB in a failure and its causes together, and then how
//     many more.
//   - A *CanceledError, or an error that is context.Canceled, becomes a
//     cancellation if the activity was asked to stop. See package activity for what
//     else may have ended a context.
package temporal

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/bridge"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/codec"
)

// ErrNoData means that there was nothing to decode: no details, no heartbeat of an
// attempt before, no result.
var ErrNoData = converter.ErrNoData

// ApplicationErrorCategory tells Temporal how to count and log an error.
type ApplicationErrorCategory int

const (
	// ApplicationErrorCategoryUnspecified is an ordinary error.
	ApplicationErrorCategoryUnspecified ApplicationErrorCategory = iota
	// ApplicationErrorCategoryBenign is an error that is part of normal work, and which
	// nobody needs to be alerted of.
	ApplicationErrorCategoryBenign
)

// ApplicationErrorOptions is everything that can be said about an
// ApplicationError. All fields are optional.
type ApplicationErrorOptions struct {
	// NonRetryable ends the activity, whatever its retry policy says.
	NonRetryable bool
	// Cause is the error behind this one.
	Cause error
	// Details are values for the workflow, encoded as JSON. A single
	// converter.EncodedValues stands for the values in it.
	Details []any
	// NextRetryDelay replaces the delay that the retry policy would give, in whole
	// milliseconds. Zero leaves it to the policy.
	NextRetryDelay time.Duration
	// Category tells Temporal how to count and log the error.
	Category ApplicationErrorCategory
}

// ApplicationError is an activity's failure with a type to tell it by, and details
// for the workflow.
type ApplicationError struct {
	msg     string
	errType string
	options ApplicationErrorOptions
	details converter.EncodedValues
}

// NewApplicationError returns a retryable *ApplicationError. A retry policy can
// name its type among those that it does not retry.
func NewApplicationError(msg, errType string, details ...any) error {
	return NewApplicationErrorWithOptions(msg, errType, ApplicationErrorOptions{Details: details})
}

// NewApplicationErrorWithCause returns a retryable *ApplicationError that wraps cause.
func NewApplicationErrorWithCause(msg, errType string, cause error, details ...any) error {
	return NewApplicationErrorWithOptions(msg, errType, ApplicationErrorOptions{Cause: cause, Details: details})
}

// NewNonRetryableApplicationError returns an *ApplicationError after which the
// activity is not tried again. The cause may be nil.
func NewNonRetryableApplicationError(msg, errType string, cause error, details ...any) error {
	return NewApplicationErrorWithOptions(msg, errType, ApplicationErrorOptions{NonRetryable: true, Cause: cause, Details: details})
}

// NewApplicationErrorWithOptions returns an *ApplicationError with all that options say.
func NewApplicationErrorWithOptions(msg, errType string, options ApplicationErrorOptions) error {
	return &ApplicationError{msg: msg, errType: errType, options: options, details: detailsOf(options.Details)}
}

// Error returns message, type, retry behavior and cause in one line.
func (e *ApplicationError) Error() string {
	msg := e.msg
	if e.errType != "" {
		msg = fmt.Sprintf("%s (type: %s, retryable: %t)", msg, e.errType, !e.options.NonRetryable)
	}
	if e.options.Cause != nil {
		msg = fmt.Sprintf("%s: %v", msg, e.options.Cause)
	}
	return msg
}

// Message returns the message alone.
func (e *ApplicationError) Message() string { return e.msg }

// Type returns the error's type, by which workflows and retry policies tell it.
func (e *ApplicationError) Type() string { return e.errType }

// HasDetails tells whether there are details.
func (e *ApplicationError) HasDetails() bool { return e.details.HasValues() }

// Details stores the details, in their order, into what the pointers point to. It
// returns ErrNoData if there are none.
func (e *ApplicationError) Details(d ...any) error { return e.details.Get(d...) }

// NonRetryable tells whether the activity is not to be tried again.
func (e *ApplicationError) NonRetryable() bool { return e.options.NonRetryable }

// Unwrap returns the cause.
func (e *ApplicationError) Unwrap() error { return e.options.Cause }

// NextRetryDelay returns the delay before the next attempt; zero leaves it to the
// retry policy.
func (e *ApplicationError) NextRetryDelay() time.Duration { return e.options.NextRetryDelay }

// Category returns how Temporal counts and logs the error.
func (e *ApplicationError) Category() ApplicationErrorCategory { return e.options.Category }

// CanceledErrorOptions is everything that can be said about a CanceledError. All
// fields are optional.
type CanceledErrorOptions struct {
	// Message is "canceled" if empty.
	Message string
	// Details are values for whoever asked for the cancellation. The guest contract
	// carries one payload: a single value travels as it is, several as a JSON array.
	Details []any
	// Cause is the error behind this one.
	Cause error
}

// CanceledError says that an activity stopped because it was asked to.
type CanceledError struct {
	msg     string
	cause   error
	details converter.EncodedValues
}

// NewCanceledError returns a *CanceledError. An activity returns it after it was
// asked to stop; without such a request it becomes a retryable failure.
//
// The details travel as one payload: a single value as it is, several as a JSON array.
func NewCanceledError(details ...any) error {
	return NewCanceledErrorWithOptions(CanceledErrorOptions{Details: details})
}

// NewCanceledErrorWithOptions returns a *CanceledError with all that options say.
func NewCanceledErrorWithOptions(options CanceledErrorOptions) error {
	if options.Message == "" {
		options.Message = "canceled"
	}
	return &CanceledError{msg: options.Message, cause: options.Cause, details: detailsOf(options.Details)}
}

// Error returns the message.
func (e *CanceledError) Error() string { return e.msg }

// Unwrap returns the cause.
func (e *CanceledError) Unwrap() error { return e.cause }

// HasDetails tells whether there are details.
func (e *CanceledError) HasDetails() bool { return e.details.HasValues() }

// Details stores the details, in their order, into what the pointers point to. It
// returns ErrNoData if there are none.
func (e *CanceledError) Details(d ...any) error { return e.details.Get(d...) }

// PanicError is what a test gets for an activity that panicked.
type PanicError struct {
	msg        string
	stackTrace string
}

// Error returns the panic's value as text.
func (e *PanicError) Error() string { return e.msg }

// StackTrace returns the stack at the panic, a few KiB of it at most.
func (e *PanicError) StackTrace() string { return e.stackTrace }

// IsApplicationError tells whether err is or wraps an *ApplicationError.
func IsApplicationError(err error) bool {
	var target *ApplicationError
	return errors.As(err, &target)
}

// IsCanceledError tells whether err is or wraps a *CanceledError.
func IsCanceledError(err error) bool {
	var target *CanceledError
	return errors.As(err, &target)
}

// IsPanicError tells whether err is or wraps a *PanicError.
func IsPanicError(err error) bool {
	var target *PanicError
	return errors.As(err, &target)
}

// plain are details as the activity gave them: Go values.
type plain []any

func detailsOf(details []any) converter.EncodedValues {
	if len(details) == 1 {
		if values, ok := details[0].(converter.EncodedValues); ok {
			return values
		}
	}
	return plain(details)
}

func (p plain) HasValues() bool { return len(p) > 0 }

func (p plain) Get(ptrs ...any) error {
	if len(p) == 0 {
		return ErrNoData
	}
	if len(ptrs) > len(p) {
		return fmt.Errorf("%d details were asked for, there are %d", len(ptrs), len(p))
	}
	for i, ptr := range ptrs {
		dst := reflect.ValueOf(ptr)
		if dst.Kind() != reflect.Pointer || dst.IsNil() {
			return fmt.Errorf("%T: %w", ptr, codec.ErrValuePtrIsNotPointer)
		}
		dst = dst.Elem()
		if src := reflect.ValueOf(p[i]); !src.IsValid() {
			dst.SetZero()
		} else if src.Type().AssignableTo(dst.Type()) {
			dst.Set(src)
		} else {
			return fmt.Errorf("detail %d is a %s, not a %s", i, src.Type(), dst.Type())
		}
	}
	return nil
}

func init() {
	bridge.NewPanicError = func(message, stackTrace string) error { return &PanicError{message, stackTrace} }
	bridge.Details = func(err error) []any {
		var values converter.EncodedValues
		switch err := err.(type) {
		case *ApplicationError:
			values = err.details
		case *CanceledError:
			values = err.details
		}
		if p, ok := values.(plain); ok {
			return p
		}
		return bridge.Spread(values)
	}
}
