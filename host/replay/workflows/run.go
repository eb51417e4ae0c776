package workflows

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/converter"
	bindings "go.temporal.io/sdk/internalbindings"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// maxTasks is how many workflow tasks a run may have: one that goes on for ever has no end.
const maxTasks = 20_000

// run is a workflow run, and the server on which it runs. It is the environment of the
// host's definition, which calls it from the goroutine of play alone.
type run struct {
	bindings.WorkflowEnvironment // nil: the host does not use the rest of it
	script                       Workflow
	env                          *Env
	factory                      bindings.WorkflowDefinitionFactory
	hooks                        hooks
	result                       *replay.WorkflowRun
	used                         []int // how often each mock has answered

	now   time.Time
	queue []*delivery
	order int
	tasks []task
	steps int // that were no tasks
	ended bool

	commands  []*command
	activated []replay.Activation
	divided   bool // a replay has come to another state

	// What a definition has, and a replay makes anew.
	definition bindings.WorkflowDefinition
	info       *workflow.Info
	replaying  bool
	issued     int // commands
	activation int // how many there were
	early      []json.RawMessage
	localArgs  *commonpb.Payloads
	patches    map[string]bool
	signal     func(string, *commonpb.Payloads, *commonpb.Header) error
	update     func(string, string, *commonpb.Payloads, *commonpb.Header, bindings.UpdateCallbacks)
	query      func(string, *commonpb.Payloads, *commonpb.Header) (*commonpb.Payloads, error)
	cancel     func()
}

// task is a workflow task: what came with it.
type task struct {
	at  time.Time
	due []*delivery
}

// command is something that the run has asked for.
type command struct {
	number int // among all, from 0
	text   json.RawMessage
	finish func(*delivery) // tells the definition how it ended
	begin  func(*delivery) // tells that a child was started
	done   bool
	asked  *asked // what it was, if a mock answers it
}

func (c *command) id() string { return strconv.Itoa(c.number) }

// delivery is something that the run is told, at some time.
type delivery struct {
	at    time.Time
	order int

	command   *command // which was begun or has ended; nil for an event
	begins    bool
	result    *commonpb.Payloads
	err       error
	execution bindings.WorkflowExecution
	then      *delivery // what comes after it
	step      func()    // in place of telling the run: only the server knows

	event int
}

func newRun(e *Env, factory bindings.WorkflowDefinitionFactory, w Workflow, h hooks) *run {
	r := &run{env: e, script: w, hooks: h, factory: factory, now: e.start, used: make([]int, len(w.Mocks)), result: &replay.WorkflowRun{Run: &replay.Run{}, Answers: make([]replay.Answer, len(w.Events))}}
	for i, event := range w.Events {
		r.schedule(&delivery{at: e.start.Add(event.At), event: i})
	}
	return r
}

// schedule adds a delivery. Those of one time come in the order in which they were added.
func (r *run) schedule(d *delivery) {
	r.order++
	d.order = r.order
	r.queue = append(r.queue, d)
}

// play runs the workflow.
func (r *run) play() {
	defer r.close()
	r.attempt(func() {
		r.open()
		r.task(nil)
	})
	for !r.failed() {
		if len(r.tasks) > maxTasks {
			r.problem("the run", "an end", fmt.Sprintf("none within %d workflow tasks: say with until when the test is over", maxTasks))
			break
		}
		due := r.due()
		if due == nil {
			break
		}
		r.attempt(func() {
			if query := r.script.Events[max(due[0].event, 0):]; due[0].command == nil && query[0].Query != "" {
				r.ask(due[0].event)
				return
			}
			r.task(due)
		})
	}
	r.finish()
}

// problem adds a problem, unless there are many.
func (r *run) problem(what, want, got string) {
	if len(r.result.Problems) < 10 {
		r.result.Problems = append(r.result.Problems, replay.Problem{What: what, Want: want, Got: got})
	}
}

