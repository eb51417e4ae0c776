package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// What [DefaultPluginOptions] has.
const (
	DefaultMaxConcurrentActivities = 100
	DefaultGracefulShutdownTimeout = 30 * time.Second
	DefaultCancelGrace             = 10 * time.Second
	DefaultModuleIdleTimeout       = 10 * time.Minute
	DefaultCacheLimit              = 10 << 30
)

// reportAllowance is how long, after the graceful timeout, the SDK's worker goes on
// waiting for interrupted activities to return and to report that. The SDK does not
// wait for what its own timeout cut off, so that timeout is ours plus this.
const reportAllowance = 15 * time.Second

// Executor hands out instances to activities; see [sandbox.Executor]. It is experimental.
type Executor = sandbox.Executor

// ModuleOptions are the settings of a module; see [sandbox.Options].
type ModuleOptions = sandbox.Options

// PassthroughModule is a host module that guests may import when it is granted; see
// [passthrough.Module].
type PassthroughModule = passthrough.Module

// PluginOptions say which modules are served, and how. Begin with [DefaultPluginOptions]:
// zero means zero here.
type PluginOptions struct {
	// Modules are .wasm files and directories with such files. Required, unless there are
	// Files.
	Modules []string
	// Files are further modules, which were read already: with [modules.Parse], say, from
	// what is embedded into the program. Default: none.
	Files []*modules.File
	// Defaults are the options of every module: grants, limits, isolation. Zero values in
	// them mean those of [sandbox.DefaultOptions].
	Defaults ModuleOptions
	// PerModule are options of single modules, by the file's name without .wasm.
	// What they say replaces the default; grants add to it.
	PerModule map[string]ModuleOptions
	// Passthrough are host modules of your own, which can then be granted.
	Passthrough []PassthroughModule
	// SkipRefused serves what can be served when some modules are refused, rather
	// than nothing: for directories that several teams write to.
	SkipRefused bool
	// Preload says which modules are loaded before the worker begins to poll. The others
	// are loaded when the first of their activities comes, which waits for that. Default:
	// all.
	Preload sandbox.Preload
	// ModuleIdleTimeout is how long a module stays loaded that no activity needs; its
	// next activity loads it from the cache again. Modules whose code is not in the cache
	// stay. 0: for ever. Default 10 min.
	ModuleIdleTimeout time.Duration
	// MaxConcurrentActivities caps the activities that run at once, and with them
	// the instances that exist: memory is at most this times the memory limit.
	// 0: as many as Temporal sends. Default 100.
	MaxConcurrentActivities int
	// TotalMemoryLimit is the most memory in bytes that the instances of all modules may
	// have together, for a machine or container that could not give each its own limit at
	// once. Beyond it, idle instances are closed; if that does not suffice, activities
	// wait within their time, in the order in which they came, each in one of the
	// worker's slots. One that would find no memory if nothing else ran fails with
	// NoInstance. Default 0: no limit.
	TotalMemoryLimit uint64
	// GracefulShutdownTimeout is how long activities may go on once the worker was
	// told to stop. Then they are interrupted and handed to another worker. Choose
	// it below the time after which your platform kills the process. 0 interrupts at
	// once. Default 30 s.
	GracefulShutdownTimeout time.Duration
	// CancelGrace is how long a guest may go on after it was told that its activity
	// was canceled, paused, reset or is gone, before it is interrupted. A command,
	// which cannot be told, is interrupted at once. 0 gives none. Default 10 s.
	CancelGrace time.Duration
	// CacheDir is where compiled code is kept between starts: a start with it takes a
	// twentieth of the time. Only trusted users may be able to write to it, since what
	// lies there is run. One that cannot be made or written to is told to the Logger and
	// read alone, as far as it can be. Empty: nothing is kept. Default: that of
	// [sandbox.DefaultCacheDir].
	CacheDir string
	// CompileTimeout is the most time that compiling a module may take, and
	// CompileMemoryLimit the most memory in bytes. A module beyond them is refused. They
	// hold whatever a module does to the compiler in programs that call
	// [sandbox.CompilerMain] first; in others there is a warning. 0: no limit. Default
	// 60 s and 2 GiB.
	CompileTimeout     time.Duration
	CompileMemoryLimit uint64
	// CacheLimit is how many bytes the cache may have. What has not been of use for
	// longest makes room, to any worker that shares it, except for what this one serves. 0:
	// no limit. Default 10 GiB.
	CacheLimit uint64
	// Interceptor stands around activities and calls of passthrough modules, to record or
	// trace them. Default: none.
	Interceptor Interceptor
	// Executor replaces the pool of instances. MaxConcurrentActivities then limits
	// the activities, and the executor alone the instances.
	Executor Executor
	// Logger gets what the host has to say, and what modules log outside of
	// activities. What they log in activities goes to the Temporal client's logger.
	// Default: slog.Default().
	Logger *slog.Logger
}

