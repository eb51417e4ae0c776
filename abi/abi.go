// Package abi holds what the host and its guests agree on: the names of host
// modules and functions, status codes, flags, error numbers and JSON shapes.
// SPEC.md beside it is the specification; this package is its Go rendering and
// imports the standard library only.
package abi

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Names of the host modules that every guest may import.
const (
	ModuleActivity = "wasmworker:activity/v1"
	ModuleLog      = "wasmworker:log/v1"
	ModuleWASI     = "wasi_snapshot_preview1"
	ModuleExtism   = "extism:host/env"
)

// Names of exports with a meaning of their own.
const (
	ExportInitialize = "_initialize" // called once when an instance is made
	ExportStart      = "_start"      // the entry point of a command
)

// Status is what an activity's export returns.
type Status int32

// The statuses of version 1. Any other is a protocol error.
const (
	StatusCompleted Status = 0
	StatusFailed    Status = 1
	StatusCancelled Status = 2
)

// Flags tell a guest what has been asked of it. They only ever get set.
type Flags uint32

// The flags of version 1.
const (
	FlagCancelRequested Flags = 1 << iota // somebody asked Temporal to cancel the activity
	FlagWorkerStopping                    // the worker is shutting down
	FlagPaused                            // an operator paused the activity
	FlagReset                             // an operator reset the activity
	FlagGone                              // Temporal does not wait for this attempt any more
)

// FlagsEnd are the flags after which a guest is expected to return. A guest
// that does not is interrupted when its grace period is over.
const FlagsEnd = FlagCancelRequested | FlagPaused | FlagReset | FlagGone

// Encodings that the host itself produces or looks at. It passes all others on.
const (
	MetadataEncoding = "encoding"

	EncodingJSON      = "json/plain"
	EncodingProtoJSON = "json/protobuf"
	EncodingBinary    = "binary/plain"
	EncodingProto     = "binary/protobuf"
	EncodingNull      = "binary/null"
)

// Errno is an error number of WASI preview 1. Host functions return it negated.
type Errno int32

// The error numbers that host functions return.
const (
	E2BIG        Errno = 1
	EACCES       Errno = 2
	EAGAIN       Errno = 6
	EBADF        Errno = 8
	EBUSY        Errno = 10
	ECANCELED    Errno = 11
	EDQUOT       Errno = 19
	EEXIST       Errno = 20
	EFAULT       Errno = 21
	EFBIG        Errno = 22
	EINTR        Errno = 27
	EINVAL       Errno = 28
	EIO          Errno = 29
	EISDIR       Errno = 31
	ELOOP        Errno = 32
	EMFILE       Errno = 33
	EMSGSIZE     Errno = 35
	ENAMETOOLONG Errno = 37
	ENOENT       Errno = 44
	ENOSPC       Errno = 51
	ENOSYS       Errno = 52
	ENOTDIR      Errno = 54
	ENOTEMPTY    Errno = 55
	ENOTSUP      Errno = 58
	EOVERFLOW    Errno = 61
	EPERM        Errno = 63
	EROFS        Errno = 69
	ESPIPE       Errno = 70
	ETIMEDOUT    Errno = 73
	ETXTBSY      Errno = 74
	EXDEV        Errno = 75
	ENOTCAPABLE  Errno = 76
)

var errnoNames = map[Errno]string{
	E2BIG: "E2BIG", EACCES: "EACCES", EAGAIN: "EAGAIN", EBADF: "EBADF", EBUSY: "EBUSY", ECANCELED: "ECANCELED",
	EDQUOT: "EDQUOT", EEXIST: "EEXIST", EFAULT: "EFAULT", EFBIG: "EFBIG", EINTR: "EINTR", EINVAL: "EINVAL",
	EIO: "EIO", EISDIR: "EISDIR", ELOOP: "ELOOP", EMFILE: "EMFILE", EMSGSIZE: "EMSGSIZE",
	ENAMETOOLONG: "ENAMETOOLONG", ENOENT: "ENOENT", ENOSPC: "ENOSPC", ENOSYS: "ENOSYS",
	ENOTDIR: "ENOTDIR", ENOTEMPTY: "ENOTEMPTY", ENOTSUP: "ENOTSUP", EOVERFLOW: "EOVERFLOW", EPERM: "EPERM",
	EROFS: "EROFS", ESPIPE: "ESPIPE", ETIMEDOUT: "ETIMEDOUT", ETXTBSY: "ETXTBSY", EXDEV: "EXDEV",
	ENOTCAPABLE: "ENOTCAPABLE",
}

// String returns the errno's name, such as EINVAL.
func (e Errno) String() string {
	if name, ok := errnoNames[e]; ok {
		return name
	}
	return fmt.Sprintf("errno %d", int32(e))
}

// Error makes an Errno usable as an error: a passthrough function returns one,
// wrapped or not, to choose the number that its guest sees.
func (e Errno) Error() string { return e.String() }

// ErrnoOf returns what a guest gets of an error: the number, which is EIO unless the error is or wraps a positive Errno, and the text
// that last_error gives. That is UTF-8, and does not begin with the number's name.
func ErrnoOf(err error) (errno Errno, message string) {
	errno = EIO
	if e, ok := errors.AsType[Errno](err); ok && e > 0 {
		errno = e
	}
	return errno, strings.TrimPrefix(strings.ToValidUTF8(err.Error(), "\uFFFD"), errno.String()+": ")
}

// ErrnosByName returns all error numbers, by their names. The map is the caller's.
func ErrnosByName() map[string]Errno {
	errnos := make(map[string]Errno, len(errnoNames))
	for e, name := range errnoNames {
		errnos[name] = e
	}
	return errnos
}

