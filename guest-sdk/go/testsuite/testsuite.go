// Package testsuite runs activities in a plain go test, without WebAssembly and
// without a host. Names and signatures are those of go.temporal.io/sdk/testsuite, as
// far as they are about activities.
//
//	env := testsuite.NewTestActivityEnvironment()
//	value, err := env.ExecuteActivity(Greet, Input{Name: "Ada"})
//
// Arguments and results are encoded and decoded, and errors turned into failures
// and back, by the code that does so in a WebAssembly module. What a test cannot
// show is what only WebAssembly has: a single thread that nothing interrupts (see
// package activity), and the limits of an instance.
package testsuite

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/abi"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/task"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// WorkflowTestSuite makes environments. It exists so that tests written for the
// Temporal SDK need a new import path only; NewTestActivityEnvironment does the same.
type WorkflowTestSuite struct {
	logger *slog.Logger
}

// SetLogger sets the logger of the environments that the suite makes from now on.
func (s *WorkflowTestSuite) SetLogger(logger *slog.Logger) { s.logger = logger }

// NewTestActivityEnvironment returns a new environment.
func (s *WorkflowTestSuite) NewTestActivityEnvironment() *TestActivityEnvironment {
	env := NewTestActivityEnvironment()
	env.logger = s.logger
	return env
}

// TestActivityEnvironment runs activities one by one or several at a time. What
// its methods set holds for the activities that are started afterwards; what they
// request, for those that run already too. Requests cannot be taken back: use an
// environment per case.
type TestActivityEnvironment struct {
	mu         sync.Mutex
	registered map[string]any
	logger     *slog.Logger
	changeInfo func(*activity.Info)
	listener   func(*activity.Info, converter.EncodedValues)
	details    []any
	timeout    time.Duration
	standalone bool
	flags      abi.Flags
	workerStop <-chan struct{}
}

// NewTestActivityEnvironment returns an environment in which activities have
// attempt 1, ten minutes of time, and a workflow that started them.
func NewTestActivityEnvironment() *TestActivityEnvironment {
	return &TestActivityEnvironment{}
}

// RegisterActivity lets ExecuteActivity find a function by its name. It is not
// needed for functions that are given to ExecuteActivity, and does nothing for
// other values, such as a struct with activities as methods.
func (e *TestActivityEnvironment) RegisterActivity(a any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if reflect.ValueOf(a).Kind() == reflect.Func {
		if e.registered == nil {
			e.registered = map[string]any{}
		}
		e.registered[functionName(a)] = a
	}
}

// ExecuteActivity runs an activity, a function or the name of a registered one,
// and returns its result when it is over. The arguments are encoded on the way in.
//
// A failure is a *temporal.ApplicationError with its causes, whatever error the
// activity has returned, a panic a *temporal.PanicError, and a cancellation a
// *temporal.CanceledError.
func (e *TestActivityEnvironment) ExecuteActivity(activityFn any, args ...any) (converter.EncodedValue, error) {
	none := converter.NewValue(nil)
	e.mu.Lock()
	if name, ok := activityFn.(string); ok {
		if activityFn, ok = e.registered[name]; !ok {
			e.mu.Unlock()
			return none, fmt.Errorf("no activity %q is registered", name)
		}
	}
	h := &fake{env: e, listener: e.listener, logger: e.logger}
	h.info = e.newInfo(activityFn)
	details, timeout := e.details, e.timeout
	e.mu.Unlock()

	var err error
	if h.args, err = payloads(args); err != nil {
		return none, fmt.Errorf("argument %w", err)
	}
	if h.details, err = payloads(details); err != nil {
		return none, fmt.Errorf("heartbeat detail %w", err)
	}
	status := make(chan int32, 1)
	go func() { status <- task.Run(h, activityFn) }()
	var expired <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case s := <-status:
		return h.outcome(s)
	case <-expired:
		return none, fmt.Errorf("the activity was not over after the test timeout of %s", timeout)
	}
}

