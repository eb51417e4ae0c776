// Package host is a Temporal worker whose activities are WebAssembly modules.
//
// [Plugin] is its core. It gives any worker of the Temporal Go SDK the activities of a
// directory of modules, with one line in worker.Options.Plugins. [Host] is a whole worker
// around that plugin: client, worker, start and stop. It handles no signals.
//
//	sandbox.CompilerMain() // first of all: modules are compiled in processes of their own
//	options := host.DefaultOptions()
//	options.Modules = []string{"./acts"}
//	h, err := host.New(options)
//	if err != nil { … }
//	err = h.Run(ctx) // until ctx ends
//
// # Shutdown
//
// No activity that the worker has picked up is lost silently, and nothing is closed under
// a live instance. Every stop goes through these steps, for a [Host] as for a worker with
// the [Plugin]:
//
//  1. Readiness turns false, polling stops, and guests see WORKER_STOPPING in their
//     status.
//  2. Activities go on, up to the graceful timeout. When the last one has reported, step
//     5 follows.
//  3. After the timeout, or when the context given to [Host.Stop] ends, live instances
//     are interrupted. Each attempt fails with a retryable error of type WorkerShutdown.
//     The error holds the last heartbeat's details if there is room for them. Temporal
//     hands the activity on at once.
//  4. The worker waits until every call has returned and every result has been sent.
//  5. Pool, modules, runtimes and caches are closed. Then the Temporal client is closed,
//     if the Host made it.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/wasmworker/wasmworker/host/sandbox"
)

// DefaultTaskQueue is the task queue of a [Host] whose options name neither a task queue
// nor a deployment.
const DefaultTaskQueue = "wasmworker"

// Options make a [Host]. Begin with [DefaultOptions].
type Options struct {
	PluginOptions

	// Client is the Temporal client to use. The Host does not close it. Its connection
	// was made without [Plugin.DialOption]: results are given up after 10 seconds without
	// Temporal, and Ready does not notice failing polls. Default: Start makes a client
	// from ClientOptions, and Stop closes it.
	Client client.Client
	// ClientOptions say where Temporal is and how to get in. They are used when Client is
	// nil. Identity defaults to process, machine and deployment, and ClientOptions.Logger
	// to the Logger of these options.
	ClientOptions client.Options
	// TaskQueue is the Temporal task queue to poll. Default: "wasmworker", or
	// "wasmworker-" and the deployment's name.
	TaskQueue string
	// DeploymentName tells several deployments of one namespace apart. It becomes
	// part of the default task queue and of the worker's default identity.
	DeploymentName string
	// Versioning makes the worker a version of the Worker Deployment DeploymentName, which
	// must be set then: Temporal gives it no more than the workflows and activities that are
	// for that version. See BuildID and AutoUpgrade. Default: the worker has no version.
	Versioning bool
	// WorkerOptions are further options of the Temporal worker: pollers, rates,
	// interceptors, plugins. [Plugin] documents which of them it sets.
	WorkerOptions worker.Options
}

// DefaultOptions returns options with the defaults that the fields document.
func DefaultOptions() Options { return Options{PluginOptions: DefaultPluginOptions()} }

// Host is a Temporal worker that serves modules, and Go workflows and activities beside
// them. It can be started once; after a stop it cannot be started again. Its methods may
// be called concurrently.
type Host struct {
	options   Options
	plugin    *Plugin
	taskQueue string
	logger    *slog.Logger

	mu         sync.Mutex
	state      state
	register   []func(worker.Registry)
	workflows  []string
	activities []string
	client     client.Client
	ownClient  bool
	worker     worker.Worker
	failure    error
	failed     chan struct{}
	server     serverCheck
	stopErr    error
	stopped    chan struct{}
}

type state int

const (
	stateNew state = iota
	stateStarting
	stateRunning
	stateStopping
	stateStopped
)

// New makes a Host. It reads the modules, and checks them and the options as a whole. It
// compiles nothing and connects to nothing. The error joins every mistake that was found.
func New(options Options) (*Host, error) {
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	plugin, err := NewPlugin(options.PluginOptions)
	if options.Versioning && options.DeploymentName == "" {
		err = errors.Join(err, &sandbox.OptionError{Option: "DeploymentName", Err: errors.New("it is empty, and a worker with a version needs one")})
	}
	if err != nil {
		return nil, err
	}
	h := &Host{
		options:   options,
		plugin:    plugin,
		taskQueue: options.TaskQueue,
		logger:    options.Logger,
		client:    options.Client,
		failed:    make(chan struct{}),
		stopped:   make(chan struct{}),
	}
	if h.taskQueue == "" {
		h.taskQueue = TaskQueueFor(options.DeploymentName)
	}
	return h, nil
}

// TaskQueueFor returns the default task queue of a deployment: "wasmworker-" and its
// name, or [DefaultTaskQueue] if the name is empty.
func TaskQueueFor(deployment string) string {
	if deployment == "" {
		return DefaultTaskQueue
	}
	return DefaultTaskQueue + "-" + deployment
}