// Limits of version 1 that are not configurable.
const (
	MaxFailureSize = 256 << 10 // bytes of JSON given to fail
	MaxLogText     = 64 << 10  // bytes of a log record's message, and of its attributes
	MaxMetadata    = 64 << 10  // bytes of an encoding, and of a payload's metadata (JSON)
	MaxLogRecords  = 10_000    // log records of one activity
	MaxLogVolume   = 8 << 20   // bytes of text of all log records of one activity
	MaxHandles     = 256       // open responses of one activity
	MaxRequestSize = 16 << 20  // bytes of a passthrough request
	MinDetailSize  = 64        // bytes that a heartbeat's detail counts as, at least
	MaxCauseDepth  = 16        // nested causes of a Failure
	MaxValues      = 10_000    // JSON values in a Failure
)

// Defaults of the limits that an operator can change.
const (
	DefaultMaxOutput   = 2 << 20   // bytes, metadata included; the Temporal server's own default limit for a payload
	DefaultMemoryLimit = 256 << 20 // bytes
)

// Info describes the attempt of an activity to its guest.
type Info struct {
	ActivityID             string       `json:"activity_id"`
	ActivityType           string       `json:"activity_type"`
	ActivityRunID          string       `json:"activity_run_id,omitempty"` // standalone activities only
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

// RetryPolicy is Temporal's retry policy of an activity.
type RetryPolicy struct {
	InitialInterval        Milliseconds `json:"initial_interval_ms,omitempty"`
	BackoffCoefficient     float64      `json:"backoff_coefficient,omitempty"`
	MaximumInterval        Milliseconds `json:"maximum_interval_ms,omitempty"`
	MaximumAttempts        int32        `json:"maximum_attempts,omitempty"`
	NonRetryableErrorTypes []string     `json:"non_retryable_error_types,omitempty"`
}

// Priority is Temporal's priority of an activity.
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

// CategoryBenign marks a failure that Temporal neither counts nor logs as an error.
const CategoryBenign = "benign"

// Error returns the failure's type and message.
func (f *Failure) Error() string {
	if f.Type == "" {
		return f.Message
	}
	return f.Type + ": " + f.Message
}

// ParseFailure decodes and checks what a guest gave to fail.
func ParseFailure(data []byte) (*Failure, error) {
	if len(data) > MaxFailureSize {
		return nil, fmt.Errorf("%w: a failure of %d bytes is longer than %d", EMSGSIZE, len(data), MaxFailureSize)
	}
	if n := values(data); n > MaxValues { // 100,000 take 15 ms to decode: longer than an interruption may
		return nil, fmt.Errorf("%w: a failure of %d JSON values has more than %d", EMSGSIZE, n, MaxValues)
	}
	var f *Failure
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%w: the failure is not a JSON object as abi/SPEC.md describes it: %v", EINVAL, err)
	}
	if f == nil {
		return nil, fmt.Errorf("%w: the failure is null", EINVAL)
	}
	depth := 0
	for c := f; c != nil; c = c.Cause {
		if c.Category != "" && c.Category != CategoryBenign {
			return nil, fmt.Errorf("%w: the failure's category %q is neither empty nor %q", EINVAL, c.Category, CategoryBenign)
		}
		if c.NextRetryDelay < 0 {
			return nil, fmt.Errorf("%w: the failure's next_retry_delay_ms is negative", EINVAL)
		}
		if depth++; depth > MaxCauseDepth {
			c.Cause = nil
		}
	}
	return f, nil
}

// values returns how many values the arrays and objects of a JSON text have, without the first of each.
func values(text []byte) int {
	n, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c == ',':
			n++
		}
	}
	return n
}

// Milliseconds is a duration that travels as a whole number of milliseconds.
// A positive duration below one millisecond travels as 1, so that it does not turn into "none".
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
	if ms > most || ms < -most {
		return fmt.Errorf("%d ms is out of range", ms)
	}
	*m = Milliseconds(time.Duration(ms) * time.Millisecond)
	return nil
}

// MarshalMetadata renders a payload's metadata as SPEC.md describes it.
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
		return nil, fmt.Errorf("%w: metadata is not a JSON object: %v", EINVAL, err)
	}
	if values == nil {
		return nil, fmt.Errorf("%w: metadata is null", EINVAL)
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
			return nil, fmt.Errorf(`%w: metadata %q is neither a string nor {"base64": "…"}`, EINVAL, name)
		}
		metadata[name] = binary.Base64
	}
	return metadata, nil
}

// Types of the failures that the host itself reports, in place of a guest that
// could not. docs/errors.md explains each.
const (
	TypeActivityFailed   = "ActivityFailed"   // status 1 without a failure
	TypeWasmTrap         = "WasmTrap"         // the guest trapped
	TypeStackOverflow    = "StackOverflow"    // its calls were nested too deeply
	TypeOutOfMemory      = "OutOfMemory"      // it ended after it was refused more memory
	TypeOutOfFuel       = "OutOfFuel"       // it used up the units of computation that it may use
	TypeExitCode         = "ExitCode"         // it exited
	TypeProtocolError    = "ProtocolError"    // it broke the contract
	TypeOutputTooLarge   = "OutputTooLarge"   // its output is above the limit
	TypeInvalidInput     = "InvalidInput"     // the arguments cannot be given to it
	TypeUnknownEncoding  = "UnknownEncoding"  // an argument's encoding is nothing to a command or plugin
	TypeCodecFailed      = "CodecFailed"      // a payload cannot be decoded or encoded
	TypeUnexpectedCancel = "UnexpectedCancel" // status 2 though nothing was asked
	TypeNoInstance       = "NoInstance"       // the executor has no instance for it
	TypeWorkerShutdown   = "WorkerShutdown"   // interrupted, because its worker had to stop
)
