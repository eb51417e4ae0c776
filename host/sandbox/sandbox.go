// Package sandbox runs activities in WebAssembly instances.
//
// The way down is Module -> Instance -> call: a [Sandbox] holds the modules that
// passed the fence, each compiled once into a runtime of its own to which only its
// granted host modules are linked. For each activity an [Executor], by default a
// [Pool], hands out an instance that nobody else uses, the guest's export is called,
// and the instance is given back. What differs between the kinds of modules is behind
// one interface: see contract in guest.go.
//
// What is promised:
//
//   - An instance is used by one activity at a time, and is in its pristine state
//     before each, unless the operator chose [IsolationReuse]: no state gets from one
//     activity to the next.
//   - An instance that trapped, exited, overflowed its stack, broke the contract or
//     was interrupted is never used again. Nothing else is affected.
//   - At most Config.Limit instances of activities exist at any time, idle ones included. A
//     workflow run has one of its own until it is closed.
//   - [Sandbox.Run] returns soon after its context ends: the guest is interrupted.
//   - [Sandbox.Close] waits for every call to return before it frees anything.
//
// The package knows nothing of Temporal. wazero lives here and nowhere above.
package sandbox

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/internal/inject"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/internal/engine"
)

// Config is what a [Sandbox] is made from.
type Config struct {
	// Modules are the modules to serve.
	Modules []*modules.File
	// Defaults are the options of every module.
	Defaults Options
	// PerModule are options of single modules, by module name. What they say
	// replaces the default; grants add to it.
	PerModule map[string]Options
	// Passthrough are the host modules that can be granted.
	Passthrough passthrough.Set
	// SkipRefused serves the modules that can be served when others are refused,
	// instead of none. [Sandbox.Refused] lists the others.
	SkipRefused bool
	// Preload says which modules Compile loads. The others are loaded when the first of
	// their activities comes, which waits for that. One that cannot be loaded is found
	// out late then: its activities fail, and the others go on. Default PreloadAll.
	Preload Preload
	// ModuleIdleTimeout is how long a module stays loaded that no activity needs. Its next
	// activity loads it again, from the cache: modules whose code is not in the cache
	// stay. Default 0: for as long as the sandbox.
	ModuleIdleTimeout time.Duration
	// Limit is the most instances of activities that may exist at once. 0 means no limit.
	Limit int
	// MaxAwakeWorkflows is how many workflow runs keep an instance while they wait. Beyond
	// it, those that were not in use for longest sleep: what they changed is kept, some
	// KiB, and they are woken within a millisecond. Default 0: no limit.
	MaxAwakeWorkflows int
	// MemoryLimit is the most memory in bytes that the instances and images of all
	// modules may have together: for machines that could not give every instance its own
	// limit at once. An instance counts with its whole memory, also with what it shares.
	// Beyond it, idle instances are closed, who needs a further one waits for it, and
	// guests that ask for more are refused. 0 means no limit.
	MemoryLimit uint64
	// CompileTimeout is the most time that compiling a module may take, and
	// CompileMemoryLimit the most memory in bytes. A module beyond them is refused. 0
	// means no limit; see [DefaultCompileTimeout] and [DefaultCompileMemoryLimit]. They
	// hold whatever a module does to the compiler in programs that call [CompilerMain].
	CompileTimeout     time.Duration
	CompileMemoryLimit uint64
	// Executor hands out instances. Default: a [Pool] with the limit.
	Executor Executor
	// Capped is told by the default executor when an activity begins (1) and ends (-1) to
	// wait for an instance because its module has MaxInstances of them in use. It must
	// not block, nor call the executor. Default: nobody is told.
	Capped func(more int)
	// CacheDir is where compiled code is kept between starts: a directory that only
	// trusted users may write to, since what lies there is run. It is made if need be.
	// One that cannot be made or written to is told to the Logger and read alone, as far
	// as it can be; what is damaged in it is made again. One that belongs to another user,
	// other than root, or that others may write to is told and not used (on Windows that is
	// for you to see to). Empty: nothing is kept.
	CacheDir string
	// CacheLimit is how many bytes the cache may have. What has not been of use for
	// longest, to any process that shares it, makes room for what is added, except for
	// what this sandbox has loaded. Default 0: no limit.
	CacheLimit uint64
	// Logger gets what modules log outside of activities, and what the sandbox
	// itself has to say. Default: nothing is logged.
	Logger *slog.Logger

	interpreter bool // see engine.Interpret
}

