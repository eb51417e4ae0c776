package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/hostfunc"
	"github.com/wasmworker/wasmworker/host/passthrough"
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

// stopIfInterrupted ends the guest when its call has ended. The meter counts what the guest does and
// not what the host does for it: a loop of expensive host calls would go on for seconds, and
// what comes after a sleep that was cut short would take that for the end of it.
func (c *call) stopIfInterrupted() {
	if c.interrupted(0) {
		panic(&guestFault{message: "it was interrupted"})
	}
}

// workSlice is how many bytes the host works on for a guest before it lets others run.
const workSlice = 256 << 10

// interrupted tells whether the call has ended, after the host has worked on n more bytes for it. Now and
// then it lets the scheduler look at its timers, which on busy processors would otherwise do so
// after 10 ms: a deadline is one of them.
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

// view returns the guest's own bytes, valid until the guest runs on. Out of bounds, it traps the guest.
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

func linkLog(ctx context.Context, r wazero.Runtime) error {
	types := passthrough.Builtin(abi.ModuleLog)
	return build(ctx, r, abi.ModuleLog, map[string]hostFunc{
		"write": func(c *call, mod api.Module, p []uint64) (int64, error) {
			level := slog.Level(int32(uint32(p[0])))
			message := cut(c.view(mod, "log write", p[1], p[2]))
			text := c.view(mod, "log write", p[3], p[4])
			var attrs []slog.Attr
			if len(text) > abi.MaxLogText {
				attrs = []slog.Attr{slog.String("attributes_cut", cut(text))}
			} else if len(text) > 0 {
				var err error
				if attrs, err = parseAttrs(text); err != nil {
					return 0, err
				}
			}
			c.log(level, message, attrs, len(message)+len(text))
			return 0, nil
		},
	}, func(name string) string { return types[name] })
}

// cut makes text of bytes, and shortens it to the limit of a log record.
func cut(text []byte) string {
	if len(text) <= abi.MaxLogText {
		return strings.ToValidUTF8(string(text), "\uFFFD")
	}
	return strings.ToValidUTF8(string(text[:abi.MaxLogText]), "\uFFFD") + fmt.Sprintf("… (%d bytes in all)", len(text))
}

// parseAttrs makes attributes of a JSON object, sorted by name.
func parseAttrs(text []byte) ([]slog.Attr, error) {
	var values map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&values); err != nil {
		return nil, fmt.Errorf("%w: the attributes of a log record are not a JSON object: %v", abi.EINVAL, err)
	}
	if _, err := decoder.Token(); values == nil || err != io.EOF {
		return nil, fmt.Errorf("%w: the attributes of a log record are not one JSON object", abi.EINVAL)
	}
	attrs := make([]slog.Attr, 0, len(values))
	for name, value := range values {
		attrs = append(attrs, attr(name, value))
	}
	slices.SortFunc(attrs, func(a, b slog.Attr) int { return cmp.Compare(a.Key, b.Key) })
	return attrs, nil
}

func attr(name string, value any) slog.Attr {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return slog.Int64(name, n)
		}
		if f, err := v.Float64(); err == nil && !math.IsInf(f, 0) {
			return slog.Float64(name, f)
		}
		return slog.String(name, v.String())
	case map[string]any:
		var group []any
		for key, inner := range v {
			group = append(group, attr(key, inner))
		}
		return slog.Group(name, group...)
	}
	return slog.Any(name, value)
}

// log hands a record of the guest's on, within the limits of an activity. Its attributes
// are in a group of their own, so that they cannot pass for the host's.
func (c *call) log(level slog.Level, message string, attrs []slog.Attr, size int) {
	if c.task.Log == nil || c.logsDropped {
		return
	}
	c.logRecords++
	c.logVolume += size
	if c.logRecords > abi.MaxLogRecords || c.logVolume > abi.MaxLogVolume {
		c.logsDropped = true
		level, attrs = slog.LevelWarn, nil
		message = fmt.Sprintf("the activity has logged %d records with %d bytes; further ones are dropped", c.logRecords-1, c.logVolume-size)
	}
	if len(attrs) > 0 {
		attrs = []slog.Attr{{Key: "guest", Value: slog.GroupValue(attrs...)}}
	}
	c.task.Log(c.ctx, level, message, attrs)
}