// failed reports whether a workflow task has failed, after which there is nothing more.
func (r *run) failed() bool {
	e, ok := errors.AsType[*replay.WorkflowError](r.result.Err)
	return ok && e.Outcome == replay.TaskFailed
}

// due takes what comes next: everything of one time, but for a query, which is alone. Nil:
// nothing comes any more.
func (r *run) due() []*delivery {
	for {
		due, step := r.take()
		if step == nil {
			return due
		}
		if r.steps++; r.steps > maxTasks {
			r.problem("the run", "an end", fmt.Sprintf("none within %d attempts of activities: say with until when the test is over", maxTasks))
			r.queue = nil
			return nil
		}
		step()
	}
}

// take takes what due returns, or a step that only the server knows.
func (r *run) take() (due []*delivery, step func()) {
	if r.ended { // it can be asked, and nothing else
		r.queue = slices.DeleteFunc(r.queue, func(d *delivery) bool {
			if d.command == nil && r.script.Events[d.event].Query == "" {
				r.problem(fmt.Sprintf("events[%d] (%s)", d.event, r.script.Events[d.event]), fmt.Sprintf("a run that goes on after %s", r.script.Events[d.event].At), fmt.Sprintf("it had ended after %s", r.now.Sub(r.env.start)))
				return true
			}
			return d.command != nil
		})
	}
	if len(r.queue) == 0 {
		return nil, nil
	}
	slices.SortFunc(r.queue, func(a, b *delivery) int { return cmp.Or(a.at.Compare(b.at), a.order-b.order) })
	at := r.queue[0].at
	if r.script.Until > 0 && at.Sub(r.env.start) > r.script.Until {
		return nil, nil
	}
	if at.After(r.now) {
		r.now = at
	}
	if step := r.queue[0].step; step != nil {
		r.queue = slices.Delete(r.queue, 0, 1)
		return nil, step
	}
	isQuery := func(d *delivery) bool { return d.command == nil && r.script.Events[d.event].Query != "" }
	n := 1
	for !isQuery(r.queue[0]) && n < len(r.queue) && !r.queue[n].at.After(r.now) && !isQuery(r.queue[n]) && r.queue[n].step == nil {
		n++
	}
	due = slices.Clone(r.queue[:n])
	r.queue = slices.Delete(r.queue, 0, n)
	return due, nil
}

// attempt does something in which the workflow task may fail.
func (r *run) attempt(f func()) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		err, ok := p.(error)
		if !ok {
			panic(p)
		}
		if r.result.Err == nil {
			failure, ok := errors.AsType[*abi.Failure](err)
			if !ok {
				failure = &abi.Failure{Message: err.Error()}
			}
			r.result.Err = &replay.WorkflowError{Outcome: replay.TaskFailed, Failure: failure}
		}
	}()
	f()
}

// open begins with a fresh definition.
func (r *run) open() {
	r.definition = r.factory.NewWorkflowDefinition()
	r.info = r.newInfo()
	r.issued, r.activation, r.patches, r.early = 0, 0, map[string]bool{}, nil
	r.definition.Execute(r, nil, payloadsOf(r.script.Args))
}

func (r *run) close() {
	if r.definition != nil {
		r.definition.Close()
		r.definition = nil
	}
}

// task is a workflow task, in which the definition is told what is due.
func (r *run) task(due []*delivery) {
	if r.hooks.arrange != nil && !r.replaying {
		r.hooks.arrange(len(r.tasks), due)
	}
	r.tasks = append(r.tasks, task{r.now, due})
	r.deliver(due)
	for _, d := range due {
		if d.then != nil {
			d.then.at = r.now.Add(d.then.at.Sub(d.at))
			r.schedule(d.then)
		}
	}
	if r.hooks.evict != nil && !r.ended && r.hooks.evict(len(r.tasks)-1) {
		r.takeOver()
	}
}

// deliver tells the definition what is due, and has it go on.
func (r *run) deliver(due []*delivery) {
	for _, d := range due {
		switch c := d.command; {
		case c != nil && d.begins:
			if !c.done {
				c.begin(d)
			}
		case c != nil:
			if !c.done {
				c.done = true
				c.finish(d)
			}
		default:
			r.tell(d.event)
		}
	}
	r.definition.OnWorkflowTaskStarted(time.Second)
}

