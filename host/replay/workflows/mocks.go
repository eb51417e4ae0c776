package workflows

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	bindings "go.temporal.io/sdk/internalbindings"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/replay"
)

// asked is something that a mock answers.
type asked struct {
	kind replay.MockKind
	name string
	id   string // of the activity, or of the workflow
	args *commonpb.Payloads
	wait bool // for the end, once its cancellation is asked for

	begun time.Time // when it was asked for

	startToClose, scheduleToClose time.Duration // 0: no limit
	retry                         *commonpb.RetryPolicy
}

func (a *asked) String() string {
	if a.kind == Cancel {
		return "cancel of workflow " + a.id
	}
	return strings.ReplaceAll(string(a.kind), "_", " ") + " " + a.name
}

// fits tells whether a mock is for this.
func fits(m *Mock, a *asked) bool {
	return m.Kind == a.kind && (m.Name == "" || m.Name == a.name) && (m.WorkflowID == "" || m.WorkflowID == a.id) && (m.Args == nil || sameArgs(payloadsOf(m.Args), a.args))
}

func sameArgs(want, got *commonpb.Payloads) bool {
	return slices.EqualFunc(want.GetPayloads(), got.GetPayloads(), func(w, g *commonpb.Payload) bool {
		return reflect.DeepEqual(valueOf(w), valueOf(g))
	})
}

// valueOf returns what two payloads have to have in common to be the same.
func valueOf(p *commonpb.Payload) any {
	encoding := string(p.GetMetadata()[abi.MetadataEncoding])
	var value any
	if strings.HasPrefix(encoding, "json/") && json.Unmarshal(p.GetData(), &value) == nil || encoding == abi.EncodingNull {
		return value
	}
	return [2]string{encoding, string(p.GetData())}
}

// mock takes the mock for an attempt. Nil: there is none.
func (r *run) mock(a *asked) *Mock {
	for i := range r.script.Mocks {
		m := &r.script.Mocks[i]
		if m.Times >= 0 && r.used[i] >= max(m.Times, 1) {
			continue
		}
		if fits(m, a) {
			r.used[i]++
			return m
		}
		if r.script.InOrder && m.Times >= 0 {
			return nil
		}
	}
	return nil
}

// perform finds out how a command ends, and has it end then.
func (r *run) perform(c *command, a *asked) {
	c.asked = a
	switch a.kind {
	case Activity, LocalActivity:
		a.begun = r.now
		r.performActivity(c, a, 1)
	case Child:
		r.performChild(c, a)
	default:
		m := r.mock(a)
		if m == nil {
			m = &Mock{}
			if r.script.InOrder && slices.ContainsFunc(r.script.Mocks, func(m Mock) bool { return fits(&m, a) }) {
				r.unanswered(a, 1)
			}
		}
		d := &delivery{at: r.now.Add(m.Delay), command: c}
		if m.Failure != nil {
			d.err = failures.FailureToError(failurepbOf(m.Failure))
		}
		r.schedule(d)
	}
}

// unanswered notes that there is no mock for something.
func (r *run) unanswered(a *asked, attempt int) *failurepb.Failure {
	what, want := a.String(), "a mock for it"
	if attempt > 1 {
		what += fmt.Sprintf(", attempt %d", attempt)
		want = "a mock for this attempt too, or a failure that is not retried (non_retryable: true)"
	}
	if near := r.nearest(a); near >= 0 {
		m := r.script.Mocks[near]
		text := object(string(a.kind), a.name)
		if m.Args != nil {
			text.args(payloadsOf(m.Args))
		}
		want = string(text.json())
		if r.used[near] > 0 {
			want += fmt.Sprintf(", whose mock (mocks[%d]) is used up", near)
		}
		if attempt > 1 {
			want += "; an attempt that fails is followed by another, unless it has non_retryable: true"
		}
	}
	r.problem(what, want, string(object(string(a.kind), a.name).args(a.args).json()))
	return failurepbOf(&abi.Failure{Type: "NoMock", Message: "the test has no mock for " + what, NonRetryable: true})
}

