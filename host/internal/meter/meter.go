// Package meter lets the host interrupt WebAssembly code, and counts what it does.
//
// [Instrument] rewrites a binary so that every entry of a function and every header of a
// loop charges for the code that can follow, until the next such place, out of a global of
// the instance: its fuel. When there is none left, the host's function refill is called. It
// ends the call if its context has ended or its budget is used up, and otherwise gives
// another slice of fuel. So
//
//   - a call ends soon after its context, whatever the guest does: loops, recursion without
//     loops, and memory.fill, which is done in pieces;
//   - native code is left so often that Go's garbage collector, which has to stop every
//     goroutine, is not held up;
//   - what a call has used is known in units, which depend on the code and its input alone
//     and not on the machine or the engine, and a budget of them is kept.
//
// A unit is about an instruction. The function refill is an import, which moves the
// indices of the functions that a module defines; Instrument takes care of that.
//
// [Expose] prepares a binary, before it is instrumented, for having the state of its
// instances set back.
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

// Names that instrumented modules use. No other module may import or export any with this prefix.
const (
	Prefix     = "wasmworker:meter/"
	Module     = Prefix + "v1"   // the host module that they import
	GlobalFuel = Prefix + "fuel" // the global that they export

	refillName = "refill"
)

const (
	slice      = 100_000 // units of fuel at a time: some 100 us
	yieldEvery = 8       // slices, after which another goroutine has its turn
	pieceSize  = 1 << 20 // bytes that memory.fill and memory.copy do at a time
)

// Unlimited is a budget that nobody uses up.
const Unlimited = math.MaxInt64

// Errors that a call ends with.
var (
	ErrOutOfUnits = errors.New("out of units") // its budget is used up
	ErrStopped    = errors.New("stopped")      // its context has ended; the cause is wrapped too
)

// Meter meters the calls of one instance, one at a time. The zero value is ready.
type Meter struct {
	mod     api.Module
	fuel    api.MutableGlobal
	left    int64
	refills int
	procs   int
	running bool
}

type key struct{}

var running atomic.Int32

// Instantiate provides a runtime with the host module that instrumented modules import.
func Instantiate(ctx context.Context, rt wazero.Runtime) error {
	i32 := api.ValueTypeI32
	_, err := rt.NewHostModuleBuilder(Module).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(refill), []api.ValueType{i32, i32}, []api.ValueType{i32}).
		Export(refillName).Instantiate(ctx)
	return err
}

// Run calls f with a context under which f may instantiate the module of the meter, or
// call its functions. It returns what f returns, and how many units that took. The code ends
// with ErrStopped soon after ctx does, and with ErrOutOfUnits when it would need more than
// the budget.
func (m *Meter) Run(ctx context.Context, budget int64, f func(context.Context) error) (used int64, err error) {
	if m.running {
		return 0, errors.New("meter: already running")
	}
	if ctx.Err() != nil {
		return 0, stopped(ctx)
	}
	budget = max(budget, 0)
	m.left = budget
	if m.fuel != nil {
		grant := min(budget, slice)
		m.left -= grant
		m.fuel.Set(uint64(grant))
	}
	m.procs = runtime.GOMAXPROCS(0)
	m.running = true
	running.Add(1)
	defer func() {
		m.running = false
		running.Add(-1)
		used = budget - m.left
		if m.fuel != nil {
			used -= int64(int32(m.fuel.Get()))
		}
	}()
	return 0, f(context.WithValue(ctx, key{}, m))
}

func stopped(ctx context.Context) error {
	return fmt.Errorf("%w: %w", ErrStopped, context.Cause(ctx))
}

func refill(ctx context.Context, mod api.Module, stack []uint64) {
	m, _ := ctx.Value(key{}).(*Meter)
	if m == nil || !m.running {
		panic(errors.New("no meter"))
	}
	if m.mod != mod {
		if m.mod != nil {
			panic(errors.New("other"))
		}
		g, ok := mod.ExportedGlobal(GlobalFuel).(api.MutableGlobal)
		if !ok {
			panic(errors.New("not instrumented"))
		}
		m.mod, m.fuel = mod, g
	}
	fuel, charge := int64(int32(stack[0])), int64(int32(stack[1]))
	total := m.left + fuel
	if ctx.Err() != nil || total < 0 {
		m.left = total + charge
		m.fuel.Set(0)
		if ctx.Err() != nil {
			panic(stopped(ctx))
		}
		panic(ErrOutOfUnits)
	}
	m.refills++
	if m.refills%yieldEvery == 0 && int(running.Load()) >= m.procs {
		runtime.Gosched()
	}
	grant := min(total, slice)
	m.left = total - grant
	stack[0] = uint64(uint32(grant + charge))
}
