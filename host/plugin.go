package host

import (
	"cmp"
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
	"github.com/wasmworker/wasmworker/internal/engine"
)

// Values of [DefaultPluginOptions].
const (
	DefaultMaxConcurrentActivities = 100
	DefaultGracefulShutdownTimeout = 30 * time.Second
	DefaultCancelGrace             = 10 * time.Second
	DefaultModuleIdleTimeout       = 10 * time.Minute
	DefaultMaxAwakeWorkflows       = 200
	DefaultCacheLimit              = 10 << 30
)

// reportAllowance is how much longer than the graceful timeout the SDK's worker waits, so
// that interrupted activities can return and report. The SDK does not wait for activities
// that its own timeout cut off. Its timeout is therefore the graceful timeout plus this.
const reportAllowance = 15 * time.Second

// Executor hands out instances to activities; see [sandbox.Executor]. It is experimental
// and may change.
type Executor = sandbox.Executor

// ModuleOptions are the settings of a module; see [sandbox.Options].
type ModuleOptions = sandbox.Options

// PassthroughModule is a host module that guests may import once it is granted; see
// [passthrough.Module].
type PassthroughModule = passthrough.Module

// PluginOptions say which modules are served, and how. Begin with [DefaultPluginOptions]:
// a zero value in a field means zero, not the default.
type PluginOptions struct {
	// Modules are .wasm files and directories with such files. Required, unless there are
	// Files.
	Modules []string
	// Files are further modules that were already read, for example with [modules.Parse]
	// from a binary that is embedded in the program. Default: none.
	Files []*modules.File
	// Defaults are the options of every module: grants, limits, isolation. A zero value
	// in them means that of [sandbox.DefaultOptions].
	Defaults ModuleOptions
	// PerModule are options of single modules, by the file's name without .wasm. Their
	// values replace those of Defaults; their grants are added to those of Defaults.
	PerModule map[string]ModuleOptions
	// Passthrough are the host modules that can be granted. The plugin closes them when
	// it stops. Default: none.
	Passthrough []PassthroughModule
	// SkipRefused serves the remaining modules when some are refused, instead of none. It
	// is for directories that several teams write to. Once one module is loaded, a start
	// waits at most 5 s for the others. Default: false.
	SkipRefused bool
	// Preload says which modules are loaded before the worker begins to poll. Every other
	// module is loaded when the first of its activities comes, and that activity waits.
	// Default: all.
	Preload sandbox.Preload
	// ModuleIdleTimeout is how long a module stays loaded without an activity. Its next
	// activity loads it again from the cache. A module whose code is not in the cache
	// stays loaded. 0 keeps all modules loaded. Default 10 min.
	ModuleIdleTimeout time.Duration
	// MaxConcurrentActivities is how many activities may run at once, and how many
	// instances may exist. Memory is at most this times the memory limit. 0 means as many
	// as Temporal sends. Default 100.
	MaxConcurrentActivities int
	// MaxAwakeWorkflows is how many workflow runs of modules keep an instance while they
	// wait. Those beyond it that were not in use for longest are kept as what they changed,
	// some KiB, and are woken within a millisecond. How many runs are kept at all is the
	// SDK's cache of workflows. 0 means no limit. Default 200.
	MaxAwakeWorkflows int
	// TotalMemoryLimit is the most memory in bytes that the instances of all modules may
	// have together. It is for machines and containers that cannot give each instance its
	// own limit at once. Beyond it, idle instances are closed. If that does not suffice,
	// activities wait, within their time and in the order in which they came; each keeps
	// one of the worker's slots. An activity that would find no memory even if nothing
	// else ran fails with NoInstance. 0 means no limit. Default 0.
	TotalMemoryLimit uint64
	// GracefulShutdownTimeout is how long activities may go on once the worker is told to
	// stop. Then they are interrupted and handed to another worker. Choose it below the
	// time after which your platform kills the process. 0 interrupts at once. Default
	// 30 s.
	GracefulShutdownTimeout time.Duration
	// CancelGrace is how long a guest may go on after it was told that its activity was
	// canceled, paused, reset or is gone. Then it is interrupted. A command cannot be
	// told and is interrupted at once. 0 interrupts every guest at once. Default 10 s.
	CancelGrace time.Duration
	// CacheDir is the directory where compiled code is kept between starts. A start that
	// finds its code there takes a twentieth of the time. The code is run, so only
	// trusted users may be able to write to the directory. A directory that cannot be
	// written is only read. A directory that cannot be created, or that other users may
	// write to, is not used. The Logger is told of either. Empty: nothing is kept.
	// Default: that of [sandbox.DefaultCacheDir].
	CacheDir string
	// CompileTimeout is the most time that compiling a module may take, and
	// CompileMemoryLimit the most memory in bytes. A module beyond them is refused.
	// Programs that call [sandbox.CompilerMain] first enforce them, whatever a module
	// does to the compiler. Other programs log a warning, and check them only between two
	// functions of a module. 0 means no limit. Default 60 s and 2 GiB.
	CompileTimeout     time.Duration
	CompileMemoryLimit uint64
	// CacheLimit is how many bytes the cache may have. Beyond it, the code that was not
	// used for longest is removed, whichever worker used it, except for modules that this
	// worker serves. 0 means no limit. Default 10 GiB.
	CacheLimit uint64
	// BuildID is the worker's build id: that of its version where the worker's
	// DeploymentOptions.UseVersioning is set, and what the history of a workflow names in
	// any case. Default: a digest of the modules that have workflows and of their types, or
	// of all modules if none has: so a change of activities alone is no other version.
	BuildID string
	// AutoUpgrade are types of workflows of modules whose runs go on with the newest version
	// of the worker. With versioning, the runs of all others end with the version that they
	// began with, unless DeploymentOptions.DefaultVersioningBehavior says otherwise. Without
	// it, this says nothing. A type that no module has is an error. Default: none.
	AutoUpgrade []string
	// Interceptor wraps activities and calls of passthrough modules, to record or trace
	// them. Default: none.
	Interceptor Interceptor
	// WorkflowEnded is called when a run of a workflow of a module ends, before Temporal is
	// told. It must not block. With it the state after each activation is hashed. Default:
	// none.
	WorkflowEnded func(WorkflowEnd)
	// Executor replaces the pool of instances. MaxConcurrentActivities then limits only
	// the activities, and the executor limits the instances. Default: the pool.
	Executor Executor
	// Logger gets the log records of the host, and those that modules write outside of
	// activities. Records that modules write in activities go to the Temporal client's
	// logger. Default: slog.Default().
	Logger *slog.Logger

	interpreter bool // see engine.InterpretPlugin
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
		MaxAwakeWorkflows:       DefaultMaxAwakeWorkflows,
		CompileTimeout:          sandbox.DefaultCompileTimeout,
		CompileMemoryLimit:      sandbox.DefaultCompileMemoryLimit,
	}
}