// RegisterActivity registers a Go activity, or a struct of them, beside the modules'
// activities. Call it before Start; it panics later. A function that the SDK refuses
// makes Start panic.
func (h *Host) RegisterActivity(a any) {
	h.RegisterActivityWithOptions(a, activity.RegisterOptions{})
}

// RegisterActivityWithOptions is RegisterActivity with options, such as a name.
func (h *Host) RegisterActivityWithOptions(a any, options activity.RegisterOptions) {
	h.registration(&h.activities, activityNames(a, options), func(r worker.Registry) { r.RegisterActivityWithOptions(a, options) })
}

// RegisterWorkflow registers a Go workflow. Call it before Start; it panics later.
func (h *Host) RegisterWorkflow(w any) {
	h.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{})
}

// RegisterWorkflowWithOptions is RegisterWorkflow with options, such as a name.
func (h *Host) RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions) {
	name := options.Name
	if name == "" {
		name = functionName(w)
	}
	h.registration(&h.workflows, []string{name}, func(r worker.Registry) { r.RegisterWorkflowWithOptions(w, options) })
}

func (h *Host) registration(list *[]string, names []string, register func(worker.Registry)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state != stateNew {
		panic("host: register workflows and activities before Start")
	}
	*list = append(*list, names...)
	h.register = append(h.register, register)
}

// ErrInterrupted is wrapped by the error of Stop and Run when the stop interrupted
// activities. Temporal has them back, and retries them if their retry policies allow it.
var ErrInterrupted = errors.New("activities were interrupted")

// ErrUndelivered is wrapped by the error of Stop and Run when Temporal could not be told
// how activities ended, at any time since Start. Each of them was logged as an error. See
// [Plugin.Undelivered].
var ErrUndelivered = errors.New("results could not be delivered to Temporal")

// LoadError is returned by Start when modules cannot be loaded: their code is invalid, or
// their initialization fails.
type LoadError struct{ Err error }

// Error names each file.
func (e *LoadError) Error() string { return e.Err.Error() }

// Unwrap returns the joined errors of the modules.
func (e *LoadError) Unwrap() error { return e.Err }

// UnreachableError is returned by Start when there is no connection to the Temporal
// server.
type UnreachableError struct {
	Address string // host and port
	Err     error
}

// Error names the address.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("the Temporal server at %s cannot be reached: %v", e.Address, e.Err)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Start connects to Temporal, loads the modules, starts polling and returns. The worker
// then runs in the background. Start returns early when ctx ends; after it has returned,
// ctx no longer matters. On an error everything that was started is stopped, and the Host
// cannot be used again. The error is or wraps an [*UnreachableError] if there is no
// connection, or a [*LoadError] if modules cannot be loaded.
func (h *Host) Start(ctx context.Context) error {
	h.mu.Lock()
	if h.state != stateNew {
		h.mu.Unlock()
		return errors.New("host: Start was called before")
	}
	h.state = stateStarting
	h.mu.Unlock()
	err := h.start(ctx)
	if err != nil {
		if closing := h.plugin.close(ctx); !errors.Is(err, closing) {
			err = errors.Join(err, closing)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.state = stateStopped
		h.closeClient()
		close(h.stopped)
		return err
	}
	h.state = stateRunning
	return nil
}

func (h *Host) start(ctx context.Context) error {
	if h.client == nil {
		options := h.options.ClientOptions
		if options.Identity == "" {
			options.Identity = defaultIdentity(h.options.DeploymentName)
		}
		if options.Logger == nil {
			options.Logger = sdklog.NewStructuredLogger(h.logger)
		}
		options.ConnectionOptions.DialOptions = append(slices.Clone(options.ConnectionOptions.DialOptions), h.plugin.DialOption())
		options.FailureConverter = h.plugin.FailureConverter(options.FailureConverter, options.DataConverter)
		c, err := client.DialContext(ctx, options)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			address := options.HostPort
			if address == "" {
				address = client.DefaultHostPort
			}
			return &UnreachableError{Address: address, Err: err}
		}
		h.mu.Lock()
		h.client, h.ownClient = c, true
		h.mu.Unlock()
	}
	if err := h.plugin.Load(ctx); err != nil {
		if ctx.Err() == nil {
			err = &LoadError{Err: err}
		}
		return err
	}
	options := h.options.WorkerOptions
	if h.options.Versioning {
		options.DeploymentOptions.UseVersioning = true
		options.DeploymentOptions.Version.DeploymentName = h.options.DeploymentName
	}
	options.Plugins = append(slices.Clone(options.Plugins), h.plugin)
	if len(h.workflows)+len(h.plugin.Workflows()) == 0 {
		options.DisableWorkflowWorker = true // the SDK would stop it first, and only then the activities
	}
	onFatal := options.OnFatalError
	options.OnFatalError = func(err error) {
		h.mu.Lock()
		if h.failure == nil {
			h.failure = err
			close(h.failed)
		}
		h.mu.Unlock()
		if onFatal != nil {
			onFatal(err)
		}
	}
	w := worker.New(h.client, h.taskQueue, options)
	for _, register := range h.register {
		register(w)
	}
	if err := w.Start(); err != nil {
		return fmt.Errorf("the worker cannot start: %w", err)
	}
	h.mu.Lock()
	h.worker = w
	h.mu.Unlock()
	return nil
}

