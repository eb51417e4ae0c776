package cases

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/engine"
)

// Runner runs cases. It makes one environment for each combination of module, clock,
// seed, environment variables, limits and mounts, and keeps it. Its methods may be called
// concurrently.
type Runner struct {
	cacheDir  string
	workflows func(context.Context, replay.Options) (replay.WorkflowEnv, error)

	mu    sync.Mutex
	envs  map[surroundings]*environment
	flows map[surroundings]*workflowEnvironment
}

// NewRunner makes a runner. The caller must close it. Compiled modules are kept in the
// directory; an empty name keeps none. See [replay.Options].
func NewRunner(cacheDir string) *Runner {
	return &Runner{cacheDir: cacheDir, envs: map[surroundings]*environment{}, flows: map[surroundings]*workflowEnvironment{}}
}

// WithWorkflows lets the runner run cases of workflows too. The function makes their
// environments: that of package workflows, which knows Temporal. It returns the runner.
func (r *Runner) WithWorkflows(open func(context.Context, replay.Options) (replay.WorkflowEnv, error)) *Runner {
	r.workflows = open
	return r
}

// surroundings identify an environment.
type surroundings struct {
	module      string
	start       int64
	seed        int64
	env         string
	command     string
	limits      Limits
	mounts      string
	interpreter bool
}

type environment struct {
	once sync.Once
	env  *replay.Env
	err  error
}

// Close frees everything. No case may be running.
func (r *Runner) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for key, e := range r.envs {
		if e.env != nil {
			errs = append(errs, e.env.Close())
		}
		delete(r.envs, key)
	}
	for key, e := range r.flows {
		if e.env != nil {
			errs = append(errs, e.env.Close())
		}
		delete(r.flows, key)
	}
	return errors.Join(errs...)
}

// mounts returns the directories of a case.
func (f *File) mounts(c *Case) replay.Mounts {
	if f.Mounts == nil && (c.Activity.Files != nil || c.Want.Files != nil) {
		return replay.Mounts{"/": true}
	}
	return f.Mounts
}

// env returns the environment of a case. It makes the environment if there is none.
func (r *Runner) env(ctx context.Context, f *File, c *Case, interpreter bool) (*replay.Env, error) {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(f.Env)) {
		env = append(env, name+"="+f.Env[name])
	}
	key := surroundings{f.Module, 0, f.Seed, strings.Join(env, "\x00"), fmt.Sprintf("%#v", f.Command), f.Limits, fmt.Sprint(f.mounts(c)), interpreter}
	if !f.Start.IsZero() {
		key.start = f.Start.UnixNano()
	}
	r.mu.Lock()
	e, ok := r.envs[key]
	if !ok {
		e = &environment{}
		r.envs[key] = e
	}
	r.mu.Unlock()
	e.once.Do(func() {
		options := replay.Options{
			Modules:  []string{f.Module},
			Defaults: sandbox.Options{Env: env, Args: f.Command.Args, CommandIO: f.Command.IO, SuccessCodes: f.Command.SuccessCodes, MemoryLimit: f.Limits.Memory, MaxOutput: f.Limits.Output, MaxFuel: f.Limits.Fuel},
			Start:    f.Start, Seed: f.Seed, Mounts: f.mounts(c), CacheDir: r.cacheDir, NoCache: r.cacheDir == "",
		}
		if interpreter {
			engine.InterpretReplay(&options)
		}
		e.env, e.err = replay.Open(ctx, options)
	})
	return e.env, e.err
}

// Result is the result of a case.
type Result struct {
	File        *File // nil if it is of [Case.Run]
	Case        *Case
	Run         *replay.Run
	Differences []Difference // empty if the case passed
	Notes       []string     // remarks that are not differences
	Points      int          // number of points that were explored
	Duration    time.Duration

	unanswered bool // a workflow asked for what no mock answers
}

// Run runs a case of a file and blocks until it has ended. The error is about the module:
// it cannot be compiled, or its limits do not allow it to begin. Everything else is in
// the result.
func (r *Runner) Run(ctx context.Context, f *File, c *Case) (*Result, error) {
	return r.run(ctx, f, c, false)
}

// Repeat runs a case the given number of times in each engine, the compiler and the
// interpreter. It stops at the first run whose digest is another one, and adds the
// difference to the result.
func (r *Runner) Repeat(ctx context.Context, f *File, c *Case, times int) (*Result, error) {
	start := time.Now()
	result, err := r.Run(ctx, f, c)
	if err != nil {
		return nil, err
	}
	digest := result.Run.Digest()
	for i := 2; i <= 2*times; i++ {
		interpreter := i > times
		again, err := r.run(ctx, f, c, interpreter)
		if err != nil {
			return nil, err
		}
		if again.Run.Digest() == digest {
			continue
		}
		what := fmt.Sprintf("run %d", i)
		if interpreter {
			what = fmt.Sprintf("run %d in the interpreter", i-times)
		}
		d := firstDifference(result.Run, again.Run)
		d.What = what + " is not as the first: " + d.What
		result.Differences = append(result.Differences, d)
		break
	}
	result.Duration = time.Since(start)
	return result, nil
}

