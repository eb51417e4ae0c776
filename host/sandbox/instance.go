package sandbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wasmworker/wasmworker/host/internal/generator"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/internal/meter"
	"github.com/wasmworker/wasmworker/host/internal/wasip1"
)

// Instance is one instance of a module. It is used by one goroutine at a time.
type Instance struct {
	module  *Module
	program *program
	wasm    api.Module
	memory  *image.Memory
	meter   *meter.Meter
	wasi    wasip1.Instance
	stdio   *streams
	// functions looked up so far: a look-up allocates 12 KB of stack each time.
	functions map[string]api.Function
	calls     int
	fuel      int64        // what its initialization took
	drawn     wasip1.Drawn // and what it drew
	broken    bool         // it cannot serve another call
}

// ErrMemoryLimit is returned by [Module.NewInstance] when Config.MemoryLimit does not
// allow for one more instance, or not for what its initialization asks for. Closing idle
// ones helps. A [Pool] returns it only if no other instance is in use.
var ErrMemoryLimit = errors.New("the memory limit of all instances together is reached")

// errSystemMemory is the error for what may work another time.
var errSystemMemory = errors.New("the operating system has no more memory")

// NewInstance makes an instance, and calls its _initialize, or what its kind has instead,
// if there is one. It loads the module if it is not loaded. It blocks until all of that
// is done; when ctx ends, the initialization is interrupted.
func (m *Module) NewInstance(ctx context.Context) (*Instance, error) {
	p, err := m.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer m.letGo(p)
	memory, err := p.newMemory()
	if err != nil {
		return nil, err
	}
	return p.instantiate(ctx, memory)
}

// newMemory is what of NewInstance takes from the budget, and it does not block: program
// and memory of a further instance. They are nil if the module is not loaded.
func (m *Module) newMemory() (*program, *image.Memory, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.program == nil {
		return nil, nil, nil
	}
	memory, err := m.program.newMemory()
	if err != nil {
		return nil, nil, err
	}
	return m.program.hold(), memory, nil
}

// newMemory makes the memory of a further instance, and takes from the budget what that
// has once it is initialized.
func (p *program) newMemory() (memory *image.Memory, err error) {
	m := p.module
	if p.image != nil {
		memory, err = p.image.NewMemory()
	} else {
		memory, err = image.NewMemory(image.Config{Min: max(m.file.MemoryMin, p.initialized), Limit: m.MemoryLimit(), Total: m.options.MemoryLimit, Budget: m.imageBudget(), Ledger: &m.ledger})
	}
	if err == nil && !m.holdStart(memory) {
		memory.Close()
		err = image.ErrBudget
	}
	if errors.Is(err, image.ErrBudget) {
		return nil, m.budget.exceeded()
	}
	return memory, err
}