// Stop stops the worker as the package comment describes. It blocks until everything is
// closed. When ctx ends, activities that still run are interrupted at once instead of
// after the graceful timeout; Stop still waits for them to return. The error wraps
// [ErrInterrupted] if any were interrupted, and [ErrUndelivered] if results were lost. A
// second call waits for the same end and returns the same error. While Start runs, Stop
// fails: end Start's context instead.
func (h *Host) Stop(ctx context.Context) error {
	h.mu.Lock()
	switch h.state {
	case stateNew:
		h.state = stateStopped
		close(h.stopped)
		h.stopErr = h.plugin.close(ctx)
	case stateStarting:
		h.mu.Unlock()
		return errors.New("host: Start has not returned yet; end its context instead")
	case stateRunning:
		h.state = stateStopping
		go h.stop()
	}
	h.mu.Unlock()
	defer context.AfterFunc(ctx, h.plugin.Interrupt)()
	<-h.stopped
	return h.stopErr
}

func (h *Host) stop() {
	h.worker.Stop()
	var errs []error
	if n := h.plugin.Interrupted(); n > 0 {
		again := "Temporal has them back and retries them"
		if last := h.plugin.lastAttempt.Load(); last > 0 {
			again = fmt.Sprintf("Temporal has them back, and retries them except for %d whose retry policy does not allow it", last)
		}
		if h.plugin.Undelivered() > 0 {
			again = "some of them may be among those that Temporal could not be told of"
		}
		errs = append(errs, fmt.Errorf("%w: %d; %s", ErrInterrupted, n, again))
	}
	if n := h.plugin.Undelivered(); n > 0 {
		errs = append(errs, fmt.Errorf("%w: %d; their attempts time out, and are retried if their retry policies allow it", ErrUndelivered, n))
	}
	errs = append(errs, h.plugin.closeErr)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closeClient()
	h.stopErr = errors.Join(errs...)
	h.state = stateStopped
	close(h.stopped)
}

func (h *Host) closeClient() {
	if h.ownClient {
		h.client.Close()
		h.ownClient = false
	}
}

// Run starts the worker, blocks until ctx ends or the worker fails for good, and then
// stops it gracefully. The error is that of Start, or joins [Host.Err] and that of Stop.
func (h *Host) Run(ctx context.Context) error {
	if err := h.Start(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-h.failed:
	}
	err := h.Stop(context.WithoutCancel(ctx))
	return errors.Join(h.Err(), err)
}

// Failed returns a channel that is closed when the worker has failed for good: Temporal
// refused it, or its namespace is gone. Err returns the cause. The Host must still be
// stopped.
func (h *Host) Failed() <-chan struct{} { return h.failed }

// Err returns why the worker failed for good, or nil if it did not.
func (h *Host) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failure
}

// Client returns the Temporal client. It is nil before Start unless Options.Client was
// set.
func (h *Host) Client() client.Client {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.client
}

// Worker returns the Temporal worker. It is nil before Start has returned.
func (h *Host) Worker() worker.Worker {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.worker
}

// TaskQueue returns the name of the task queue that the worker polls.
func (h *Host) TaskQueue() string { return h.taskQueue }

// Plugin returns the plugin at the core of the Host. It knows the modules.
func (h *Host) Plugin() *Plugin { return h.plugin }

// Activities returns the types of all activities, of modules and in Go, sorted.
func (h *Host) Activities() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	names := slices.Clone(h.activities)
	for _, a := range h.plugin.Activities() {
		names = append(names, a.Type)
	}
	slices.Sort(names)
	return names
}

// Workflows returns the types of all workflows, of modules and in Go, sorted.
func (h *Host) Workflows() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	names := slices.Clone(h.workflows)
	for _, w := range h.plugin.Workflows() {
		names = append(names, w.Type)
	}
	slices.Sort(names)
	return names
}

// PassthroughModules returns the host modules that can be granted. The slice is the
// caller's.
func (h *Host) PassthroughModules() []PassthroughModule {
	return slices.Clone(h.options.Passthrough)
}

// Limit returns how many activities may run at once, or 0 if there is no limit.
func (h *Host) Limit() int { return h.plugin.limit }

// Executor returns the executor that hands out the instances.
func (h *Host) Executor() Executor { return h.plugin.Executor() }

// activityNames returns the types under which the SDK registers an activity or a struct
// of them.
func activityNames(a any, options activity.RegisterOptions) []string {
	t := reflect.TypeOf(a)
	if t == nil {
		return nil
	}
	if t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct {
		var names []string
		for method := range t.Methods() {
			names = append(names, options.Name+method.Name)
		}
		return names
	}
	if options.Name != "" {
		return []string{options.Name}
	}
	return []string{functionName(a)}
}

// functionName returns a function's name as the SDK derives it.
func functionName(fn any) string {
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func {
		return fmt.Sprint(fn)
	}
	name := runtime.FuncForPC(v.Pointer()).Name()
	return strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "-fm")
}
