// Package replay runs activities of WebAssembly modules without Temporal, the same way
// every time. It also records what activities do in a worker, so that it can be run
// again.
//
//	env, err := replay.Open(ctx, replay.Options{Modules: []string{"acts/greet.wasm"}})
//	run := env.Run(replay.Activity{Type: "Greet", Args: []any{map[string]string{"name": "Ada"}}})
//
// A guest sees nothing but its imports, and here the caller controls all of them:
//
//   - The clock begins at a given time. It advances by what the guest computes and
//     sleeps.
//   - Random numbers come from a seed.
//   - Files are those that the caller gives.
//   - Passthrough modules are fakes.
//   - NaNs are canonical.
//
// Output, failure, logs, heartbeats, calls, files and units of fuel therefore depend only
// on the module, the activity, its input and files, the seed and the answers.
// [Run.Digest] is the same on every machine, in either engine of wazero, however often
// the activity runs. docs/testing.md says what is left to the machine.
//
// [Recorder] records the attempts of a worker in the form in which [Env.Run] returns
// them. Package replay/cases stores both in files. Tests in Go begin with package
// hosttest.
package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/inject"
	"github.com/wasmworker/wasmworker/host/internal/wasip1"
	"github.com/wasmworker/wasmworker/host/internal/world"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/engine"
)

// Defaults of [Options] and [Activity].
const (
	// DefaultMaxFuel is the limit of fuel. It ends an activity that computes for ever, at
	// the same instruction every time.
	DefaultMaxFuel = 20_000_000_000
	// DefaultTimeout ends an activity that goes on without computing. It is measured by
	// the machine's clock.
	DefaultTimeout = time.Minute
)

// DefaultStart is the time at which the clock begins.
var DefaultStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Options say which modules are tested, and in which environment. The zero value of a
// field means its default.
type Options struct {
	// Modules are .wasm files and directories with such files. Required, unless there are
	// Files.
	Modules []string
	// Files are further modules that were already read. Default: none.
	Files []*modules.File
	// Defaults are the options of every module. PerModule are options of single modules,
	// by the file's name without .wasm. Instances are never reused. A policy of clock or
	// random takes the place of Start or Seed. MaxFuel defaults to [DefaultMaxFuel].
	Defaults  sandbox.Options
	PerModule map[string]sandbox.Options
	// Passthrough are fakes, or the real modules, that answer the guests' calls. They are
	// granted to every module unless Fence is set. Other passthrough modules that a
	// module imports are granted too; only [Activity.Answer] answers calls of them.
	// Default: none.
	Passthrough []passthrough.Module
	// Fence grants the modules only what Defaults and PerModule say, as a worker does.
	// Default: false.
	Fence bool
	// Mounts are the guests' directories, by the paths at which they find them, such as /
	// or /data. No path lies inside another one. Each activity finds its [Activity.Files]
	// there and nothing else. The modules are granted fs for this; Defaults and PerModule
	// must not have a policy of fs then. Default: none.
	Mounts Mounts
	// Start is the time at which the clock begins, for each activity and each
	// initialization of an instance. Default [DefaultStart].
	Start time.Time
	// Seed is the seed of the random numbers. Default 0.
	Seed int64
	// CacheDir is the directory in which compiled modules are kept. Default:
	// [sandbox.DefaultCacheDir].
	CacheDir string
	// NoCache keeps no compiled modules. CacheDir is then ignored. Default: false.
	NoCache bool

	interpreter bool // see engine.InterpretReplay
}

func init() {
	engine.InterpretReplay = func(options any) { options.(*Options).interpreter = true }
	engine.InterpretedReplay = func(options any) bool { return options.(Options).interpreter }
}

func (o Options) cacheDir() string {
	if o.NoCache {
		return ""
	}
	return cmp.Or(o.CacheDir, sandbox.DefaultCacheDir())
}

// Env is a set of modules to be tested. Its methods may be called concurrently.
type Env struct {
	box    *sandbox.Sandbox
	start  time.Time
	mounts Mounts
	empty  *directories // mounted while instances are made; nil without mounts
	others []string     // import names of the modules in Options.Passthrough
}

// Open makes an environment. It compiles the modules, which can take seconds, and blocks
// until that is done or ctx ends. The caller must close the environment. The errors are
// those of [modules.Open], [sandbox.New] and [sandbox.Sandbox.Compile].
func Open(ctx context.Context, options Options) (*Env, error) {
	env := &Env{start: options.Start, mounts: maps.Clone(options.Mounts)}
	if env.start.IsZero() {
		env.start = DefaultStart
	}
	if err := env.open(ctx, options); err != nil {
		return nil, errors.Join(err, env.Close())
	}
	return env, nil
}

