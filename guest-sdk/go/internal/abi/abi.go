// Package abi is the guest contract, version 1, as a guest needs it: numbers, flags
// and JSON shapes. The contract is abi/SPEC.md at the top of the wasmworker
// repository. Constants and records are generated from abi/abi.json beside it.
package abi

import (
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"
)

// Flags tell what has been asked of the activity. They only ever get set.
type Flags uint32

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
