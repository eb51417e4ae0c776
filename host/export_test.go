package host

import (
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// OnActivation calls f after each activation of a workflow.
func (p *Plugin) OnActivation(f func(workflowID string, run *sandbox.WorkflowRun)) { p.activated = f }

// ReplayIn makes runs in the SDK's replayer ones of a namespace: it does not know theirs.
func (p *Plugin) ReplayIn(namespace string) { p.replayNamespace = namespace }
