package flow

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/enums"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/abi"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/bridge"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/task"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

var timeoutTypes = [...]string{"", "start_to_close", "schedule_to_start", "schedule_to_close", "heartbeat"}

var retryStates = [...]string{"", "in_progress", "non_retryable_failure", "timeout", "maximum_attempts_reached",
	"retry_policy_not_set", "internal_server_error", "cancel_requested"}

func indexOf(names []string, name []byte) int32 {
	for i, n := range names {
		if n == string(name) {
			return int32(i)
		}
	}
	return 0
}

// failure reads a failure as the error that it stands for.
func (r *reader) failure(body []byte) error {
	f := bridge.Failure{Kind: bridge.KindApplication}
	for more := r.open('{', '}'); more; more = r.more('}') {
		switch string(r.key()) {
		case "kind":
			f.Kind = r.string()
		case "message":
			f.Message = r.string()
		case "type":
			f.Type = r.string()
		case "non_retryable":
			f.NonRetryable = r.bool()
		case "next_retry_delay_ms":
			f.NextRetryDelay = r.milliseconds()
		case "category":
			f.Benign = string(r.text()) == abi.CategoryBenign
		case "details":
			for _, p := range r.payloads(body) {
				f.Details = append(f.Details, p.Converter())
			}
		case "stack_trace":
			f.StackTrace = r.string()
		case "cause":
			if r.isObject() {
				f.Cause = r.failure(body)
			} else {
				r.skip()
			}
		case "activity_type":
			f.ActivityType = r.string()
		case "activity_id":
			f.ActivityID = r.string()
		case "workflow_type":
			f.WorkflowType = r.string()
		case "workflow_id":
			f.WorkflowID = r.string()
		case "run_id":
			f.RunID = r.string()
		case "namespace":
			f.Namespace = r.string()
		case "retry_state":
			f.RetryState = enums.RetryState(indexOf(retryStates[:], r.text()))
		case "timeout_type":
			f.TimeoutType = enums.TimeoutType(indexOf(timeoutTypes[:], r.text()))
		default:
			r.skip()
		}
	}
	return bridge.NewError(&f)
}

func (r *reader) milliseconds() time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(max(r.int(), -most), most)) * time.Millisecond
}

// failureOf describes an error for the host.
func failureOf(err error) *bridge.Failure {
	f := &bridge.Failure{Kind: bridge.KindApplication}
	switch e := err.(type) {
	case *temporal.ApplicationError:
		f.Message, f.Type, f.NonRetryable = e.Message(), e.Type(), e.NonRetryable()
		f.NextRetryDelay = max(e.NextRetryDelay(), 0)
		f.Benign = e.Category() == temporal.ApplicationErrorCategoryBenign
		f.Details = detailsOf(e)
	case *temporal.CanceledError:
		f.Kind, f.Message = bridge.KindCanceled, e.Error()
		f.Details = detailsOf(e)
	case *temporal.PanicError:
		f.Type, f.Message, f.StackTrace = "PanicError", e.Error(), e.StackTrace()
	default:
		if known := bridge.FailureOf(err); known != nil {
			*f = *known
			break
		}
		f.Type, f.Message = task.TypeName(err), err.Error()
	}
	return f
}

func detailsOf(err error) (out []*converter.Payload) {
	for _, d := range bridge.Details(err) {
		p, err := converter.ToPayload(d)
		if err != nil {
			p, _ = converter.ToPayload("this detail could not be encoded: " + err.Error())
		}
		out = append(out, p)
	}
	return out
}