// DefaultPluginOptions returns options with the defaults that the fields document.
func DefaultPluginOptions() PluginOptions {
	return PluginOptions{
		Defaults:                sandbox.DefaultOptions(),
		MaxConcurrentActivities: DefaultMaxConcurrentActivities,
		GracefulShutdownTimeout: DefaultGracefulShutdownTimeout,
		CancelGrace:             DefaultCancelGrace,
		CacheDir:                sandbox.DefaultCacheDir(),
		CacheLimit:              DefaultCacheLimit,
		Preload:                 sandbox.PreloadAll,
		ModuleIdleTimeout:       DefaultModuleIdleTimeout,
		CompileTimeout:          sandbox.DefaultCompileTimeout,
		CompileMemoryLimit:      sandbox.DefaultCompileMemoryLimit,
	}
}

// Plugin makes a Temporal worker serve WebAssembly modules. It is made by [NewPlugin]
// and put into worker.Options.Plugins, of one worker.
//
// It sets these fields of the worker's options unless they are set already:
// MaxConcurrentActivityExecutionSize to the limit (not with a Tuner), or where a module
// has MaxInstances a Tuner of its own, which takes on more activities while some wait for
// that, DefaultHeartbeatThrottleInterval to 5 s, and WorkerStopTimeout, which is always
// the graceful timeout and 15 s more for interrupted activities to report. It registers
// the worker's dynamic activity, so a worker cannot have another one.
//
// Worker.Start compiles the modules, which can take seconds; call [Plugin.Load]
// before it to do that under a context. Worker.Stop returns when every activity has
// returned and everything is closed.
//
// Give the client [Plugin.DialOption] too, so that no result is lost while Temporal is
// away.
type Plugin struct {
	worker.PluginBase
	options PluginOptions
	sandbox *sandbox.Sandbox
	limit   int // 0: none
	limits  serverLimits
	logger  *slog.Logger

	loadOnce sync.Once
	loadErr  error

	mu                 sync.Mutex
	used               bool
	goActivities       map[string]bool
	dynamicActivity    bool
	interruptRequested bool // Interrupt was called

	stopping     atomic.Bool
	interruptCtx context.Context // ends when live activities are to be interrupted
	interruptAll context.CancelFunc
	interrupted  atomic.Int64
	lastAttempt  atomic.Int64 // of the interrupted ones, those that Temporal does not retry
	reports      *reports
	slots        *slots // nil: no module has a limit of its own
	stopped      chan struct{}
	closeOnce    sync.Once
	closeErr     error
}

var _ worker.Plugin = (*Plugin)(nil)

// check reports values that no worker can have.
func (o PluginOptions) check() error {
	var errs []error
	complain := func(option string, value any) {
		errs = append(errs, &sandbox.OptionError{Option: option, Err: fmt.Errorf("%v is negative", value)})
	}
	if o.MaxConcurrentActivities < 0 {
		complain("MaxConcurrentActivities", o.MaxConcurrentActivities)
	}
	if o.GracefulShutdownTimeout < 0 {
		complain("GracefulShutdownTimeout", o.GracefulShutdownTimeout)
	}
	if o.CancelGrace < 0 {
		complain("CancelGrace", o.CancelGrace)
	}
	if o.ModuleIdleTimeout < 0 {
		complain("ModuleIdleTimeout", o.ModuleIdleTimeout)
	}
	return errors.Join(errs...)
}

