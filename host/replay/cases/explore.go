package cases

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Explore runs a case, and then again many times with one fault each:
//
//   - The worker dies, or the activity is asked to cancel, after a number of units, a
//     heartbeat, a change of a file or a call.
//   - A call fails, or its response is lost.
//   - The activity gets no more memory from a request on.
//
// With a fault, the activity may complete as it should, end as canceled if it was asked
// to, or fail in a way that is retried. After such a failure or a death, the next attempt
// gets the details of the last heartbeat and the files of the attempt before. It must
// complete as it should. Both attempts together must make every call of the case, except
// calls that close something. Anything else becomes a difference in the result.
//
// The number of points says at how many places, evenly spread over the units, deaths and
// cancellations are tried. Each heartbeat, change of a file, call and request for memory
// is a place too. If there are more than ten times points of a kind, only some of them
// are tried.
//
// Calls get the case's answers by their requests, also when an attempt repeats them.
// After a fault, an attempt may make calls without an answer in the case, which fail. Its
// retry may not.
//
// Of a workflow, another instance takes the run over after each workflow task, which has
// to come to the same states and commands; and what came at one time comes in other
// orders, after which it has to end as it should.
//
// A case that is not expected to complete, or that has a fault already, is run and not
// explored. A note in the result says so. The error is that of [Runner.Run], or the cause
// of ctx's end.
func (r *Runner) Explore(ctx context.Context, f *File, c *Case, points int) (*Result, error) {
	if c.Workflow != nil {
		return r.exploreWorkflow(ctx, f, c, points)
	}
	start := time.Now()
	result, err := r.Run(ctx, f, c)
	if err != nil || !result.Passed() {
		return result, err
	}
	a := c.Activity
	if result.Run.Outcome() != replay.Completed || a.Kill > 0 || a.RefuseMemory > 0 || len(a.Faults) > 0 || a.Cancel != (replay.Trigger{}) {
		result.Notes = append(result.Notes, "not explored: only cases that complete, and in which nothing goes wrong, are")
		return result, nil
	}
	env, err := r.env(ctx, f, c, false)
	if err != nil {
		return nil, err
	}
	e := &exploration{ctx: ctx, env: env, c: c, result: result, made: make([]bool, len(c.Calls)), seen: map[string]int{}}
	e.limit = 10*result.Run.Fuel + 100_000_000
	if f.Limits.Fuel > 0 {
		e.limit = min(e.limit, f.Limits.Fuel)
	}
	// The units at which the heartbeats, the changes of files and the calls happen.
	var beats, changes, calls []int64
	again := c.Attempt(env)
	again.Heartbeat = func(ctx context.Context, _ []sandbox.Payload) error {
		beats = append(beats, replay.FuelUsed(ctx))
		return nil
	}
	again.Changed = func(ctx context.Context) { changes = append(changes, replay.FuelUsed(ctx)) }
	e.attempt(again, func(ctx context.Context) { calls = append(calls, replay.FuelUsed(ctx)) })
	var moments []int64
	for _, at := range [][]int64{beats, slices.Compact(changes), calls} {
		for i := range spread(len(at), 10*points) {
			// The second moment is just before the event.
			moments = append(moments, at[i], at[i]-1)
		}
	}
	for i := range int64(points) {
		moments = append(moments, (i+1)*result.Run.Fuel/int64(points+1))
	}
	slices.Sort(moments)
	for _, units := range slices.Compact(moments) {
		if units > 0 && ctx.Err() == nil {
			e.kill(units)
			e.cancel(fmt.Sprintf("asked to cancel after %d units", units), replay.Trigger{Fuel: units})
		}
	}
	for i := range spread(len(result.Run.Heartbeats), 10*points) {
		if ctx.Err() == nil {
			e.cancel(fmt.Sprintf("asked to cancel after heartbeat %d", i+1), replay.Trigger{Heartbeats: i + 1})
		}
	}
	for i := range spread(len(result.Run.Calls), 10*points) {
		if ctx.Err() != nil {
			break
		}
		call := result.Run.Calls[i]
		name := fmt.Sprintf("call %d (%s)", i+1, callName(call.Module+" "+call.Function))
		e.cancel("asked to cancel after "+name, replay.Trigger{Calls: i + 1})
		e.fault("with EIO for "+name, replay.Fault{Call: i + 1, Err: &replay.CallError{Errno: abi.EIO, Message: "the connection was refused"}})
		e.fault("with the response lost of "+name, replay.Fault{Call: i + 1, Lost: true, Err: &replay.CallError{Errno: abi.ETIMEDOUT, Message: "there was no response in time"}})
	}
	for i := 1; i <= 10*points && e.refuse(i) && ctx.Err() == nil; i++ {
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if e.unnoticed > 0 {
		result.Notes = append(result.Notes, fmt.Sprintf("%d of %d requests to cancel were not noticed: it completed", e.unnoticed, e.cancels))
	}
	result.Points = e.points
	for i, d := range result.Differences {
		if more := e.seen[d.Want+"\x00"+d.Got] - 1; more > 0 {
			result.Differences[i].What += fmt.Sprintf(" (at %d points)", more+1)
		}
	}
	if hidden := len(e.seen) - len(result.Differences); hidden > 0 {
		result.Notes = append(result.Notes, fmt.Sprintf("%d more ways to come out wrong are not shown", hidden))
	}
	result.Duration = time.Since(start)
	return result, nil
}

// spread returns no more than most indexes of a list, evenly spread, or all indexes if
// there are fewer.
func spread(length, most int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range min(length, most) {
			if !yield(i * length / min(length, most)) {
				return
			}
		}
	}
}

