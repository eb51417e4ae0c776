package host

import (
	"encoding/hex"
	"errors"

	bindings "go.temporal.io/sdk/internalbindings"
	"go.temporal.io/sdk/temporal"

	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/engine"
)

func init() {
	engine.InterpretPlugin = func(options any) { options.(*PluginOptions).interpreter = true }
}

// WorkflowEnd is the end of a run of a workflow of a module.
type WorkflowEnd struct {
	Namespace  string
	WorkflowID string
	RunID      string
	Workflow   sandbox.Workflow
	// Outcome is completed, canceled, continued_as_new, or the type of the failure, which
	// may be empty.
	Outcome string
	// States are the SHA-256 of the guest's state after each activation, in hexadecimal
	// digits.
	States []string
}

// keepState keeps the state after an activation for [PluginOptions.WorkflowEnded].
func (r *workflowRun) keepState() {
	if r.plugin.options.WorkflowEnded == nil {
		return
	}
	digest, err := r.run.Digest()
	if err != nil {
		panic(err)
	}
	r.states = append(r.states, hex.EncodeToString(digest[:]))
}

// tellEnd tells the embedder how the run ends.
func (r *workflowRun) tellEnd(err error) {
	if r.plugin.options.WorkflowEnded == nil || r.env.IsReplaying() {
		return
	}
	info := r.env.WorkflowInfo()
	end := WorkflowEnd{
		Namespace: info.Namespace, WorkflowID: info.WorkflowExecution.ID, RunID: info.WorkflowExecution.RunID,
		Workflow: r.workflow, Outcome: "completed", States: r.states,
	}
	if _, again := errors.AsType[*bindings.ContinueAsNewError](err); again {
		end.Outcome = "continued_as_new"
	} else if temporal.IsCanceledError(err) {
		end.Outcome = "canceled"
	} else if err != nil {
		application, _ := errors.AsType[*temporal.ApplicationError](err)
		if end.Outcome = ""; application != nil {
			end.Outcome = application.Type()
		}
	}
	r.plugin.options.WorkflowEnded(end)
}