// NewPlugin reads the modules and checks them and the options as a whole. It compiles
// and runs nothing. The error joins everything that was found wrong; each part names a
// file or a field. errors.As finds a [*passthrough.AdmissionError] in it where a module
// imports more than it was granted.
func NewPlugin(options PluginOptions) (*Plugin, error) {
	p := &Plugin{options: options, logger: options.Logger, goActivities: map[string]bool{}, stopped: make(chan struct{})}
	if p.logger == nil {
		p.logger = slog.Default()
	}
	errs := []error{options.check()}
	p.limit = max(options.MaxConcurrentActivities, 0)
	if len(options.Modules)+len(options.Files) == 0 {
		errs = append(errs, errors.New("no modules are named; name a directory with .wasm files, or files"))
	}
	set, err := passthrough.NewSet(options.Passthrough...)
	errs = append(errs, err)
	modules, unreadable := modules.Open(options.Modules...)
	modules = append(modules, options.Files...)
	if unreadable != nil && (!options.SkipRefused || len(modules) == 0) {
		errs = append(errs, unreadable)
	}
	set = set.Wrap(measured)
	if options.Interceptor != nil {
		set = set.Wrap(options.Interceptor.Passthrough)
	}
	var capped func(int)
	if p.limit > 0 && options.Executor == nil && hasMaxInstances(options) {
		p.slots = newSlots(p.limit)
		capped = p.slots.wait
	}
	if len(modules) > 0 {
		p.sandbox, err = sandbox.New(sandbox.Config{
			Modules:            modules,
			Defaults:           options.Defaults,
			PerModule:          options.PerModule,
			Passthrough:        set,
			SkipRefused:        options.SkipRefused,
			Preload:            options.Preload,
			ModuleIdleTimeout:  options.ModuleIdleTimeout,
			Limit:              p.limit,
			MemoryLimit:        options.TotalMemoryLimit,
			Executor:           options.Executor,
			Capped:             capped,
			CacheLimit:         options.CacheLimit,
			CacheDir:           p.options.CacheDir,
			CompileTimeout:     options.CompileTimeout,
			CompileMemoryLimit: options.CompileMemoryLimit,
			Logger:             p.logger,
		})
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if unreadable != nil {
		p.logger.Warn("module left out", "error", unreadable)
	}
	p.interruptCtx, p.interruptAll = context.WithCancel(context.Background())
	p.reports = newReports(p.logger, p.interruptCtx)
	return p, nil
}

// hasMaxInstances tells whether a module has a limit of its own.
func hasMaxInstances(options PluginOptions) bool {
	for _, o := range options.PerModule {
		if o.MaxInstances > 0 {
			return true
		}
	}
	return options.Defaults.MaxInstances > 0
}

// Name implements [worker.Plugin].
func (p *Plugin) Name() string { return "wasmworker" }

// Load compiles the modules. It blocks until that is done or ctx ends. It does its
// work once; later calls return the first one's error.
func (p *Plugin) Load(ctx context.Context) error {
	p.loadOnce.Do(func() {
		if p.loadErr = p.sandbox.Compile(ctx); p.loadErr != nil {
			p.loadErr = errors.Join(p.loadErr, p.close(ctx))
		}
	})
	return p.loadErr
}

// Activities returns the activities of the modules that are served, sorted by type.
func (p *Plugin) Activities() []sandbox.Activity { return p.sandbox.Activities() }

// Modules returns the modules that are served.
func (p *Plugin) Modules() []*sandbox.Module { return p.sandbox.Modules() }

// Refused returns why modules were left out, which needs SkipRefused.
func (p *Plugin) Refused() []error { return p.sandbox.Refused() }

// Executor returns what hands out the instances.
func (p *Plugin) Executor() Executor { return p.sandbox.Executor() }

// Interrupted returns how many activities a shutdown has interrupted so far. Guests that
// gave up by themselves when they saw that the worker stops are not among them.
func (p *Plugin) Interrupted() int { return int(p.interrupted.Load()) }

// Undelivered returns how many activities have ended so far without Temporal being told
// how, because it was away for too long or refused to hear it. It is 0 without
// [Plugin.DialOption].
func (p *Plugin) Undelivered() int { return int(p.reports.undelivered.Load()) }

// DialOption lets the connection of a client insist on telling Temporal how activities
// ended, until the activity's own deadline, or until the graceful timeout while the
// worker stops. Without it the SDK gives up after 10 seconds. Put it into the
// ConnectionOptions.DialOptions of the worker's client; a [Host] does so with the client
// that it makes.
func (p *Plugin) DialOption() grpc.DialOption {
	p.reports.installed.Store(true)
	return grpc.WithChainUnaryInterceptor(p.reports.intercept)
}

// ConfigureWorker implements [worker.Plugin].
func (p *Plugin) ConfigureWorker(_ context.Context, options worker.PluginConfigureWorkerOptions) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used {
		return errors.New("wasmworker: this plugin belongs to another worker already; make one for each worker")
	}
	p.used = true
	o := options.WorkerOptions
	if o.Tuner == nil && o.MaxConcurrentActivityExecutionSize == 0 {
		switch {
		case p.limit == 0:
			o.MaxConcurrentActivityExecutionSize = math.MaxInt32 // the SDK's own default is 1,000
		case p.slots != nil:
			tuner, err := p.slots.tuner(o)
			if err != nil {
				return fmt.Errorf("wasmworker: activity slots: %w", err)
			}
			o.Tuner = tuner
		default:
			o.MaxConcurrentActivityExecutionSize = p.limit
		}
	}
	if o.DefaultHeartbeatThrottleInterval == 0 {
		// For activities without a heartbeat timeout: how late a cancellation can be.
		o.DefaultHeartbeatThrottleInterval = idleHeartbeat
	}
	o.WorkerStopTimeout = p.options.GracefulShutdownTimeout + reportAllowance
	o.Interceptors = append(slices.Clone(o.Interceptors), &shutdownInterceptor{plugin: p})

	r := options.WorkerRegistryOptions
	onActivity, onDynamic := r.OnRegisterActivity, r.OnRegisterDynamicActivity
	r.OnRegisterActivity = func(a any, o activity.RegisterOptions) {
		p.mu.Lock()
		for _, name := range activityNames(a, o) {
			p.goActivities[name] = true
		}
		p.mu.Unlock()
		if onActivity != nil {
			onActivity(a, o)
		}
	}
	r.OnRegisterDynamicActivity = func(a any, o activity.DynamicRegisterOptions) {
		p.mu.Lock()
		p.dynamicActivity = true
		p.mu.Unlock()
		if onDynamic != nil {
			onDynamic(a, o)
		}
	}
	return nil
}

