//go:build unix

package host_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/goleak"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

var cacheDir string

func TestMain(m *testing.M) {
	os.Exit(testbed.Main(func() int {
		var err error
		if cacheDir, err = os.MkdirTemp("", "wasmworker-cache-"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(cacheDir)
		return m.Run()
	}))
}

const acts = "testdata/guests/acts"

func wat(t *testing.T, name string) string {
	return filepath.Join(testbed.Root(t), "testdata", "wat", name+".wasm")
}

// options returns options for a host on the shared server with a task queue of its own.
func options(t *testing.T, modules ...string) host.Options {
	t.Helper()
	o := host.DefaultOptions()
	o.Modules, o.CacheDir, o.Logger, o.CancelGrace = modules, cacheDir, slog.New(slog.DiscardHandler), time.Second
	o.ClientOptions = testbed.Shared(t).Options()
	o.TaskQueue = t.Name() + "-" + uuid.NewString()[:8]
	return o
}

// run starts a host that ends with the test, and checks that it leaves no goroutine
// behind.
func run(t *testing.T, o host.Options, setup ...func(*host.Host)) *host.Host {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	h, err := host.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range setup {
		f(h)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Stop(context.Background()); err != nil && !errors.Is(err, host.ErrInterrupted) {
			t.Errorf("Stop: %v", err)
		}
		if live := liveInstances(h); live != 0 {
			t.Errorf("%d instances live after Stop", live)
		}
		goleak.VerifyNone(t, leaks)
	})
	return h
}

func liveInstances(h *host.Host) (live int) {
	for _, m := range h.Plugin().Modules() {
		live += m.Live()
	}
	return live
}

func execute(t *testing.T, h *host.Host, name string, args ...any) client.ActivityHandle {
	t.Helper()
	return executeWith(t, h.Client(), client.StartActivityOptions{TaskQueue: h.TaskQueue()}, name, args...)
}

func executeWith(t *testing.T, c client.Client, o client.StartActivityOptions, name string, args ...any) client.ActivityHandle {
	t.Helper()
	o.ID = uuid.NewString()
	if o.ScheduleToCloseTimeout == 0 {
		o.ScheduleToCloseTimeout = 10 * time.Minute
	}
	handle, err := c.ExecuteActivity(t.Context(), o, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return handle
}

func get(t *testing.T, handle client.ActivityHandle, value any) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	err := handle.Get(ctx, value)
	if ctx.Err() != nil {
		t.Fatalf("activity %s did not end", handle.GetID())
	}
	return err
}

func TestDaemonMode(t *testing.T) {
	o := options(t, testbed.Guest(t, acts))
	o.DeploymentName, o.TaskQueue = "blue", ""
	o.MaxConcurrentActivities = 3
	h, err := host.New(o)
	if err != nil {
		t.Fatal(err)
	}
	health := httptest.NewServer(h.HealthHandler())
	defer health.Close()
	if got := status(t, health.URL+"/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("readyz before Start is %d", got)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := status(t, health.URL+"/readyz"); got != http.StatusOK {
		t.Errorf("readyz while running is %d", got)
	}
	if h.TaskQueue() != "wasmworker-blue" {
		t.Errorf("the task queue is %q", h.TaskQueue())
	}
	if h.Limit() != 3 || h.Client() == nil || h.Worker() == nil || h.Executor().(*sandbox.Pool).Stats().Limit != 3 {
		t.Error("the attributes do not show what was set")
	}
	handle := execute(t, h, "Work", 1)
	if err := get(t, handle, nil); err != nil {
		t.Error(err)
	}
	d, err := handle.Describe(t.Context(), client.DescribeActivityOptions{})
	if err != nil || !strings.Contains(d.LastWorkerIdentity, "blue") {
		t.Errorf("the worker's identity is %q (%v), want the deployment in it", d.LastWorkerIdentity, err)
	}
	if err := h.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := h.Stop(t.Context()); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
	if got := status(t, health.URL+"/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("readyz after Stop is %d", got)
	}
	if err := h.Start(t.Context()); err == nil {
		t.Error("a stopped host started again")
	}
}

