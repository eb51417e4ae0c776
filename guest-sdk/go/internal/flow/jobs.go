package flow

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// job is what the host tells in an activation.
type job struct {
	kind       string
	id         int64
	update     string // ID of an update
	name       string
	runID      string
	workflowID string
	args       []Payload
	result     Payload
	failure    error
	headers    map[string]Payload
}

var kinds = [...]string{"start", "resolve", "started", "signal", "cancel", "update", "wake", "query", "validate"}

// parse reads the head of an activation.
func (r *Run) parse(in reader, body []byte) {
	r.jobs = r.jobs[:0]
	for more := in.open('{', '}'); more; more = in.more('}') {
		switch string(in.key()) {
		case "history":
			r.history = History{}
			for more := in.open('{', '}'); more; more = in.more('}') {
				switch string(in.key()) {
				case "length":
					r.history.Length = int(in.int())
				case "size":
					r.history.Size = int(in.int())
				case "continue_as_new_suggested":
					r.history.ContinueAsNewSuggested = in.bool()
				default:
					in.skip()
				}
			}
		case "jobs":
			for more := in.open('[', ']'); more; more = in.more(']') {
				r.jobs = append(r.jobs, job{})
				r.parseJob(&in, body, &r.jobs[len(r.jobs)-1])
			}
		default:
			in.skip()
		}
	}
}

func (r *Run) parseJob(in *reader, body []byte, j *job) {
	for more := in.open('{', '}'); more; more = in.more('}') {
		switch string(in.key()) {
		case "job":
			text := in.text()
			for _, k := range kinds {
				if k == string(text) {
					j.kind = k
				}
			}
			if j.kind == "" {
				j.kind = string(text)
			}
		case "id":
			j.id = in.int()
		case "update_id":
			j.update = in.string()
		case "name":
			j.name = in.string()
		case "run_id":
			j.runID = in.string()
		case "workflow_id":
			j.workflowID = in.string()
		case "args":
			j.args = in.payloads(body)
		case "result":
			j.result = in.payload(body)
		case "failure":
			j.failure = in.failure(body)
		case "headers":
			j.headers = in.payloadMap(body)
		case "info":
			r.info = in.info(body)
		default:
			in.skip()
		}
	}
}

// apply does what a job says.
func (r *Run) apply(j *job) {
	if r.failed != nil {
		return
	}
	switch j.kind {
	case "start":
		args := j.args
		spawn(func() { r.main(args) })
	case "resolve":
		r.resolve(j)
	case "started":
		r.started(j)
	case "signal":
		r.Signal(j.name).deliver(j.args)
	case "cancel":
		r.requestCancels()
	case "update":
		r.beginUpdate(*j)
	case "query":
		r.readOnly, r.answered = true, false
		q := *j
		spawn(func() { r.query(q) })
	case "validate":
		r.readOnly, r.answered = true, false
		v := *j
		spawn(func() { r.validate(v) })
	case "wake": // the runtime's timers are due
	default:
		panic("wasmworker: unknown job " + j.kind)
	}
}

// main is the goroutine of the workflow function.
func (r *Run) main(args []Payload) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if p := recover(); p != nil {
			r.Fail(panicError(p))
			return
		}
		r.Fail(temporal.NewApplicationError("the workflow's goroutine ended by runtime.Goexit instead of returning", "Goexit"))
	}()
	result, err := r.fn.call(r.ctx, args)
	returned = true
	r.end(result, err)
}

// ContinueAsNew is the error that a workflow ends with to begin anew.
type ContinueAsNew interface {
	error
	// WriteCommand appends the members of the command.
	WriteCommand(w *Writer)
}