func (e *Env) open(ctx context.Context, options Options) error {
	if len(options.Modules)+len(options.Files) == 0 {
		return errors.New("no modules are named; name .wasm files or directories")
	}
	modules, err := modules.Open(options.Modules...)
	if err != nil {
		return err
	}
	modules = append(modules, options.Files...)
	granted, defaults := slices.Clone(options.Passthrough), options.Defaults
	for _, m := range granted {
		e.others = append(e.others, m.ImportName())
	}
	if len(e.mounts) > 0 {
		if e.empty, err = e.mounts.make(); err != nil {
			return err
		}
		for _, o := range append(slices.Collect(maps.Values(options.PerModule)), defaults) {
			if o.Policies[fsmod.Name] != nil {
				return errors.New("there are Mounts and a policy of fs: leave one of them out")
			}
		}
		defaults.Policies = maps.Clone(defaults.Policies)
		if defaults.Policies == nil {
			defaults.Policies = map[string]any{}
		}
		defaults.Policies[fsmod.Name] = e.empty.policy
		if !slices.ContainsFunc(granted, func(m passthrough.Module) bool { return m.Name == fsmod.Name }) {
			granted = append(granted, fsmod.New())
		}
	}
	if !options.Fence {
		granted = append(granted, stubs(modules, granted)...)
		for _, m := range granted {
			defaults.Passthrough = append(slices.Clone(defaults.Passthrough), m.Name)
		}
	}
	set, err := passthrough.NewSet(append(granted, wasi.NewClock(), wasi.NewRandom())...)
	if err != nil {
		return err
	}
	defaults, perModule := world.Options(defaults, options.PerModule, e.start, options.Seed)
	if defaults.MaxFuel == 0 {
		defaults.MaxFuel = DefaultMaxFuel
	}
	config := sandbox.Config{
		Modules: modules, Defaults: defaults, PerModule: perModule, Passthrough: set.Wrap(record), CacheDir: options.cacheDir(),
		CompileTimeout: sandbox.DefaultCompileTimeout, CompileMemoryLimit: sandbox.DefaultCompileMemoryLimit,
	}
	if options.interpreter {
		engine.Interpret(&config)
	}
	if e.box, err = sandbox.New(config); err != nil {
		return err
	}
	if len(e.mounts) > 0 {
		ctx = inject.With(ctx, inject.Hooks{FilesFrom: e.start})
	}
	return e.box.Compile(ctx)
}

// stubs returns passthrough modules for the imports that no given module answers. Their
// functions return ENOSYS.
func stubs(modules []*modules.File, have []passthrough.Module) []passthrough.Module {
	missing := map[string]passthrough.Module{}
	for _, file := range modules {
		for _, imp := range file.Imports {
			name, function := passthrough.Resolve(imp)
			if name == "" || slices.ContainsFunc(have, func(m passthrough.Module) bool { return m.ImportName() == name }) {
				continue
			}
			m, ok := missing[name]
			if !ok {
				m.Functions = map[string]passthrough.Func{}
				if n, err := fmt.Sscanf(strings.ReplaceAll(name, "/v", " "), "wasmworker:%s %d", &m.Name, &m.Version); n != 2 || err != nil || m.ImportName() != name {
					continue // the sandbox reports the malformed name
				}
				missing[name] = m
			}
			m.Functions[function] = unanswered(name, function)
		}
	}
	return slices.Collect(maps.Values(missing))
}

func unanswered(module, function string) passthrough.Func {
	return func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
		return nil, fmt.Errorf("%w: the test has no answer for %s %s", abi.ENOSYS, module, function)
	}
}

// Close frees everything. No activity may be running.
func (e *Env) Close() (err error) {
	if e.box != nil {
		err = e.box.Close(context.Background())
	}
	if e.empty != nil {
		err = errors.Join(err, e.empty.remove())
	}
	return err
}

// Modules returns the modules under test.
func (e *Env) Modules() []*sandbox.Module { return e.box.Modules() }

// Activities returns the activities that can be run, sorted by type.
func (e *Env) Activities() []sandbox.Activity { return e.box.Activities() }

// Answers reports whether one of the passthrough modules of [Options] has an import name,
// such as wasmworker:http/v1. It answers the calls that [Activity.Answer] does not.
func (e *Env) Answers(module string) bool { return slices.Contains(e.others, module) }

// DefaultInfo returns the information that a guest gets if a test gives none: the first
// attempt of an activity of a workflow.
func (e *Env) DefaultInfo(activityType string) abi.Info {
	return abi.Info{
		ActivityID: "1", ActivityType: activityType, Attempt: 1, Namespace: "default", TaskQueue: "test",
		WorkflowType: "Test", WorkflowID: "test", WorkflowRunID: "00000000-0000-0000-0000-000000000001",
		ScheduledTime: e.start, StartedTime: e.start,
	}
}

// Run runs an attempt and blocks until it has ended. Errors are in the result.
func (e *Env) Run(a Activity) *Run { return e.RunContext(context.Background(), a) }

// RunContext is Run under a context. The end of the context interrupts the guest.
func (e *Env) RunContext(ctx context.Context, a Activity) *Run {
	patience := a.Timeout
	if patience == 0 {
		patience = DefaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it did not end within %s", patience))
	defer cancel()
	r := &running{Activity: a, seen: &Run{}, room: math.MaxInt}
	info := e.DefaultInfo(a.Type)
	if a.Info != nil {
		info = *a.Info
	}
	task := sandbox.Task{
		Activity: a.Type, Args: payloads(a.Args), Details: payloads(a.Details), Info: info,
		MaxFuel: a.Kill, Heartbeat: r.heartbeat, Flags: r.flags, Log: r.log,
	}
	var usage sandbox.Usage
	task.Usage = &usage
	files, err := e.mounts.with(a.Files, e.start, func(mounts *wasip1.Mounts) {
		ctx = inject.With(ctx, inject.Hooks{RefuseMemory: a.RefuseMemory, Mounts: mounts, FilesChanged: a.Changed})
		output, err := e.box.Run(context.WithValue(ctx, runningKey{}, r), task)
		r.ended(output, err, &usage)
	})
	if r.seen.Files = files; err != nil {
		r.seen.Err = err
	}
	return r.seen
}
