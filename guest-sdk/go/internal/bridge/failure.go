package bridge

import (
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/enums"
)

// Kinds of failures, as they travel.
const (
	KindApplication = "application"
	KindCanceled    = "canceled"
	KindTimeout     = "timeout"
	KindActivity    = "activity"
	KindChild       = "child"
	KindTerminated  = "terminated"
	KindServer      = "server"
)

// Failure is a failure as workflows exchange it with the host.
type Failure struct {
	Kind           string
	Message        string
	Type           string
	NonRetryable   bool
	NextRetryDelay time.Duration
	Benign         bool
	Details        []*converter.Payload // of a timeout: of the last heartbeat
	StackTrace     string
	Cause          error

	ActivityType string
	ActivityID   string
	WorkflowType string
	WorkflowID   string
	RunID        string
	Namespace    string
	RetryState   enums.RetryState
	TimeoutType  enums.TimeoutType
}

var (
	// NewError makes the error of package temporal that a failure stands for.
	NewError func(f *Failure) error
	// FailureOf returns what an error of package temporal says that only workflows see,
	// but its details and cause; nil for any other error.
	FailureOf func(err error) *Failure
)

// Attribute is a search attribute. A value of a workflow is a Go value, nil to remove it,
// and one of the host JSON.
type Attribute struct {
	Name  string
	Type  string
	Value any
}

var (
	// Attributes returns the attributes of a temporal.SearchAttributes, by name.
	Attributes func(attributes any) []Attribute
	// NewAttributes makes a temporal.SearchAttributes.
	NewAttributes func(attributes []Attribute) any
)