// end takes how the workflow function has ended.
func (r *Run) end(result Payload, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	r.warnOfUnfinished()
	var again ContinueAsNew
	var canceled *temporal.CanceledError
	switch {
	case err == nil:
		r.closing, r.closingMembers = "complete", func(w *Writer) {
			w.Payload("result", result)
		}
	case errors.As(err, &again):
		r.closing, r.closingMembers = "continue_as_new", func(w *Writer) {
			again.WriteCommand(w)
		}
	case errors.As(err, &canceled):
		var details []Payload
		for _, d := range detailsOf(canceled) {
			details = append(details, FromConverter(d))
		}
		r.closing, r.closingMembers = "canceled", func(w *Writer) {
			w.Payloads("details", details)
		}
	case errors.Is(err, context.Canceled):
		r.closing, r.closingMembers = "canceled", func(w *Writer) {}
	default:
		r.closing, r.closingMembers = "fail", func(w *Writer) {
			w.Failure(err)
		}
	}
}

// wait is a goroutine that waits for a condition.
type wait struct {
	condition func() bool
	ready     chan struct{}
}

// Await returns a channel that is closed when the condition holds, which is asked when
// everything else waits, and a function that gives it up.
func (r *Run) Await(condition func() bool) (ready <-chan struct{}, stop func()) {
	w := &wait{condition, make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mutable("await")
	r.waits = append(r.waits, w)
	return w.ready, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.drop(w)
	}
}

func (r *Run) drop(w *wait) {
	for i := range r.waits {
		if r.waits[i] == w {
			r.waits = append(r.waits[:i:i], r.waits[i+1:]...)
			return
		}
	}
}

// wake lets the first goroutine go on whose condition holds. One at a time: what it does
// may be what another one's condition does not hold any more for.
func (r *Run) wake() bool {
	defer r.Guard()
	if r.ended {
		return false
	}
	for _, w := range r.waits {
		if w.condition() {
			r.drop(w)
			close(w.ready)
			return true
		}
	}
	return false
}

// query answers a query, in a goroutine of its own.
func (r *Run) query(j job) {
	if j.name == "__stack_trace" {
		r.finishAnswer(Encode(stacks()))
		return
	}
	h := find(r.queries, j.name)
	if h == nil {
		r.finishAnswer(Payload{}, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("unknown query %q; there are: %s", j.name, names(r.queries)), "UnknownQuery", nil))
		return
	}
	r.finishAnswer(r.handle(&h.fn, j.args))
}

// handle calls a handler that must not wait, and makes an error of a panic.
func (r *Run) handle(f *function, args []Payload) (result Payload, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicError(p)
		}
	}()
	return f.call(r.ctx, args)
}

// validate answers whether an update is accepted.
func (r *Run) validate(j job) {
	h := find(r.updates, j.name)
	if h == nil {
		r.finishAnswer(Payload{}, unknownUpdate(j.name, r.updates))
		return
	}
	if _, err := h.fn.arguments(r.ctx, j.args); err != nil {
		r.finishAnswer(Payload{}, err)
		return
	}
	if h.validator == nil {
		r.finishAnswer(Payload{}, nil)
		return
	}
	_, err := r.handle(h.validator, j.args)
	r.finishAnswer(Payload{}, err)
}

func unknownUpdate(name string, known []*Handler) error {
	return temporal.NewNonRetryableApplicationError(
		fmt.Sprintf("unknown update %q; there are: %s", name, names(known)), "UnknownUpdate", nil)
}

func (r *Run) finishAnswer(result Payload, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer(result, err)
}

func (r *Run) answer(result Payload, err error) {
	if r.answered { // by report, in place of a handler that has waited
		return
	}
	r.answered = true
	r.write("answer", func(w *Writer) {
		if err != nil {
			w.Failure(err)
			return
		}
		w.Payload("result", result)
	})
}

// stacks returns the stacks of all goroutines.
func stacks() string {
	for size := 64 << 10; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size || size >= 1<<20 {
			return string(buf[:n])
		}
	}
}

func names(list []*Handler) string {
	var out []string
	for _, h := range list {
		out = append(out, h.name)
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}
