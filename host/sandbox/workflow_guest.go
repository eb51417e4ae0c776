package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// workflowContract is that of wasmworker:workflow/v1.
type workflowContract struct{}

func (workflowContract) link(ctx context.Context, p *program) error {
	functions := map[string]hostFunc{}
	for name, fn := range workflowFuncs {
		functions[name] = func(c *call, mod api.Module, p []uint64) (int64, error) { return fn(c.guest.(*workflowGuest), mod, p) }
	}
	types := passthrough.Builtin(abi.ModuleWorkflow)
	return build(ctx, p.runtime, abi.ModuleWorkflow, functions, func(name string) string { return types[name] })
}

func (workflowContract) begin(c *call) guest { return &workflowGuest{call: c} }

func (workflowContract) calls(file *modules.File) []string { return slices.Clone(file.Exports) }

func (workflowContract) once() string { return "" }

func (workflowContract) heedsFlags() bool { return false }

// workflowGuest is an activation of a workflow.
type workflowGuest struct {
	*call
	activation *Activation
	commands   []Command
	size       int // of the frames
	patches    int // calls of patched
}

// enter is not called: a run knows its export.
func (g *workflowGuest) enter() (string, error) { return g.activity.Export, nil }

func (g *workflowGuest) end(_ int32, err error, refused image.GrowFailure) (*Payload, error) {
	if err != nil {
		return nil, g.abnormalEnd(err, refused)
	}
	return nil, nil
}

func (g *workflowGuest) stdout(p []byte) error { return g.logStdout(p) }

func (*workflowGuest) release() {}

// maxPatchID is how many bytes the id of a change may have: Temporal's default limit.
const maxPatchID = 1000

var workflowFuncs = map[string]func(g *workflowGuest, mod api.Module, p []uint64) (int64, error){
	"activation": func(g *workflowGuest, mod api.Module, p []uint64) (int64, error) {
		return g.give(mod, "activation", g.activation.Frame, p[0], p[1])
	},
	"commands": func(g *workflowGuest, mod api.Module, p []uint64) (int64, error) {
		return g.addCommands(g.view(mod, "commands", p[0], p[1]))
	},
	"patched": func(g *workflowGuest, mod api.Module, p []uint64) (int64, error) {
		id := g.view(mod, "patched", p[0], p[1])
		if len(id) == 0 || len(id) > maxPatchID {
			return 0, fmt.Errorf("%w: the id of a change has 1 to %d bytes", abi.EINVAL, maxPatchID)
		}
		// Each may be one more that the host has to remember, and a marker in the history.
		if g.patches++; g.patches > abi.MaxCommands {
			panic(&guestFault{message: fmt.Sprintf("patched was called more than %d times in one activation", abi.MaxCommands)})
		}
		if g.activation.Patched(strings.ToValidUTF8(string(id), "\uFFFD")) {
			return 1, nil
		}
		return 0, nil
	},
	"last_error": func(g *workflowGuest, mod api.Module, p []uint64) (int64, error) {
		return g.give(mod, "last_error", []byte(g.lastError), p[0], p[1])
	},
}

// commandCost is what a command counts as for the host at least.
const commandCost = 512

// addCommands appends the commands of a frame.
func (g *workflowGuest) addCommands(frame []byte) (int64, error) {
	if n := g.size + len(frame); n > abi.MaxCommandsSize {
		return 0, fmt.Errorf("%w: the commands of this activation would have %d bytes, and at most %d are allowed", abi.EMSGSIZE, n, abi.MaxCommandsSize)
	}
	head, body, err := passthrough.SplitFrame(frame)
	if err != nil {
		return 0, err
	}
	if n := abi.CountValues(head); n > abi.MaxHeadValues {
		return 0, fmt.Errorf("%w: the head has %d JSON values, and at most %d are allowed", abi.EMSGSIZE, n, abi.MaxHeadValues)
	}
	held := attributeCost*len(head) + len(body) + commandCost
	if err := g.hold(image.Requests, held); err != nil {
		return 0, err
	}
	var said abi.WorkflowCommands
	if err := json.Unmarshal(head, &said); err != nil {
		return 0, fmt.Errorf("%w: the head is not as abi/SPEC.md describes commands: %v", abi.EINVAL, err)
	}
	if n := len(g.commands) + len(said.Commands); n > abi.MaxCommands {
		return 0, fmt.Errorf("%w: %d commands in one activation are more than %d", abi.EMSGSIZE, n, abi.MaxCommands)
	}
	if slices.Contains(said.Commands, nil) {
		return 0, fmt.Errorf("%w: a command is null", abi.EINVAL)
	}
	body = bytes.Clone(body)
	for _, command := range said.Commands {
		g.commands = append(g.commands, Command{command, body})
	}
	g.size += len(frame)
	return int64(len(g.commands)), nil
}
