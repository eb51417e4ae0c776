package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/internal/wazerotext"
)

// instantiationError says why there is no instance for the call.
func (c *call) instantiationError(err error) error {
	if c.ctx.Err() != nil {
		return &InterruptedError{Cause: context.Cause(c.ctx)}
	}
	if errors.Is(err, ErrClosed) {
		return ErrClosed
	}
	if err == c.module.Refusal() {
		return &abi.Failure{Type: abi.TypeModuleRefused, Message: err.Error()}
	}
	if e, ok := errors.AsType[*initializationError](err); ok && e.failure != "" {
		return &abi.Failure{Type: e.failure, Message: fmt.Sprintf("no instance of module %s could be made: %s", c.module.file.Name, shorten(e)), NonRetryable: e.failure == abi.TypeOutOfFuel}
	}
	_, exited := errors.AsType[*sys.ExitError](err)
	_, faulted := errors.AsType[*guestFault](err)
	if !exited && !faulted && !wazerotext.IsFromGuest(err.Error()) { // not the guest's doing
		return &abi.Failure{Type: abi.TypeNoInstance, Message: "no instance could be made: " + err.Error()}
	}
	f := c.abnormalEnd(err, image.NoGrowFailure)
	f.Message = "no instance could be made: " + f.Message
	return f
}

// details renders one value as a failure's details.
func details(value any) []json.RawMessage {
	data, err := json.Marshal(value)
	if err != nil { // maps of strings and numbers always marshal
		panic(err)
	}
	return []json.RawMessage{data}
}

// abnormalEnd makes a failure of an error that the runtime returned.
func (c *call) abnormalEnd(err error, refused image.GrowFailure) *abi.Failure {
	f := &abi.Failure{}
	message, trace := splitTrace(err.Error())
	exit, exited := errors.AsType[*sys.ExitError](err)
	fault, faulted := errors.AsType[*guestFault](err)
	switch {
	case exited:
		f.Type = abi.TypeExitCode
		f.Message = fmt.Sprintf("module %s exited with code %d", c.module.file.Name, exit.ExitCode())
		if last := lastLine(c.stderr.String()); last != "" {
			f.Message += ": " + last
		}
		said := map[string]any{"exit_code": exit.ExitCode(), "stderr": c.stderr.String()}
		if end := c.stdoutEnd.last(maxStdout); end != "" {
			said["stdout"] = end
		}
		f.Details = details(said)
	case faulted && fault.memory:
		f.Type = abi.TypeOutOfMemory
		f.Message = fmt.Sprintf("module %s ran out of memory: %s", c.module.file.Name, fault.Error())
	case faulted:
		f.Type = abi.TypeWasmTrap
		f.Message = fmt.Sprintf("module %s trapped: %s", c.module.file.Name, fault.Error())
	case wazerotext.IsStackOverflow(message):
		f.Type = abi.TypeStackOverflow
		f.Message = fmt.Sprintf("module %s overflowed its stack: its calls are nested too deeply", c.module.file.Name)
	default:
		f.Type = abi.TypeWasmTrap
		f.Message = fmt.Sprintf("module %s trapped: %s", c.module.file.Name, message)
		// TinyGo's runtime says it on standard output
		if first := cmp.Or(c.stderr.firstLine(), c.stdoutEnd.firstLine()); first != "" {
			f.Message += ": " + first
		}
	}
	if refused != image.NoGrowFailure && f.Type != abi.TypeStackOverflow {
		f.Type = abi.TypeOutOfMemory
		f.Message = fmt.Sprintf("module %s ran out of memory: it ended after it was refused %s (%s)", c.module.file.Name, c.module.refusal(refused), f.Message)
	}
	if trace != nil && f.Details == nil {
		f.Details = details(map[string]any{"wasm_stack": trace})
	}
	return f
}

// refusal says what it was that a guest was refused.
func (m *Module) refusal(r image.GrowFailure) string {
	switch limit := m.MemoryLimit(); {
	case r == image.GrowOverBudget:
		return "more, since all instances together have a memory limit of " + mebibytes(m.budget.Limit())
	case r == image.HoldOverLimit:
		return "more than its memory limit of " + mebibytes(m.options.MemoryLimit) + " for what it has and what the host holds for it"
	case r == image.GrowNoSystemMemory:
		return "more by the operating system"
	case limit == m.file.MemoryMax:
		return "more than the maximum of " + mebibytes(limit) + " that it declares itself"
	default:
		return "more than its memory limit of " + mebibytes(limit)
	}
}

// maxTrace bounds the frames in a failure's details. Temporal keeps the last failure of
// a retried activity in its mutable state and cuts it off at 4 KB.
const (
	maxTrace     = 20
	maxTraceLine = 100
	maxStdout    = 1 << 10 // bytes of standard output, beside those of standard error
)

// splitTrace takes apart the text of an error from wazero: the message, and the wasm
// stack as far as it is told. The host's own stack is not for others to see.
func splitTrace(text string) (message string, frames []string) {
	message, trace, found := wazerotext.SplitTrace(text)
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
