package sandbox_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/hostfunc"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/internal/wasmgen"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/engine"
)

const (
	promisesMemory   = 8 << 20
	promisesFuel     = 200_000 // of an activity that need not end; so few that no stack overflows
	promisesPatience = 10 * time.Second
)

var promisesHash = maphash.MakeSeed()

// What is promised. A module breaks one of these.
var (
	errPlain       = errors.New("it does something else than without the sandbox")
	errEngines     = errors.New("it does something else in the other engine")
	errFuel        = errors.New("it takes other fuel")
	errReset       = errors.New("something is left of the activity before")
	errLimit       = errors.New("it has more memory than it may")
	errInterrupted = errors.New("it goes on")
	errAdmitted    = errors.New("it is refused")
)

var promises = []error{errPlain, errEngines, errFuel, errReset, errLimit, errInterrupted, errAdmitted}

func broken(what error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", what, fmt.Sprintf(format, args...))
}

// promise is a module of which the promises are checked.
type promise struct {
	module *wasmgen.Module
	tally  tally
}

// world is how a module is run.
type world struct {
	interpreter bool
	canonical   bool // NaNs
	isolation   sandbox.Isolation
}

func (w world) String() string {
	engine := "compiler"
	if w.interpreter {
		engine = "interpreter"
	}
	return fmt.Sprintf("%s, %s, canonical NaNs: %v", engine, w.isolation, w.canonical)
}

// step is an activity and what came of it.
type step struct {
	before, after string // the state of the instance
	outcome       string
	fuel          int64
}

// check runs the module in all ways that there are, and compares.
func (p *promise) check() error {
	p.tally = tally{modules: 1}
	if !p.module.Ends {
		return p.checkEndless()
	}
	// Activities one after the other in one instance, and each in one of its own.
	var chained, alone [2][]step
	var chainedErr, aloneErr [2]error
	for i, interpreter := range []bool{false, true} {
		chained[i], chainedErr[i] = p.plain(interpreter, true)
		alone[i], aloneErr[i] = p.plain(interpreter, false)
	}
	// The bits of NaNs are the processor's choice and the engine's, and everything can
	// depend on them. So they are the same in one engine, and with canonical NaNs.
	same := !p.module.Arithmetic
	if same {
		if err := equalSteps(errEngines, "plain wazero, compiler and interpreter", chained[0], chained[1]); err != nil {
			return err
		}
	}
	for _, canonical := range []bool{false, true} {
		if canonical && same {
			break
		}
		for _, isolation := range []sandbox.Isolation{sandbox.IsolationReuse, sandbox.IsolationPristine} {
			var got [2][]step
			for i, interpreter := range []bool{false, true} {
				w := world{interpreter, canonical, isolation}
				want, wantErr := chained[i], chainedErr[i]
				if isolation == sandbox.IsolationPristine {
					want, wantErr = alone[i], aloneErr[i]
				}
				var err error
				if got[i], err = p.run(w, wantErr); err != nil {
					return fmt.Errorf("%w (%v)", err, w)
				}
				if wantErr != nil || canonical {
					continue
				}
				if err := equalSteps(errPlain, w.String(), got[i], want); err != nil {
					return err
				}
			}
			if same || canonical {
				if err := equalSteps(errEngines, string(isolation), got[0], got[1]); err != nil {
					return err
				}
				for n := range got[0] {
					if n < len(got[1]) && got[0][n].fuel != got[1][n].fuel {
						return broken(errFuel, "activity %d: %d in the compiler, %d in the interpreter", n, got[0][n].fuel, got[1][n].fuel)
					}
				}
			}
		}
	}
	if chainedErr[0] != nil {
		p.tally.refused = 1
	}
	return nil
}

