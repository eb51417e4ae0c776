package sandbox

import (
	"cmp"
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/generator"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/internal/meter"
	"github.com/wasmworker/wasmworker/host/internal/wasip1"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
)

// Workflow is one workflow type that the sandbox can run.
type Workflow struct {
	Type   string  // the Temporal workflow type
	Export string  // the wasm export
	Module *Module // whose it is
}

// defaultActivationFuel is what an activation may use where its module has no MaxFuel: some
// seconds, below the 10 s that a workflow task has.
const defaultActivationFuel = 20_000_000_000

// workflowWASI is what workflows find while they are initialized: the same everywhere, and
// nothing of the module's options.
func workflowWASI() wasip1.Config {
	seed := int64(0)
	return wasip1.Config{
		Name:     "workflow",
		Clock:    wasi.Clock{Start: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)},
		Random:   wasi.Random{Seed: &seed},
		Workflow: true,
	}
}

// forWorkflows sets the options that workflows cannot do without.
func (o *Options) forWorkflows() {
	o.Isolation, o.canonicalNaN = IsolationPristine, true
	o.Env, o.Args, o.Policies = nil, nil, nil
	o.MaxFuel = cmp.Or(o.MaxFuel, defaultActivationFuel)
}

// notForWorkflows reports options of a single module that workflows cannot have. Those of
// all modules are for others.
func (o *Options) notForWorkflows(file *modules.File) (errs []error) {
	complain := func(option, why string) {
		errs = append(errs, &OptionError{file.Name, option, fmt.Errorf("%s is a module of workflows, %s", file.Path, why)})
	}
	const same = "which find the same in every worker"
	if o.Isolation != "" && o.Isolation != IsolationPristine {
		complain("Isolation", "each run of which has an instance of its own")
	}
	if len(o.Passthrough) > 0 {
		complain("Passthrough", "which cannot be granted anything: let an activity of another module do that")
	}
	if len(o.Env) > 0 {
		complain("Env", same)
	}
	if len(o.Args) > 0 {
		complain("Args", same)
	}
	if len(o.Policies) > 0 {
		complain("Policies", same)
	}
	if o.Timeout > 0 {
		complain("Timeout", "whose activations are limited by max_fuel, which is the same on every machine")
	}
	return errs
}

// Workflows returns the workflows that can be run, sorted by type.
func (s *Sandbox) Workflows() []Workflow {
	var list []Workflow
	for _, w := range s.workflows {
		if w.Module.Refusal() == nil {
			list = append(list, w)
		}
	}
	slices.SortFunc(list, func(a, b Workflow) int { return strings.Compare(a.Type, b.Type) })
	return list
}

// UnknownWorkflowError is returned by [Sandbox.NewWorkflowRun] for a workflow type that no module
// has.
type UnknownWorkflowError struct {
	Type  string   // what was asked for
	Known []string // what there is, sorted
}

// Error lists what there is.
func (e *UnknownWorkflowError) Error() string {
	return fmt.Sprintf("there is no workflow %q; there are: %s", e.Type, strings.Join(e.Known, ", "))
}

// WorkflowRun is the state of one workflow run: an instance that is entered for each
// activation. One that is not entered for long gives its instance up when too many others
// are awake, and is no more than its changed bytes then.
// Its methods may be called concurrently; they wait for each other.
//
// After the same activations of a run of the same module with the same random numbers, the
// state is the same, byte for byte, on every machine: see [WorkflowRun.Digest].
type WorkflowRun struct {
	workflow Workflow
	sandbox  *Sandbox

	mu       sync.Mutex
	closed   bool
	instance *Instance // nil while it sleeps, and once it is closed
	sleeping *sleeping // nil while it is awake
	timeline wasip1.Timeline
	fuel     int64
	saved    image.State   // before a fork
	broken   error         // why there can be no further activation
	awake    *list.Element // of Sandbox.awake, whose lock it needs; nil: it is not there
}

// sleeping is the state of a run without an instance.
type sleeping struct {
	program *program // held, for its image
	memory  image.State
	globals []uint64
}