// maxShown is how many differences an exploration keeps. People repair one at a time.
const maxShown = 5

type exploration struct {
	ctx    context.Context
	env    *replay.Env
	c      *Case
	result *Result
	limit  int64  // units after which an attempt counts as one that does not end
	made   []bool // which of the case's calls any attempt at this point has made

	points, cancels, unnoticed int
	seen                       map[string]int // how many points had the same difference
}

// attempt runs an attempt. Calls are answered by their requests. The differences returned
// are the calls without an answer.
func (e *exploration) attempt(a replay.Activity, called func(context.Context)) (*replay.Run, []Difference) {
	given := make([]bool, len(e.c.Calls))
	var strange []Difference
	a.Answer = func(ctx context.Context, call replay.Call) ([]byte, error) {
		if called != nil {
			called(ctx)
		}
		i := e.next(call, given)
		if i < 0 {
			strange = append(strange, Difference{"a call", "a call that the case has an answer to", callNode(call).pretty()})
			return nil, &replay.CallError{Errno: abi.EIO, Message: "the case has no answer to this call"}
		}
		given[i], e.made[e.next(call, e.made)] = true, true
		return answerOf(e.c.Calls[i])
	}
	if a.Kill == 0 {
		a.Kill = e.limit
	}
	return e.env.RunContext(e.ctx, a), strange
}

// next returns the index of the first of the case's calls that fits and is not done. If
// all that fit are done, it returns the last of them. If none fits, it returns -1.
func (e *exploration) next(call replay.Call, done []bool) int {
	last := -1
	for i, c := range e.c.Calls {
		if fits(call, c) {
			if last = i; !done[i] {
				break
			}
		}
	}
	return last
}

// point begins a new point and returns its first attempt.
func (e *exploration) point() replay.Activity {
	e.points++
	clear(e.made)
	return e.c.Attempt(e.env)
}

func (e *exploration) kill(units int64) {
	a := e.point()
	a.Kill = units
	run, strange := e.attempt(a, nil)
	e.judge(fmt.Sprintf("killed after %d units", units), run, strange, true)
}

func (e *exploration) cancel(point string, when replay.Trigger) {
	e.cancels++
	a := e.point()
	a.Cancel = when
	run, strange := e.attempt(a, nil)
	switch run.Outcome() {
	case replay.Canceled:
		return
	case replay.Completed:
		e.unnoticed++
	}
	e.judge(point, run, strange, false)
}