// Plugin makes a Temporal worker serve WebAssembly modules. [NewPlugin] makes it. Put it
// into worker.Options.Plugins of one worker only.
//
// It sets these fields of the worker's options:
//
//   - MaxConcurrentActivityExecutionSize becomes the limit, unless it or Tuner is set.
//     Where a module has MaxInstances, a Tuner is set instead: it takes on more
//     activities while some wait for that module.
//   - DefaultHeartbeatThrottleInterval becomes 5 s, unless it is set.
//   - WorkerStopTimeout always becomes the graceful timeout and 15 s, in which
//     interrupted activities report.
//   - BuildID, or DeploymentOptions.Version.BuildID with UseVersioning, becomes
//     [Plugin.BuildID], unless it is set.
//   - DeploymentOptions.DefaultVersioningBehavior becomes pinned with UseVersioning, unless
//     it is set.
//
// It registers the worker's dynamic activity, so a worker cannot have another one.
//
// Worker.Start loads the modules, which can take seconds. Call [Plugin.Load] before it to
// do that under a context. Worker.Stop returns when every activity has returned and
// everything is closed.
//
// Give the client [Plugin.DialOption] too, so that no result is lost while Temporal is
// away.
type Plugin struct {
	worker.PluginBase
	options PluginOptions
	sandbox *sandbox.Sandbox
	limit   int // 0 means no limit
	limits  serverLimits
	buildID string
	logger  *slog.Logger

	loadOnce sync.Once
	loadErr  error

	mu                 sync.Mutex
	used               bool
	goActivities       map[string]bool
	dynamicActivity    bool
	interruptRequested bool             // Interrupt was called
	replayers          map[string]error // that were given the workflows, by their keys

	stopping     atomic.Bool
	interruptCtx context.Context // ends when live activities are to be interrupted
	interruptAll context.CancelFunc
	interrupted  atomic.Int64
	lastAttempt  atomic.Int64 // interrupted attempts that Temporal does not retry
	reports      *reports
	slots        *slots                                            // nil if no module has MaxInstances
	activated    func(workflowID string, run *sandbox.WorkflowRun) // after each activation, for tests
	// replayNamespace is the namespace of runs in the SDK's replayer, which does not know it.
	replayNamespace string
	stopped         chan struct{}
	closeOnce       sync.Once
	closeErr        error
}

