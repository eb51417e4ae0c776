// Package hosttest sets up tests of activities and workflows of WebAssembly modules. They
// run without Temporal, and the same way every time.
//
//	env := hosttest.New(t, hosttest.Options{Modules: []string{"acts/greet.wasm"}})
//	run := env.Run(hosttest.Activity{Type: "Greet", Args: []any{map[string]string{"name": "Ada"}}})
//
// Faults, calls, the run and its digest are types of package replay. [NewWorkflows] is for
// workflows of modules, whose types are in package workflows.
//
// [NewPlugin] puts the activities into the workflow test environment of Temporal's SDK,
// so that a workflow in Go can be tested with its real activities.
package hosttest

import (
	"context"

	"go.temporal.io/sdk/worker"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/internal/world"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/replay/workflows"
)

// Options and Activity are the types of package replay. They are here too because every
// test names them.
type (
	Options  = replay.Options
	Activity = replay.Activity
)

// TB is the part of a test that the package needs. *testing.T, *testing.B and *testing.F
// implement it.
type TB interface {
	Helper()
	Fatal(args ...any)
	Error(args ...any)
	Cleanup(func())
}

// New makes an environment for a test. It compiles the modules, which can take seconds.
// An error ends the test. The environment is closed when the test ends.
func New(t TB, options Options) *replay.Env {
	t.Helper()
	env, err := replay.Open(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	})
	return env
}

// NewWorkflows makes an environment for the workflows of modules, which it compiles. An
// error ends the test. The environment is closed when the test ends.
func NewWorkflows(t TB, options workflows.Options) *workflows.Env {
	t.Helper()
	env, err := workflows.Open(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	})
	return env
}

// NewPlugin makes a plugin for the test environments of Temporal's SDK. In such an
// environment a workflow in Go runs with its real activities, with time skipping and
// without a server:
//
//	options := host.DefaultPluginOptions()
//	options.Modules = []string{"acts"}
//	env.SetWorkerOptions(worker.Options{Plugins: []worker.Plugin{hosttest.NewPlugin(t, options)}})
//	env.ExecuteWorkflow(Order, input)
//
// Guests have the clock, random numbers and NaNs of [New], unless the options have
// policies of clock and random. The options must not have the modules clock and random.
// Everything else is as in a worker: passthrough modules, fakes or not, must be granted.
// An error ends the test. A plugin is for one environment.
func NewPlugin(t TB, options host.PluginOptions) worker.Plugin {
	t.Helper()
	options.Passthrough = append([]host.PassthroughModule{wasi.NewClock(), wasi.NewRandom()}, options.Passthrough...)
	options.Defaults, options.PerModule = world.Options(options.Defaults, options.PerModule, replay.DefaultStart, 0)
	plugin, err := host.NewPlugin(options)
	if err != nil {
		t.Fatal(err)
	}
	return testPlugin{plugin}
}

// testPlugin is a plugin for a test environment.
type testPlugin struct{ *host.Plugin }

// ConfigureWorker implements [worker.Plugin]. It leaves the limit of activities unset.
// The environment completes its options again for each activity, and would find that the
// limit contradicts the value that it set itself the time before (SDK 1.50).
func (p testPlugin) ConfigureWorker(ctx context.Context, options worker.PluginConfigureWorkerOptions) error {
	err := p.Plugin.ConfigureWorker(ctx, options)
	options.WorkerOptions.MaxConcurrentActivityExecutionSize = 0
	return err
}
