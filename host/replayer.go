package host

import (
	"context"

	"go.temporal.io/sdk/worker"
)

// ReplayWorkflow implements [worker.Plugin]. It loads the modules unless [Plugin.Load] did,
// and gives their workflows to the replayer, whose WorkflowReplayerOptions.Plugins the
// plugin is in. [Plugin.Close] is to be called after the last replay.
func (p *Plugin) ReplayWorkflow(ctx context.Context, options worker.PluginReplayWorkflowOptions, next func(context.Context, worker.PluginReplayWorkflowOptions) error) error {
	if err := p.Load(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	err, known := p.replayers[options.WorkflowReplayerInstanceKey]
	if !known {
		err = p.registerWorkflows(options.WorkflowReplayRegistry)
		p.replayers[options.WorkflowReplayerInstanceKey] = err
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return next(ctx, options)
}

// Close frees what the modules take: of a plugin that was in no worker, since a worker
// does so when it stops. It blocks until nothing runs in them. Later calls return the first
// call's error.
func (p *Plugin) Close(ctx context.Context) error { return p.close(ctx) }