func init() {
	engine.Interpret = func(config any) { config.(*Config).interpreter = true }
	engine.CanonicalNaN = func(options any) { options.(*Options).canonicalNaN = true }
}

// Preload says which modules are loaded before they are needed.
type Preload string

// What Compile loads.
const (
	PreloadAll  Preload = "all"
	PreloadNone Preload = "none"
	// PreloadUsed is for the modules whose activities have run before, as far as the cache
	// directory knows, the last one first.
	PreloadUsed Preload = "used"
)

// Activity is one activity that the sandbox can run.
type Activity struct {
	Type   string  // the Temporal activity type
	Export string  // the wasm export, or the command's name
	Module *Module // whose it is
}

// Sandbox runs the activities of a set of modules. Its methods may be called
// concurrently.
type Sandbox struct {
	executor Executor
	logger   *slog.Logger
	loader   *loader
	skip     bool
	preloads Preload
	maxAwake int // workflow runs

	// Written by New alone.
	modules    []*Module // that were admitted
	activities map[string]Activity
	workflows  map[string]Workflow
	refused    []error // why others were not

	mu     sync.Mutex
	runs   map[*WorkflowRun]struct{} // of workflows, that are open
	awake  *list.List                // those with an instance, the last one in use first
	calls  int                       // Run and NewWorkflowRun calls under way
	closed bool                      // no more of them
	idle   chan struct{}             // closed when calls is 0 and closed is true

	freed   sync.Once
	freeErr error
}

