// Package workflows runs workflows of WebAssembly modules without Temporal, the same way
// every time: package replay does so for activities.
//
//	env, err := workflows.Open(ctx, workflows.Options{Modules: []string{"flows/order.wasm"}})
//	run := env.Run(workflows.Workflow{Type: "Order", Args: []any{"tea"}, Mocks: []workflows.Mock{
//		{Kind: workflows.Activity, Name: "Charge", Result: "receipt 1"},
//	}})
//
// The guest runs in the very code in which a worker runs it. In place of the SDK and of
// Temporal's server there is a script: what activities, child workflows and other
// workflows answer, and which signals, queries, updates and cancellations come when. Time
// is virtual, and skips to whatever comes next.
//
// [Replayer] replays histories of runs that were on a server, and compares how they end.
package workflows

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"
	bindings "go.temporal.io/sdk/internalbindings"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/engine"
)

// The types of package replay that tests name. Of Options, Passthrough, Fence and Mounts
// are for activities and are not used.
type (
	Options  = replay.Options
	Workflow = replay.Workflow
	Mock     = replay.Mock
	Event    = replay.Event
)

// The kinds of mocks.
const (
	Activity      = replay.MockActivity
	LocalActivity = replay.MockLocalActivity
	Child         = replay.MockChild
	Signal        = replay.MockSignal
	Cancel        = replay.MockCancel
)

// NoResult is the result of something that returns nothing.
var NoResult = replay.NoResult

// Env is a set of modules to be tested. It implements [replay.WorkflowEnv].
type Env struct {
	plugin    *host.Plugin
	factories map[string]bindings.WorkflowDefinitionFactory
	start     time.Time
	seed      int64
}

// Open makes an environment. It compiles the modules, which can take seconds, and blocks
// until that is done or ctx ends. The caller must close the environment. The errors are
// those of [host.NewPlugin] and [host.Plugin.Load].
func Open(ctx context.Context, options Options) (*Env, error) {
	o := host.DefaultPluginOptions()
	o.Modules, o.Files, o.PerModule, o.Logger = options.Modules, options.Files, options.PerModule, slog.New(slog.DiscardHandler)
	o.Defaults = options.Defaults
	o.GracefulShutdownTimeout = 0
	switch {
	case options.NoCache:
		o.CacheDir = ""
	case options.CacheDir != "":
		o.CacheDir = options.CacheDir
	}
	if engine.InterpretedReplay(options) {
		engine.InterpretPlugin(&o)
	}
	plugin, err := host.NewPlugin(o)
	if err != nil {
		return nil, err
	}
	e := &Env{plugin: plugin, factories: map[string]bindings.WorkflowDefinitionFactory{}, start: options.Start, seed: options.Seed}
	if e.start.IsZero() {
		e.start = replay.DefaultStart
	}
	started := func(context.Context, worker.PluginStartWorkerOptions) error { return nil }
	if err := plugin.StartWorker(ctx, worker.PluginStartWorkerOptions{WorkerRegistry: registry{env: e}}, started); err != nil {
		return nil, err
	}
	if len(e.factories) == 0 {
		return nil, errors.Join(errors.New("no module has workflows"), e.Close())
	}
	return e, nil
}

// Close frees everything. No workflow may be running.
func (e *Env) Close() error {
	e.plugin.StopWorker(context.Background(), worker.PluginStopWorkerOptions{}, func(context.Context, worker.PluginStopWorkerOptions) {})
	return nil
}

// Workflows returns the workflows that can be run, sorted by type.
func (e *Env) Workflows() []sandbox.Workflow { return e.plugin.Workflows() }

// registry is where the plugin registers workflows. Of the rest of its methods, which are
// nil, it calls the one for activities.
type registry struct {
	worker.Registry
	env *Env
}

func (r registry) RegisterWorkflowWithOptions(w any, o workflow.RegisterOptions) {
	r.env.factories[o.Name] = w.(bindings.WorkflowDefinitionFactory)
}

func (registry) RegisterDynamicActivity(any, activity.DynamicRegisterOptions) {}

// Run implements [replay.WorkflowEnv].
func (e *Env) Run(w Workflow) *replay.WorkflowRun { return e.run(w, hooks{}).result }

// hooks change how a run goes.
type hooks struct {
	// evict tells after which tasks, from 0, the instance is given up and another one is
	// brought to its state by a replay. Nil: never.
	evict func(task int) bool
	// arrange puts what comes with a task into another order. Nil: as it is.
	arrange func(task int, due []*delivery)
}

func (e *Env) run(w Workflow, h hooks) *run {
	factory, ok := e.factories[w.Type]
	if !ok {
		var known []string
		for _, k := range e.Workflows() {
			known = append(known, k.Type)
		}
		return &run{result: &replay.WorkflowRun{Run: &replay.Run{Err: &sandbox.UnknownWorkflowError{Type: w.Type, Known: known}}, Answers: make([]replay.Answer, len(w.Events))}}
	}
	r := newRun(e, factory, w, h)
	r.play()
	return r
}
