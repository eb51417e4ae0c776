// Package meter makes WebAssembly code interruptible, and counts what it does.
//
// [Instrument] rewrites a binary when it is loaded, so that its code counts down a budget
// at the entry of its functions and at the header of its loops. [Meter.Run] runs that
// code. The contract, which holds whatever the code does:
//
//   - When the context ends, the code ends, within a fraction of a millisecond of its own
//     time, with [ErrStopped]. This is all there is to stopping: what ends one context
//     stops no other run, and a context that has ended before stops the run before its
//     first instruction.
//   - When the budget is spent, the code ends with [ErrOutOfFuel].
//   - The number of units that a run used is the same whenever the same code does the
//     same work, in wazero's compiler and in its interpreter, and however often it was
//     rescheduled meanwhile. A budget of as many units suffices, and one unit less does
//     not.
//   - No code holds up Go's garbage collector or scheduler: native code cannot be
//     preempted, but it goes through Go as often as it looks for the end of its context.
//     This needs no wazero.RuntimeConfig.WithCloseOnContextDone.
//   - But for that, the code behaves as before. Only a module that executes ref.func no
//     longer gets memory of the host with each time, see ref; and tables grow only if
//     [Meter.Reserve] allows for it.
//
// # Units
//
// A unit is an instruction. Code is charged for in advance, at the entry of a function
// for what runs outside of loops, and at the header of a loop for an iteration: each time
// for the costliest path that leads from there to the next such place, or out. So the
// number is an upper bound of the number of instructions, usually by a small factor, and
// a measure of time only among runs of the same module. The costs of instructions stand
// in body.go. The arithmetic is
//
//	used = budget - left - fuel
//
// where fuel is the exported global [GlobalFuel], from which the code takes what it is
// charged, and left is what the meter keeps. When fuel would become negative, the code
// calls the host function refill with it, after the charge, and with the charge. Refill
// takes what is missing from left, or ends the run, and returns as fuel the next slice
// and the charge, which is then charged again. What was charged when a run was ended has
// not been executed and is given back.
package meter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

const (
	// Prefix begins the names that the metering adds. No module may have such names of
	// its own.
	Prefix = "wasmworker:meter/"
	// Module is the name of the module that instrumented modules import, see
	// [Instantiate].
	Module = Prefix + "v1"
	// GlobalFuel is the name of the exported global, an i32 variable, that belongs to the
	// meter. Whoever saves and restores the state of an instance may leave it out: Run
	// sets it.
	GlobalFuel = Prefix + "fuel"

	refillName  = "refill"
	reserveName = "reserve"
)

// What the code asks of reserve.
const (
	reserveEntries = 0
	returnEntries  = 1
)

const (
	// slice is how many units code may use until it has to ask for more. That takes 0.1
	// µs. Ordinary code takes 5 to 20 µs for a slice. Code that is made to be slow, by
	// missing the cache or by dividing, was seen to take a millisecond.
	slice = 200_000

	// yieldEvery is after how many slices code lets others run when it has to. Go itself
	// would preempt it after 10 ms. With guests that spin on all processors, runtime.GC,
	// which has to be scheduled several times, then takes over 100 ms, and any other
	// goroutine waits as long. With this, 1 to 10 ms.
	yieldEvery = 2

	// pieceSize is how many bytes are copied or filled at once.
	pieceSize = 1 << 20
)

// Unlimited is a budget that nothing exhausts: at a unit per nanosecond it lasts 292
// years.
const Unlimited = math.MaxInt64

var (
	// ErrOutOfFuel is what the error of a run is that has spent its budget.
	ErrOutOfFuel = errors.New("out of units")
	// ErrStopped is what the error of a run is whose context has ended. It is that
	// context's cause, too.
	ErrStopped = errors.New("stopped")
)

// Instantiate provides a runtime with the host module that instrumented modules import.
func Instantiate(ctx context.Context, rt wazero.Runtime) error {
	i32 := api.ValueTypeI32
	builder := rt.NewHostModuleBuilder(Module)
	for name, fn := range map[string]api.GoModuleFunc{refillName: refill, reserveName: reserve} {
		builder.NewFunctionBuilder().
			WithGoModuleFunction(fn, []api.ValueType{i32, i32}, []api.ValueType{i32}).Export(name)
	}
	_, err := builder.Instantiate(ctx)
	return err
}