// equalSteps compares what can be: a state that was not looked at is empty.
func equalSteps(what error, where string, got, want []step) error {
	if len(got) != len(want) {
		return broken(what, "%s: %d activities instead of %d", where, len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		for _, c := range []struct{ name, got, want string }{{"state before", g.before, w.before}, {"outcome", g.outcome, w.outcome}, {"state after", g.after, w.after}} {
			if c.got != "" && c.want != "" && c.got != c.want {
				return broken(what, "%s: activity %d: %s\n%s\nwant\n%s", where, i, c.name, c.got, c.want)
			}
		}
	}
	return nil
}

// script are the activities to run: all, and then all once more.
func (p *promise) script() []string { return slices.Concat(p.module.Activities, p.module.Activities) }

// plain runs the module without anything of the sandbox.
func (p *promise) plain(interpreter, chained bool) (steps []step, err error) {
	ctx := context.Background()
	config := wazero.NewRuntimeConfig()
	if interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	rt := wazero.NewRuntimeWithConfig(ctx, config.WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(promisesMemory>>16))
	defer rt.Close(ctx)
	host := rt.NewHostModuleBuilder(abi.ModuleActivity)
	for _, name := range []string{"arg_count", "status"} {
		host.NewFunctionBuilder().WithFunc(func() uint32 { return 0 }).Export(name)
	}
	if _, err := host.Instantiate(ctx); err != nil {
		return nil, err
	}
	compiled, err := rt.CompileModule(ctx, p.module.Binary)
	if err != nil {
		return nil, err
	}
	var instance api.Module
	functions := map[string]api.Function{}
	call := func(name string, args ...uint64) ([]uint64, error) {
		if functions[name] == nil {
			functions[name] = instance.ExportedFunction(name)
		}
		return functions[name].Call(ctx, args...)
	}
	for _, activity := range p.script() {
		if instance == nil || !chained {
			if instance, err = rt.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions()); err != nil {
				return nil, err
			}
			clear(functions)
			if f := instance.ExportedFunction(abi.ExportInitialize); f != nil {
				if _, err := f.Call(ctx); err != nil {
					return nil, err
				}
			}
		}
		s := step{before: p.state(instance, call)}
		_, err := call(activity)
		s.outcome = outcome(err)
		s.after = p.state(instance, call)
		steps = append(steps, s)
		if err != nil {
			instance = nil
		}
	}
	return steps, nil
}

