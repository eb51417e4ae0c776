// Package activity is what an activity in a WebAssembly module uses to run under
// wasmworker. It has the names of go.temporal.io/sdk/activity.
//
// # Writing an activity
//
// An activity is a function, and one exported line that runs it:
//
//	//go:wasmexport Greet
//	func greet() int32 { return activity.Run(Greet) }
//
//	func Greet(ctx context.Context, name string) (string, error) {
//		return "Hello, " + name + "!", nil
//	}
//
//	func main() {} // required, never called
//
// The exported name is the Temporal activity type. The function takes an optional
// [context.Context] and any number of arguments, and returns error or (T, error).
// Arguments and results are converted as package converter describes. An argument
// that was not given is the zero value, and arguments beyond the parameters are
// ignored. A last parameter of ...T takes all arguments that are left, and so does
// []converter.RawValue.
//
// Build it as a reactor:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags='-s -w' -o greet.wasm .
//
// Other builds ignore the directive, so the package can be tested natively by
// go test; see package testsuite.
//
// # The context
//
// The context of an activity ends, with [context.Canceled], when it has been asked
// to stop, and with [context.DeadlineExceeded] at Info.Deadline. [context.Cause]
// tells why:
//
//	a *temporal.CanceledError    somebody asked Temporal to cancel the activity
//	ErrActivityPaused            an operator paused it
//	ErrActivityReset             an operator reset it
//	ErrActivityGone              Temporal does not wait for this attempt any more
//	ErrWorkerShutdown            the worker is shutting down
//	context.DeadlineExceeded     Info.Deadline has passed
//	context.Canceled             the activity has returned
//
// What an activity returns then:
//
//   - ctx.Err(), or a *temporal.CanceledError with details, after the first four: the
//     activity is canceled. The host interrupts an activity that goes on for
//     longer than the operator's grace period.
//   - ctx.Err() after the worker began to shut down: a retryable failure of type
//     WorkerShutdown, so that Temporal hands the activity to another worker. So does a
//     *temporal.CanceledError, with its details.
//   - a result: the activity is completed. Nobody has to stop.
//
// The last point matters at shutdown, where wasmworker differs from Temporal's Go SDK:
// there, contexts go on until the graceful timeout is over. Here a context ends when
// the shutdown begins, so that an activity which honors it is out of the way at
// once. An activity that would rather use the graceful time, because it is nearly
// done or cannot stop half-way, ignores the context or works with
// [context.WithoutCancel](ctx), and looks at [GetWorkerStopChannel].
//
// # Waiting and computing
//
// A WebAssembly instance has one thread, and nothing interrupts a goroutine that
// computes. Goroutines, channels, timers, time.Sleep and contexts derived by
// context.WithTimeout and its like work as everywhere, but other goroutines run only
// when the current one waits, and so timers fire only then.
//
//   - To wait, select on ctx.Done(). A request is seen after 20 ms at most.
//   - In a loop that computes, call ctx.Err() or ctx.Done() on the context that the
//     activity was given: both ask the host, in about a microsecond. A channel that
//     was taken from Done before the loop, and contexts derived from the activity's, do
//     not change while the loop computes; [RecordHeartbeat] lets them.
//   - time.Sleep does not end with the context.
//   - Waiting forever, when no other goroutine or timer could end it, is a fatal error of
//     the Go runtime. It costs the instance, and the activity fails as a trap; the log
//     has the stacks of all goroutines. So does a panic in a goroutine that the activity
//     has started. A panic in the activity itself is a retryable failure of type
//     PanicError, with a stack trace.
//   - Goroutines should end before the activity returns. One that does not may run on
//     during a later activity, if the operator lets instances be used again; its context
//     has ended, and its heartbeats and log records are dropped.
//
// # Failures
//
// See package temporal for how an error becomes a failure. Besides the types of an
// activity's own errors, there are:
//
//	InvalidInput      an argument, or a detail for GetHeartbeatDetails, could not be
//	                  decoded; not retryable
//	InvalidOutput     the result could not be encoded; not retryable
//	OutputTooLarge    the result is longer than the operator allows; not retryable
//	InvalidActivity   Run was given something that cannot be an activity; not retryable
//	PanicError        the activity panicked
//	Goexit            the activity ended its goroutine by runtime.Goexit
//	WorkerShutdown    the activity stopped because the worker is shutting down
package activity