// failure appends an error and its causes, of which it is the depth-th, with so much room
// for errors that stand beside the causes.
func (w *Writer) failure(err error, depth int, room *int) {
	f := failureOf(err)
	others, cause := task.Causes(err)
	f.Message = task.Listed(f.Message, others, room)
	w.head = append(w.head, '{')
	first := len(w.head)
	w.Text("kind", f.Kind)
	w.Text("message", task.Cut(f.Message, 64<<10))
	w.Text("type", f.Type)
	if f.NonRetryable {
		w.head = append(w.head, `,"non_retryable":true`...)
	}
	w.Milliseconds("next_retry_delay_ms", f.NextRetryDelay)
	if f.Benign {
		w.Text("category", abi.CategoryBenign)
	}
	if len(f.Details) > 0 {
		details := make([]Payload, len(f.Details))
		for i, d := range f.Details {
			details[i] = FromConverter(d)
		}
		w.head = append(w.head, `,"details":`...)
		w.payloads(details)
	}
	w.Text("stack_trace", f.StackTrace)
	w.Text("activity_type", f.ActivityType)
	w.Text("activity_id", f.ActivityID)
	w.Text("workflow_type", f.WorkflowType)
	w.Text("workflow_id", f.WorkflowID)
	w.Text("run_id", f.RunID)
	w.Text("retry_state", retryStates[f.RetryState])
	w.Text("timeout_type", timeoutTypes[f.TimeoutType])
	if cause != nil && depth < abi.MaxCauseDepth {
		w.head = append(w.head, `,"cause":`...)
		w.failure(cause, depth+1, room)
	}
	if w.head[first] == ',' { // the member before the first
		w.head = append(w.head[:first], w.head[first+1:]...)
	}
	w.head = append(w.head, '}')
}

// Failure appends a member "failure".
func (w *Writer) Failure(err error) {
	room := task.ListedRoom
	w.head = append(w.head, `,"failure":`...)
	w.failure(err, 1, &room)
}

// Text appends a member with a text, if there is one, after others.
func (w *Writer) Text(name, value string) {
	if value == "" {
		return
	}
	w.member(name)
	w.head = appendText(w.head, value)
}

// Milliseconds appends a member with a duration, if there is one, after others. What is
// shorter than a millisecond is one.
func (w *Writer) Milliseconds(name string, d time.Duration) {
	if d <= 0 {
		return
	}
	w.member(name)
	w.head = strconv.AppendInt(w.head, int64((d+time.Millisecond-1)/time.Millisecond), 10)
}

// member appends the name of a member, which needs no escapes, after others.
func (w *Writer) member(name string) {
	w.head = append(w.head, ',', '"')
	w.head = append(w.head, name...)
	w.head = append(w.head, '"', ':')
}

// Name appends the name of a member after others.
func (w *Writer) Name(name string) {
	w.head = append(w.head, ',')
	w.head = appendText(w.head, name)
	w.head = append(w.head, ':')
}

// Bool appends a member that is true, or nothing, after others.
func (w *Writer) Bool(name string, value bool) {
	if value {
		w.member(name)
		w.head = append(w.head, "true"...)
	}
}

// Int appends a member that is not zero after others.
func (w *Writer) Int(name string, value int64) {
	if value != 0 {
		w.member(name)
		w.head = strconv.AppendInt(w.head, value, 10)
	}
}

// Payload appends a member with a payload, if there is one, after others.
func (w *Writer) Payload(name string, p Payload) {
	if p.Present() {
		w.Name(name)
		w.payload(&p)
	}
}

// Payloads appends a member with payloads, if there are any, after others.
func (w *Writer) Payloads(name string, list []Payload) {
	if len(list) > 0 {
		w.Name(name)
		w.payloads(list)
	}
}

// JSON appends a member with a value that encoding/json takes, after others.
func (w *Writer) JSON(name string, value any) {
	data, err := json.Marshal(value)
	if err != nil { // what the SDK itself gives always marshals
		panic(err)
	}
	w.member(name)
	w.head = append(w.head, data...)
}

// Object appends a member with an object, whose members write appends; nothing if there
// are none.
func (w *Writer) Object(name string, write func(w *Writer)) {
	before := len(w.head)
	w.Name(name)
	w.head = append(w.head, '{')
	first := len(w.head)
	write(w)
	if len(w.head) == first {
		w.head = w.head[:before]
		return
	}
	w.head = append(w.head[:first], w.head[first+1:]...) // without the comma
	w.head = append(w.head, '}')
}

// Cached is Object for what is always the same: encoded is what write appends, once it has.
// It is called with the lock of the run.
func (w *Writer) Cached(name string, encoded *[]byte, write func(w *Writer)) {
	if *encoded == nil {
		before := len(w.head)
		w.Object(name, write)
		*encoded = append([]byte{}, w.head[before:]...)
		return
	}
	w.head = append(w.head, *encoded...)
}

// Writer makes a frame of commands.
type Writer struct{ head, body []byte }
