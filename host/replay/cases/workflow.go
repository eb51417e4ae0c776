package cases

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/engine"
)

// workflowEnvironment is an environment of workflows.
type workflowEnvironment struct {
	once sync.Once
	env  replay.WorkflowEnv
	err  error
}

// workflowEnv returns the environment of a file of workflows. It makes the environment if
// there is none.
func (r *Runner) workflowEnv(ctx context.Context, f *File, interpreter bool) (replay.WorkflowEnv, error) {
	key := surroundings{module: f.Module, seed: f.Seed, limits: f.Limits, interpreter: interpreter}
	if !f.Start.IsZero() {
		key.start = f.Start.UnixNano()
	}
	r.mu.Lock()
	e, ok := r.flows[key]
	if !ok {
		e = &workflowEnvironment{}
		r.flows[key] = e
	}
	r.mu.Unlock()
	e.once.Do(func() {
		options := replay.Options{
			Modules: []string{f.Module}, Defaults: sandbox.Options{MemoryLimit: f.Limits.Memory, MaxFuel: f.Limits.Fuel},
			Start: f.Start, Seed: f.Seed, CacheDir: r.cacheDir, NoCache: r.cacheDir == "",
		}
		if interpreter {
			engine.InterpretReplay(&options)
		}
		if r.workflows == nil {
			e.err = errors.New("this runner has no workflows: see Runner.WithWorkflows")
			return
		}
		e.env, e.err = r.workflows(ctx, options)
	})
	return e.env, e.err
}

// RunWorkflow is [Case.Run] for a case of a workflow.
func (c *Case) RunWorkflow(env replay.WorkflowEnv) *Result {
	start := time.Now()
	result := c.judge(env.Run(*c.Workflow))
	result.Duration = time.Since(start)
	return result
}

// judge compares a run with what the case expects.
func (c *Case) judge(run *replay.WorkflowRun) *Result {
	result := &Result{Case: c, Run: run.Run, unanswered: len(run.Problems) > 0}
	for _, p := range run.Problems {
		result.Differences = append(result.Differences, Difference{p.What, p.Want, p.Got})
	}
	if run.Outcome() == replay.TaskFailed && c.Want.TaskFailure == nil {
		// That it does nothing else is a consequence.
		result.Differences = append(result.Differences, c.Want.compare(run.Run)[0])
		return result
	}
	for i, event := range c.Workflow.Events {
		var want *Want
		if i < len(c.EventWants) {
			want = c.EventWants[i]
		}
		if event.Query == "" && event.Update == "" {
			continue
		}
		for _, d := range compareAnswer(run.Answers[i], want) {
			d.What = fmt.Sprintf("events[%d] (%s): %s", i, event, d.What)
			result.Differences = append(result.Differences, d)
		}
	}
	result.Differences = append(result.Differences, c.Want.compare(run.Run)...)
	return result
}

// compareAnswer compares the answer to a query or an update with what is expected.
func compareAnswer(got replay.Answer, want *Want) (all []Difference) {
	if want == nil {
		want = &Want{}
	}
	add := func(what, want, got string) { all = append(all, Difference{what, want, got}) }
	run := &replay.Run{Output: got.Result}
	if got.Failure != nil {
		run.Err = got.Failure
	}
	switch {
	case !got.Done:
		add("the answer", "an answer", "none")
	case want.Refused != nil && got.Refused:
		want.Refused.compare("refused", got.Failure, add)
	case want.Refused != nil:
		add("refused", want.Refused.node().pretty(), "accepted, and "+ending(run))
	case got.Refused:
		expected := "accepted"
		if want.Failure != nil {
			expected += ", and failed: " + want.Failure.node().pretty()
		}
		add("refused", expected, failureOf(got.Failure).node().pretty())
	default:
		return want.compare(run)
	}
	return all
}