var _ worker.Plugin = (*Plugin)(nil)

// check reports negative values.
func (o PluginOptions) check() error {
	var errs []error
	complain := func(option string, value any) {
		errs = append(errs, &sandbox.OptionError{Option: option, Err: fmt.Errorf("%v is negative", value)})
	}
	if o.MaxConcurrentActivities < 0 {
		complain("MaxConcurrentActivities", o.MaxConcurrentActivities)
	}
	if o.MaxAwakeWorkflows < 0 {
		complain("MaxAwakeWorkflows", o.MaxAwakeWorkflows)
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

// NewPlugin reads the modules, and checks them and the options as a whole. It compiles
// and runs nothing. The error joins every mistake that was found; each part names a file
// or a field. It contains a [*passthrough.AdmissionError], for errors.As, for each module
// that imports more than it was granted.
func NewPlugin(options PluginOptions) (*Plugin, error) {
	p := &Plugin{options: options, logger: options.Logger, goActivities: map[string]bool{}, replayers: map[string]error{}, stopped: make(chan struct{})}
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
		config := sandbox.Config{
			Modules:            modules,
			Defaults:           options.Defaults,
			PerModule:          options.PerModule,
			Passthrough:        set,
			SkipRefused:        options.SkipRefused,
			Preload:            options.Preload,
			ModuleIdleTimeout:  options.ModuleIdleTimeout,
			MaxAwakeWorkflows:  options.MaxAwakeWorkflows,
			Limit:              p.limit,
			MemoryLimit:        options.TotalMemoryLimit,
			Executor:           options.Executor,
			Capped:             capped,
			CacheLimit:         options.CacheLimit,
			CacheDir:           p.options.CacheDir,
			CompileTimeout:     options.CompileTimeout,
			CompileMemoryLimit: options.CompileMemoryLimit,
			Logger:             p.logger,
		}
		if options.interpreter {
			engine.Interpret(&config)
		}
		p.sandbox, err = sandbox.New(config)
		errs = append(errs, err)
	}
	if p.sandbox != nil {
		errs = append(errs, p.checkAutoUpgrade())
		p.buildID = cmp.Or(options.BuildID, p.digest())
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

// Name implements [worker.Plugin].
func (p *Plugin) Name() string { return "wasmworker" }

// Load loads the modules that Preload names. It blocks until that is done or ctx ends;
// with SkipRefused, at most 5 s once one module is loaded. It does its work once; later
// calls return the first call's error. On an error the plugin is closed.
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

// Workflows returns the workflows of the modules that are served, sorted by type.
func (p *Plugin) Workflows() []sandbox.Workflow { return p.sandbox.Workflows() }

// Modules returns the modules that are served, whether or not they are loaded.
func (p *Plugin) Modules() []*sandbox.Module { return p.sandbox.Modules() }

// Refused returns an error for each module that was left out. It is empty without
// SkipRefused.
func (p *Plugin) Refused() []error { return p.sandbox.Refused() }

// Executor returns the executor that hands out the instances.
func (p *Plugin) Executor() Executor { return p.sandbox.Executor() }

// Interrupted returns how many activities a shutdown has interrupted so far. Guests that
// gave up by themselves, because they saw that the worker stops, are not counted.
func (p *Plugin) Interrupted() int { return int(p.interrupted.Load()) }

// Undelivered returns how many activities have ended so far without Temporal being told
// how. Temporal was away for too long, or refused the report. It is 0 without
// [Plugin.DialOption].
func (p *Plugin) Undelivered() int { return int(p.reports.undelivered.Load()) }

// DialOption returns an option for the connection of the worker's client. With it,
// reports of how activities ended are retried until the activity's own deadline, or until
// the graceful timeout while the worker stops. Without it the SDK gives up after 10
// seconds. Put it into the client's ConnectionOptions.DialOptions. A [Host] does so if it
// makes the client itself.
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
		// A cancellation of an activity without a heartbeat timeout can be this late.
		o.DefaultHeartbeatThrottleInterval = idleHeartbeat
	}
	o.WorkerStopTimeout = p.options.GracefulShutdownTimeout + reportAllowance
	p.version(o)
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

// StartWorker implements [worker.Plugin]. It loads the modules unless [Plugin.Load] did,
// registers their activities and lets the worker start. On an error everything is closed.
func (p *Plugin) StartWorker(ctx context.Context, options worker.PluginStartWorkerOptions, next func(context.Context, worker.PluginStartWorkerOptions) error) error {
	if err := p.Load(ctx); err != nil {
		return err
	}
	// The SDK's test environment is not a worker and has no server.
	_, p.limits.server = options.WorkerRegistry.(worker.Worker)
	err := p.checkNames()
	if err == nil {
		if len(p.Activities()) > 0 {
			options.WorkerRegistry.RegisterDynamicActivity(p.execute, activity.DynamicRegisterOptions{})
		}
		err = p.registerWorkflows(options.WorkerRegistry)
	}
	if err == nil {
		err = next(ctx, options)
	}
	if err != nil {
		return errors.Join(err, p.close(ctx))
	}
	return nil
}

// checkNames reports Go activities that would silently replace activities of modules, and
// a second dynamic activity.
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

// StopWorker implements [worker.Plugin]. The SDK calls it after the worker has stopped
// polling. It blocks until every activity has returned and reported, and everything is
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
	p.interruptAll() // activities that the SDK did not wait for must end now
	p.close(ctx)     //nolint:errcheck // closeErr keeps the error
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportAttempt)
	defer cancel()
	p.reports.settle(settling)
	close(p.stopped)
}

