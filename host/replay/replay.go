// Package replay runs activities of WebAssembly modules without Temporal, the same way every
// time, and records what they do in a worker, so that it can be had again.
//
//	env, err := replay.Open(ctx, replay.Options{Modules: []string{"acts/greet.wasm"}})
//	run := env.Run(replay.Activity{Type: "Greet", Args: []any{map[string]string{"name": "Ada"}}})
//
// A guest sees nothing but its imports, and here all of them are the caller's: the clock begins
// at a given time, and advances by what the guest computes and sleeps; random numbers come from a
// seed; files are those that are given; passthrough modules are fakes; NaNs are canonical. So
// output, failure, logs, heartbeats, calls, files and units of fuel are a function of the module,
// the activity, its input and files, the seed and the answers, and of nothing else: [Run.Digest]
// is the same on every machine, in either engine of wazero, however often it is run.
// docs/testing.md tells what is left to the machine.
//
// [Recorder] sees the attempts of a worker in the form in which [Env.Run] returns them. Package
// replay/cases has both in files. Package hosttest is what tests in Go begin with.
package replay

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
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
	// DefaultMaxFuel ends an activity that goes on for good, by the same instruction every time.
	DefaultMaxFuel = 20_000_000_000
	// DefaultPatience ends one that does so without computing, by the machine's clock.
	DefaultTimeout = time.Minute
)