// New checks modules and configuration as a whole: options, grants, and names of
// activities. It compiles and runs nothing. The error joins everything that was found;
// those about refused modules are [*passthrough.AdmissionError] inside.
func New(cfg Config) (*Sandbox, error) {
	s := &Sandbox{
		activities: map[string]Activity{},
		workflows:  map[string]Workflow{},
		runs:       map[*WorkflowRun]struct{}{},
		awake:      list.New(),
		maxAwake:   cfg.MaxAwakeWorkflows,
		executor:   cfg.Executor,
		logger:     cfg.Logger,
		skip:       cfg.SkipRefused,
		preloads:   cmp.Or(cfg.Preload, PreloadAll),
		idle:       make(chan struct{}),
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.executor == nil {
		pool := NewPool(cfg.Limit)
		pool.capped, pool.reclaim = cfg.Capped, s.reclaim
		s.executor = pool
	}
	s.loader = newLoader(&cfg, s.executor, s.logger)
	if pool, ok := s.executor.(*Pool); ok {
		s.loader.busy = pool.occupy
	}
	var budget *memoryBudget
	if cfg.MemoryLimit > 0 {
		budget = &memoryBudget{Budget: image.NewBudget(cfg.MemoryLimit)}
	}
	defaults := cfg.Defaults.over(DefaultOptions())
	errs := []error{defaults.check("", cfg.Passthrough)}
	if s.preloads != PreloadAll && s.preloads != PreloadUsed && s.preloads != PreloadNone {
		errs = append(errs, &OptionError{Option: "Preload", Err: fmt.Errorf("%q is none of %q, %q and %q", cfg.Preload, PreloadAll, PreloadUsed, PreloadNone)})
	}
	if cfg.ModuleIdleTimeout < 0 {
		errs = append(errs, &OptionError{Option: "ModuleIdleTimeout", Err: fmt.Errorf("%s is negative", cfg.ModuleIdleTimeout)})
	}
	if cfg.MaxAwakeWorkflows < 0 {
		errs = append(errs, &OptionError{Option: "MaxAwakeWorkflows", Err: fmt.Errorf("%d is negative", cfg.MaxAwakeWorkflows)})
	}
	if cfg.CompileTimeout < 0 {
		errs = append(errs, &OptionError{Option: "CompileTimeout", Err: fmt.Errorf("%s is negative", cfg.CompileTimeout)})
	}
	if len(cfg.Defaults.Rename) > 0 {
		errs = append(errs, &OptionError{Option: "Rename", Err: errors.New("it is for single modules")})
	}
	names := map[string]string{} // and paths
	for _, file := range cfg.Modules {
		if other, twice := names[file.Name]; twice {
			errs = append(errs, fmt.Errorf("%s: there is a module of the name %q already: %s; rename one of the files", file.Path, file.Name, other))
			continue
		}
		names[file.Name] = file.Path
		own, configured := cfg.PerModule[file.Name]
		if err := own.over(DefaultOptions()).check(file.Name, cfg.Passthrough); err != nil {
			errs = append(errs, err)
			continue
		}
		contract, err := contractOf(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		m := &Module{file: file, contract: contract, options: own.over(defaults), budget: budget, loader: s.loader, logger: s.logger.With("module", file.Name)}
		if file.Kind == modules.KindWorkflow {
			errs = append(errs, own.notForWorkflows(file)...)
			m.options.forWorkflows()
		}
		said := m.options.Policies
		if m.options.Policies, err = cfg.Passthrough.CheckPolicies(m.options.Passthrough, m.options.Policies); err != nil {
			continue // it has been reported
		}
		if err := m.admit(cfg.Passthrough); err != nil {
			s.refused = append(s.refused, err)
			continue
		}
		for _, granted := range m.grants {
			if granted.Policy != nil && said[granted.Name] == nil {
				m.logger.Info("granted by its name alone: its policy is the empty one, which allows nothing that needs one", "capability", granted.Name)
			}
		}
		if once := contract.once(); once != "" {
			if configured && own.Isolation == IsolationReuse {
				errs = append(errs, &OptionError{file.Name, "Isolation", fmt.Errorf("reuse: %s and cannot be reused", once)})
			}
			m.options.Isolation = IsolationFresh
		}
		if err := s.register(m); err != nil {
			errs = append(errs, err)
		}
		if budget != nil {
			budget.modules = append(budget.modules, m)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.PerModule)) {
		if _, ok := names[name]; !ok {
			errs = append(errs, fmt.Errorf("module %q is configured, but there is no such module (there are: %s)", name, strings.Join(slices.Sorted(maps.Keys(names)), ", ")))
		}
	}
	if !cfg.SkipRefused || len(s.modules) == 0 {
		errs = append(errs, s.refused...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(s.modules) == 0 {
		return nil, errors.New("there is no module to serve")
	}
	for _, refused := range s.refused {
		s.logger.Warn("module left out", "error", refused)
	}
	return s, nil
}

// register adds a module's activities.
func (s *Sandbox) register(m *Module) error {
	var errs []error
	for _, export := range slices.Sorted(maps.Keys(m.options.Rename)) {
		if !slices.Contains(m.file.Exports, export) {
			errs = append(errs, &OptionError{m.file.Name, "Rename", fmt.Errorf("it has no activity %q (it has: %s)", export, strings.Join(m.file.Exports, ", "))})
		}
	}
	for _, export := range m.file.Exports {
		name := m.options.Prefix + export
		if renamed, ok := m.options.Rename[export]; ok {
			name = renamed
		}
		if err := modules.CheckActivityName(name); err != nil {
			errs = append(errs, fmt.Errorf("module %q: activity %w", m.file.Name, err))
			continue
		}
		if m.file.Kind == modules.KindWorkflow {
			if other, ok := s.workflows[name]; ok {
				errs = append(errs, &OptionError{m.file.Name, "Prefix", fmt.Errorf("two modules have the workflow %q: %s and %s; give one a prefix, such as %q, or rename it",
					name, other.Module.file.Path, m.file.Path, m.file.Name+".")})
				continue
			}
			s.workflows[name] = Workflow{Type: name, Export: export, Module: m}
			continue
		}
		if other, ok := s.activities[name]; ok {
			errs = append(errs, &OptionError{m.file.Name, "Prefix", fmt.Errorf("two modules have the activity %q: %s and %s; give one a prefix, such as %q, or rename it",
				name, other.Module.file.Path, m.file.Path, m.file.Name+".")})
			continue
		}
		s.activities[name] = Activity{Type: name, Export: export, Module: m}
	}
	s.modules = append(s.modules, m)
	return errors.Join(errs...)
}

// Modules returns the modules that are served, in the order of the configuration: all
// that were not refused so far. The slice is the caller's.
func (s *Sandbox) Modules() []*Module {
	return slices.DeleteFunc(slices.Clone(s.modules), func(m *Module) bool { return m.Refusal() != nil })
}

// Refused returns why modules were left out; it is empty unless Config.SkipRefused is
// set. More can follow as modules are loaded. The slice is the caller's.
func (s *Sandbox) Refused() []error {
	refused := slices.Clone(s.refused)
	for _, m := range s.modules {
		if err := m.Refusal(); err != nil {
			refused = append(refused, err)
		}
	}
	return refused
}

// Executor returns what hands out the instances.
func (s *Sandbox) Executor() Executor { return s.executor }

// Activities returns what can be run, sorted by type.
func (s *Sandbox) Activities() []Activity {
	var list []Activity
	for _, a := range s.activities {
		if a.Module.Refusal() == nil {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b Activity) int { return strings.Compare(a.Type, b.Type) })
	return list
}

// Lookup returns the activity of a type, if it can be run.
func (s *Sandbox) Lookup(activityType string) (Activity, bool) {
	a, ok := s.activities[activityType]
	return a, ok && a.Module.Refusal() == nil
}

// ErrClosed is returned by [Sandbox.Run] once [Sandbox.Close] was called.
var ErrClosed = errors.New("the sandbox is closed")

// UnknownActivityError is returned by [Sandbox.Run] for an activity type that no module
// has.
type UnknownActivityError struct {
	Type  string   // what was asked for
	Known []string // what there is, sorted
}

// Error lists what there is.
func (e *UnknownActivityError) Error() string {
	return fmt.Sprintf("there is no activity %q; there are: %s", e.Type, strings.Join(e.Known, ", "))
}

// Run runs one activity and returns its result, nil for none.
//
// It blocks until an instance is free, and then until the guest returns. When ctx
// ends, the guest is interrupted. The error is one of
//
//   - *abi.Failure: the activity failed, by its own account or as the host saw it;
//   - *CanceledError: the guest returned early because the task's flags asked it to;
//   - *InterruptedError: ctx ended first;
//   - *UnknownActivityError or ErrClosed: nothing was run.
func (s *Sandbox) Run(ctx context.Context, task Task) (*Payload, error) {
	activity, ok := s.activities[task.Activity]
	if !ok {
		return nil, &UnknownActivityError{Type: task.Activity, Known: slices.Sorted(maps.Keys(s.activities))}
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	s.calls++
	s.mu.Unlock()
	defer s.ended()
	c := newCall(ctx, activity.Module, activity, &task)
	c.hooks = inject.Of(ctx)
	loaded := c.module.begin()
	defer c.module.end()
	begin := time.Now()
	instance, err := s.acquire(c, loaded)
	c.waited = time.Since(begin)
	if err != nil {
		if task.Usage != nil {
			*task.Usage = Usage{Wait: c.waited}
			if e, ok := errors.AsType[*initializationError](err); ok {
				task.Usage.InitializeFuel = e.fuel
			}
		}
		return nil, c.instantiationError(err)
	}
	defer s.executor.Release(instance) // even if a function of the task's panics
	defer c.limitTime()()
	payload, err := instance.run(c)
	return payload, c.timedOut(err)
}

// ended is called after a call that was counted.
func (s *Sandbox) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls--; s.calls == 0 && s.closed {
		close(s.idle)
	}
}

// acquire returns an instance for a call. Its module is loaded before that takes a slot
// from others, unless there is no memory for that: the executor knows when there is. Who
// waits there does not hold the program, since who comes first may need its memory.
func (s *Sandbox) acquire(c *call, loaded bool) (*Instance, error) {
	if !loaded {
		p, err := c.module.acquire(c.ctx)
		if err == nil {
			c.module.letGo(p)
		} else if !errors.Is(err, ErrMemoryLimit) {
			return nil, err
		}
	}
	return s.executor.Acquire(c.ctx, c.module)
}

// Close waits until every Run has returned, for as long as ctx allows, and then closes
// in order: instances, modules, runtimes, caches. Run calls that come later fail. When
// ctx ends first, nothing is closed, since closing under a live instance would crash
// the process, and ctx's error is returned; Close may be called again. Once it has
// closed everything, later calls do nothing and return what that one did.
func (s *Sandbox) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		if s.calls == 0 {
			close(s.idle)
		}
	}
	s.mu.Unlock()
	select {
	case <-s.idle:
	case <-ctx.Done():
		select {
		case <-s.idle:
		default:
			return fmt.Errorf("activities are still running: %w", context.Cause(ctx))
		}
	}
	s.freed.Do(func() {
		ctx := context.WithoutCancel(ctx)
		s.loader.close()
		s.mu.Lock()
		runs := slices.Collect(maps.Keys(s.runs))
		s.mu.Unlock()
		for _, r := range runs {
			r.Close()
		}
		errs := []error{s.executor.Close(ctx)}
		for _, m := range s.modules {
			errs = append(errs, m.unload(ctx))
		}
		s.freeErr = errors.Join(errs...)
	})
	return s.freeErr
}

// DefaultCacheDir returns the directory wasmworker below the user's cache directory, or
// "" where there is none.
func DefaultCacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "wasmworker")
}