// close closes the sandbox, which waits for the calls, and then the passthrough modules
// in reverse order. It does so once, even if ctx has ended; later calls return the same
// error.
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

// Interrupt ends a graceful shutdown early. It does not block. Call it when the worker is
// being stopped. Activities of this worker that still run, and any that begin later, are
// interrupted as soon as the worker has stopped polling. Temporal would hand an activity
// that is interrupted earlier to this worker again.
func (p *Plugin) Interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.interruptRequested = true
	if p.stopping.Load() {
		p.interruptAll()
		return
	}
	// The SDK waits up to 10 s for a server that hangs. Such a server cannot hand
	// activities out again, so pollsEnd is enough.
	time.AfterFunc(pollsEnd, p.interruptAll)
}

// pollsEnd is the time in which the server is told that the worker stops polling.
const pollsEnd = 2 * time.Second

// shutdownInterceptor gives every activity of the worker, Go activities too, a context
// that ends with worker.ErrWorkerShutdown when the graceful timeout is over. The SDK's
// own timeout is later; see reportAllowance.
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
	// A wasm activity has made this error itself, with its heartbeat details.
	if err != nil && errors.Is(context.Cause(ctx), worker.ErrWorkerShutdown) && errors.Is(err, context.Canceled) {
		err = a.plugin.interruptedError(activity.GetInfo(ctx))
	}
	a.plugin.reports.returned(ctx, err)
	return result, err
}

// interruptedError counts an attempt that a shutdown interrupted. It returns the
// attempt's failure.
func (p *Plugin) interruptedError(info activity.Info, details ...any) error {
	p.interrupted.Add(1)
	if r := info.RetryPolicy; r != nil && (r.MaximumAttempts > 0 && info.Attempt >= r.MaximumAttempts || slices.Contains(r.NonRetryableErrorTypes, abi.TypeWorkerShutdown)) {
		p.lastAttempt.Add(1)
	}
	return shutdownError(info.ActivityType.Name, details...)
}

// handOver is the retry delay with which Temporal hands an activity to another worker at
// once. Zero would mean the delay of the retry policy.
const handOver = time.Millisecond

// shutdownError returns the failure of an attempt that a shutdown cut short.
func shutdownError(activityType string, details ...any) error {
	return temporal.NewApplicationErrorWithOptions(
		fmt.Sprintf("activity %s was cut short because its worker had to stop", activityType),
		abi.TypeWorkerShutdown,
		temporal.ApplicationErrorOptions{NextRetryDelay: handOver, Details: details},
	)
}

// defaultIdentity returns the name of this process for Temporal's UI:
// PID@HOST@wasmworker-DEPLOYMENT, or PID@HOST@wasmworker without a deployment.
func defaultIdentity(deployment string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return strings.TrimSuffix(fmt.Sprintf("%d@%s@wasmworker-%s", os.Getpid(), host, deployment), "-")
}