func (e *exploration) fault(point string, fault replay.Fault) {
	a := e.point()
	a.Faults = []replay.Fault{fault}
	run, strange := e.attempt(a, nil)
	e.judge(point, run, strange, false)
}

// refuse tries an attempt that gets no memory from a request on. It reports whether the
// activity makes that many requests for memory.
func (e *exploration) refuse(request int) bool {
	a := e.point()
	a.RefuseMemory = request
	run, strange := e.attempt(a, nil)
	if run.Digest() == e.result.Run.Digest() {
		e.points--
		return false
	}
	e.judge(fmt.Sprintf("with no more memory from request %d on", request), run, strange, false)
	return true
}

// judge reports what is wrong with the end of an attempt. If Temporal would retry the
// attempt, it runs the retry and judges that too.
//
// A call without an answer is not a difference by itself. An activity may close what it
// opened, or call something else, because of the fault, and a case without faults cannot
// have the answers. Such calls may explain a wrong end, so they are reported with it.
func (e *exploration) judge(point string, run *replay.Run, strange []Difference, killed bool) {
	failure := run.Failure()
	dead := failure != nil && failure.Type == abi.TypeOutOfFuel
	switch {
	case run.Outcome() == replay.Completed:
		if wrong := e.outcome(run); len(wrong) > 0 {
			e.report(point, append(wrong, strange...))
		}
		return
	case dead && !killed:
		e.report(point, append([]Difference{{"end", "an end", fmt.Sprintf("none within %d units", e.limit)}}, strange...))
		return
	case failure == nil || failure.NonRetryable && !dead:
		e.report(point, append([]Difference{{"end", "completed, or failed in a way that is retried", ending(run)}}, strange...))
		return
	}
	a := e.c.Attempt(e.env)
	info := e.env.DefaultInfo(a.Type)
	if a.Info != nil {
		info = *a.Info
	}
	info.Attempt++
	a.Info, a.Files = &info, run.Files
	with := "without details of a heartbeat"
	if n := len(run.Heartbeats); n > 0 {
		a.Details = nil
		for _, detail := range run.Heartbeats[n-1] {
			a.Details = append(a.Details, detail)
		}
		with = "with the details " + string(listOf(run.Heartbeats[n-1], payloadNode).json())
	} else if len(a.Details) > 0 {
		with = "with the details that the case has"
	}
	again, strange := e.attempt(a, nil)
	if len(strange) == 0 {
		strange = e.outcome(again)
	}
	if len(strange) == 0 {
		strange = e.left()
	}
	e.report(point+", then retried "+with, strange)
}

// outcome compares an attempt's output and files with those that the case expects. If the
// case expects no output, the output must be that of the run without faults.
func (e *exploration) outcome(run *replay.Run) []Difference {
	w := e.c.Want
	want := Want{Output: w.Output, OutputContains: w.OutputContains, OutputMatches: w.OutputMatches, Files: w.Files}
	if want.Output == nil && want.OutputContains == nil && want.OutputMatches == nil {
		if want.Output = e.result.Run.Output; want.Output == nil {
			want.Output = new(replay.NewPayload(nil))
		}
	}
	return want.compare(run)
}

// left returns the first call of the case that no attempt has made. A completed activity
// must have made all of them in one attempt or another. Calls that close something are
// not needed, because the end of the attempt that died closed it.
func (e *exploration) left() []Difference {
	for i, c := range e.c.Calls {
		switch name := callName(c.Module + " " + c.Function); {
		case e.made[i], name == "blob close", name == "sql close", name == "sql rollback":
		default:
			return []Difference{{"a call", callNode(c).pretty(), "it was made by no attempt"}}
		}
	}
	return nil
}

// report adds differences to the result, each only once.
func (e *exploration) report(point string, all []Difference) {
	for _, d := range all {
		key := d.Want + "\x00" + d.Got
		if e.seen[key]++; e.seen[key] == 1 && len(e.result.Differences) < maxShown {
			d.What = point + ": " + d.What
			e.result.Differences = append(e.result.Differences, d)
		}
	}
}