// Activation is what a run is called for.
type Activation struct {
	// Frame is what the guest reads: see abi/SPEC.md. It is not kept.
	Frame []byte
	// Now is the workflow's time.
	Now time.Time
	// Patched answers the guest's function of this name. It must be set.
	Patched func(id string) bool
	// Log takes what the guest writes to the log and its standard streams. Nil: nobody
	// does.
	Log func(ctx context.Context, level slog.Level, message string, attrs []slog.Attr)
}

// Outcome is how an activation ended.
type Outcome struct {
	Commands []Command // in their order
	// FailTask tells that the guest asks for the workflow task to fail.
	FailTask bool
	// Wake is when the guest wants to be called again. Zero: it does not wait for time.
	Wake time.Time
	// Fuel is how many units the activation has used.
	Fuel int64
}

// Command is a command and the body of its frame, in which its payloads are. The body is
// the receiver's.
type Command struct {
	*abi.WorkflowCommand
	Body []byte
}

// NewWorkflowRun begins a run of a workflow, whose random numbers are those of the stream, and
// loads its module if need be. It blocks until that is done. The run is to be closed.
// Errors are *UnknownWorkflowError, ErrClosed, those of making an instance, and ctx's.
func (s *Sandbox) NewWorkflowRun(ctx context.Context, workflowType string, random io.Reader) (*WorkflowRun, error) {
	w, ok := s.workflows[workflowType]
	if !ok {
		return nil, &UnknownWorkflowError{Type: workflowType, Known: slices.Sorted(maps.Keys(s.workflows))}
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	s.calls++ // not to be closed meanwhile
	s.mu.Unlock()
	defer s.ended()
	w.Module.begin()
	var instance *Instance
	err := s.withRoom(func() (err error) {
		instance, err = w.Module.NewInstance(ctx)
		return err
	})
	if err != nil {
		w.Module.end()
		return nil, fmt.Errorf("workflow %s: %w", workflowType, err)
	}
	r := &WorkflowRun{workflow: w, sandbox: s, instance: instance}
	r.timeline.Random = random
	if instance.program.generator != nil {
		var seed [generator.SeedSize]byte
		if _, err := io.ReadFull(random, seed[:]); err != nil {
			instance.Close()
			w.Module.end()
			return nil, fmt.Errorf("workflow %s: random numbers: %w", workflowType, err)
		}
		instance.seed(seed)
	}
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.runs[r] = struct{}{}
	}
	s.mu.Unlock()
	if closed {
		r.close()
		return nil, ErrClosed
	}
	s.touch(r)
	return r, nil
}

// touch notes that a run is in use, and has those sleep that were not for longest, if too
// many are awake.
func (s *Sandbox) touch(r *WorkflowRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.runs[r]; !open {
		return
	}
	if r.awake != nil {
		s.awake.MoveToFront(r.awake)
		return
	}
	r.awake = s.awake.PushFront(r)
	for s.maxAwake > 0 && s.awake.Len() > s.maxAwake && s.sleepOldest(r) {
	}
}

// sleepOldest has the run sleep that was not in use for longest, other than the given one.
// It returns false if there is none. It is called with the lock.
func (s *Sandbox) sleepOldest(except *WorkflowRun) bool {
	for e := s.awake.Back(); e != nil; e = e.Prev() {
		r := e.Value.(*WorkflowRun)
		// One that is busy is not the one. Waiting for it here could be for each other.
		if r == except || !r.mu.TryLock() {
			continue
		}
		slept := r.sleep()
		r.mu.Unlock()
		if slept {
			s.awake.Remove(e)
			r.awake = nil
			return true
		}
	}
	return false
}

// withRoom calls f, again and again while it fails for want of memory and there is a run
// that can sleep.
func (s *Sandbox) withRoom(f func() error) error {
	for {
		err := f()
		if !errors.Is(err, ErrMemoryLimit) {
			return err
		}
		s.mu.Lock()
		room := s.sleepOldest(nil)
		s.mu.Unlock()
		if !room {
			return err
		}
	}
}

// sleep gives the instance up, and keeps what it is beyond the image of its module. It is
// called with the run's lock.
func (r *WorkflowRun) sleep() bool {
	if r.instance == nil || r.broken != nil {
		return false
	}
	z := &sleeping{globals: r.instance.readGlobals()}
	if r.instance.memory.Save(&z.memory, true) != nil {
		return false // it stays awake
	}
	z.program = r.instance.program.hold()
	r.saved.Release()
	r.instance.Close()
	r.instance, r.sleeping = nil, z
	// What it takes now is less than what it gave, but somebody else may have taken all of
	// that since. Then it is gone: another one is made of its history.
	if !z.memory.Hold() {
		r.drop()
		r.broken = fmt.Errorf("workflow %s: its state could not be kept: %w", r.workflow.Type, ErrMemoryLimit)
	}
	return true
}