// instantiate makes an instance that has the memory, which is closed on an error.
func (p *program) instantiate(ctx context.Context, memory *image.Memory) (_ *Instance, err error) {
	m := p.module
	if ctx.Err() != nil {
		memory.Close()
		return nil, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, m.options.InitializeTimeout, errInitializeTimedOut)
	defer cancel()
	i := &Instance{module: m, program: p.hold(), memory: memory, meter: &meter.Meter{Reserve: reserveTables(memory)}, stdio: newStreams(), functions: map[string]api.Function{}}
	// While the instance is being made there is no activity: what it logs is the
	// module's, and what it asks of the activity is refused.
	c := newCall(ctx, m, Activity{}, &Task{Log: logTo(m.logger)})
	starting := &initialization{meter: i.meter, limit: m.options.MaxInitializeFuel}
	i.begin(c, wasip1.Initialization, starting.soFar)
	config := p.wasi.Configure(wazero.NewModuleConfig().
		WithName("").         // instances of one module live side by side
		WithStartFunctions(), // _initialize and _start are called below, with a context
		&i.wasi)
	ctx = experimental.WithMemoryAllocator(c.ctx, i.memory)
	made := false
	defer func() {
		c.release()
		if i.fuel = starting.used; made {
			return
		}
		switch refused := memory.TakeGrowFailure(); {
		case ctx.Err() != nil:
		case refused == image.GrowOverBudget:
			err = fmt.Errorf("%w, and its initialization ended for want of more (%s)", m.budget.exceeded(), shorten(err))
		case refused == image.GrowNoSystemMemory:
			err = fmt.Errorf("%w (%s)", errSystemMemory, shorten(err))
		}
		err = starting.failed(ctx, &m.options, err)
		if i.wasm == nil {
			i.memory.Close()
			m.letGo(p)
		} else {
			i.Close()
		}
	}()
	err = starting.run(ctx, func(ctx context.Context) (err error) {
		defer func() {
			if p := recover(); p != nil { // wazero's, where there is no memory to begin with
				err = fmt.Errorf("the runtime failed: %v", p)
			}
		}()
		i.wasm, err = p.runtime.InstantiateModule(ctx, p.compiled, config)
		return err
	})
	if err != nil {
		return nil, err
	}
	m.live.Add(1)
	if p.image != nil { // the image is from behind the initialization
		if err := i.reset(); err != nil {
			return nil, err
		}
		made = true
		return i, nil
	}
	for _, data := range p.data {
		i.wasm.Memory().Write(data.Offset, data.Bytes) // it fits
	}
	for _, name := range m.file.Initialize {
		err = starting.run(ctx, func(ctx context.Context) error {
			fn := i.wasm.ExportedFunction(name)
			_, err := fn.Call(ctx, make([]uint64, len(fn.Definition().ParamTypes()))...)
			return err
		})
		if err != nil {
			if first := c.stderr.firstLine(); first != "" { // where runtimes say what happened
				return nil, fmt.Errorf("%s: %s: %w", name, first, err)
			}
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	i.stdio.flush(c)
	i.drawn = c.wasi.Drawn
	made = true
	return i, nil
}

// begin gives a call what its guest finds: the streams, a clock, random numbers and
// files, all as new.
func (i *Instance) begin(c *call, phase wasip1.Phase, units func() int64) {
	c.streams, c.used, c.memory = i.stdio, units, i.memory
	i.program.wasi.Begin(&c.wasi, wasiHost{c}, phase, units, c.hooks.Mounts)
	i.wasi.Attach(&c.wasi)
}

// seed seeds the generator that the module has.
func (i *Instance) seed(seed [generator.SeedSize]byte) {
	memory, _ := i.wasm.Memory().Read(0, i.wasm.Memory().Size())
	i.program.generator.Seed(memory, seed)
}

// reset sets the instance back to the image of its module: memory, its size, globals.
func (i *Instance) reset() error {
	if err := i.memory.Reset(i.wasm.Memory()); err != nil {
		return err
	}
	for _, g := range i.program.globals {
		i.wasm.ExportedGlobal(g.name).(api.MutableGlobal).Set(g.value)
	}
	return nil
}

// Origin is where the instance of an activity came from.
type Origin string

// The origins.
const (
	OriginPristine Origin = "pristine" // it began with the module's image
	OriginFresh    Origin = "fresh"    // it was made anew, as the policy says
	OriginFallback Origin = "fallback" // it was made anew, since the module cannot be reset
	OriginReused   Origin = "reused"   // it may have the state of earlier activities
)

// origin is that of the call that the instance has begun.
func (i *Instance) origin() Origin {
	switch {
	case i.program.fallback != "":
		return OriginFallback
	case i.program.isolation() == IsolationPristine:
		return OriginPristine
	case i.calls > 1:
		return OriginReused
	default:
		return OriginFresh
	}
}

// trim gives memory back that the idle instance does not share with others of its module,
// unless its contents may not be lost.
func (i *Instance) trim() {
	if i.program.isolation() == IsolationPristine {
		i.memory.Trim()
	}
}

// Module returns the module that the instance is of.
func (i *Instance) Module() *Module { return i.module }

// Reusable tells whether the instance may serve another call: the module's isolation
// allows it, the module has not been unloaded, nothing went wrong in it, and it has been
// reset or its calls are not used up.
func (i *Instance) Reusable() bool {
	if i.program.unloaded.Load() {
		return false
	}
	switch i.program.isolation() {
	case IsolationPristine:
		return !i.broken
	case IsolationReuse:
		return !i.broken && i.calls < i.module.options.MaxCalls
	}
	return false
}

// Close frees the instance. It must not be running.
func (i *Instance) Close() {
	if i.wasm == nil {
		return
	}
	// The error could only be one of closing files, and a guest has none.
	_ = i.wasm.Close(context.Background())
	i.wasm = nil
	i.memory.Close()
	i.module.live.Add(-1)
	i.module.letGo(i.program)
}

// enter calls an export of the instance, whose streams, clock and files are those of the
// call, with so much fuel at most. It returns the export's result, and what it used. An
// instance that does not return as it should is broken; else it can be entered again, or
// be reset. Whoever holds an instance may do so as often as is needed: an activity does
// it once.
func (i *Instance) enter(c *call, export string, fuel int64) (status int32, used int64, err error) {
	fn := i.functions[export]
	if fn == nil {
		fn = i.wasm.ExportedFunction(export)
		i.functions[export] = fn
	}
	i.broken = true // until it has returned
	var stack [1]uint64
	used, err = i.meter.Run(c.ctx, fuel, func(ctx context.Context) error {
		return fn.CallWithStack(ctx, stack[:])
	})
	i.stdio.flush(c)
	// Whatever it returned: a sleep or a request may have been cut short, and the guest may
	// have taken that for the end of it.
	if c.ctx.Err() != nil {
		return 0, used, &InterruptedError{Cause: context.Cause(c.ctx)}
	}
	i.broken = err != nil
	return int32(uint32(stack[0])), used, err
}