// A start that fails closes the passthrough modules, as a stop does: once.
func TestFailedStartClosesPassthroughModules(t *testing.T) {
	o := options(t, wat(t, "echo"))
	o.ClientOptions.HostPort = fmt.Sprintf("127.0.0.1:%d", testbed.FreePort(t))
	closed := 0
	o.Passthrough = []host.PassthroughModule{{
		Name:      "greeter",
		Functions: map[string]passthrough.Func{"greet": func(context.Context, *passthrough.Call, []byte) ([]byte, error) { return nil, nil }},
		Close:     func(context.Context) error { closed++; return nil },
	}}
	h, err := host.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context()); err == nil {
		t.Fatal("it started without a server")
	}
	if err := h.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if closed != 1 {
		t.Errorf("the module was closed %d times", closed)
	}
}

func status(t *testing.T, url string) int {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func TestRunInTheForeground(t *testing.T) {
	h, err := host.New(options(t, wat(t, "echo")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	testbed.Eventually(t, "the host is ready", func() error { return h.Ready(t.Context()) })
	if err := get(t, execute(t, h, "Echo", "x"), nil); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestStopBeforeStart(t *testing.T) {
	h, err := host.New(options(t, wat(t, "echo")))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// callAll is a Go workflow that calls activities and returns the outcome of each.
func callAll(ctx workflow.Context, kinds []string) (map[string]Outcome, error) {
	outcomes := map[string]Outcome{}
	for _, kind := range kinds {
		ctx := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute,
			RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 1},
		})
		outcomes[kind] = outcome(workflow.ExecuteActivity(ctx, "Fail", kind).Get(ctx, nil))
	}
	return outcomes, nil
}

// Outcome is how a workflow sees an activity's failure.
type Outcome struct {
	Type         string
	Message      string
	NonRetryable bool
	Category     int
	Delay        time.Duration
	Details      []string
	Causes       []string
}

func outcome(err error) (o Outcome) {
	var app *temporal.ApplicationError
	var panicked *temporal.PanicError
	if errors.As(err, &panicked) { // the SDK knows this type and has an error of its own for it
		return Outcome{Type: "PanicError", Message: panicked.Error()}
	}
	if !errors.As(err, &app) {
		return Outcome{Message: fmt.Sprint(err)}
	}
	o = Outcome{Type: app.Type(), Message: app.Message(), NonRetryable: app.NonRetryable(), Delay: app.NextRetryDelay(), Category: int(app.Category())}
	if app.HasDetails() {
		var first, second any
		if err := app.Details(&first, &second); err != nil {
			o.Details = append(o.Details, err.Error())
		}
		for _, d := range []any{first, second} {
			if d != nil {
				o.Details = append(o.Details, fmt.Sprint(d))
			}
		}
	}
	for cause := app.Unwrap(); cause != nil; cause = errors.Unwrap(cause) {
		if c, ok := cause.(*temporal.ApplicationError); ok {
			o.Causes = append(o.Causes, c.Type()+":"+c.Message())
		}
	}
	return o
}

func TestErrorsAsAWorkflowSeesThem(t *testing.T) {
	h := run(t, options(t, testbed.Guest(t, acts)), func(h *host.Host) { h.RegisterWorkflow(callAll) })
	if got := h.Workflows(); !slices.Equal(got, []string{"callAll"}) {
		t.Errorf("workflows: %v", got)
	}
	want := map[string]Outcome{
		"plain":  {Message: "plain text"}, // as Temporal's own: errors.New has no type
		"typed":  {Type: "CardDeclined", Message: "declined", Details: []string{"map[code:51]", "second"}},
		"final":  {Type: "NoCard", Message: "no such card", NonRetryable: true, Causes: []string{"wrapError:outer: the root (type: Root, retryable: true)", "Root:the root"}},
		"later":  {Type: "Busy", Message: "try later", Delay: 123 * time.Second},
		"benign": {Type: "Benign", Message: "nothing to see", Category: int(temporal.ApplicationErrorCategoryBenign)},
	}
	kinds := []string{"plain", "typed", "final", "later", "benign", "panic", "exit", "memory"}
	r, err := h.Client().ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: h.TaskQueue()}, callAll, kinds)
	if err != nil {
		t.Fatal(err)
	}
	var outcomes map[string]Outcome
	if err := r.Get(t.Context(), &outcomes); err != nil {
		t.Fatal(err)
	}
	for kind, w := range want {
		if !reflect.DeepEqual(outcomes[kind], w) {
			t.Errorf("%s:\n got %+v\nwant %+v", kind, outcomes[kind], w)
		}
	}
	for kind, w := range map[string][2]string{
		"panic":  {"PanicError", "oh no"},
		"exit":   {abi.TypeExitCode, "code 9: last words"},
		"memory": {abi.TypeOutOfMemory, "memory limit of 256 MiB"},
	} {
		if got := outcomes[kind]; got.Type != w[0] || !strings.Contains(got.Message, w[1]) || got.NonRetryable {
			t.Errorf("%s: got %+v, want a retryable %s with %q", kind, got, w[0], w[1])
		}
	}
}