// drop gives up what is kept of a run that sleeps.
func (r *WorkflowRun) drop() {
	r.sleeping.memory.Release()
	r.workflow.Module.letGo(r.sleeping.program)
	r.sleeping = nil
}

// wake makes an instance of a run that sleeps. It is called with the run's lock.
func (r *WorkflowRun) wake(ctx context.Context) error {
	z := r.sleeping
	if z == nil {
		return nil
	}
	var instance *Instance
	err := r.sandbox.withRoom(func() error {
		memory, err := z.program.newMemory()
		if err != nil {
			return err
		}
		instance, err = z.program.instantiate(ctx, memory)
		return err
	})
	if err != nil {
		return err
	}
	if err := instance.memory.Load(instance.wasm.Memory(), &z.memory); err != nil {
		instance.Close()
		return err
	}
	instance.writeGlobals(z.globals)
	r.drop()
	r.instance = instance
	return nil
}

// Workflow returns what the run is of.
func (r *WorkflowRun) Workflow() Workflow { return r.workflow }

// Close frees the run. Further calls do nothing, and further activations fail with
// ErrClosed.
func (r *WorkflowRun) Close() {
	s := r.sandbox
	s.mu.Lock()
	delete(s.runs, r)
	if r.awake != nil {
		s.awake.Remove(r.awake)
		r.awake = nil
	}
	s.mu.Unlock()
	r.close()
}

func (r *WorkflowRun) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.closed = true
	r.saved.Release()
	if r.instance != nil {
		r.instance.Close()
		r.instance = nil
	}
	if r.sleeping != nil {
		r.drop()
	}
	r.workflow.Module.end()
}

// Activate calls the guest for an activation. It blocks until the guest returns or ctx
// ends. After an error the run is of no more use: it is to be closed, and its history to
// be replayed in another one. The error is a *abi.Failure, whose type says what happened,
// an *InterruptedError, or ErrClosed.
func (r *WorkflowRun) Activate(ctx context.Context, a Activation) (Outcome, error) {
	defer r.sandbox.touch(r)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable(ctx); err != nil {
		return Outcome{}, err
	}
	outcome, err := r.activate(ctx, a, &r.timeline)
	if err != nil {
		r.broken = err
		return Outcome{}, err
	}
	r.fuel += outcome.Fuel
	return outcome, nil
}

// Fork is Activate for a query or a validation: whatever the guest does is undone, and an
// error leaves the run as it was.
func (r *WorkflowRun) Fork(ctx context.Context, a Activation) (Outcome, error) {
	defer r.sandbox.touch(r)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.usable(ctx); err != nil {
		return Outcome{}, err
	}
	i := r.instance
	if err := i.memory.Save(&r.saved, false); err != nil {
		return Outcome{}, err
	}
	globals := i.readGlobals()
	timeline := r.timeline
	// Not the run's: what is drawn there would be missing from it.
	timeline.Random = rand.NewChaCha8(sha256.Sum256(binary.LittleEndian.AppendUint64([]byte("fork"), uint64(timeline.Walltime()))))
	outcome, err := r.activate(ctx, a, &timeline)
	if back := i.memory.Load(i.wasm.Memory(), &r.saved); back != nil {
		r.broken = fmt.Errorf("workflow %s: its state before a query cannot be brought back: %w", r.workflow.Type, back)
		return Outcome{}, r.broken
	}
	i.writeGlobals(globals)
	i.broken = false
	return outcome, err
}

// usable tells why the run cannot be entered, and wakes it if it can.
func (r *WorkflowRun) usable(ctx context.Context) error {
	switch {
	case r.closed:
		return ErrClosed
	case r.broken != nil:
		return r.broken
	}
	if err := r.wake(ctx); err != nil {
		return fmt.Errorf("workflow %s: it slept and cannot be woken: %w", r.workflow.Type, err)
	}
	return nil
}