// DefaultStart is when the clock begins.
var DefaultStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Options say what is tested, and in which surroundings. The zero value of a field means its default.
type Options struct {
	// Modules are .wasm files and directories with such files. Required, unless there are Files.
	Modules []string
	// Files are further modules, which were read already. Default: none.
	Files []*modules.File
	// Defaults are the options of every module, and PerModule those of single ones, by the file's name without .wasm. Instances
	// are never reused. A policy of clock or random takes the place of Start or Seed.
	Defaults  sandbox.Options
	PerModule map[string]sandbox.Options
	// Passthrough are fakes, or the real modules, by which the guests' calls are answered. They are granted to every module. What a module imports beyond them
	// is granted too, and its calls are for [Activity.Answer] alone.
	Passthrough []passthrough.Module
	// Fence grants the modules what Defaults and PerModule say, and no more, as a worker does.
	Fence bool
	// Mounts are directories that the guests have: by the paths at which they find them, such as / or /data, none of them inside of another one. Each activity
	// finds its [Activity.Files] there and nothing else. The modules are granted fs for it, the policy of which must not be among Defaults and PerModule
	// then. Default: none.
	Mounts Mounts
	// Start is when the clock begins, for each activity and each initialization of an instance. Default [DefaultStart].
	Start time.Time
	// Seed is what random numbers are made of. Default 0.
	Seed int64
	// Interpreter runs the guests in wazero's interpreter, as on platforms for which it has no compiler. Default: the compiler where there is one.
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

// Open makes an environment, which must be closed. It compiles the modules, which can take seconds. The errors are those of [sandbox.New].
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

// Activity is one attempt to run.
type Activity struct {
	// Type is the activity type. Required.
	Type string
	// Args are the arguments: a [sandbox.Payload] as it is, []byte as binary/plain, nil as binary/null, and anything else as JSON.
	Args []any
	// Info is what the guest is told about the attempt. Default: [Env.DefaultInfo].
	Info *abi.Info
	// Details are those of the last heartbeat of the attempt before. Forms as of Args.
	Details []any
	// Files are what the guest finds in the directories of [Options.Mounts]: contents by absolute paths. A path that ends with a slash is a directory, and has no
	// content; directories of files need not be named. They are copies in temporary directories, which this attempt has for itself. Default: none.
	Files map[string][]byte
	// Answer answers a call of a passthrough module, in place of those in Options. An error is the guest's, as that of a
	// [passthrough.Func]. Returning [ErrUnanswered] leaves the call to the module. Default: none.
	Answer func(ctx context.Context, call Call) ([]byte, error)
	// Cancel says when the guest is asked to end, and Flags how. It is told by its next look at the flags.
	Cancel Trigger
	// Flags is what the guest is asked. Default [abi.FlagCancelRequested].
	Flags abi.Flags
	// Kill ends the instance after so many units of fuel, as the death of the worker would. 0: not.
	Kill int64
	// RefuseMemory is from which request for more memory on the guest gets none, as if the machine had none left. 0: it gets what it may have.
	RefuseMemory int
	// Heartbeat is told of each heartbeat while it is made: [FuelUsed] says where the activity is, and
	// [Advance] lets time pass. Its error is the guest's. Default: none.
	Heartbeat func(ctx context.Context, details []sandbox.Payload) error
	// Changed is told of each change of a file or a directory, as Heartbeat is of heartbeats. Default: none.
	Changed func(context.Context)
	// Faults befall calls of passthrough modules.
	Faults []Fault
	// Patience is how long the activity may go on, by the machine's clock. Default [DefaultPatience].
	Timeout time.Duration
}

// When is a moment in an activity's life: whichever of its fields that are set comes first.
type Trigger struct {
	Heartbeats int   // after so many heartbeats
	Fuel       int64 // after so many units of fuel
	Calls      int   // after so many calls of passthrough modules
}

// Fault is what befalls a call of a passthrough module.
type Fault struct {
	// Call is the number of the call in the activity, the first being 1. 0: every call.
	Call int
	// Err is what the guest gets in place of the answer. The call has not been made.
	Err error
	// Lost makes the call and keeps the answer from the guest, which gets Err.
	Lost bool
	// Response is what the guest gets in place of the answer: garbage. The call has been made.
	Response []byte
	// Delay is how long the call takes, by the guest's clock.
	Delay time.Duration
}

// Call is a call of a passthrough module.
type Call struct {
	Module   string // import name: wasmworker:http/v1
	Function string
	Request  []byte
	Response []byte
	Err      *CallError // nil: the guest got the response
}

// CallError is an error of a passthrough module, as the guest gets it.
type CallError struct {
	Errno   abi.Errno
	Message string
}

// Error implements error.
func (e *CallError) Error() string { return e.Message }

// Unwrap returns the errno.
func (e *CallError) Unwrap() error { return e.Errno }

// LogRecord is a log record of the guest.
type LogRecord struct {
	Level   string         `json:"level"`
	Message string         `json:"message"`
	Attrs   map[string]any `json:"attrs,omitempty"`
}

// Run is what was seen of an attempt.
type Run struct {
	// Output is the result, or the details of a cancellation. nil: none.
	Output *sandbox.Payload
	// Err is nil for an activity that completed, otherwise as [sandbox.Sandbox.Run] has it, or about its files, which could not be used.
	Err        error
	Heartbeats [][]sandbox.Payload
	Logs       []LogRecord
	Calls      []Call
	// Files are what was in the directories of [Options.Mounts] in the end, in the form of [Activity.Files], with every directory but the mounts
	// themselves. nil: there are no mounts.
	Files  map[string][]byte `json:",omitempty"`
	Fuel   int64             // of computation
	Memory uint64            // bytes, at the end, when it is largest
}

// ErrUnanswered is what [Activity.Answer] returns for calls that are the module's to answer.
var ErrUnanswered = errors.New("unanswered")

// DefaultInfo is what a guest is told if a test does not say anything else: the first attempt of an activity of a workflow.
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

// FuelUsed returns how much fuel the activity has used so far, from the context of a function of an
// [Activity] or of a passthrough module, while that runs. 0: the context is of none.
func FuelUsed(ctx context.Context) int64 { return inject.FuelUsed(ctx) }

// Advance advances the activity's clock as if the function had taken so long. The context is as for
// [FuelUsed]. Where the clock is the machine's, as in a worker, it does nothing.
func Advance(ctx context.Context, d time.Duration) { inject.Advance(ctx, d) }

// running is an attempt while it runs. The guest's goroutine alone uses it.
type running struct {
	Activity
	seen *Run
	room int // bytes that may still be recorded
}

type runningKey struct{}

func (r *running) ended(output *sandbox.Payload, err error, usage *sandbox.Usage) {
	if canceled, ok := errors.AsType[*sandbox.CanceledError](err); ok {
		output = canceled.Details
	}
	r.seen.Output, r.seen.Err = output, err
	r.seen.Fuel, r.seen.Memory = usage.Fuel, usage.Memory
}

func (r *running) heartbeat(ctx context.Context, details []sandbox.Payload) error {
	r.seen.Heartbeats = append(r.seen.Heartbeats, details)
	if r.Heartbeat != nil {
		return r.Heartbeat(ctx, details)
	}
	return nil
}

func (r *running) flags(ctx context.Context) abi.Flags {
	w := r.Cancel
	if w.Heartbeats > 0 && len(r.seen.Heartbeats) >= w.Heartbeats || w.Calls > 0 && len(r.seen.Calls) >= w.Calls || w.Fuel > 0 && FuelUsed(ctx) >= w.Fuel {
		if r.Flags == 0 {
			return abi.FlagCancelRequested
		}
		return r.Flags
	}
	return 0
}

func (r *running) log(_ context.Context, level slog.Level, message string, attrs []slog.Attr) {
	record := LogRecord{Level: level.String(), Message: message}
	for _, group := range attrs { // the guest's are one
		if group.Value.Kind() != slog.KindGroup {
			continue
		}
		record.Attrs = attributes(group.Value)
	}
	r.seen.Logs = append(r.seen.Logs, record)
}

func attributes(group slog.Value) map[string]any {
	all := map[string]any{}
	for _, a := range group.Group() {
		if a.Value.Kind() == slog.KindGroup {
			all[a.Key] = attributes(a.Value)
		} else {
			all[a.Key] = a.Value.Any()
		}
	}
	return all
}

// record is around every passthrough function: faults, answers of the test, and the transcript.
func record(m passthrough.Module, function string, f passthrough.Func) passthrough.Func {
	return func(ctx context.Context, caller *passthrough.Call, req []byte) ([]byte, error) {
		r, ok := ctx.Value(runningKey{}).(*running)
		if !ok {
			return f(ctx, caller, req)
		}
		f := func(ctx context.Context, req []byte) ([]byte, error) { return f(ctx, caller, req) }
		call := Call{Module: m.ImportName(), Function: function, Request: req}
		number := len(r.seen.Calls) + 1
		var err error
		for _, fault := range r.Faults {
			if fault.Call != 0 && fault.Call != number {
				continue
			}
			Advance(ctx, fault.Delay)
			switch {
			case fault.Err != nil:
				if fault.Lost {
					r.answer(ctx, call, f) //nolint:errcheck // that is what is lost
				}
				err = fault.Err
			case fault.Response != nil:
				r.answer(ctx, call, f) //nolint:errcheck // likewise
				call.Response = fault.Response
			}
		}
		if err == nil && call.Response == nil {
			call.Response, err = r.answer(ctx, call, f)
		}
		if err != nil {
			errno, message := abi.ErrnoOf(err)
			call.Response, call.Err = nil, &CallError{Errno: errno, Message: message}
		}
		r.keep(call)
		return call.Response, err
	}
}

func (r *running) answer(ctx context.Context, call Call, f func(context.Context, []byte) ([]byte, error)) ([]byte, error) {
	if r.Answer != nil {
		response, err := r.Answer(ctx, call)
		if !errors.Is(err, ErrUnanswered) {
			return response, err
		}
	}
	return f(ctx, call.Request)
}

func payloads(values []any) []sandbox.Payload {
	var all []sandbox.Payload
	for _, v := range values {
		all = append(all, NewPayload(v))
	}
	return all
}

// NewPayload makes a payload: a [sandbox.Payload] as it is, []byte as binary/plain, nil as binary/null, and anything else as JSON. It panics if
// that cannot be JSON.
func NewPayload(value any) sandbox.Payload {
	switch v := value.(type) {
	case sandbox.Payload:
		return v
	case []byte:
		return sandbox.NewPayload(abi.EncodingBinary, v)
	case nil:
		return sandbox.NewPayload(abi.EncodingNull, nil)
	}
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("replay: an argument cannot be JSON: %v", err))
	}
	return sandbox.NewPayload(abi.EncodingJSON, data)
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes.
const (
	Completed   Outcome = "completed"
	Failed      Outcome = "failed"
	Canceled    Outcome = "canceled"
	Interrupted Outcome = "interrupted" // the context or the patience ended first
)

