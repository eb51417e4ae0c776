package workflows

import "github.com/wasmworker/wasmworker/host/replay"

// ChangeAfter has another instance take a workflow over after a task, and calls a function
// before that.
func (e *Env) ChangeAfter(w Workflow, task int, change func()) *replay.WorkflowRun {
	return e.run(w, hooks{evict: func(n int) bool {
		if n != task {
			return false
		}
		change()
		return true
	}}).result
}