// StartWorker implements [worker.Plugin]: it compiles the modules unless [Plugin.Load]
// did, registers their activities and lets the worker start. On an error everything is
// closed.
func (p *Plugin) StartWorker(ctx context.Context, options worker.PluginStartWorkerOptions, next func(context.Context, worker.PluginStartWorkerOptions) error) error {
	if err := p.Load(ctx); err != nil {
		return err
	}
	// the SDK's test environment has none, and no server
	_, p.limits.server = options.WorkerRegistry.(worker.Worker)
	err := p.checkNames()
	if err == nil {
		options.WorkerRegistry.RegisterDynamicActivity(p.execute, activity.DynamicRegisterOptions{})
		err = next(ctx, options)
	}
	if err != nil {
		return errors.Join(err, p.close(ctx))
	}
	return nil
}

// checkNames finds Go activities that would silently win over those of modules.
func (p *Plugin) checkNames() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	if p.dynamicActivity {
		errs = append(errs, errors.New("wasmworker: the worker has a dynamic activity already, and wasm activities are served by one; register your activities by name"))
	}
	for _, a := range p.sandbox.Activities() {
		if p.goActivities[a.Type] {
			errs = append(errs, fmt.Errorf("wasmworker: activity %q is registered in Go and is in %s too; rename one of them", a.Type, a.Module.File().Path))
		}
	}
	return errors.Join(errs...)
}

// StopWorker implements [worker.Plugin]. The worker has stopped polling when it is
// called; it blocks until every activity has returned and reported, and everything is
// closed.
func (p *Plugin) StopWorker(ctx context.Context, options worker.PluginStopWorkerOptions, next func(context.Context, worker.PluginStopWorkerOptions)) {
	p.mu.Lock()
	p.stopping.Store(true)
	if p.interruptRequested {
		p.interruptAll()
	}
	p.mu.Unlock()
	timer := time.AfterFunc(p.options.GracefulShutdownTimeout, p.interruptAll)
	next(ctx, options)
	timer.Stop()
	p.interruptAll() // whatever the SDK did not wait for has to end now
	p.close(ctx)     //nolint:errcheck // it is kept
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportAttempt)
	defer cancel()
	p.reports.settle(settling)
	close(p.stopped)
}

