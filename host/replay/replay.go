// Package replay runs activities of WebAssembly modules without Temporal, the same way
// every time, and records what they do in a worker, so that it can be had again.
//
//	env, err := replay.Open(ctx, replay.Options{Modules: []string{"acts/greet.wasm"}})
//	run := env.Run(replay.Activity{Type: "Greet", Args: []any{map[string]string{"name": "Ada"}}})
//
// A guest sees nothing but its imports, and here all of them are the caller's: the clock
// begins at a given time, and advances by what the guest computes and sleeps; random
// numbers come from a seed; files are those that are given; passthrough modules are
// fakes; NaNs are canonical. So output, failure, logs, heartbeats, calls, files and units
// of fuel are a function of the module, the activity, its input and files, the seed and
// the answers, and of nothing else: [Run.Digest] is the same on every machine, in either
// engine of wazero, however often it is run. docs/testing.md tells what is left to the
// machine.
//
// [Recorder] sees the attempts of a worker in the form in which [Env.Run] returns them.
// Package replay/cases has both in files. Package hosttest is what tests in Go begin
// with.
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
)

// Defaults of [Options] and [Activity].
const (
	// DefaultMaxFuel ends an activity that goes on for good, by the same instruction
	// every time.
	DefaultMaxFuel = 20_000_000_000
	// DefaultTimeout ends one that does so without computing, by the machine's clock.
	DefaultTimeout = time.Minute
)

// DefaultStart is when the clock begins.
var DefaultStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Options say what is tested, and in which surroundings. The zero value of a field means
// its default.
type Options struct {
	// Modules are .wasm files and directories with such files. Required, unless there are
	// Files.
	Modules []string
	// Files are further modules, which were read already. Default: none.
	Files []*modules.File
	// Defaults are the options of every module, and PerModule those of single ones, by
	// the file's name without .wasm. Instances are never reused. A policy of clock or
	// random takes the place of Start or Seed.
	Defaults  sandbox.Options
	PerModule map[string]sandbox.Options
	// Passthrough are fakes, or the real modules, by which the guests' calls are
	// answered. They are granted to every module. What a module imports beyond them is
	// granted too, and its calls are for [Activity.Answer] alone.
	Passthrough []passthrough.Module
	// Fence grants the modules what Defaults and PerModule say, and no more, as a worker
	// does.
	Fence bool
	// Mounts are directories that the guests have: by the paths at which they find them,
	// such as / or /data, none of them inside of another one. Each activity finds its
	// [Activity.Files] there and nothing else. The modules are granted fs for it, the
	// policy of which must not be among Defaults and PerModule then. Default: none.
	Mounts Mounts
	// Start is when the clock begins, for each activity and each initialization of an
	// instance. Default [DefaultStart].
	Start time.Time
	// Seed is what random numbers are made of. Default 0.
	Seed int64
	// Interpreter runs the guests in wazero's interpreter, as on platforms for which it
	// has no compiler. Default: the compiler where there is one.
	Interpreter bool
	// CacheDir is where compiled modules are kept. Default: [sandbox.DefaultCacheDir].
	CacheDir string
	// NoCache keeps no compiled modules anywhere.
	NoCache bool
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
	empty  *directories // what is mounted while instances are made; nil: nothing is
}

// Open makes an environment, which must be closed. It compiles the modules, which can
// take seconds. The errors are those of [sandbox.New].
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
	e.box, err = sandbox.New(sandbox.Config{
		Modules: modules, Defaults: defaults, PerModule: perModule, Passthrough: set.Wrap(record),
		CacheDir: options.cacheDir(), Interpreter: options.Interpreter,
		CompileTimeout: sandbox.DefaultCompileTimeout, CompileMemoryLimit: sandbox.DefaultCompileMemoryLimit,
	})
	if err != nil {
		return err
	}
	if len(e.mounts) > 0 {
		ctx = inject.With(ctx, inject.Hooks{FilesFrom: e.start})
	}
	return e.box.Compile(ctx)
}

// stubs stand for what modules import and nothing answers.
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
					continue // the sandbox says what is wrong with it
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

// Close frees everything, when no activity runs any more.
func (e *Env) Close() (err error) {
	if e.box != nil {
		err = e.box.Close(context.Background())
	}
	if e.empty != nil {
		err = errors.Join(err, e.empty.remove())
	}
	return err
}

// Modules are those that are tested.
func (e *Env) Modules() []*sandbox.Module { return e.box.Modules() }

// Activities are what can be run, sorted by type.
func (e *Env) Activities() []sandbox.Activity { return e.box.Activities() }

// DefaultInfo is what a guest is told if a test does not say anything else: the first
// attempt of an activity of a workflow.
func (e *Env) DefaultInfo(activityType string) abi.Info {
	return abi.Info{
		ActivityID: "1", ActivityType: activityType, Attempt: 1, Namespace: "default", TaskQueue: "test",
		WorkflowType: "Test", WorkflowID: "test", WorkflowRunID: "00000000-0000-0000-0000-000000000001",
		ScheduledTime: e.start, StartedTime: e.start,
	}
}

// Run runs an attempt, and returns when it has ended.
func (e *Env) Run(a Activity) *Run { return e.RunContext(context.Background(), a) }

// RunContext is Run under a context, whose end interrupts the guest.
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
