package hosttest

import (
	"context"

	"go.temporal.io/sdk/worker"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
)

// NewPlugin makes a plugin for the test environments of Temporal's SDK, in which a workflow in Go runs with its real
// activities, time skipping, and no server:
//
//	options := host.DefaultPluginOptions()
//	options.Modules = []string{"acts"}
//	env.SetWorkerOptions(worker.Options{Plugins: []worker.Plugin{hosttest.NewPlugin(t, options)}})
//	env.ExecuteWorkflow(Order, input)
//
// Guests have the clock, the random numbers and the NaNs of [New], unless the options have policies of clock and random, and the options must not have these two modules. Everything
// else is as in a worker: passthrough modules, fakes or not, have to be granted. A plugin is for one environment.
func NewPlugin(t TB, options host.PluginOptions) worker.Plugin {
	t.Helper()
	options.Passthrough = append([]host.PassthroughModule{wasi.NewClock(), wasi.NewRandom()}, options.Passthrough...)
	options.Defaults, options.PerModule = deterministic(options.Defaults, options.PerModule, DefaultStart, 0)
	plugin, err := host.NewPlugin(options)
	if err != nil {
		t.Fatal(err)
	}
	return testPlugin{plugin}
}

// testPlugin is a plugin in a test environment.
type testPlugin struct{ *host.Plugin }

// ConfigureWorker implements [worker.Plugin]. The environment completes its options for each activity anew, and takes a limit of
// activities for a contradiction to what it has set itself the time before (SDK 1.50).
func (p testPlugin) ConfigureWorker(ctx context.Context, options worker.PluginConfigureWorkerOptions) error {
	err := p.Plugin.ConfigureWorker(ctx, options)
	options.WorkerOptions.MaxConcurrentActivityExecutionSize = 0
	return err
}
