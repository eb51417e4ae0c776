package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"runtime"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/hostfunc"
)

// guestFault is a bug of the guest that the host found: it traps the guest, by way of
// a panic that wazero recovers.
type guestFault struct {
	message string
	memory  bool // it asked for more than its limit
}

func (f *guestFault) Error() string { return f.message }

// hostFunc is a host function: what it gets on the stack are its parameters, and what
// it returns is its result.
type hostFunc func(c *call, mod api.Module, params []uint64) (int64, error)

// errNoActivity answers functions that were called while an instance is being made.
var errNoActivity = fmt.Errorf("%w: there is no activity now: this was called from a start function or _initialize", abi.EINVAL)

// build adds functions to a host module and instantiates it.
//
// GoModuleFunc instead of a Go signature by reflection: 80 ns against 2 us a call.
func build(ctx context.Context, r wazero.Runtime, name string, functions map[string]hostFunc, signature func(string) string) error {
	builder := r.NewHostModuleBuilder(name)
	for fname, fn := range functions {
		params, results := hostfunc.Signature(signature(fname))
		narrow := results[0] == api.ValueTypeI32
		builder.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
			c := callFrom(ctx)
			var result int64
			err := errNoActivity
			if c.activity.Module != nil || name == abi.ModuleLog {
				result, err = fn(c, mod, stack)
			}
			c.stopIfInterrupted()
			switch {
			case narrow && err != nil:
				result = 0
			case err != nil:
				result = c.fail(err)
			}
			if narrow {
				stack[0] = api.EncodeI32(int32(result))
			} else {
				stack[0] = api.EncodeI64(result)
			}
		}), params, results).Export(fname)
	}
	_, err := builder.Instantiate(ctx)
	return err
}

// stopIfInterrupted ends the guest when its call has ended. The meter counts what the
// guest does and not what the host does for it: a loop of expensive host calls would go
// on for seconds, and what comes after a sleep that was cut short would take that for the
// end of it.
func (c *call) stopIfInterrupted() {
	if c.interrupted(0) {
		panic(&guestFault{message: "it was interrupted"})
	}
}

// workSlice is how many bytes the host works on for a guest before it lets others run.
const workSlice = 256 << 10

// interrupted tells whether the call has ended, after the host has worked on n more bytes
// for it. Now and then it lets the scheduler look at its timers, which on busy processors
// would otherwise do so after 10 ms: a deadline is one of them.
func (c *call) interrupted(n int) bool {
	if c.work += n; c.work >= workSlice {
		c.work = 0
		runtime.Gosched()
	}
	return c.ctx.Err() != nil
}

// fail notes an error for last_error and returns its negative errno.
func (c *call) fail(err error) int64 {
	var errno abi.Errno
	errno, c.lastError = abi.ErrnoOf(err)
	return -int64(errno)
}

// view returns the guest's own bytes, valid until the guest runs on. Out of bounds, it
// traps the guest.
func (c *call) view(mod api.Module, what string, ptr, length uint64) []byte {
	ptr, length = uint64(uint32(ptr)), uint64(uint32(length))
	if length == 0 {
		return nil
	}
	mem, size := hostfunc.Memory(mod), uint64(0)
	if mem != nil {
		if data, ok := mem.Read(uint32(ptr), uint32(length)); ok {
			c.work += len(data)
			return data
		}
		size = uint64(mem.Size())
	}
	panic(&guestFault{message: fmt.Sprintf("%s: %d bytes at %#x are outside of the memory of %d bytes", what, length, ptr, size)})
}

// give copies a value to the guest if it fits, and returns its full size.
func (c *call) give(mod api.Module, what string, value []byte, dst, capacity uint64) (int64, error) {
	if capacity = uint64(uint32(capacity)); len(value) > 0 && uint64(len(value)) <= capacity {
		copy(c.view(mod, what, dst, uint64(len(value))), value)
	}
	return int64(len(value)), nil
}

// shortText copies a text of the guest's that has no business being long.
func (c *call) shortText(mod api.Module, what string, ptr, length uint64) ([]byte, error) {
	text := c.view(mod, what, ptr, length)
	if len(text) > abi.MaxMetadata {
		return nil, fmt.Errorf("%w: %d bytes are more than the %d of an encoding or metadata", abi.EMSGSIZE, len(text), abi.MaxMetadata)
	}
	return bytes.Clone(text), nil
}