// firstDifference returns the first difference between two runs, in the order in which
// people look at them.
func firstDifference(a, b *replay.Run) Difference {
	aspects := func(run *replay.Run) (all []Difference) {
		add := func(what, text string) { all = append(all, Difference{What: what, Got: text}) }
		for i, c := range run.Calls {
			add(fmt.Sprintf("calls[%d]", i), callNode(c).pretty())
		}
		add("calls", fmt.Sprint(len(run.Calls)))
		for i, a := range run.Activations {
			for k, c := range a.Commands {
				add(fmt.Sprintf("activation %d: command %d", i+1, k+1), rawNode(c).pretty())
			}
			add(fmt.Sprintf("activation %d: the state", i+1), fmt.Sprintf("sha256:%s, %s after the start, %d units", a.Digest, a.At, a.Fuel))
		}
		add("activations", fmt.Sprint(len(run.Activations)))
		add("heartbeats", heartbeatsNode(run.Heartbeats).pretty())
		add("logs", listOf(run.Logs, gotRecord).pretty())
		for _, name := range slices.Sorted(maps.Keys(run.Files)) {
			add("files["+name+"]", fileText(run.Files[name]))
		}
		add("files", fmt.Sprint(len(run.Files)))
		add("outcome", ending(run))
		add("fuel", fmt.Sprint(run.Fuel))
		add("memory", fmt.Sprint(run.Memory))
		return all
	}
	x, y := aspects(a), aspects(b)
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return Difference{x[i].What, x[i].Got, y[i].Got}
		}
	}
	return Difference{"digest", a.Digest(), b.Digest()}
}

func gotRecord(r replay.LogRecord) *node {
	n := mapOf("level", str(r.Level)).set("message", str(r.Message))
	if len(r.Attrs) > 0 {
		data, err := json.Marshal(r.Attrs)
		if err == nil {
			n.set("attrs", rawNode(data))
		}
	}
	return n
}

func (r *Runner) run(ctx context.Context, f *File, c *Case, interpreter bool) (*Result, error) {
	if c.Workflow != nil {
		env, err := r.workflowEnv(ctx, f, interpreter)
		if err != nil {
			return nil, err
		}
		result := c.RunWorkflow(env)
		result.File = f
		return result, nil
	}
	env, err := r.env(ctx, f, c, interpreter)
	if err != nil {
		return nil, err
	}
	result := c.Run(ctx, env)
	result.File = f
	return result, nil
}

// Run runs the case in an environment and blocks until it has ended. What a [File] says
// of the environment is up to the caller, mounts too. Passthrough modules of the
// environment, fakes or real ones, answer the calls to which the case has no answer. The
// result has no File.
func (c *Case) Run(ctx context.Context, env *replay.Env) *Result {
	start := time.Now()
	a, answers := c.Attempt(env), &script{calls: c.Calls, others: env.Answers}
	a.Answer = answers.answer
	run := env.RunContext(ctx, a)
	result := &Result{Case: c, Run: run}
	result.Differences = append(answers.differences(), c.Want.compare(run)...)
	result.Duration = time.Since(start)
	return result
}

// Attempt returns the activity of the case in an environment, without its answers.
func (c *Case) Attempt(env *replay.Env) replay.Activity {
	a := c.Activity
	if c.Info != nil {
		info := env.DefaultInfo(a.Type)
		json.Unmarshal(c.Info, &info) //nolint:errcheck // c.Info was checked when the file was read
		a.Info = &info
	}
	return a
}

// script answers calls in the order of a case. Only one goroutine may use it.
type script struct {
	calls   []replay.Call
	others  func(module string) bool // whether others answer the calls of a module
	next    int
	strange []Difference
}

func (s *script) answer(_ context.Context, call replay.Call) ([]byte, error) {
	if s.next < len(s.calls) && fits(call, s.calls[s.next]) {
		c := s.calls[s.next]
		s.next++
		return answerOf(c)
	}
	if s.others(call.Module) {
		return nil, replay.ErrUnanswered
	}
	what, want := "call "+callName(call.Module+" "+call.Function), "no more calls"
	if near := s.nearest(call); near >= 0 {
		what += fmt.Sprintf(", where the answer %d was to come", s.next+1)
		switch {
		case fits(call, s.calls[near]):
			what += fmt.Sprintf(" (it is too early for the answer %d)", near+1)
			near = s.next
		case near != s.next:
			what += fmt.Sprintf(" (the most similar one is the answer %d)", near+1)
		}
		want = callNode(s.calls[near]).pretty()
	}
	if len(s.strange) < 10 { // a guest may call without end
		s.strange = append(s.strange, Difference{what, want, callNode(call).pretty()})
	}
	return nil, &replay.CallError{Errno: abi.EIO, Message: "the case has no answer to this call"}
}

func answerOf(c replay.Call) ([]byte, error) {
	if c.Err != nil {
		return nil, c.Err
	}
	return c.Response, nil
}

// nearest returns the index of the remaining answer that is most similar to a call, or -1
// if no answer remains.
func (s *script) nearest(call replay.Call) int {
	best, score := -1, -1
	got := callNode(call).json()
	for i := s.next; i < len(s.calls); i++ {
		want := callNode(s.calls[i]).json()
		common := 0 // equal bytes at the beginning, where capability and function are
		for common < min(len(got), len(want)) && got[common] == want[common] {
			common++
		}
		if common > score {
			best, score = i, common
		}
	}
	return best
}

// differences returns the calls without answers, or else the answers without calls.
func (s *script) differences() []Difference {
	all := s.strange
	if s.next < len(s.calls) && len(all) == 0 {
		rest := listOf(s.calls[s.next:], callNode).pretty()
		all = append(all, Difference{fmt.Sprintf("calls that were not made, from the answer %d on", s.next+1), rest, "no more calls"})
	}
	return all
}

// Passed reports whether everything was as expected.
func (r *Result) Passed() bool { return len(r.Differences) == 0 }

// String returns the differences, one after the other.
func (r *Result) String() string {
	var parts []string
	for _, d := range r.Differences {
		parts = append(parts, d.String())
	}
	return strings.Join(parts, "\n")
}
