package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/catalog"
)

// Instance is one instance of a module. It is used by one goroutine at a time.
type Instance struct {
	module *Module
	wasm   api.Module
	memory *linearMemory
	stdio  *stdio
	// functions looked up so far: a look-up allocates 12 KB of stack each time.
	functions map[string]api.Function
	calls     int
	broken    bool
}

// NewInstance makes an instance, and calls its _initialize if it has one. It blocks
// until that has returned; when ctx ends, that is interrupted.
func (m *Module) NewInstance(ctx context.Context) (*Instance, error) {
	if m.compiled == nil {
		return nil, fmt.Errorf("module %s is not compiled", m.File.Name)
	}
	i := &Instance{
		module:    m,
		memory:    &linearMemory{limit: m.Options.MemoryLimit},
		functions: map[string]api.Function{},
	}
	// While the instance is being made there is no activity: what it logs is the
	// module's, and what it asks of the activity is refused.
	c := &call{ctx: ctx, module: m, task: &Task{Log: logTo(m.logger)}}
	i.stdio = newStdio(c)
	config := wazero.NewModuleConfig().
		WithName(""). // instances of one module live side by side
		WithArgs(m.File.Name).
		WithStartFunctions(). // _initialize and _start are called below, with a context
		WithStdin(i.stdio.in()).
		WithStdout(i.stdio.out()).
		WithStderr(i.stdio.err()).
		WithRandSource(rand.Reader).
		WithSysWalltime().
		WithSysNanotime().
		WithNanosleep(i.stdio.sleep)
	for _, env := range m.env {
		config = config.WithEnv(env[0], env[1])
	}
	ctx = experimental.WithMemoryAllocator(c.context(), i.memory)
	var err error
	if i.wasm, err = m.runtime.InstantiateModule(ctx, m.compiled, config); err != nil {
		return nil, err
	}
	m.live.Add(1)
	if m.File.Initialize {
		if _, err = i.wasm.ExportedFunction(abi.ExportInitialize).Call(ctx); err != nil {
			i.Close()
			return nil, fmt.Errorf("%s: %w", abi.ExportInitialize, err)
		}
	}
	i.stdio.flush()
	return i, nil
}

// Module returns the module that the instance is of.
func (i *Instance) Module() *Module { return i.module }

// Reusable tells whether the instance may serve another call: the module's policy
// allows it, its calls are not used up, and nothing went wrong in it.
func (i *Instance) Reusable() bool {
	return !i.broken && i.module.Options.Policy == PolicyReuse && i.calls < i.module.Options.MaxCalls
}

// Close frees the instance. It must not be running.
func (i *Instance) Close() {
	if i.wasm == nil {
		return
	}
	// The error could only be one of closing files, and a guest has none.
	_ = i.wasm.Close(context.Background())
	i.wasm = nil
	i.module.live.Add(-1)
}

// run runs one call and says how it ended.
func (i *Instance) run(c *call) (*Payload, error) {
	i.calls++
	i.broken = true // until it has returned as it should
	i.memory.refused = false
	i.stdio.attach(c)
	name := c.activity.Export
	if i.module.File.Kind == catalog.KindCommand {
		name = abi.ExportStart
		if err := c.prepareCommand(); err != nil {
			return nil, err
		}
	}
	fn := i.functions[name]
	if fn == nil {
		fn = i.wasm.ExportedFunction(name)
		i.functions[name] = fn
	}
	var stack [1]uint64
	err := fn.CallWithStack(c.context(), stack[:])
	i.stdio.flush()
	if c.ctx.Err() != nil {
		// Whatever it returned: a sleep or a request may have been cut short, and the
		// guest may have taken that for the end of it.
		return nil, &InterruptedError{Cause: context.Cause(c.ctx)}
	}
	if i.module.File.Kind == catalog.KindCommand {
		return c.commandOutcome(err, i.memory.refused)
	}
	if err != nil {
		return nil, c.abnormalEnd(err, i.memory.refused)
	}
	payload, err := c.outcome(abi.Status(int32(uint32(stack[0]))))
	f, failed := errors.AsType[*abi.Failure](err)
	i.broken = failed && f.Type == abi.TypeProtocolError
	return payload, err
}

// abnormalEnd makes a failure of an error that the runtime returned.
func (c *call) abnormalEnd(err error, refusedMemory bool) *abi.Failure {
	f := &abi.Failure{}
	message, trace := splitTrace(err.Error())
	exit, exited := errors.AsType[*sys.ExitError](err)
	fault, faulted := errors.AsType[*guestFault](err)
	switch {
	case exited:
		f.Type = abi.TypeExitCode
		f.Message = fmt.Sprintf("module %s exited with code %d", c.module.File.Name, exit.ExitCode())
		if last := lastLine(c.stderr.String()); last != "" {
			f.Message += ": " + last
		}
		f.Details = details(map[string]any{"exit_code": exit.ExitCode(), "stderr": c.stderr.String()})
	case faulted:
		f.Type = abi.TypeWasmTrap
		f.Message = fmt.Sprintf("module %s trapped: %s", c.module.File.Name, fault.Error())
	case strings.Contains(message, "stack overflow"):
		f.Type = abi.TypeStackOverflow
		f.Message = fmt.Sprintf("module %s overflowed its stack: its calls are nested too deeply", c.module.File.Name)
	default:
		f.Type = abi.TypeWasmTrap
		f.Message = fmt.Sprintf("module %s trapped: %s", c.module.File.Name, message)
		if first := c.stderr.firstLine(); first != "" {
			f.Message += ": " + first
		}
	}
	if refusedMemory && f.Type != abi.TypeStackOverflow {
		f.Type = abi.TypeOutOfMemory
		f.Message = fmt.Sprintf("module %s ran out of memory: it ended after it was refused more than its memory_limit of %s (%s)",
			c.module.File.Name, mebibytes(c.module.Options.MemoryLimit), f.Message)
	}
	if trace != nil && f.Details == nil {
		f.Details = details(map[string]any{"wasm_stack": trace})
	}
	return f
}

// maxTrace bounds the frames in a failure's details. Temporal keeps the last failure of
// a retried activity in its mutable state and cuts it off at 4 KB.
const (
	maxTrace     = 20
	maxTraceLine = 100
)

// splitTrace takes apart the text of an error from wazero: the message, and the wasm stack.
func splitTrace(text string) (message string, frames []string) {
	message, trace, found := strings.Cut(text, "\nwasm stack trace:")
	message = strings.TrimPrefix(strings.TrimSuffix(message, " (recovered by wazero)"), "wasm error: ")
	if !found {
		return message, nil
	}
	for line := range strings.Lines(trace) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if len(frames) == maxTrace {
			frames = append(frames, "…")
			break
		}
		if len(line) > maxTraceLine {
			line = line[:maxTraceLine] + "…"
		}
		frames = append(frames, strings.ToValidUTF8(line, "\uFFFD"))
	}
	return message, frames
}

func lastLine(text string) string {
	text = strings.TrimRight(text, "\r\n ")
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}

// sleepUntil sleeps, or returns when ctx ends. wazero's own sleep does not look at the context.
func sleepUntil(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
