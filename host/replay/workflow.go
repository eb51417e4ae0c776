package replay

import (
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Workflow describes a run. Fields but Type may be zero.
type Workflow struct {
	// Type is the workflow type. Required.
	Type string
	// Args are the arguments, in the forms of [Activity.Args].
	Args []any
	// Info is what the guest gets to know of the run. Zero fields mean those of a first
	// run that nobody has begun; memo, search attributes and the last result are not taken
	// from it. Memo is the memo, in the forms of Args.
	Info abi.WorkflowInfo
	Memo map[string]any
	// Mocks answer what the workflow asks for. Each is for one thing, unless it says
	// otherwise, and the first that fits and is not used up is taken.
	Mocks []Mock
	// InOrder lets only the first mock answer that is not used up.
	InOrder bool
	// Events come from outside.
	Events []Event
	// Unpatched are the ids of changes that do not apply: the run began with the code
	// before them.
	Unpatched []string
	// SuggestAfter suggests to continue as new from this activation on, from 1. 0 never.
	SuggestAfter int
	// Until ends the test after this time of the workflow. Default: when nothing more
	// comes.
	Until time.Duration
}

// MockKind is what a mock answers.
type MockKind string

// The kinds of mocks.
const (
	MockActivity      MockKind = "activity"
	MockLocalActivity MockKind = "local_activity"
	MockChild         MockKind = "child"
	MockSignal        MockKind = "signal" // to another workflow
	MockCancel        MockKind = "cancel" // of another workflow
)

// Mock is how something ends that a workflow asks for.
type Mock struct {
	Kind MockKind
	// Name is the type of an activity or a child, or the name of a signal. WorkflowID is
	// that of a child or of the other workflow. Empty fits any.
	Name       string
	WorkflowID string
	// Args are the arguments that it has to have, in the forms of [Activity.Args].
	// JSON is compared by value. Nil fits any.
	Args []any
	// Result is the result, in the forms of Args. NoResult is none at all.
	Result any
	// Failure is how an attempt fails, in place of a result. An activity is retried as its
	// retry policy says, and the next attempt needs a mock too.
	Failure *abi.Failure
	// Timeout is the kind of timeout with which it ends: start_to_close, schedule_to_start,
	// schedule_to_close or heartbeat.
	Timeout string
	// Canceled ends it as canceled, and AlreadyStarted refuses to start a child, since its
	// id is in use.
	Canceled       bool
	AlreadyStarted bool
	// Delay is how long it takes. Beyond the timeout of the activity it times out. Never
	// means that it does not end by itself.
	Delay time.Duration
	Never bool
	// Times is how often it answers. 0 means once, and a negative number means any number
	// of times, none too.
	Times int
}

// Timeouts are the kinds of timeouts that a mock can have.
func Timeouts() []string {
	return []string{"heartbeat", "schedule_to_close", "schedule_to_start", "start_to_close"}
}

// NoResult is a [Mock.Result] of something that returns nothing.
var NoResult = new(struct{ none byte })

// Event comes from outside. One of Signal, Query, Update and Cancel is set.
type Event struct {
	// At is when it comes, since the start.
	At     time.Duration
	Signal string
	Query  string
	Update string
	ID     string // of the update. Default: "update-" and the number of the event, from 1
	Cancel bool
	// Args are the arguments, in the forms of [Activity.Args].
	Args []any
}

// String names the event.
func (e Event) String() string {
	switch {
	case e.Signal != "":
		return "signal " + e.Signal
	case e.Query != "":
		return "query " + e.Query
	case e.Update != "":
		return "update " + e.Update
	}
	return "cancel"
}

// Answer is what a query or an update was answered. The zero value means that it was not.
type Answer struct {
	Done    bool // it was answered
	Refused bool // by the validator of the update
	Result  *sandbox.Payload
	Failure *abi.Failure
}

// WorkflowRun is what a run of a workflow did and how it ended.
type WorkflowRun struct {
	*Run
	Answers  []Answer  // to the events, in their order
	Problems []Problem // in the script: what had no answer, and which answers are left
}

// Problem is a place where the script does not fit the run.
type Problem struct{ What, Want, Got string }

// WorkflowEnv is a set of modules of workflows to be tested. Package workflows has it: this
// one does not know Temporal. Its methods may be called concurrently.
type WorkflowEnv interface {
	// Run runs a workflow, and blocks until it has ended or nothing more comes. Errors are
	// in the result.
	Run(w Workflow) *WorkflowRun
	// TakeOver runs a workflow as Run does, and has another instance take it over after at
	// most so many workflow tasks, spread over the run. The other instance gets the
	// activations so far, as in a worker in whose cache the run is not. A state or a
	// command that is another one then is a problem in the result, and so is whatever comes
	// of it. Points is after how many tasks it was taken over.
	TakeOver(w Workflow, most int) (run *WorkflowRun, points int)
	// Rearrange runs a workflow again and again, each time with what came at one time and
	// with one workflow task in another order: how activities, child workflows, timers and
	// signals to others ended. At most so many orders are tried. Each result is given to
	// the function.
	Rearrange(w Workflow, most int, each func(what string, run *WorkflowRun))
	// Close frees everything. No workflow may be running.
	Close() error
}
