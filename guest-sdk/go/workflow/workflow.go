package workflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/flow"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// Context is the context of a workflow: an ordinary one. It ends, with [context.Canceled]
// and a *temporal.CanceledError as its cause, when somebody asks to cancel the workflow.
type Context = context.Context

// CancelFunc cancels a context.
type CancelFunc = context.CancelFunc

// What the Err method of a context returns when it has ended.
var (
	ErrCanceled         = context.Canceled
	ErrDeadlineExceeded = context.DeadlineExceeded
)

var current *flow.Run

// Run runs fn as the workflow whose export the host has just called, and returns the
// status for the host. It belongs into an exported function and nowhere else:
//
//	//go:wasmexport Order
//	func order() int32 { return workflow.Run(Order) }
//
// The package comment says what fn may be. It is called once in a run, however often the
// host calls the export. Run panics outside a WebAssembly host.
func Run(fn any) int32 {
	if current == nil {
		h := flow.Current()
		if h == nil {
			panic("workflow.Run: this is not a WebAssembly module under wasmworker")
		}
		current = flow.New(h, fn)
	}
	return current.Activate()
}

func runOf(ctx Context) *flow.Run {
	r := flow.Of(ctx)
	if r == nil {
		panic("the context is not one of a workflow")
	}
	return r
}

// Future is a value that will be there later.
type Future interface {
	// Get waits for the future, and stores its value into what valuePtr points to, unless
	// that is nil. The context is not looked at: what was begun with a context ends with it.
	Get(ctx Context, valuePtr any) error
	// IsReady tells whether Get would return at once.
	IsReady() bool
	// Done returns a channel that is closed when the future is ready, for select.
	Done() <-chan struct{}
}

// Settable resolves a future of [NewFuture], once.
type Settable interface {
	Set(value any, err error)
	SetValue(value any)
	SetError(err error)
	// Chain resolves the future as another one will be.
	Chain(future Future)
}

// NewFuture returns a future and what resolves it.
func NewFuture(ctx Context) (Future, Settable) {
	f := flow.NewFuture(runOf(ctx))
	return f, &settable{f}
}

type settable struct{ future *flow.Future }

func (s *settable) Set(value any, err error) {
	if s.future.IsReady() {
		panic("workflow: a future is set twice")
	}
	s.future.Set(value, err)
}
func (s *settable) SetValue(value any) { s.Set(value, nil) }
func (s *settable) SetError(err error) { s.Set(nil, err) }

func (s *settable) Chain(future Future) {
	go func() {
		var raw converter.RawValue
		err := future.Get(context.Background(), &raw)
		if err == nil && raw.Payload() != nil {
			s.Set(raw, nil)
			return
		}
		s.Set(nil, err)
	}()
}

// ExecuteActivity begins an activity, named by its type or by the function that has the
// same name. The options are those of [WithActivityOptions]; one of StartToCloseTimeout
// and ScheduleToCloseTimeout is required.
//
// If ctx ends, the activity is asked to stop. Without WaitForCancellation the future then
// fails at once, and otherwise when the activity has ended. Its error is an
// *temporal.ActivityError.
func ExecuteActivity(ctx Context, activity any, args ...any) Future {
	r := runOf(ctx)
	o, _ := ctx.Value(activityKey{}).(*activityOptions)
	if o == nil || o.StartToCloseTimeout <= 0 && o.ScheduleToCloseTimeout <= 0 {
		return flow.Failed(r, errors.New("workflow.ExecuteActivity: one of StartToCloseTimeout and ScheduleToCloseTimeout is required: use workflow.WithActivityOptions"))
	}
	name, err := flow.FunctionName(activity)
	if err != nil {
		return flow.Failed(r, fmt.Errorf("workflow.ExecuteActivity: %w", err))
	}
	return r.Start(ctx, "activity", args, func(w *flow.Writer) {
		w.Text("type", name)
		w.Cached("options", &o.encoded, o.write)
	})
}