// linkPassthrough links a granted passthrough module. Built-in ones and an embedder's
// come through this one door.
func (m *Module) linkPassthrough(ctx context.Context, granted passthrough.Module) error {
	functions := map[string]hostFunc{}
	for name := range granted.Functions {
		what := granted.ImportName() + " " + name
		functions[name] = func(c *call, mod api.Module, p []uint64) (int64, error) {
			if length := uint32(p[1]); length > abi.MaxRequestSize {
				return 0, fmt.Errorf("%w: the request has %d bytes, and at most %d are allowed", abi.EMSGSIZE, length, abi.MaxRequestSize)
			}
			if len(c.handles) >= abi.MaxHandles {
				return 0, fmt.Errorf("%w: %d responses are open: close those that were read", abi.EMFILE, len(c.handles))
			}
			request := bytes.Clone(c.view(mod, what, p[0], p[1]))
			response, err := c.passthrough(granted, name, request)
			if err != nil {
				return 0, err
			}
			if len(response) == 0 {
				return 0, nil
			}
			if len(response) > math.MaxInt32 {
				return 0, fmt.Errorf("%w: the response has %d bytes", abi.EMSGSIZE, len(response))
			}
			if limit := m.options.MemoryLimit; uint64(c.handlesSize)+uint64(len(response)) > limit {
				return 0, fmt.Errorf("%w: the open responses would have more than the module's memory limit of %s: close those that were read", abi.EMSGSIZE, mebibytes(limit))
			}
			c.handlesSize += len(response)
			if c.handles == nil {
				c.handles = map[uint32][]byte{}
			}
			// The handle stays below 2^31: the result must not be negative.
			c.handle++
			c.handles[c.handle] = response
			return int64(c.handle)<<32 | int64(len(response)), nil
		}
	}
	return build(ctx, m.runtime, granted.ImportName(), functions, func(string) string { return abi.PassthroughType })
}

// passthrough calls a host's or an embedder's function, keeps its panic from the guest, and tells the operator
// what was denied.
func (c *call) passthrough(granted passthrough.Module, function string, request []byte) (response []byte, err error) {
	what := granted.ImportName() + " " + function
	defer func() {
		if p := recover(); p != nil {
			c.module.logger.Error("a passthrough function panicked", "function", what, "activity", c.activity.Type, "panic", fmt.Sprint(p))
			response, err = nil, fmt.Errorf("%w: %s failed inside the host", abi.EIO, what)
		}
	}()
	response, err = granted.Functions[function](c.ctx, &passthrough.Call{
		Module: c.module.file.Name, Activity: c.activity.Type, Policy: c.module.options.Policies[granted.Name], Resources: &c.resources,
	}, request)
	if denial, ok := errors.AsType[*passthrough.Denial](err); ok {
		c.denied(granted.Name, denial)
	}
	return response, err
}

// denied tells the operator that a policy denied something.
func (c *call) denied(capability string, denial *passthrough.Denial) {
	c.module.denials.log(c.module.logger, capability, c.activity.Type, denial)
	if c.task.Denied != nil {
		c.task.Denied(capability, denial)
	}
}

// denials keeps a module that does nothing but being denied from flooding the log.
type denials struct {
	mu    sync.Mutex
	start time.Time // of the window
	n     int       // in the window
}

const (
	maxDenials     = 100 // logged in a window, for each module
	denialInterval = time.Minute
)

func (d *denials) log(logger *slog.Logger, capability, activity string, denial *passthrough.Denial) {
	d.mu.Lock()
	if now := time.Now(); now.Sub(d.start) >= denialInterval {
		d.start, d.n = now, 0
	}
	d.n++
	n := d.n
	d.mu.Unlock()
	if n > maxDenials {
		return
	}
	attrs := []any{"capability", capability, "activity", activity, "target", cut([]byte(denial.Target)), "reason", cut([]byte(denial.Reason))}
	if n == maxDenials {
		attrs = append(attrs, "note", "further denials of this module are not logged for a minute")
	}
	logger.Warn("denied by the policy", attrs...)
}