func payloads(values []any) (out []*converter.Payload, err error) {
	for i, value := range values {
		p, err := converter.ToPayload(value)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", i+1, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// newInfo is called with e.mu held.
func (e *TestActivityEnvironment) newInfo(fn any) activity.Info {
	now := time.Now().UTC()
	info := activity.Info{
		ActivityID:          "test-activity-id",
		ActivityType:        activity.Type{Name: functionName(fn)},
		TaskQueue:           "test-task-queue",
		Namespace:           "test-namespace",
		StartToCloseTimeout: 10 * time.Minute,
		ScheduledTime:       now,
		StartedTime:         now,
		Deadline:            now.Add(10 * time.Minute),
		Attempt:             1,
	}
	if e.standalone {
		info.ActivityRunID = "test-activity-run-id"
	} else {
		info.WorkflowType = &activity.Type{Name: "TestWorkflow"}
		info.WorkflowExecution = activity.WorkflowExecution{ID: "test-workflow-id", RunID: "test-run-id"}
	}
	if e.changeInfo != nil {
		e.changeInfo(&info)
	}
	return info
}

// functionName returns the name of a function or a method, without its package.
func functionName(fn any) string {
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func || v.IsNil() {
		return fmt.Sprintf("%T", fn)
	}
	name := runtime.FuncForPC(v.Pointer()).Name()
	return strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "-fm")
}

// SetInfo lets a function change what activity.GetInfo returns, starting from the
// environment's own values. Deadline is what ends contexts; the timeouts are
// information only. Durations are rounded to whole milliseconds.
func (e *TestActivityEnvironment) SetInfo(change func(info *activity.Info)) *TestActivityEnvironment {
	return e.set(func() { e.changeInfo = change })
}

// SetExecuteActivitiesInWorkflow chooses between an activity that a workflow has
// started, which is the default, and a standalone one.
func (e *TestActivityEnvironment) SetExecuteActivitiesInWorkflow(inWorkflow bool) *TestActivityEnvironment {
	return e.set(func() { e.standalone = !inWorkflow })
}

// SetHeartbeatDetails sets what the attempt before is supposed to have sent last.
func (e *TestActivityEnvironment) SetHeartbeatDetails(details ...any) {
	e.set(func() { e.details = details })
}

// SetOnActivityHeartbeatListener sets a function that is called for each heartbeat,
// by the goroutine that sends it. What the function requests has reached the
// activity's context when RecordHeartbeat returns.
func (e *TestActivityEnvironment) SetOnActivityHeartbeatListener(
	listener func(info *activity.Info, details converter.EncodedValues),
) *TestActivityEnvironment {
	return e.set(func() { e.listener = listener })
}

// SetTestTimeout limits how long ExecuteActivity waits. When the time is over it
// returns an error, and leaves the activity running. Zero, the default, is no limit.
func (e *TestActivityEnvironment) SetTestTimeout(timeout time.Duration) *TestActivityEnvironment {
	return e.set(func() { e.timeout = timeout })
}

// SetLogger sets where activity.GetLogger writes to. The default is slog.Default().
func (e *TestActivityEnvironment) SetLogger(logger *slog.Logger) *TestActivityEnvironment {
	return e.set(func() { e.logger = logger })
}

// SetWorkerStopChannel sets a channel whose closing is the worker's shutdown, as
// StopWorker is.
func (e *TestActivityEnvironment) SetWorkerStopChannel(c chan struct{}) {
	e.set(func() { e.workerStop = c })
}

// RequestCancel asks for the cancellation of the activities.
func (e *TestActivityEnvironment) RequestCancel() { e.request(abi.FlagCancelRequested) }

// StopWorker begins the worker's shutdown.
func (e *TestActivityEnvironment) StopWorker() { e.request(abi.FlagWorkerStopping) }

// Pause pauses the activities, as an operator can.
func (e *TestActivityEnvironment) Pause() { e.request(abi.FlagPaused) }

// Reset resets the activities, as an operator can.
func (e *TestActivityEnvironment) Reset() { e.request(abi.FlagReset) }

// Abandon lets the activities find that Temporal does not wait for them any more.
func (e *TestActivityEnvironment) Abandon() { e.request(abi.FlagGone) }

func (e *TestActivityEnvironment) set(change func()) *TestActivityEnvironment {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
	return e
}

func (e *TestActivityEnvironment) request(flag abi.Flags) {
	e.set(func() { e.flags |= flag })
}

func (e *TestActivityEnvironment) status() abi.Flags {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.workerStop: // blocks if there is none
		e.flags |= abi.FlagWorkerStopping
	default:
	}
	return e.flags
}

// Passthrough makes a function to stand in for one of a host module. To choose the
// errno that package passthrough reports, fn returns an error that is or wraps a
// passthrough.Errno; other errors are EIO.
func Passthrough(fn func(req []byte) ([]byte, error)) passthrough.Func {
	return func(reqPtr unsafe.Pointer, reqLen uint32) int64 {
		req := append([]byte(nil), unsafe.Slice((*byte)(reqPtr), reqLen)...)
		response, err := fn(req)
		if err == nil {
			return host.Offer(append([]byte(nil), response...), 0, "")
		}
		errno, message := passthrough.EIO, err.Error()
		errors.As(err, &errno)
		if e, ok := err.(*passthrough.Error); ok {
			message = e.Message
		} else if err == error(errno) {
			message = ""
		}
		return host.Offer(nil, int32(errno), message)
	}
}

// SetPassthrough puts a function in the place of one of wasmworker's own host modules,
// such as function "send" of "wasmworker:http/v1", for the packages below passthrough
// that call it. Requests and responses are as abi/SPEC.md has them;
// passthrough.EncodeFrame and DecodeFrame help with frames, and errors are those of
// [Passthrough]. It holds for all activities of the test binary, until the returned
// function is called: t.Cleanup(testsuite.SetPassthrough(…)).
//
// Code that takes an *http.Client, an *sql.DB or an io.Reader can be tested without, with
// a server or a database of the test's own.
func SetPassthrough(module, function string, fn func(req []byte) ([]byte, error)) (restore func()) {
	before := host.SetImport(module, function, Passthrough(fn))
	return func() { host.SetImport(module, function, before) }
}

// outcome makes of what the activity has pushed what ExecuteActivity returns.
func (f *fake) outcome(status int32) (converter.EncodedValue, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	none := converter.NewValue(nil)
	switch status {
	case abi.StatusCompleted:
		return converter.NewValue(f.payload()), nil
	case abi.StatusFailed:
		if f.failure == nil {
			return none, temporal.NewApplicationError("the activity has failed", "ActivityFailed")
		}
		return none, errorOf(f.failure)
	case abi.StatusCanceled:
		if f.env.status()&abi.FlagsEnd == 0 {
			return none, temporal.NewApplicationError("the activity was canceled, but nobody has asked for it", abi.TypeUnexpectedCancel)
		}
		if p := f.payload(); p != nil {
			return none, temporal.NewCanceledError(converter.NewValues(p))
		}
		return none, temporal.NewCanceledError()
	}
	return none, temporal.NewNonRetryableApplicationError(fmt.Sprintf("the activity returned status %d", status), "ProtocolError", nil)
}
