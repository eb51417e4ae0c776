// Package workflow is what a workflow in a WebAssembly module is written with to run under
// wasmworker. It has the names of go.temporal.io/sdk/workflow, and ordinary Go works
// beside them.
//
// # Writing a workflow
//
// A workflow is a function, and one exported line that runs it:
//
//	//go:wasmexport Order
//	func order() int32 { return workflow.Run(Order) }
//
//	func Order(ctx workflow.Context, in OrderInput) (Receipt, error) {
//		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
//		charged, err := workflow.Execute[Receipt](ctx, "Charge", in)
//		if err != nil {
//			return Receipt{}, err
//		}
//		select {
//		case <-workflow.Signal[string](ctx, "ship"):
//		case <-time.After(24 * time.Hour): // a durable timer
//		}
//		return charged, nil
//	}
//
//	func main() {} // required, never called
//
// The exported name is the Temporal workflow type. The function takes an optional
// [context.Context] and any number of arguments, and returns error or (T, error).
// Arguments and results are converted as package converter describes. An argument
// that was not given is the zero value, and arguments beyond the parameters are
// ignored. A last parameter of ...T takes all arguments that are left, and so does
// []converter.RawValue. Handlers of queries and updates are such functions too.
//
// A module has either workflows or activities, so that the two are two programs. Build it
// as a reactor:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags='-s -w' -o order.wasm .
//
// # What is deterministic
//
// Everything: the host gives the program its clock, its random numbers and the order in
// which things happen, and all of them are the same in a replay. So a workflow may use what
// is forbidden in those of Temporal's SDK: go statements, channels, select, package sync,
// range over maps, time.Now, time.Sleep, time.After, timers, context.WithTimeout,
// math/rand, crypto/rand. A wait of the time package is a timer of Temporal's as long as
// nothing else can go on. It has no access to files or to the network, and its environment
// is empty.
//
// What has to stay the same is the program: see [GetVersion] and [Patched] for changes.
//
//   - The clock stands still while the workflow computes.
//   - A goroutine computes until it waits; nothing interrupts it, and other goroutines go
//     on only then. Computing is limited by the operator (max_fuel).
//   - Goroutines end with the run.
//   - Variables of the program belong to one run.
//
// # Waiting
//
// A [Future] has Get, as in Temporal's SDK, and Done, a channel for select. Functions that
// take a context end with it. Others, such as time.Sleep and a receive from a channel, do
// not: use select with ctx.Done(), [Sleep] or [Await].
//
// # Errors
//
// An error of the workflow function ends the workflow: as failed; as canceled if it is or
// wraps a *temporal.CanceledError or [context.Canceled]; and with a new run if it is a
// *[ContinueAsNewError]. See package temporal for how an error becomes a failure, and for
// those that futures have: *temporal.ActivityError, *temporal.ChildWorkflowExecutionError,
// and inside of them *temporal.ApplicationError, *temporal.TimeoutError,
// *temporal.CanceledError, *temporal.TerminatedError, *temporal.ServerError.
//
// A panic fails the workflow task, which Temporal tries again and again: the workflow
// waits for a better program. So does what traps. Failures have these types besides those
// of a workflow's own:
//
//	InvalidInput      an argument could not be decoded; not retryable
//	InvalidOutput     the result could not be encoded; not retryable
//	InvalidWorkflow   Run was given something that cannot be a workflow (of the task)
//	PanicError        the workflow panicked (of the task); or a handler of a query or a
//	                  validator, whose query or update then fails
//	Goexit            the workflow ended its goroutine by runtime.Goexit (of the task)
//	CommandsRefused   the host did not accept what the workflow asked for (of the task)
//	HandlerWaits      a query handler or a validator waited for something
//	UnknownQuery      nothing handles queries of that name
//	UnknownUpdate     nothing handles updates of that name
package workflow