// Outcome says how it ended.
func (r *Run) Outcome() Outcome {
	if r.Err == nil {
		return Completed
	}
	if _, ok := errors.AsType[*sandbox.CanceledError](r.Err); ok {
		return Canceled
	}
	if _, ok := errors.AsType[*sandbox.InterruptedError](r.Err); ok {
		return Interrupted
	}
	return Failed
}

// Failure is why it failed, or nil if it did not.
func (r *Run) Failure() *abi.Failure {
	f, _ := errors.AsType[*abi.Failure](r.Err)
	return f
}

// Result decodes the output of an activity that completed, which must be JSON, or binary for a *[]byte. It returns the activity's error if it did not complete.
func (r *Run) Result(into any) error {
	if r.Err != nil {
		return r.Err
	}
	if r.Output == nil {
		return errors.New("the activity has no result")
	}
	if data, ok := into.(*[]byte); ok {
		*data = r.Output.Data
		return nil
	}
	if encoding := r.Output.Encoding(); encoding != abi.EncodingJSON {
		return fmt.Errorf("the result is %s and not %s", encoding, abi.EncodingJSON)
	}
	return json.Unmarshal(r.Output.Data, into)
}

// Digest is the SHA-256 of everything that was seen, as hexadecimal digits: two runs with the same digest have behaved alike in
// every way that anyone could observe.
func (r *Run) Digest() string {
	seen := struct {
		*Run
		Err     string
		Failure *abi.Failure
	}{Run: r, Failure: r.Failure()}
	if r.Err != nil {
		seen.Err = string(r.Outcome()) + ": " + r.Err.Error()
	}
	data, err := json.Marshal(seen)
	if err != nil { // what came out of JSON goes into it
		panic(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
