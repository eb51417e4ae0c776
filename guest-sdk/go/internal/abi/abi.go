// Package abi repeats the parts of the guest contract, version 1, that a guest
// needs: numbers, flags and JSON shapes. The contract is abi/SPEC.md at the top
// of the wasmworker repository; a test here compares the constants with it.
package abi

import (
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"
)

// What an activity's export returns.
const (
	StatusCompleted int32 = 0
	StatusFailed    int32 = 1
	StatusCanceled  int32 = 2
)

// Flags tell what has been asked of the activity. They only ever get set.
type Flags uint32

// The flags of version 1.
const (
	FlagCancelRequested Flags = 1 << iota
	FlagWorkerStopping
	FlagPaused
	FlagReset
	FlagGone
)

// FlagsEnd are the flags after which an activity is expected to return.
const FlagsEnd = FlagCancelRequested | FlagPaused | FlagReset | FlagGone

// Encodings of payloads.
const (
	MetadataEncoding = "encoding"

	EncodingJSON      = "json/plain"
	EncodingProtoJSON = "json/protobuf"
	EncodingBinary    = "binary/plain"
	EncodingNull      = "binary/null"
)

// Error numbers that this SDK looks at itself.
const (
	EINVAL   = 28
	EIO      = 29
	EBADF    = 8
	EMSGSIZE = 35
)

// Limits of version 1.
const (
	MaxFailureSize = 256 << 10
	MaxCauseDepth  = 16
)

// CategoryBenign marks a failure that is not an error to Temporal.
const CategoryBenign = "benign"

// Info is what the host tells about an attempt.
type Info struct {
	ActivityID             string       `json:"activity_id"`
	ActivityType           string       `json:"activity_type"`
	ActivityRunID          string       `json:"activity_run_id,omitempty"`
	Attempt                int32        `json:"attempt"`
	Namespace              string       `json:"namespace,omitempty"`
	TaskQueue              string       `json:"task_queue,omitempty"`
	WorkflowType           string       `json:"workflow_type,omitempty"`
	WorkflowID             string       `json:"workflow_id,omitempty"`
	WorkflowRunID          string       `json:"workflow_run_id,omitempty"`
	IsLocalActivity        bool         `json:"is_local_activity,omitempty"`
	HeartbeatTimeout       Milliseconds `json:"heartbeat_timeout_ms,omitempty"`
	StartToCloseTimeout    Milliseconds `json:"start_to_close_timeout_ms,omitempty"`
	ScheduleToCloseTimeout Milliseconds `json:"schedule_to_close_timeout_ms,omitempty"`
	ScheduledTime          time.Time    `json:"scheduled_time,omitzero"`
	StartedTime            time.Time    `json:"started_time,omitzero"`
	Deadline               time.Time    `json:"deadline,omitzero"`
	RetryPolicy            *RetryPolicy `json:"retry_policy,omitempty"`
	Priority               *Priority    `json:"priority,omitempty"`
}

// RetryPolicy is an activity's retry policy.
type RetryPolicy struct {
	InitialInterval        Milliseconds `json:"initial_interval_ms,omitempty"`
	BackoffCoefficient     float64      `json:"backoff_coefficient,omitempty"`
	MaximumInterval        Milliseconds `json:"maximum_interval_ms,omitempty"`
	MaximumAttempts        int32        `json:"maximum_attempts,omitempty"`
	NonRetryableErrorTypes []string     `json:"non_retryable_error_types,omitempty"`
}

// Priority is an activity's priority.
type Priority struct {
	PriorityKey    int     `json:"priority_key,omitempty"`
	FairnessKey    string  `json:"fairness_key,omitempty"`
	FairnessWeight float32 `json:"fairness_weight,omitempty"`
}

// Failure is how a guest says why an activity failed.
type Failure struct {
	Type           string            `json:"type,omitempty"`
	Message        string            `json:"message"`
	NonRetryable   bool              `json:"non_retryable,omitempty"`
	NextRetryDelay Milliseconds      `json:"next_retry_delay_ms,omitempty"`
	Category       string            `json:"category,omitempty"`
	Details        []json.RawMessage `json:"details,omitempty"`
	Cause          *Failure          `json:"cause,omitempty"`
	StackTrace     string            `json:"stack_trace,omitempty"`
}

// Milliseconds is a duration that travels as a whole number of milliseconds. A
// positive duration below one millisecond travels as 1: 0 means "none".
type Milliseconds time.Duration

// MarshalJSON implements [json.Marshaler].
func (m Milliseconds) MarshalJSON() ([]byte, error) {
	ms := time.Duration(m).Milliseconds()
	if ms == 0 && m > 0 {
		ms = 1
	}
	return json.Marshal(ms)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (m *Milliseconds) UnmarshalJSON(data []byte) error {
	var ms int64
	if err := json.Unmarshal(data, &ms); err != nil {
		return err
	}
	const most = int64(1<<63-1) / int64(time.Millisecond)
	*m = Milliseconds(time.Duration(min(max(ms, -most), most)) * time.Millisecond)
	return nil
}

// MarshalMetadata renders a payload's metadata: values that are UTF-8 as
// strings, others as {"base64": "…"}.
func MarshalMetadata(metadata map[string][]byte) []byte {
	out := make(map[string]any, len(metadata))
	for name, value := range metadata {
		if utf8.Valid(value) {
			out[name] = string(value)
		} else {
			out[name] = map[string][]byte{"base64": value}
		}
	}
	data, err := json.Marshal(out)
	if err != nil { // strings and bytes always marshal
		panic(err)
	}
	return data
}

// UnmarshalMetadata is the inverse of MarshalMetadata.
func UnmarshalMetadata(data []byte) (map[string][]byte, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(data, &values); err != nil {
		return nil, err
	}
	metadata := make(map[string][]byte, len(values))
	for name, raw := range values {
		var text *string
		if err := json.Unmarshal(raw, &text); err == nil && text != nil {
			metadata[name] = []byte(*text)
			continue
		}
		var binary struct {
			Base64 []byte `json:"base64"`
		}
		if err := json.Unmarshal(raw, &binary); err != nil || binary.Base64 == nil {
			return nil, errors.New("metadata " + name + ` is neither a string nor {"base64": "…"}`)
		}
		metadata[name] = binary.Base64
	}
	return metadata, nil
}
