package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// LogRecord is a log record of the guest.
type LogRecord struct {
	Level   string         `json:"level"`
	Message string         `json:"message"`
	Attrs   map[string]any `json:"attrs,omitempty"`
}

// Run is what was seen of an attempt.
type Run struct {
	// Output is the result, or the details of a cancellation. nil: none.
	Output *sandbox.Payload
	// Err is nil for an activity that completed, otherwise as [sandbox.Sandbox.Run] has
	// it, or about its files, which could not be used.
	Err        error
	Heartbeats [][]sandbox.Payload
	Logs       []LogRecord
	Calls      []Call
	// Files are what was in the directories of [Options.Mounts] in the end, in the form
	// of [Activity.Files], with every directory but the mounts themselves. nil: there are
	// no mounts.
	Files  map[string][]byte `json:",omitempty"`
	Fuel   int64             // of computation
	Memory uint64            // bytes, at the end, when it is largest
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes.
const (
	Completed   Outcome = "completed"
	Failed      Outcome = "failed"
	Canceled    Outcome = "canceled"
	Interrupted Outcome = "interrupted" // the context or the patience ended first
)

// Outcome says how it ended.
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
	return Failed
}

// Failure is why it failed, or nil if it did not.
func (r *Run) Failure() *abi.Failure {
	f, _ := errors.AsType[*abi.Failure](r.Err)
	return f
}

// Result decodes the output of an activity that completed, which must be JSON, or binary
// for a *[]byte. It returns the activity's error if it did not complete.
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

// Digest is the SHA-256 of everything that was seen, as hexadecimal digits: two runs with
// the same digest have behaved alike in every way that anyone could observe.
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
	if err != nil { // what came out of JSON goes into it
		panic(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
