// Package cases reads, runs and writes tests of activities and workflows in files. A case
// says what an activity is given, how its calls are answered, and what it should do; or
// what a workflow is given, how its activities end, what comes from outside, and what it
// should do.
//
//	module: greet.wasm
//	cases:
//	  - name: greets
//	    activity: Greet
//	    args: [{name: Ada}]
//	    want:
//	      output: {greeting: "Hello, Ada!"}
//
// `wasmworker test` runs such files. docs/testing.md describes their keys. Package replay
// runs the cases, so they come out the same on every machine.
package cases

import (
	"encoding/json"
	"regexp"
	"slices"
	"time"

	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Suffix is the end of the names of case files.
const Suffix = ".test.yaml"

// File is a case file.
type File struct {
	// Path is the path of the case file.
	Path string
	// Module is the path of the module's file. Inside the case file it is relative to the
	// case file.
	Module string
	// Digest is the SHA-256 that the module must have, as hexadecimal digits, or empty if
	// any module will do. Records have it, because they may lack the answers to another
	// module's calls.
	Digest string
	// Start is the time at which the clock begins. Seed is the seed of the random
	// numbers. Zero values mean the defaults of [replay.Options].
	Start time.Time
	Seed  int64
	// Env are the guest's environment variables.
	Env map[string]string
	// Command is how a program is run. The zero value means the defaults.
	Command Command
	// Limits are the limits of the module. Zero values mean the defaults of
	// [replay.Options].
	Limits Limits
	// Mounts are the guest's directories. If nil, a case that has or wants files gets /
	// with write access, and any other case gets no directories.
	Mounts replay.Mounts
	// Tags are the tags of the cases that have none of their own.
	Tags  []string
	Cases []*Case

	source []byte // the content that was read; nil if the file was not read
	root   *node  // of it
}

// Command has the options of [sandbox.Options] that say how a program is run.
type Command struct {
	Args         []string // also of modules that are no commands
	IO           sandbox.CommandIO
	SuccessCodes []uint32
}

func (c Command) equal(d Command) bool {
	return slices.Equal(c.Args, d.Args) && c.IO == d.IO && slices.Equal(c.SuccessCodes, d.SuccessCodes)
}

// Limits say how much a module may use.
type Limits struct {
	Memory uint64 // bytes
	Output int    // bytes
	Fuel   int64
}

// Case is one attempt of an activity, or one run of a workflow, and what it should do.
type Case struct {
	Name string
	// Tags are words by which cases are selected. A case of a file that has none has those
	// of the file.
	Tags []string
	// Activity is the attempt. Its Answer comes from Calls, and its Info from the field
	// Info if that is not nil.
	Activity replay.Activity
	// Info is what the guest is told about the attempt, as a JSON object whose fields
	// replace those of [replay.Env.DefaultInfo]. It is nil if it replaces none.
	Info json.RawMessage
	// Calls are the calls of passthrough modules in their order, with the answers to
	// them. If Request is not nil, the call must have that request. Other calls are
	// answered by the passthrough modules of the environment, and fail if it has none
	// that does. The environments of a [Runner] have none.
	Calls []replay.Call
	// Workflow is the run of a workflow, in place of an attempt of an activity. Activity,
	// Info and Calls are not used then. EventWants are what is expected of the answers to
	// its events; nil: that a query or an update is answered without a failure.
	Workflow   *replay.Workflow
	EventWants []*Want
	Want       Want

	source *node // its node in the file; nil if it is not from a file
}

// Want is what is expected of an attempt. Fields that are nil or zero are not checked.
type Want struct {
	// The first five fields say how the attempt ends. Those for the output exclude
	// Failure and Canceled, and these exclude each other. Without Failure and Canceled,
	// the attempt must complete. An Output of binary/null matches every form of null: no
	// result, binary/null, and null as JSON.
	Output         *sandbox.Payload
	OutputContains json.RawMessage
	OutputMatches  *regexp.Regexp
	Failure        *Failure
	Canceled       *Canceled

	// The next four are further ways for a workflow to end, or to stand; Refused is for an
	// update. Commands are what a workflow asks for, each as an object of which those keys
	// are compared that are there.
	ContinuedAsNew *ContinuedAsNew
	TaskFailure    *Failure
	Waiting        bool
	Refused        *Failure
	Commands       *[]json.RawMessage

	Heartbeats *[][]sandbox.Payload
	Logs       *[]Log
	Calls      *[]replay.Call // without responses
	CallCount  *int
	CallCounts map[string]int    // by capability and function, such as "sql fetch"
	Files      map[string][]byte // a nil value means that the file or directory does not exist
	Fuel       int64
	MaxFuel    int64
	MaxMemory  uint64
}

// Failure is what is expected of a failure. Fields that are nil are not checked.
type Failure struct {
	Type, Message  *string
	MessageMatches *regexp.Regexp
	NonRetryable   *bool
	NextRetryDelay *time.Duration
	Category       *string
	Details        *[]json.RawMessage
	DetailsMatch   *regexp.Regexp // of the details as a JSON list
	Cause          *Failure
}

// Canceled is what is expected of an attempt that ends as canceled.
type Canceled struct {
	Any     bool             // any details will do
	Details *sandbox.Payload // nil: none
}

// ContinuedAsNew is what is expected of the next run. Zero fields are not checked.
type ContinuedAsNew struct {
	Workflow string
	Args     []any // payloads
}

// Log is what is expected of a log record. Fields that are nil are not checked.
type Log struct {
	Level, Message *string
	Attrs          json.RawMessage
}