// close closes the sandbox, which waits for the calls, and then the passthrough modules,
// the last one first. It does so once, also if ctx has ended.
func (p *Plugin) close(ctx context.Context) error {
	p.closeOnce.Do(func() {
		ctx := context.WithoutCancel(ctx)
		errs := []error{p.sandbox.Close(ctx)}
		for _, m := range slices.Backward(p.options.Passthrough) {
			if m.Close == nil {
				continue
			}
			if err := m.Close(ctx); err != nil {
				errs = append(errs, fmt.Errorf("passthrough module %q: %w", m.Name, err))
			}
		}
		p.closeErr = errors.Join(errs...)
	})
	return p.closeErr
}

// Interrupt ends a graceful shutdown early: activities of this worker that still run, and
// any that begin later, are interrupted as soon as it has stopped polling: earlier,
// Temporal would hand them to this worker again. Call it when the worker is being
// stopped. It does not block.
func (p *Plugin) Interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.interruptRequested = true
	if p.stopping.Load() {
		p.interruptAll()
		return
	}
	// A server that hangs cannot hand them out either, and the SDK waits 10 s for it.
	time.AfterFunc(pollsEnd, p.interruptAll)
}

// pollsEnd is how long it may take to tell the server that the worker does not poll any
// more.
const pollsEnd = 2 * time.Second

// shutdownInterceptor gives every activity of the worker, those in Go too, a context
// that ends with worker.ErrWorkerShutdown when the graceful timeout is over. The SDK's
// own timeout comes later, see reportAllowance.
type shutdownInterceptor struct {
	interceptor.WorkerInterceptorBase
	plugin *Plugin
}

func (i *shutdownInterceptor) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	a := &shutdownInbound{plugin: i.plugin}
	a.Next = next
	return a
}

type shutdownInbound struct {
	interceptor.ActivityInboundInterceptorBase
	plugin *Plugin
}

func (a *shutdownInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(a.plugin.interruptCtx, func() { cancel(worker.ErrWorkerShutdown) })()
	a.plugin.reports.expect(ctx)
	result, err := a.Next.ExecuteActivity(ctx, in)
	// A wasm activity that was interrupted says so itself, with its heartbeat details.
	if err != nil && errors.Is(context.Cause(ctx), worker.ErrWorkerShutdown) && errors.Is(err, context.Canceled) {
		err = a.plugin.interruptedError(activity.GetInfo(ctx))
	}
	a.plugin.reports.returned(ctx, err)
	return result, err
}

// interruptedError counts an attempt that a shutdown has interrupted, and returns its
// failure.
func (p *Plugin) interruptedError(info activity.Info, details ...any) error {
	p.interrupted.Add(1)
	if r := info.RetryPolicy; r != nil && (r.MaximumAttempts > 0 && info.Attempt >= r.MaximumAttempts || slices.Contains(r.NonRetryableErrorTypes, abi.TypeWorkerShutdown)) {
		p.lastAttempt.Add(1)
	}
	return shutdownError(info.ActivityType.Name, details...)
}

// handOver is the retry delay that makes Temporal hand an activity to another worker at
// once: zero would mean the delay of the retry policy.
const handOver = time.Millisecond

// shutdownError is the failure of an attempt that a shutdown cut short.
func shutdownError(activityType string, details ...any) error {
	return temporal.NewApplicationErrorWithOptions(
		fmt.Sprintf("activity %s was cut short because its worker had to stop", activityType),
		abi.TypeWorkerShutdown,
		temporal.ApplicationErrorOptions{NextRetryDelay: handOver, Details: details},
	)
}

// defaultIdentity names this process in Temporal's UI.
func defaultIdentity(deployment string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return strings.TrimSuffix(fmt.Sprintf("%d@%s@wasmworker-%s", os.Getpid(), host, deployment), "-")
}