func TestTrapsAreReported(t *testing.T) {
	h := run(t, options(t, wat(t, "misbehave")))
	for name, want := range map[string]struct {
		kind  string
		final bool
	}{
		"Trap":          {abi.TypeWasmTrap, false},
		"Recurse":       {abi.TypeStackOverflow, false},
		"Grow":          {abi.TypeOutOfMemory, false},
		"BadPointer":    {abi.TypeWasmTrap, false},
		"BadStatus":     {abi.TypeProtocolError, true},
		"Exit":          {abi.TypeExitCode, false},
		"SilentFailure": {abi.TypeActivityFailed, false},
		"Cancel":        {abi.TypeUnexpectedCancel, false},
		"Big":           {abi.TypeOutputTooLarge, true},
		"Nope":          {"ActivityNotRegisteredError", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := client.StartActivityOptions{TaskQueue: h.TaskQueue(), RetryPolicy: noRetry}
			got := outcome(get(t, executeWith(t, h.Client(), o, name, "an argument"), nil))
			if got.Type != want.kind || got.NonRetryable != want.final {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if name == "Nope" && !strings.Contains(got.Message, "BadFailure, BadPointer, BadStatus") {
				t.Errorf("the message does not list what is served: %s", got.Message)
			}
			if name == "Trap" && (len(got.Details) != 1 || !strings.Contains(got.Details[0], "wasm_stack")) {
				t.Errorf("the details are %v, want the wasm stack", got.Details)
			}
		})
	}
}

func TestGoActivitiesBesideModules(t *testing.T) {
	started := make(chan struct{})
	h := run(t, options(t, wat(t, "echo")), func(h *host.Host) {
		h.RegisterActivityWithOptions(func(_ context.Context, n int) (int, error) { return n * 2, nil }, activity.RegisterOptions{Name: "Double"})
		h.RegisterActivityWithOptions(func(ctx context.Context) error {
			close(started)
			<-ctx.Done()
			return ctx.Err()
		}, activity.RegisterOptions{Name: "Patient"})
	})
	if got := h.Activities(); !slices.Equal(got, []string{"Args", "Double", "Echo", "Info", "Patient"}) {
		t.Errorf("activities: %v", got)
	}
	var n int
	if err := get(t, execute(t, h, "Double", 21), &n); err != nil || n != 42 {
		t.Errorf("Double: %d, %v", n, err)
	}
	// A Go activity is interrupted as a guest is.
	handle := execute(t, h, "Patient")
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Stop(ctx); !errors.Is(err, host.ErrInterrupted) {
		t.Errorf("Stop: %v, want ErrInterrupted", err)
	}
	c := testbed.Shared(t).Client(t)
	d, err := c.GetActivityHandle(client.GetActivityHandleOptions{ActivityID: handle.GetID()}).Describe(t.Context(), client.DescribeActivityOptions{IncludeLastFailure: true})
	if err != nil {
		t.Fatal(err)
	}
	if kind := d.RawResponse.GetInfo().GetLastFailure().GetApplicationFailureInfo().GetType(); kind != abi.TypeWorkerShutdown {
		t.Errorf("it failed as %q, want WorkerShutdown", kind)
	}
}

func TestPluginInAPlainWorker(t *testing.T) {
	c := testbed.Shared(t).Client(t)
	plugin, err := host.NewPlugin(options(t, wat(t, "echo")).PluginOptions)
	if err != nil {
		t.Fatal(err)
	}
	q := t.Name() + uuid.NewString()
	w := worker.New(c, q, worker.Options{Plugins: []worker.Plugin{plugin}})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	var s string
	if err := get(t, executeWith(t, c, client.StartActivityOptions{TaskQueue: q}, "Echo", "hello"), &s); err != nil || s != "hello" {
		t.Errorf("Echo: %q, %v", s, err)
	}
	w.Stop()
	if live := plugin.Modules()[0].Live(); live != 0 {
		t.Errorf("%d instances live after Stop", live)
	}
}

