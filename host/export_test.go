package host

import (
	"go.temporal.io/sdk/workflow"

	"github.com/wasmworker/wasmworker/host/sandbox"
)

// OnActivation calls f after each activation of a workflow.
func (p *Plugin) OnActivation(f func(workflowID string, run *sandbox.WorkflowRun)) { p.activated = f }

// RegisterWorkflows registers the workflows of the modules.
func (p *Plugin) RegisterWorkflows(registry interface {
	RegisterWorkflowWithOptions(any, workflow.RegisterOptions)
}) error {
	return p.registerWorkflows(registry)
}

// ReplayIn makes runs in the SDK's replayer ones of a namespace: it does not know theirs.
func (p *Plugin) ReplayIn(namespace string) { p.replayNamespace = namespace }