// Digest returns a SHA-256 of the whole state of the guest: memory, globals, time, and the
// fuel that it has used so far.
func (r *WorkflowRun) Digest() ([sha256.Size]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return [sha256.Size]byte{}, ErrClosed
	case r.broken != nil:
		return [sha256.Size]byte{}, r.broken
	}
	h := sha256.New()
	if err := r.writeState(h); err != nil {
		return [sha256.Size]byte{}, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

func (r *WorkflowRun) writeState(h hash.Hash) error {
	state, globals := new(image.State), []uint64(nil)
	if z := r.sleeping; z != nil {
		state, globals = &z.memory, slices.Clone(z.globals)
	} else {
		if err := r.instance.memory.Save(state, true); err != nil {
			return err
		}
		defer state.Release()
		globals = r.instance.readGlobals()
	}
	if _, err := state.WriteTo(h); err != nil {
		return err
	}
	numbers := append(globals, uint64(r.fuel), uint64(r.timeline.Walltime()), uint64(r.timeline.Wake))
	return binary.Write(h, binary.LittleEndian, numbers)
}

// Memory returns how many bytes of memory belong to the run alone: pages that it shares
// with no other while it is awake, or what is kept of it while it sleeps.
func (r *WorkflowRun) Memory() (bytes uint64, awake bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.instance != nil:
		n, _ := r.instance.memory.Private()
		return n, true
	case r.sleeping != nil:
		return r.sleeping.memory.Size(), false
	}
	return 0, false
}

func (r *WorkflowRun) activate(ctx context.Context, a Activation, timeline *wasip1.Timeline) (Outcome, error) {
	i := r.instance
	timeline.Begin(a.Now)
	c := newCall(ctx, r.workflow.Module, Activity{Type: r.workflow.Type, Export: r.workflow.Export, Module: r.workflow.Module}, &Task{Log: a.Log})
	guest := c.guest.(*workflowGuest)
	guest.activation = &a
	i.calls++
	i.memory.TakeGrowFailure()
	i.begin(c, wasip1.Activity, i.meter.Used)
	c.wasi.Follow(timeline)
	defer c.release()
	status, fuel, err := i.enter(c, r.workflow.Export, i.module.options.MaxFuel)
	if _, interrupted := errors.AsType[*InterruptedError](err); interrupted {
		return Outcome{}, err
	}
	if errors.Is(err, meter.ErrOutOfFuel) {
		return Outcome{}, r.failure(abi.TypeOutOfFuel, "one activation has used up its fuel (%d) without waiting for anything; raise max_fuel of the module, or let the workflow do less at once", i.module.options.MaxFuel)
	}
	if refused := i.memory.TakeGrowFailure(); err != nil {
		f := c.abnormalEnd(err, refused)
		return Outcome{}, r.failureOf(f)
	}
	if status != 0 && status != 1 {
		return Outcome{}, r.failure(abi.TypeProtocolError, "it returned %d; 0 and 1 have a meaning", status)
	}
	outcome := Outcome{Commands: guest.commands, FailTask: status == 1, Fuel: fuel}
	if timeline.Wake > 0 {
		outcome.Wake = time.Unix(0, timeline.Wake)
	}
	return outcome, nil
}

// failure is one of the task: it names the module and the workflow.
func (r *WorkflowRun) failure(failureType, format string, args ...any) *abi.Failure {
	return r.failureOf(&abi.Failure{Type: failureType, Message: fmt.Sprintf(format, args...)})
}

func (r *WorkflowRun) failureOf(f *abi.Failure) *abi.Failure {
	file := r.workflow.Module.file
	f.Message = fmt.Sprintf("workflow %s of module %s (digest %.12s): %s", r.workflow.Type, file.Name, file.Digest, f.Message)
	return f
}

// readGlobals returns the module's mutable globals.
func (i *Instance) readGlobals() []uint64 {
	values := make([]uint64, len(i.program.globals))
	for n, g := range i.program.globals {
		values[n] = i.wasm.ExportedGlobal(g.name).Get()
	}
	return values
}

func (i *Instance) writeGlobals(values []uint64) {
	for n, g := range i.program.globals {
		i.wasm.ExportedGlobal(g.name).(api.MutableGlobal).Set(values[n])
	}
}