// compareWorkflow compares how a workflow stands with the ways that activities do not
// have. It reports whether it was about that.
func (w *Want) compareWorkflow(run *replay.Run, add func(what, want, got string)) bool {
	end, _ := errors.AsType[*replay.WorkflowError](run.Err)
	switch {
	case w.ContinuedAsNew != nil:
		want := w.ContinuedAsNew
		if end == nil || end.Outcome != replay.ContinuedAsNew {
			add("continued_as_new", want.node().pretty(), ending(run))
			return true
		}
		if want.Workflow != "" && want.Workflow != end.Type {
			add("continued_as_new.workflow", want.Workflow, end.Type)
		}
		if want.Args != nil && !slices.EqualFunc(want.Args, end.Args, func(w any, g sandbox.Payload) bool {
			return samePayload(&g, new(replay.NewPayload(w)))
		}) {
			add("continued_as_new.args", listOf(want.Args, valueNode).pretty(), listOf(end.Args, payloadNode).pretty())
		}
	case w.TaskFailure != nil:
		if end == nil || end.Outcome != replay.TaskFailed {
			add("task_failure", w.TaskFailure.node().pretty(), ending(run))
			return true
		}
		w.TaskFailure.compare("task_failure", end.Failure, add)
	case w.Waiting:
		if end == nil || end.Outcome != replay.Waiting {
			add("waiting", "true", ending(run))
		}
	default:
		return false
	}
	return true
}

func valueNode(v any) *node { return payloadNode(replay.NewPayload(v)) }

// commands returns what a workflow asked for.
func commands(run *replay.Run) (all []json.RawMessage) {
	for _, a := range run.Activations {
		all = append(all, a.Commands...)
	}
	return all
}

// compareCommands compares what a workflow asked for with what is expected. Of each, only
// the keys that are expected are compared and shown.
func compareCommands(got, want []json.RawMessage, add func(what, want, got string)) {
	same := len(got) == len(want)
	shown := shownCommands(got, want)
	for i := 0; same && i < len(want); i++ {
		same = subset(rawNode(got[i]), rawNode(want[i]))
	}
	if !same {
		add("commands", listOf(want, rawNode).pretty(), shown.pretty())
	}
}

// shownCommands returns commands with the keys of those that are expected, and of others
// all but their options.
func shownCommands(got, want []json.RawMessage) *node {
	all := &node{kind: kindList}
	for i, g := range got {
		n := rawNode(g)
		if i < len(want) {
			if w := rawNode(want[i]); len(w.keys) > 0 && len(n.keys) > 0 && w.keys[0] == n.keys[0] {
				all.items = append(all.items, common(n, w))
				continue
			}
		}
		all.items = append(all.items, n.without("options"))
	}
	return all
}

// common returns the part of a value that has the keys of another one.
func common(n, of *node) *node {
	if n.kind != kindMap || of.kind != kindMap {
		return n
	}
	out := &node{kind: kindMap}
	for i, key := range n.keys {
		if w := of.get(key); w != nil {
			out.set(key, common(n.items[i], w))
		}
	}
	return out
}

// exploreWorkflow is [Runner.Explore] for a case of a workflow: another instance takes the
// run over after each workflow task, and what came at one time comes in other orders.
func (r *Runner) exploreWorkflow(ctx context.Context, f *File, c *Case, points int) (*Result, error) {
	start := time.Now()
	env, err := r.workflowEnv(ctx, f, false)
	if err != nil {
		return nil, err
	}
	plain := env.Run(*c.Workflow)
	result := c.judge(plain)
	result.File = f
	defer func() { result.Duration = time.Since(start) }()
	if !result.Passed() {
		return result, nil
	}
	if plain.Outcome() == replay.TaskFailed {
		result.Notes = append(result.Notes, "not explored: its workflow task fails")
		return result, nil
	}
	e := &exploration{result: result, seen: map[string]int{}}
	over, taken := env.TakeOver(*c.Workflow, 10*points)
	result.Points = taken
	again := c.judge(over)
	if len(again.Differences) == 0 && over.Digest() != plain.Digest() {
		again.Differences = append(again.Differences, firstDifference(plain.Run, over.Run))
	}
	e.report("taken over", again.Differences)
	env.Rearrange(*c.Workflow, 10*points, func(what string, other *replay.WorkflowRun) {
		if ctx.Err() != nil {
			return
		}
		result.Points++
		e.report(what, c.judgeEnd(other, plain))
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return result, nil
}

// judgeEnd compares how a run ends with what the case expects, or else with another run.
// Commands, log records and fuel may differ.
func (c *Case) judgeEnd(run, plain *replay.WorkflowRun) []Difference {
	other := *c
	w := &other.Want
	w.Commands, w.Logs, w.Fuel, w.MaxFuel, w.MaxMemory = nil, nil, 0, 0, 0
	if plain.Outcome() == replay.Completed && w.Output == nil && w.OutputContains == nil && w.OutputMatches == nil {
		if w.Output = plain.Output; w.Output == nil {
			w.Output = new(replay.NewPayload(nil))
		}
	}
	return other.judge(run).Differences
}
