// Package cases are tests of activities in files: what an activity is given, what the
// world answers, and what it should do.
//
//	module: greet.wasm
//	cases:
//	  - name: greets
//	    activity: Greet
//	    args: [{name: Ada}]
//	    want:
//	      output: {greeting: "Hello, Ada!"}
//
// `wasmworker test` runs such files, docs/testing.md describes them key by key. Cases are
// run by package replay, so they come out the same on every machine.
package cases

import (
	"encoding/json"
	"regexp"
	"time"

	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Suffix is how the names of case files end.
const Suffix = ".test.yaml"

// File is a case file.
type File struct {
	// Path is the file's own.
	Path string
	// Module is the path of the module's file. In the file it is relative to that.
	Module string
	// Digest is the SHA-256 of the module, as hexadecimal digits, if it has to be that
	// one. Records have it: what another module asks for may not be in them.
	Digest string
	// Start is when the clock begins, and Seed what random numbers are made of. Zero: the
	// defaults of [replay.Options].
	Start time.Time
	Seed  int64
	// Env are the environment variables that the guest has.
	Env map[string]string
	// Limits of the module. Those that are zero are the defaults of [replay.Options].
	Limits Limits
	// Mounts are directories that the guest has. nil: none, and where a case has or wants
	// files, / with write access.
	Mounts replay.Mounts
	Cases  []*Case

	source []byte // as it was read; nil: it was not
	root   *node  // of it
}

// Limits are what a module may use.
type Limits struct {
	Memory uint64 // bytes
	Output int    // bytes
	Fuel   int64
}

// Case is one attempt of an activity, and what it should do.
type Case struct {
	Name string
	// Activity is the attempt. Its Info and Answer are made of the fields below.
	Activity replay.Activity
	// Info is what the guest is told about the attempt, as a JSON object over
	// [replay.Env.DefaultInfo]. nil: no more than that.
	Info json.RawMessage
	// Calls are the answers to calls of passthrough modules, in the order in which they
	// come. A call with a Request that is not nil has to have that one.
	Calls []replay.Call
	Want  Want

	source *node // as it is in the file; nil: it is not from there
}

// Want is what is expected of an attempt. What is nil or zero is not looked at.
type Want struct {
	// At most one of the first three says how the attempt ends, and completing is meant
	// by all of those about the output.
	// binary/null is met by every way to say null: no result, binary/null, and null as
	// JSON
	Output         *sandbox.Payload
	OutputContains json.RawMessage
	OutputMatches  *regexp.Regexp
	Failure        *Failure
	Canceled       *Canceled

	Heartbeats *[][]sandbox.Payload
	Logs       *[]Log
	Calls      *[]replay.Call // without responses
	CallCount  *int
	Files      map[string][]byte // nil: there is no such file or directory
	Fuel       int64
	MaxFuel    int64
	MaxMemory  uint64
}

// Failure is what is expected of a failure. What is nil is not looked at.
type Failure struct {
	Type, Message  *string
	MessageMatches *regexp.Regexp
	NonRetryable   *bool
	NextRetryDelay *time.Duration
	Category       *string
	Details        *[]json.RawMessage
	Cause          *Failure
}

// Canceled is what is expected of an attempt that ends as canceled.
type Canceled struct {
	Any     bool             // whatever the details are
	Details *sandbox.Payload // nil: none
}

// Log is what is expected of a log record. What is nil is not looked at.
type Log struct {
	Level, Message *string
	Attrs          json.RawMessage
}
