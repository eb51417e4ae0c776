package host

import (
	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// OnActivation calls f after each activation of a workflow.
func (p *Plugin) OnActivation(f func(workflowID string, run *sandbox.WorkflowRun)) { p.activated = f }

// ReplayIn makes runs in the SDK's replayer ones of a namespace: it does not know theirs.
func (p *Plugin) ReplayIn(namespace string) { p.replayNamespace = namespace }

// Batches returns the jobs of the activations that a workflow task with these jobs becomes.
func Batches(jobs ...string) (batches [][]string) {
	var list []job
	for _, name := range jobs {
		list = append(list, job{WorkflowJob: abi.WorkflowJob{Job: name}})
	}
	for _, batch := range inBatches(list) {
		var names []string
		for _, j := range batch {
			names = append(names, j.Job)
		}
		batches = append(batches, names)
	}
	return batches
}