// ExecuteLocalActivity is ExecuteActivity for an activity that the worker of the workflow
// runs itself, without a task queue. The options are those of [WithLocalActivityOptions].
func ExecuteLocalActivity(ctx Context, activity any, args ...any) Future {
	r := runOf(ctx)
	o := GetLocalActivityOptions(ctx)
	if o.StartToCloseTimeout <= 0 && o.ScheduleToCloseTimeout <= 0 {
		return flow.Failed(r, errors.New("workflow.ExecuteLocalActivity: one of StartToCloseTimeout and ScheduleToCloseTimeout is required: use workflow.WithLocalActivityOptions"))
	}
	name, err := flow.FunctionName(activity)
	if err != nil {
		return flow.Failed(r, fmt.Errorf("workflow.ExecuteLocalActivity: %w", err))
	}
	return r.Start(ctx, "local_activity", args, func(w *flow.Writer) {
		w.Text("type", name)
		w.Object("options", o.write)
	})
}

// Execute runs an activity and waits for its result: [ExecuteActivity] in short.
func Execute[T any](ctx Context, activity any, args ...any) (T, error) {
	var result T
	err := ExecuteActivity(ctx, activity, args...).Get(ctx, &result)
	return result, err
}

// Execution identifies a run of a workflow.
type Execution struct {
	ID    string
	RunID string
}

// ChildWorkflowFuture is the result of a child workflow.
type ChildWorkflowFuture interface {
	Future
	// GetChildWorkflowExecution returns a future of an [Execution], which is ready when
	// the child has started.
	GetChildWorkflowExecution() Future
	// SignalChildWorkflow sends a signal as soon as the child has started. The future is
	// ready when the signal was delivered.
	SignalChildWorkflow(ctx Context, signalName string, data any) Future
}

type childFuture struct {
	*flow.Future
	run       *flow.Run
	execution executionFuture
}

// executionFuture gives an Execution of this package.
type executionFuture struct{ *flow.Future }

func (f executionFuture) Get(ctx Context, valuePtr any) error {
	var e flow.Execution
	if err := f.Future.Get(ctx, &e); err != nil {
		return err
	}
	return flow.Assign(Execution(e), valuePtr)
}

func (f *childFuture) GetChildWorkflowExecution() Future { return f.execution }

func (f *childFuture) SignalChildWorkflow(ctx Context, signalName string, data any) Future {
	send := func(e Execution) *flow.Future {
		return f.run.Start(ctx, "signal_external", []any{data}, func(w *flow.Writer) {
			w.Text("workflow_id", e.ID)
			w.Text("run_id", e.RunID)
			w.Text("name", signalName)
			w.Bool("child_only", true)
		})
	}
	var e Execution
	if f.execution.IsReady() {
		if err := f.execution.Get(ctx, &e); err != nil {
			return flow.Failed(f.run, err)
		}
		return send(e)
	}
	sent := flow.NewFuture(f.run)
	f.run.Go(func() {
		err := f.execution.Get(ctx, &e)
		if err == nil {
			err = send(e).Get(ctx, nil)
		}
		sent.Set(nil, err)
	})
	return sent
}

// ExecuteChildWorkflow begins a child workflow, named by its type or by the function that
// has the same name. The options are those of [WithChildOptions].
//
// If ctx ends, the child is asked to cancel. The error of the future is a
// *temporal.ChildWorkflowExecutionError.
func ExecuteChildWorkflow(ctx Context, childWorkflow any, args ...any) ChildWorkflowFuture {
	r := runOf(ctx)
	o := GetChildWorkflowOptions(ctx)
	name, err := flow.FunctionName(childWorkflow)
	var memo map[string]flow.Payload
	if err == nil {
		memo, err = encodeMap(o.Memo)
	}
	if err != nil {
		err = fmt.Errorf("workflow.ExecuteChildWorkflow: %w", err)
		return &childFuture{flow.Failed(r, err), r, executionFuture{flow.Failed(r, err)}}
	}
	if o.WorkflowID == "" {
		o.WorkflowID = newUUID(r)
	}
	result, started := r.StartChild(ctx, o.WorkflowID, args, func(w *flow.Writer) {
		w.Text("type", name)
		w.Object("options", func(w *flow.Writer) { o.write(w, memo) })
	})
	return &childFuture{result, r, executionFuture{started}}
}