// outcome says how an activity ended: why it trapped, in the words that a failure has
// too.
func outcome(err error) string {
	if err == nil {
		return "completed"
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	for _, reason := range []string{"unreachable", "out of bounds memory access", "invalid table access", "indirect call type mismatch",
		"integer overflow", "integer divide by zero", "invalid conversion to integer"} {
		if strings.Contains(text, reason) {
			return reason
		}
	}
	if f, ok := errors.AsType[*abi.Failure](err); ok {
		return f.Type
	}
	return text
}

// state is everything that an activity can change, as text.
func (p *promise) state(instance api.Module, call func(string, ...uint64) ([]uint64, error)) string {
	var s strings.Builder
	if memory := hostfunc.Memory(instance); memory != nil {
		pages, _ := memory.Grow(0)
		if contents, ok := memory.Read(0, pages<<16); ok {
			fmt.Fprintf(&s, "%d pages %x", pages, maphash.Bytes(promisesHash, contents))
		}
	}
	value := func(name string, args ...uint64) uint64 {
		results, err := call(name, args...)
		if err != nil {
			fmt.Fprintf(&s, " %s", outcome(err))
			return 0
		}
		fmt.Fprintf(&s, " %x", results)
		return results[0]
	}
	for _, name := range p.module.Globals {
		fmt.Fprintf(&s, " %s", name)
		value(name)
	}
	for _, name := range p.module.Segments {
		fmt.Fprintf(&s, " %s", name)
		value(name)
	}
	for _, table := range p.module.Tables {
		fmt.Fprintf(&s, " table %s", table)
		size := value(wasmgen.TableSize + table)
		for i := range min(size, 40) {
			if value(wasmgen.TableNull+table, i) == 0 {
				value(wasmgen.TableCall+table, i)
			}
		}
	}
	return s.String()
}

// watcher is the executor of one module. It has one instance, and looks at its state.
type watcher struct {
	promise *promise
	ready   *sandbox.Instance
	blind   bool // the states do not matter
	step    step
	err     error
}

func (w *watcher) state(i *sandbox.Instance) string {
	if w.blind {
		return ""
	}
	return w.promise.state(i.Wasm(), func(name string, args ...uint64) ([]uint64, error) {
		return i.Probe(context.Background(), name, args...)
	})
}

func (w *watcher) Acquire(ctx context.Context, m *sandbox.Module) (*sandbox.Instance, error) {
	i := w.ready
	if w.ready = nil; i == nil {
		var err error
		if i, err = m.NewInstance(ctx); err != nil {
			return nil, err
		}
	}
	w.step.before = w.state(i)
	return i, nil
}

func (w *watcher) Release(i *sandbox.Instance) {
	w.step.after = w.state(i)
	if memory := hostfunc.Memory(i.Wasm()); memory != nil && uint64(memory.Size()) > promisesMemory {
		w.err = broken(errLimit, "%d bytes", memory.Size())
	}
	if !i.Reusable() {
		i.Close()
		return
	}
	w.ready = i
	if i.Module().Isolation() == sandbox.IsolationPristine {
		if w.step.after != w.step.before {
			w.err = broken(errReset, "after a reset\n%s\nwant\n%s", w.step.after, w.step.before)
		}
		w.step.after = "" // that of the activity is gone
	}
}

func (w *watcher) Evict(*sandbox.Module) {
	if w.ready != nil {
		w.ready.Close()
		w.ready = nil
	}
}

func (w *watcher) Close(context.Context) error {
	w.Evict(nil)
	return nil
}

// open admits the module and compiles it.
func (p *promise) open(how world) (*sandbox.Sandbox, *watcher, error) {
	file, err := modules.Parse("generated", p.module.Binary)
	if err != nil {
		return nil, nil, broken(errAdmitted, "%v", err)
	}
	w := &watcher{promise: p}
	config := sandbox.Config{Modules: []*modules.File{file}, Executor: w,
		Defaults: sandbox.Options{Isolation: how.isolation, MemoryLimit: promisesMemory, MaxCalls: 1000}}
	if how.interpreter {
		engine.Interpret(&config)
	}
	if how.canonical {
		engine.CanonicalNaN(&config.Defaults)
	}
	box, err := sandbox.New(config)
	if err != nil {
		return nil, nil, broken(errAdmitted, "%v", err)
	}
	return box, w, box.Compile(context.Background())
}

// close closes what does not run any more.
func (p *promise) close(box *sandbox.Sandbox) error {
	ctx, cancel := context.WithTimeout(context.Background(), promisesPatience)
	defer cancel()
	return box.Close(ctx)
}

// run runs the script in the sandbox. If plain wazero does not instantiate the module,
// the sandbox must not, and for the same reason.
func (p *promise) run(how world, plain error) (steps []step, err error) {
	box, w, err := p.open(how)
	if box == nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, p.close(box)) }()
	switch {
	case plain != nil && err == nil:
		return nil, broken(errPlain, "it is served, and plain wazero says %v", plain)
	case plain != nil && (how.canonical || strings.Contains(err.Error(), outcome(plain))):
		return nil, nil
	case plain != nil:
		return nil, broken(errPlain, "%v, and plain wazero says %v", err, plain)
	case err != nil && how.canonical && outcome(err) != err.Error():
		return nil, nil // it came to a trap that others do not come to
	case err != nil:
		return nil, broken(errAdmitted, "%v", err)
	}
	pristine := how.isolation == sandbox.IsolationPristine
	if pristine && box.Modules()[0].Fallback() == "" && !how.interpreter && !how.canonical {
		p.tally.resettable = 1
	}
	fuel := map[string]int64{}
	for _, activity := range p.script() {
		s, err := p.activity(box, w, activity, 0)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
		if want := p.module.Fuel[activity]; want > 0 && s.outcome == "completed" {
			p.tally.reckoned++
			if s.fuel != want {
				return nil, broken(errFuel, "%s takes %d, and its instructions cost %d", activity, s.fuel, want)
			}
		}
		if !pristine {
			continue
		}
		if first, again := fuel[activity]; again && first != s.fuel {
			return nil, broken(errFuel, "%s takes %d, and %d before", activity, s.fuel, first)
		}
		fuel[activity] = s.fuel
	}
	if pristine {
		return steps, p.budget(box, w, steps)
	}
	return steps, nil
}