// nearest returns the index of the mock that is most similar to what is asked for, or -1.
func (r *run) nearest(a *asked) int {
	best, most := -1, 0
	for i := range r.script.Mocks {
		m, score := &r.script.Mocks[i], 0
		switch {
		case m.Kind != a.kind:
		case fits(m, a):
			score = 4
		case m.Name == a.name && r.used[i] == 0:
			score = 3
		case m.Name == a.name:
			score = 2
		case r.used[i] == 0:
			score = 1
		}
		if score > most {
			best, most = i, score
		}
	}
	return best
}

// performActivity makes an attempt of an activity, and the next one when it is time.
func (r *run) performActivity(c *command, a *asked, attempt int) {
	m := r.mock(a)
	if m == nil {
		r.endActivity(c, a, 0, nil, r.unanswered(a, attempt), enumspb.RETRY_STATE_NON_RETRYABLE_FAILURE)
		return
	}
	took, failure := m.Delay, failureOfMock(m)
	switch {
	case a.startToClose > 0 && (m.Never || took > a.startToClose):
		took, failure = a.startToClose, timeoutFailure("start_to_close")
	case m.Never && a.scheduleToClose == 0:
		return
	case m.Never:
		took = a.scheduleToClose + 1
	}
	if end := a.begun.Add(a.scheduleToClose); a.scheduleToClose > 0 && r.now.Add(took).After(end) {
		r.endActivity(c, a, end.Sub(r.now), nil, timeoutFailure("schedule_to_close"), enumspb.RETRY_STATE_NON_RETRYABLE_FAILURE)
		return
	}
	if failure == nil {
		r.endActivity(c, a, took, resultOfMock(m), nil, 0)
		return
	}
	state, backoff := a.backoff(failure, attempt)
	next := took + backoff
	if state == enumspb.RETRY_STATE_IN_PROGRESS && a.scheduleToClose > 0 && !r.now.Add(next).Before(a.begun.Add(a.scheduleToClose)) {
		state = enumspb.RETRY_STATE_TIMEOUT
	}
	if state != enumspb.RETRY_STATE_IN_PROGRESS {
		r.endActivity(c, a, took, nil, failure, state)
		return
	}
	r.schedule(&delivery{at: r.now.Add(next), command: c, step: func() { r.performActivity(c, a, attempt+1) }})
}

// endActivity has an activity end after some time.
func (r *run) endActivity(c *command, a *asked, after time.Duration, result *commonpb.Payloads, failure *failurepb.Failure, state enumspb.RetryState) {
	d := &delivery{at: r.now.Add(after), command: c, result: result}
	if failure != nil {
		d.err = failures.FailureToError(a.wrap(failure, state))
	}
	r.schedule(d)
}

// backoff tells whether an activity is retried after an attempt, and when, as the server
// does.
func (a *asked) backoff(failure *failurepb.Failure, attempt int) (enumspb.RetryState, time.Duration) {
	p := a.retry
	if p == nil {
		p = &commonpb.RetryPolicy{}
	}
	initial, most, coefficient := p.GetInitialInterval().AsDuration(), p.GetMaximumInterval().AsDuration(), p.GetBackoffCoefficient()
	if initial <= 0 {
		initial = time.Second
	}
	if most <= 0 {
		most = 100 * initial
	}
	if coefficient < 1 {
		coefficient = 2
	}
	info := failure.GetApplicationFailureInfo()
	timeout := failure.GetTimeoutFailureInfo().GetTimeoutType()
	switch {
	case failure.GetCanceledFailureInfo() != nil:
		return enumspb.RETRY_STATE_CANCEL_REQUESTED, 0
	case info.GetNonRetryable(), slices.Contains(p.GetNonRetryableErrorTypes(), info.GetType()) && info != nil,
		timeout == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, timeout == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START:
		return enumspb.RETRY_STATE_NON_RETRYABLE_FAILURE, 0
	case p.GetMaximumAttempts() > 0 && attempt >= int(p.GetMaximumAttempts()):
		return enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED, 0
	}
	if info.GetNextRetryDelay() != nil {
		return enumspb.RETRY_STATE_IN_PROGRESS, info.GetNextRetryDelay().AsDuration()
	}
	wait := float64(initial)
	for range attempt - 1 {
		if wait *= coefficient; wait >= float64(most) {
			break
		}
	}
	return enumspb.RETRY_STATE_IN_PROGRESS, min(time.Duration(min(wait, float64(most))), most)
}

