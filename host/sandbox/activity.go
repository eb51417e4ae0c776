package sandbox

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/hostfunc"
	"github.com/wasmworker/wasmworker/host/internal/meter"
	"github.com/wasmworker/wasmworker/host/internal/wasip1"
)

// run runs one activity in the instance, resets it, and says how the activity ended.
func (i *Instance) run(c *call) (*Payload, error) {
	i.calls++
	i.memory.TakeGrowFailure()
	i.begin(c, wasip1.Activity, i.meter.Used)
	defer c.release()
	export, err := c.guest.enter()
	if err != nil {
		return nil, err // nothing was run
	}
	if i.program.generator != nil {
		i.seed(i.program.wasi.Seed())
	}
	fuel := int64(meter.Unlimited)
	if limit := cmp.Or(c.task.MaxFuel, i.module.options.MaxFuel); limit > 0 {
		fuel = limit
	}
	i.memory.FailGrowFrom(c.hooks.RefuseMemory)
	status, used, err := i.enter(c, export, fuel)
	i.memory.FailGrowFrom(0)
	i.tell(c, used)
	if _, interrupted := errors.AsType[*InterruptedError](err); interrupted {
		return nil, err
	}
	if errors.Is(err, meter.ErrOutOfFuel) {
		return nil, &abi.Failure{
			Type:         abi.TypeOutOfFuel,
			Message:      fmt.Sprintf("activity %s has used up its fuel (%d); raise the fuel limit of its module, or send it less", c.activity.Type, fuel),
			NonRetryable: true,
		}
	}
	returned := !i.broken
	i.broken = true // also if what follows panics
	payload, err := c.guest.end(status, err, i.memory.TakeGrowFailure())
	f, failed := errors.AsType[*abi.Failure](err)
	i.broken = !returned || failed && f.Type == abi.TypeProtocolError
	if !i.broken && i.program.isolation() == IsolationPristine {
		if err := i.reset(); err != nil {
			i.module.logger.Debug("an instance could not be reset, and is replaced", "error", err)
			i.broken = true
		}
	}
	return payload, err
}

// tell fills in what the activity has used, if somebody wants to know.
func (i *Instance) tell(c *call, fuel int64) {
	if c.task.Usage == nil {
		return
	}
	*c.task.Usage = Usage{Fuel: fuel, Instance: i.origin(), Wait: c.waited}
	if i.calls == 1 {
		c.task.Usage.InitializeFuel = i.fuel
	}
	if mem := hostfunc.Memory(i.wasm); mem != nil {
		c.task.Usage.Memory = uint64(mem.Size())
	}
}