// Meter is the meter of one instance of an instrumented module. Its zero value is ready
// for use, and for one run at a time, like the instance itself.
type Meter struct {
	// Reserve is asked, while code runs, for the memory of further entries of tables. If
	// it returns false, table.grow does not grow the table, and returns -1. A number
	// below zero gives back what was asked for last and could not be used. Nil: nothing
	// is refused.
	Reserve func(entries int64) bool

	mod     api.Module        // nil until its code has first asked for more
	fuel    api.MutableGlobal // likewise
	left    int64             // of the budget, without what is in fuel
	slices  int               // that were handed out
	procs   int               // processors
	running bool
	budget  int64 // of the run
}

// running is how many runs there are.
var running atomic.Int32

type key struct{} // of the meter in the context of a run

// Run calls f, which may call the functions of the instance, or make it: the first call
// of the meter of an instance is the one in which f instantiates the module, as its start
// function is code like any other. The code finds its meter in the context that f gets,
// so f has to pass that on. Code that runs without it is refused.
//
// Run returns how many units were used, and the error of f. This is an [ErrOutOfFuel] or
// [ErrStopped] if the code was ended, provided that f returns the error that wazero gives
// it. An instance whose code was ended is in the middle of something, and to be dropped.
//
// A budget below zero is none at all.
func (m *Meter) Run(ctx context.Context, budget int64, f func(context.Context) error) (used int64, err error) {
	if m.running {
		return 0, errors.New("the instance is running already")
	}
	if ctx.Err() != nil {
		return 0, stopped(ctx)
	}
	budget = max(budget, 0)
	m.left, m.budget = budget, budget
	if m.fuel != nil {
		m.fuel.Set(uint64(m.take()))
	}
	m.procs = runtime.GOMAXPROCS(0)
	m.running = true
	running.Add(1)
	defer func() {
		running.Add(-1)
		m.running = false
		used = m.Used()
	}()
	return 0, f(context.WithValue(ctx, key{}, m))
}

// Used returns how many units the run has used: for host functions, while it lasts, and
// else of the last one. It is what the code was charged for, so within a run it does not
// go back, and is the same at the same place of the same work.
func (m *Meter) Used() int64 {
	used := m.budget - m.left
	if m.fuel != nil {
		used -= int64(api.DecodeI32(m.fuel.Get()))
	}
	return used
}

// take takes a slice from what is left.
func (m *Meter) take() int64 {
	n := min(m.left, slice)
	m.left -= n
	return n
}

// refill is the host function that the code calls: refill(fuel, charge i32) (fuel i32).
// It runs in the goroutine of Run, like all code, so nothing here is shared with another
// one but the context. It ends the code by a panic, which wazero turns into the error of
// the call.
func refill(ctx context.Context, mod api.Module, stack []uint64) {
	m, _ := ctx.Value(key{}).(*Meter)
	if m == nil || !m.running {
		panic(errors.New("metered code was called without the context of Meter.Run"))
	}
	if m.mod == nil {
		m.mod = mod
		m.fuel = mod.ExportedGlobal(GlobalFuel).(api.MutableGlobal)
	}
	if m.mod != mod {
		panic(errors.New("metered code was called with the context of another instance's meter"))
	}
	charge := int64(api.DecodeI32(stack[1]))
	m.left += int64(api.DecodeI32(stack[0]))
	if over := m.left < 0; over || ctx.Err() != nil {
		m.left += charge
		m.fuel.Set(0)
		if over {
			panic(ErrOutOfFuel)
		}
		panic(stopped(ctx))
	}
	// To yield costs more when processors are idle, as one is then woken up, and is then
	// of no use.
	if m.slices++; m.slices%yieldEvery == 0 && int(running.Load()) >= m.procs {
		runtime.Gosched()
	}
	stack[0] = api.EncodeI32(int32(m.take() + charge))
}

// reserve is the host function that the code calls before a table grows:
// reserve(entries, what i32) (granted i32). It is a point of interruption, too.
func reserve(ctx context.Context, _ api.Module, stack []uint64) {
	m, _ := ctx.Value(key{}).(*Meter)
	if m == nil || !m.running {
		panic(errors.New("metered code was called without the context of Meter.Run"))
	}
	if ctx.Err() != nil {
		panic(stopped(ctx))
	}
	entries, granted := int64(uint32(stack[0])), uint64(1)
	if api.DecodeI32(stack[1]) == returnEntries {
		entries = -entries
	}
	if m.Reserve != nil && !m.Reserve(entries) {
		granted = 0
	}
	stack[0] = granted
}

func stopped(ctx context.Context) error {
	return fmt.Errorf("%w: %w", ErrStopped, context.Cause(ctx))
}