// performChild starts a child, which ends as the mock says.
func (r *run) performChild(c *command, a *asked) {
	m := r.mock(a)
	end := &delivery{command: c}
	var failure *failurepb.Failure
	if m == nil {
		m = &Mock{}
		failure = r.unanswered(a, 1)
	} else if failure = failureOfMock(m); failure == nil {
		end.result = resultOfMock(m)
	}
	if m.AlreadyStarted {
		r.schedule(&delivery{at: r.now, command: c, err: &temporal.ChildWorkflowExecutionAlreadyStartedError{}})
		return
	}
	if failure != nil {
		end.err = failures.FailureToError(a.wrap(failure, enumspb.RETRY_STATE_RETRY_POLICY_NOT_SET))
	}
	begin := &delivery{at: r.now, command: c, begins: true, execution: bindings.WorkflowExecution{ID: a.id, RunID: fmt.Sprintf("00000000-0000-0000-0001-%012d", len(r.commands))}, then: end}
	end.at = begin.at.Add(m.Delay)
	if m.Never {
		begin.then = nil
	}
	r.schedule(begin)
}

// failureOfMock returns how a mock fails, or nil.
func failureOfMock(m *Mock) *failurepb.Failure {
	switch {
	case m.Failure != nil:
		return failurepbOf(m.Failure)
	case m.Timeout != "":
		return timeoutFailure(m.Timeout)
	case m.Canceled:
		return canceledFailure()
	}
	return nil
}

func resultOfMock(m *Mock) *commonpb.Payloads {
	if m.Result == NoResult {
		return nil
	}
	return &commonpb.Payloads{Payloads: []*commonpb.Payload{payloadOf(m.Result)}}
}

// timeouts are the kinds of timeouts that a mock can have: [replay.Timeouts].
var timeouts = map[string]enumspb.TimeoutType{
	"start_to_close": enumspb.TIMEOUT_TYPE_START_TO_CLOSE, "schedule_to_start": enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START,
	"schedule_to_close": enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, "heartbeat": enumspb.TIMEOUT_TYPE_HEARTBEAT,
}

func timeoutFailure(kind string) *failurepb.Failure {
	return &failurepb.Failure{Message: "timeout: " + kind, FailureInfo: &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{TimeoutType: timeouts[kind]}}}
}

// wrap puts the failure of an attempt into that of the activity or the child. That of a
// local activity is as it is.
func (a *asked) wrap(cause *failurepb.Failure, state enumspb.RetryState) *failurepb.Failure {
	switch a.kind {
	case Activity:
		return &failurepb.Failure{Message: "activity error", Cause: cause, FailureInfo: &failurepb.Failure_ActivityFailureInfo{ActivityFailureInfo: &failurepb.ActivityFailureInfo{
			ActivityType: &commonpb.ActivityType{Name: a.name}, ActivityId: a.id, RetryState: state,
		}}}
	case Child:
		return &failurepb.Failure{Message: "child workflow execution error", Cause: cause, FailureInfo: &failurepb.Failure_ChildWorkflowExecutionFailureInfo{ChildWorkflowExecutionFailureInfo: &failurepb.ChildWorkflowExecutionFailureInfo{
			WorkflowType: &commonpb.WorkflowType{Name: a.name}, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: a.id}, RetryState: state,
		}}}
	}
	return cause
}

func protoDuration(d time.Duration) *durationpb.Duration {
	if d <= 0 {
		return nil
	}
	return durationpb.New(d)
}