// tell tells the definition of an event.
func (r *run) tell(n int) {
	event, args := r.script.Events[n], payloadsOf(r.script.Events[n].Args)
	switch {
	case event.Signal != "":
		if err := r.signal(event.Signal, args, nil); err != nil {
			panic(err)
		}
	case event.Update != "":
		if r.replaying && r.result.Answers[n].Refused {
			return // it is in no history
		}
		id := cmp.Or(event.ID, fmt.Sprintf("update-%d", n+1))
		r.update(event.Update, id, args, nil, &updateCallbacks{r, n})
	default:
		r.cancel()
	}
}

// ask asks a query.
func (r *run) ask(n int) {
	event := r.script.Events[n]
	result, err := r.query(event.Query, payloadsOf(event.Args), nil)
	r.result.Answers[n] = answerOf(first(result), err)
}

func answerOf(result *commonpb.Payload, err error) replay.Answer {
	a := replay.Answer{Done: true}
	if err != nil {
		a.Failure = failureOf(failures.ErrorToFailure(err))
	} else if result != nil {
		a.Result = guestPayload(result)
	}
	return a
}

// updateCallbacks are those of the update that is an event.
type updateCallbacks struct {
	run   *run
	event int
}

func (u *updateCallbacks) Accept() {}

func (u *updateCallbacks) Reject(err error) {
	a := answerOf(nil, err)
	a.Refused = true
	u.run.result.Answers[u.event] = a
}

func (u *updateCallbacks) Complete(success any, err error) {
	var payload *commonpb.Payload
	if err == nil && success != nil {
		payload, err = converter.GetDefaultDataConverter().ToPayload(success)
	}
	if !u.run.replaying {
		u.run.result.Answers[u.event] = answerOf(payload, err)
	}
}

// takeOver gives the instance up, and brings another one to its state, as a worker does
// that takes the run over.
func (r *run) takeOver() {
	now := r.now
	r.close()
	r.replaying = true
	for _, c := range r.commands {
		c.done = false
	}
	r.open()
	for _, t := range r.tasks {
		r.now = t.at
		r.deliver(t.due)
	}
	if r.issued < len(r.commands) {
		r.diverge(fmt.Sprintf("command %d", r.issued+1), string(r.commands[r.issued].text), "no command")
	}
	if r.activation < len(r.activated) {
		r.diverge(fmt.Sprintf("activation %d", r.activation+1), "an activation", "none")
	}
	r.now, r.replaying = now, false
}

// diverge notes that a replay has come to something else. Only the first place counts.
func (r *run) diverge(what, want, got string) {
	if r.divided {
		return
	}
	r.divided = true
	r.problem(fmt.Sprintf("replayed after task %d: %s", len(r.tasks), what), want, got)
}

// errDiverged ends a run whose replay asks for other things.
var errDiverged = errors.New("its replay asks for something else")

// issue notes what the definition asks for. In a replay it is compared with what was asked
// for, and false is returned. Early is what is asked for within an activation, not after it.
func (r *run) issue(c *command, text json.RawMessage, early bool) (*command, bool) {
	n := r.issued
	c.number, c.text = n, text
	r.issued++
	if r.replaying {
		if n >= len(r.commands) || !bytes.Equal(r.commands[n].text, text) {
			want := "no command"
			if n < len(r.commands) {
				want = string(r.commands[n].text)
			}
			r.diverge(fmt.Sprintf("command %d, of activation %d", n+1, max(r.activation, 1)), want, string(text))
			panic(errDiverged)
		}
		old := r.commands[n]
		old.finish, old.begin = c.finish, c.begin
		return old, false
	}
	r.commands = append(r.commands, c)
	if early {
		r.early = append(r.early, text)
	} else if n := len(r.activated); n > 0 {
		r.activated[n-1].Commands = append(r.activated[n-1].Commands, text)
	}
	return c, true
}