// budget gives activities what they take, and a unit less.
func (p *promise) budget(box *sandbox.Sandbox, w *watcher, steps []step) error {
	w.blind = true
	for i, activity := range p.module.Activities {
		fuel := steps[i].fuel
		if fuel < 2 {
			continue
		}
		enough, err := p.activity(box, w, activity, fuel)
		if err != nil {
			return err
		}
		if enough.outcome != steps[i].outcome || enough.fuel != fuel {
			return broken(errFuel, "%s takes %d, and with as much: %s, %d", activity, fuel, enough.outcome, enough.fuel)
		}
		less, err := p.activity(box, w, activity, fuel-1)
		if err != nil {
			return err
		}
		if less.outcome != abi.TypeOutOfFuel || less.fuel >= fuel {
			return broken(errFuel, "%s takes %d, and with one less: %s, %d", activity, fuel, less.outcome, less.fuel)
		}
	}
	return nil
}

// activity runs one activity.
func (p *promise) activity(box *sandbox.Sandbox, w *watcher, activity string, maxFuel int64) (step, error) {
	var usage sandbox.Usage
	err := within(func() error {
		_, err := box.Run(context.Background(), sandbox.Task{Activity: activity, MaxFuel: maxFuel, Usage: &usage})
		return err
	})
	if errors.Is(err, errInterrupted) {
		return step{}, err
	}
	s := w.step
	s.outcome, s.fuel = outcome(err), usage.Fuel
	p.count(s.outcome)
	return s, w.err
}

// within calls f and does not wait for it for longer than anybody may.
func within(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(promisesPatience):
		return broken(errInterrupted, "for more than %v", promisesPatience)
	}
}

func (p *promise) count(outcome string) {
	p.tally.runs++
	switch outcome {
	case abi.TypeOutOfFuel:
		p.tally.outOfFuel++
	case "completed":
	default:
		p.tally.traps++
	}
}

// checkEndless runs activities that need not end: until their fuel is spent, which is at
// the same place in both engines, and until their context ends.
func (p *promise) checkEndless() error {
	p.tally.endless = 1
	var got [2][]step
	for i, interpreter := range []bool{false, true} {
		w := world{interpreter, true, sandbox.IsolationPristine}
		var err error
		if got[i], err = p.runEndless(w); err != nil {
			return fmt.Errorf("%w (%v)", err, w)
		}
	}
	for n := range min(len(got[0]), len(got[1])) {
		if got[0][n].outcome == abi.TypeStackOverflow || got[1][n].outcome == abi.TypeStackOverflow {
			continue // engines have other stacks
		}
		if err := equalSteps(errEngines, "endless", got[0][n:n+1], got[1][n:n+1]); err != nil {
			return err
		}
		if got[0][n].fuel != got[1][n].fuel {
			return broken(errFuel, "activity %d: %d in the compiler, %d in the interpreter", n, got[0][n].fuel, got[1][n].fuel)
		}
	}
	return nil
}

func (p *promise) runEndless(how world) (steps []step, err error) {
	box, w, err := p.open(how)
	if box == nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, p.close(box)) }()
	if err != nil { // its initialization trapped, or did not end
		p.tally.refused = 1
		return nil, nil
	}
	for _, activity := range p.module.Activities {
		s, err := p.activity(box, w, activity, promisesFuel)
		if err != nil {
			return nil, err
		}
		if s.fuel > promisesFuel {
			return nil, broken(errFuel, "%s took %d of %d", activity, s.fuel, promisesFuel)
		}
		steps = append(steps, s)
		ctx, cancel := interruption()
		began := time.Now()
		err = within(func() error {
			_, err := box.Run(ctx, sandbox.Task{Activity: activity})
			return err
		})
		took := time.Since(began)
		cancel()
		if errors.Is(err, errInterrupted) {
			return nil, err
		}
		if interrupted, ok := errors.AsType[*sandbox.InterruptedError](err); ok {
			p.tally.interrupted++
			p.tally.slowest = max(p.tally.slowest, took)
			if !errors.Is(interrupted.Cause, errDeadline) {
				return nil, broken(errInterrupted, "the cause is %v", interrupted.Cause)
			}
		}
		if w.err != nil {
			return nil, w.err
		}
		if used := image.Usage(); used.Committed > 8*promisesMemory {
			return nil, broken(errLimit, "%+v", used)
		}
	}
	return steps, nil
}