func TestPluginRefusesToShareNames(t *testing.T) {
	c := testbed.Shared(t).Client(t)
	for name, test := range map[string]struct {
		register func(worker.Worker)
		want     string
	}{
		"named": {func(w worker.Worker) {
			w.RegisterActivityWithOptions(func() error { return nil }, activity.RegisterOptions{Name: "Echo"})
		}, `activity "Echo" is registered in Go and is in`},
		"struct": {func(w worker.Worker) { w.RegisterActivity(&clash{}) }, `activity "Info" is registered in Go and is in`},
		"dynamic": {func(w worker.Worker) {
			w.RegisterDynamicActivity(dynamic, activity.DynamicRegisterOptions{})
		}, "dynamic activity already"},
	} {
		t.Run(name, func(t *testing.T) {
			plugin, err := host.NewPlugin(options(t, wat(t, "echo")).PluginOptions)
			if err != nil {
				t.Fatal(err)
			}
			w := worker.New(c, t.Name(), worker.Options{Plugins: []worker.Plugin{plugin}})
			test.register(w)
			if err := w.Start(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Start: %v, want %q", err, test.want)
			}
		})
	}
}

type clash struct{}

func (*clash) Info() error { return nil }

func TestPauseAndReset(t *testing.T) {
	h := run(t, options(t, testbed.Guest(t, acts)))
	for name, request := range map[string]func(handle client.ActivityHandle) error{
		"pause": func(handle client.ActivityHandle) error {
			_, err := h.Client().WorkflowService().PauseActivityExecution(t.Context(), &workflowservice.PauseActivityExecutionRequest{Namespace: "default", ActivityId: handle.GetID(), RequestId: uuid.NewString()})
			return err
		},
		"reset": func(handle client.ActivityHandle) error {
			_, err := h.Client().WorkflowService().ResetActivityExecution(t.Context(), &workflowservice.ResetActivityExecutionRequest{Namespace: "default", ActivityId: handle.GetID()})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			// Deaf hears nothing: the host must end it, and its instance.
			handle := executeWith(t, h.Client(), client.StartActivityOptions{TaskQueue: h.TaskQueue(), HeartbeatTimeout: 3 * time.Second}, "Deaf")
			testbed.Eventually(t, "the activity runs", func() error {
				if n := liveInstances(h); n != 1 {
					return fmt.Errorf("%d instances live", n)
				}
				return nil
			})
			if err := request(handle); err != nil {
				t.Fatal(err)
			}
			testbed.Eventually(t, "the attempt has ended", func() error {
				d, err := handle.Describe(t.Context(), client.DescribeActivityOptions{IncludeLastFailure: true})
				if err != nil {
					return err
				}
				if name == "pause" && d.RawResponse.GetInfo().GetRunState().String() != "Paused" {
					return fmt.Errorf("it is %s", d.RawResponse.GetInfo().GetRunState())
				}
				if name == "reset" && d.RawResponse.GetInfo().GetLastFailure() == nil && d.Attempt < 2 {
					return fmt.Errorf("attempt %d, no failure yet", d.Attempt)
				}
				return nil
			})
			if err := handle.Terminate(t.Context(), client.TerminateActivityOptions{}); err != nil {
				t.Fatal(err)
			}
			testbed.Eventually(t, "the guest is gone", func() error {
				if n := liveInstances(h); n != 0 {
					return fmt.Errorf("%d instances live", n)
				}
				return nil
			})
		})
	}
}

func TestBadOptionsAreReportedTogether(t *testing.T) {
	_, err := host.New(host.Options{PluginOptions: host.PluginOptions{
		Modules:                 []string{wat(t, "echo"), filepath.Join(t.TempDir(), "missing")},
		MaxConcurrentActivities: -3,
		Defaults:                host.ModuleOptions{Isolation: "sometimes", Passthrough: []string{"htpp"}},
		PerModule:               map[string]host.ModuleOptions{"ecko": {}},
	}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"missing: no such file", "MaxConcurrentActivities: -3 is negative", `Isolation: "sometimes"`, `"htpp" does not exist`, `module "ecko" is configured`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

func TestUnreachableServer(t *testing.T) {
	o := options(t, wat(t, "echo"))
	o.ClientOptions.HostPort = fmt.Sprintf("127.0.0.1:%d", testbed.FreePort(t))
	h, err := host.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	if err := h.Start(ctx); err == nil || !strings.Contains(err.Error(), o.ClientOptions.HostPort) {
		t.Errorf("Start: %v, want an error that names the address", err)
	}
}