// Activated is called by the host after each activation.
func (r *run) Activated(guest *sandbox.WorkflowRun, outcome sandbox.Outcome) {
	digest, err := guest.Digest()
	if err != nil {
		panic(err)
	}
	text := hex.EncodeToString(digest[:])
	n := r.activation
	r.activation++
	if r.replaying {
		switch {
		case n >= len(r.activated):
			r.diverge(fmt.Sprintf("activation %d", n+1), "none", "an activation")
		case r.activated[n].Digest != text:
			r.diverge(fmt.Sprintf("activation %d: the state", n+1), "sha256:"+r.activated[n].Digest, "sha256:"+text)
		}
		return
	}
	r.activated = append(r.activated, replay.Activation{At: r.now.Sub(r.env.start), Digest: text, Fuel: outcome.Fuel, Commands: r.early})
	r.early = nil
	r.result.Fuel += outcome.Fuel
}

// History is what the guest is told of it. No events are made, so the length is about what
// it would be.
func (r *run) History() abi.WorkflowHistory {
	return abi.WorkflowHistory{Length: 3 * (r.activation + 1), ContinueAsNewSuggested: r.script.SuggestAfter > 0 && r.activation+1 >= r.script.SuggestAfter}
}

// Complete is called by the host when the run ends.
func (r *run) Complete(result *commonpb.Payloads, err error) {
	if r.replaying {
		return
	}
	r.ended = true
	r.result.Output, r.result.Err = endOf(result, err)
}

// endOf returns how a run ended, in the form of [replay.Run].
func endOf(result *commonpb.Payloads, err error) (*sandbox.Payload, error) {
	if next, ok := errors.AsType[*bindings.ContinueAsNewError](err); ok {
		return nil, &replay.WorkflowError{Outcome: replay.ContinuedAsNew, Type: next.WorkflowType.Name, Args: guestPayloads(next.Input)}
	}
	if err == nil {
		if p := first(result); p != nil {
			return guestPayload(p), nil
		}
		return nil, nil
	}
	return endOfFailure(failures.ErrorToFailure(err), temporal.IsCanceledError(err))
}

// endOfFailure is endOf for a failure.
func endOfFailure(failure *failurepb.Failure, canceled bool) (*sandbox.Payload, error) {
	if info := failure.GetCanceledFailureInfo(); info != nil && canceled {
		var details *sandbox.Payload
		if p := first(info.GetDetails()); p != nil {
			details = guestPayload(p)
		}
		return details, &sandbox.CanceledError{Details: details}
	}
	return nil, failureOf(failure)
}

// finish says how the run stands when nothing more comes.
func (r *run) finish() {
	r.result.Activations = r.activated
	if r.result.Err == nil && !r.ended {
		waits := ""
		if r.definition != nil {
			r.attempt(func() { waits = r.definition.StackTrace() })
		}
		r.result.Err = &replay.WorkflowError{Outcome: replay.Waiting, Waits: waits}
	}
	if r.failed() {
		return // what else is missing is a consequence
	}
	for i, m := range r.script.Mocks {
		if times := max(m.Times, 1); m.Times >= 0 && r.used[i] < times {
			r.problem(fmt.Sprintf("mocks[%d] (%s %s)", i, m.Kind, m.Name), plural(times), plural(r.used[i]))
		}
	}
}

func plural(times int) string {
	if times == 1 {
		return "asked for once"
	}
	return fmt.Sprintf("asked for %d times", times)
}

// random is the stream of random numbers of a run.
type random struct{ *rand.ChaCha8 }

// GetRandomStream implements [bindings.WorkflowEnvironment].
func (r *run) GetRandomStream(name string) workflow.WorkflowRandomStream {
	seed := binary.LittleEndian.AppendUint64(nil, uint64(r.env.seed))
	return random{rand.NewChaCha8(sha256.Sum256(append(seed, r.info.WorkflowExecution.RunID+"/"+name...)))}
}
