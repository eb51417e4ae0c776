// Package abi holds the contract between the host and its guests: the names of host
// modules and functions, status codes, flags, error numbers and JSON shapes. SPEC.md
// beside it is the specification. The constants and records are generated from abi.json.
// The hand-written files give them methods. The package imports only the standard
// library.
package abi

//go:generate go run -C .. ./abi/gen

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Status is the result of an activity's export.
type Status int32

// Flags tell a guest what it was asked to do. A flag that is set is never cleared.
type Flags uint32

// Errno is an error number of WASI preview 1. Host functions return it negated.
type Errno int32

// String returns the errno's name, such as EINVAL.
func (e Errno) String() string {
	if name, ok := errnoNames[e]; ok {
		return name
	}
	return fmt.Sprintf("errno %d", int32(e))
}

// Error returns the errno's name, as String does. A passthrough function returns an
// Errno, wrapped or not, to choose the number that the guest gets.
func (e Errno) Error() string { return e.String() }

// ErrnoOf returns the number and the text that a guest gets for an error. The number is
// EIO unless the error is or wraps a positive Errno. The text is what last_error gives.
// It is valid UTF-8 and does not begin with the number's name. The error must not be nil.
func ErrnoOf(err error) (errno Errno, message string) {
	errno = EIO
	if e, ok := errors.AsType[Errno](err); ok && e > 0 {
		errno = e
	}
	return errno, strings.TrimPrefix(strings.ToValidUTF8(err.Error(), "\uFFFD"), errno.String()+": ")
}

// ErrnosByName returns all error numbers by name. The map is the caller's.
func ErrnosByName() map[string]Errno {
	errnos := make(map[string]Errno, len(errnoNames))
	for e, name := range errnoNames {
		errnos[name] = e
	}
	return errnos
}

// Error returns the failure's type and message, separated by a colon, or the message
// alone if the type is empty.
func (f *Failure) Error() string {
	if f.Type == "" {
		return f.Message
	}
	return f.Type + ": " + f.Message
}

// ParseFailure decodes and checks the JSON that a guest passed to fail. The error wraps
// EMSGSIZE if it has more than [MaxFailureSize] bytes or [MaxValues] values, and EINVAL
// if it is not a valid failure. Causes deeper than [MaxCauseDepth] are dropped.
func ParseFailure(data []byte) (*Failure, error) {
	if len(data) > MaxFailureSize {
		return nil, fmt.Errorf("%w: a failure of %d bytes is longer than %d", EMSGSIZE, len(data), MaxFailureSize)
	}
	// Decoding 100,000 values takes 15 ms, which is longer than an interruption may take.
	if n := CountValues(data); n > MaxValues {
		return nil, fmt.Errorf("%w: a failure of %d JSON values has more than %d", EMSGSIZE, n, MaxValues)
	}
	var f *Failure
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%w: the failure is not a JSON object as abi/SPEC.md describes it: %v", EINVAL, err)
	}
	if f == nil {
		return nil, fmt.Errorf("%w: the failure is null", EINVAL)
	}
	if err := f.Check(); err != nil {
		return nil, err
	}
	depth := 0
	for c := f; c != nil; c = c.Cause {
		if depth++; depth > MaxCauseDepth {
			c.Cause = nil
		}
	}
	return f, nil
}

// Check returns an error that wraps EINVAL if a failure or one of its causes has an
// unknown category or a negative delay. Temporal would take a negative delay for "at
// once" or for none.
func (f *Failure) Check() error {
	for c := f; c != nil; c = c.Cause {
		if c.Category != "" && c.Category != CategoryBenign {
			return fmt.Errorf("%w: the category %q of the failure %.200q is neither empty nor %q", EINVAL, c.Category, c.Error(), CategoryBenign)
		}
		if c.NextRetryDelay < 0 {
			return fmt.Errorf("%w: next_retry_delay_ms of the failure %.200q is negative, %d; leave it out, and the retry policy's delay holds", EINVAL, c.Error(), time.Duration(c.NextRetryDelay).Milliseconds())
		}
	}
	return nil
}

// CountValues returns how many values the arrays and objects of a JSON text have, without
// the first value of each. The limits of SPEC.md are compared with this number before
// anything is decoded, because a value takes more memory than its text.
func CountValues(text []byte) int {
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

// Milliseconds is a duration that is encoded in JSON as a whole number of milliseconds. A
// positive duration below one millisecond is encoded as 1, because 0 would mean "none".
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
		return fmt.Errorf("%d ms are out of range: a duration has %d ms at most", ms, most)
	}
	*m = Milliseconds(time.Duration(ms) * time.Millisecond)
	return nil
}

// MarshalMetadata encodes a payload's metadata as the JSON object that SPEC.md describes.
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

// UnmarshalMetadata decodes the JSON of [MarshalMetadata]. Errors wrap EINVAL.
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