func newUUID(r *flow.Run) string {
	var b [16]byte
	r.Random(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// SignalExternalWorkflow sends a signal to a workflow, of which runID may be empty. The
// future is ready when it was delivered.
func SignalExternalWorkflow(ctx Context, workflowID, runID, signalName string, arg any) Future {
	namespace := GetChildWorkflowOptions(ctx).Namespace
	return runOf(ctx).Start(ctx, "signal_external", []any{arg}, func(w *flow.Writer) {
		w.Text("workflow_id", workflowID)
		w.Text("run_id", runID)
		w.Text("namespace", namespace)
		w.Text("name", signalName)
	})
}

// RequestCancelExternalWorkflow asks a workflow, of which runID may be empty, to cancel. The
// future is ready when it was asked.
func RequestCancelExternalWorkflow(ctx Context, workflowID, runID string) Future {
	namespace := GetChildWorkflowOptions(ctx).Namespace
	return runOf(ctx).Start(ctx, "cancel_external", nil, func(w *flow.Writer) {
		w.Text("workflow_id", workflowID)
		w.Text("run_id", runID)
		w.Text("namespace", namespace)
	})
}

// Now returns the time of the workflow, which is what time.Now returns too: it stands still
// while the workflow computes, and is the same in a replay.
func Now(ctx Context) time.Time { return time.Now() }

// Sleep waits, and returns a *temporal.CanceledError if ctx ends before.
func Sleep(ctx Context, d time.Duration) error { return NewTimer(ctx, d).Get(ctx, nil) }

// TimerOptions are options of a timer.
type TimerOptions struct {
	// Summary is a text for those who look at the workflow.
	Summary string
}

// NewTimer returns a future that is ready after d, or fails with a *temporal.CanceledError
// when ctx ends before.
func NewTimer(ctx Context, d time.Duration) Future {
	return NewTimerWithOptions(ctx, d, TimerOptions{})
}

// NewTimerWithOptions is NewTimer with options.
func NewTimerWithOptions(ctx Context, d time.Duration, options TimerOptions) Future {
	r := runOf(ctx)
	if d <= 0 {
		f := flow.NewFuture(r)
		var err error
		if ctx.Err() != nil {
			err = temporal.NewCanceledError()
		}
		f.Set(nil, err)
		return f
	}
	return r.Start(ctx, "timer", nil, func(w *flow.Writer) {
		w.Milliseconds("ms", d)
		w.Text("summary", options.Summary)
	})
}

// Go runs f in a goroutine. In contrast to one of a go statement, a panic in it fails the
// workflow task, so that it is tried again, with the stack in the failure; a panic in
// another goroutine does so too, as a trap.
func Go(ctx Context, f func(ctx Context)) { runOf(ctx).Go(func() { f(ctx) }) }

// GoNamed is Go. The name is not used.
func GoNamed(ctx Context, name string, f func(ctx Context)) { Go(ctx, f) }

// GetLogger returns a logger that writes to the host's log, which drops what a replay
// writes. The host adds the workflow to each record.
func GetLogger(ctx Context) *slog.Logger { return runOf(ctx).Logger() }

// WithCancel is [context.WithCancel].
func WithCancel(parent Context) (ctx Context, cancel CancelFunc) { return context.WithCancel(parent) }

// WithValue is [context.WithValue].
func WithValue(parent Context, key, val any) Context { return context.WithValue(parent, key, val) }

// NewDisconnectedContext returns a context with the values of parent that does not end with
// it: for what is to be done after a cancellation.
func NewDisconnectedContext(parent Context) (ctx Context, cancel CancelFunc) {
	return context.WithCancel(context.WithoutCancel(parent))
}

// IsReadOnly tells whether a query handler or an update validator runs.
func IsReadOnly(ctx Context) bool { return runOf(ctx).ReadOnly() }
