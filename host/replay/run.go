package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// LogRecord is a log record of the guest.
type LogRecord struct {
	Level   string         `json:"level"`
	Message string         `json:"message"`
	Attrs   map[string]any `json:"attrs,omitempty"`
}

// Run is what an attempt did and how it ended.
type Run struct {
	// Output is the result, or the details of a cancellation. It is nil if there is none.
	Output *sandbox.Payload
	// Err is nil if the activity completed. Otherwise it is the error of
	// [sandbox.Sandbox.Run], or says why the activity's files could not be used.
	Err        error
	Heartbeats [][]sandbox.Payload
	Logs       []LogRecord
	Calls      []Call
	// Files are the contents of the directories of [Options.Mounts] at the end, in the
	// form of [Activity.Files]. Every directory is listed but the mounts themselves. It
	// is nil if there are no mounts.
	Files map[string][]byte `json:",omitempty"`
	// Activations are those of a workflow, in their order. It is nil for an activity.
	Activations []Activation `json:",omitempty"`
	Fuel        int64        // units of computation
	Memory      uint64       // bytes at the end, when the memory is largest; 0 for a workflow
}

// Activation is one activation of a workflow.
type Activation struct {
	At     time.Duration // since the start of the run, by its clock
	Digest string        // of the guest's whole state afterward
	Fuel   int64
	// Commands are what the workflow asked for, as objects whose first key says what each
	// is: {"activity": "Charge", "args": [5]}.
	Commands []json.RawMessage
}

// WorkflowError is a way for a workflow to end, or to stand, that activities do not have.
type WorkflowError struct {
	Outcome Outcome // TaskFailed, ContinuedAsNew or Waiting
	// Failure is why the workflow task failed.
	Failure *abi.Failure
	// Type and Args are those of the next run.
	Type string
	Args []sandbox.Payload
	// Waits says what the workflow waits for, as far as it knows.
	Waits string
}

// Error implements error.
func (e *WorkflowError) Error() string {
	switch e.Outcome {
	case TaskFailed:
		return "the workflow task failed: " + e.Failure.Error()
	case ContinuedAsNew:
		return "continued as new: " + e.Type
	}
	return strings.TrimSpace("it has not ended, and nothing more comes\n" + e.Waits)
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes.
const (
	Completed   Outcome = "completed"
	Failed      Outcome = "failed"
	Canceled    Outcome = "canceled"
	Interrupted Outcome = "interrupted" // the context or the timeout ended first

	// These are of workflows.
	TaskFailed     Outcome = "task_failed"      // Temporal would retry the workflow task
	ContinuedAsNew Outcome = "continued_as_new" // another run goes on
	Waiting        Outcome = "waiting"          // it has not ended, and nothing more comes
)

// Outcome returns how the attempt ended.
func (r *Run) Outcome() Outcome {
	if r.Err == nil {
		return Completed
	}
	if _, ok := errors.AsType[*sandbox.CanceledError](r.Err); ok {
		return Canceled
	}
	if _, ok := errors.AsType[*sandbox.InterruptedError](r.Err); ok {
		return Interrupted
	}
	if e, ok := errors.AsType[*WorkflowError](r.Err); ok {
		return e.Outcome
	}
	return Failed
}

// Failure returns the guest's failure, or nil if there is none.
func (r *Run) Failure() *abi.Failure {
	f, _ := errors.AsType[*abi.Failure](r.Err)
	return f
}

// Result decodes the output of a completed activity into a pointer. The output must be
// JSON, unless the pointer is a *[]byte, which gets the output's bytes. If the activity
// did not complete, Result returns its error.
func (r *Run) Result(into any) error {
	if r.Err != nil {
		return r.Err
	}
	if r.Output == nil {
		return errors.New("the activity has no result")
	}
	if data, ok := into.(*[]byte); ok {
		*data = r.Output.Data
		return nil
	}
	if encoding := r.Output.Encoding(); encoding != abi.EncodingJSON {
		return fmt.Errorf("the result is %s and not %s", encoding, abi.EncodingJSON)
	}
	return json.Unmarshal(r.Output.Data, into)
}

// Digest returns the SHA-256 of everything in the Run, as hexadecimal digits. Two runs
// with the same digest behaved alike in every way that could be observed.
func (r *Run) Digest() string {
	seen := struct {
		*Run
		Err     string
		Failure *abi.Failure
	}{Run: r, Failure: r.Failure()}
	if r.Err != nil {
		seen.Err = string(r.Outcome()) + ": " + r.Err.Error()
	}
	data, err := json.Marshal(seen)
	if err != nil { // cannot happen: all values can be encoded as JSON
		panic(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
