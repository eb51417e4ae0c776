// Package converter holds payloads and how Go values become payloads and back.
// It has the names of go.temporal.io/sdk/converter where it has the same things.
//
// A value is encoded as Temporal's default data converter does it:
//
//	[]byte                        binary/plain
//	nil, or a nil pointer         binary/null
//	RawValue                      as it is, with all its metadata
//	anything else                 json/plain, by encoding/json
//
// and decoded by the payload's encoding:
//
//	json/plain, json/protobuf     by encoding/json
//	none, or an empty one         by encoding/json
//	binary/plain                  into a byte slice or an any
//	binary/null                   the zero value of any type
//	any encoding, any metadata    into a RawValue
//
// Other encodings (binary/protobuf, binary/encrypted, your own) are not converted.
// Neither is json/protobuf into a type that protoc generated, whose fields encoding/json
// does not know by their names. Take and return RawValue, and decode its data with the
// library of your choice.
package converter

import (
	"errors"
	"fmt"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/abi"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/codec"
)

// Metadata names and encodings, as Temporal defines them.
const (
	// MetadataEncoding is the metadata entry that names the encoding.
	MetadataEncoding = abi.MetadataEncoding
	// MetadataMessageType is the metadata entry that names a protocol buffer message.
	MetadataMessageType = "messageType"
	// MetadataEncodingBinary says that the data are bytes without a meaning to Temporal.
	MetadataEncodingBinary = abi.EncodingBinary
	// MetadataEncodingJSON says that the data are JSON.
	MetadataEncodingJSON = abi.EncodingJSON
	// MetadataEncodingNil says that there is no value.
	MetadataEncodingNil = abi.EncodingNull
	// MetadataEncodingProtoJSON says that the data are a protocol buffer as JSON.
	MetadataEncodingProtoJSON = abi.EncodingProtoJSON
	// MetadataEncodingProto says that the data are a protocol buffer.
	MetadataEncodingProto = "binary/protobuf"
)

// The errors of this package. Those that come from it wrap one of them.
var (
	// ErrEncodingIsNotSupported means that only a RawValue can take the payload.
	ErrEncodingIsNotSupported = codec.ErrEncodingIsNotSupported
	// ErrUnableToEncode means that encoding/json did not accept the value.
	ErrUnableToEncode = codec.ErrUnableToEncode
	// ErrUnableToDecode means that encoding/json could not decode into the type.
	ErrUnableToDecode = codec.ErrUnableToDecode
	// ErrTypeIsNotByteSlice means that binary/plain met something else than a byte slice.
	ErrTypeIsNotByteSlice = codec.ErrTypeIsNotByteSlice
	// ErrValuePtrIsNotPointer means that a value to decode into was not a pointer, or
	// nil.
	ErrValuePtrIsNotPointer = codec.ErrValuePtrIsNotPointer
)

// Payload is a value on its way through Temporal: bytes, and metadata that tell
// among other things how the bytes are encoded. It is what
// go.temporal.io/api/common/v1.Payload is to the Temporal SDK.
type Payload struct {
	Metadata map[string][]byte
	Data     []byte
}

// GetMetadata returns the metadata; nil for a nil payload.
func (p *Payload) GetMetadata() map[string][]byte {
	if p == nil {
		return nil
	}
	return p.Metadata
}

// GetData returns the bytes; nil for a nil payload.
func (p *Payload) GetData() []byte {
	if p == nil {
		return nil
	}
	return p.Data
}

// Encoding returns what the metadata say about the encoding, empty if nothing.
func (p *Payload) Encoding() string { return string(p.GetMetadata()[MetadataEncoding]) }

// RawValue is a payload that nobody converts. As an activity's parameter it takes
// an argument of any encoding, as a result it leaves as it is: an activity that
// returns its RawValue argument passes everything through untouched, metadata
// included. A parameter list that ends in …RawValue or []RawValue takes all
// arguments that are left.
type RawValue struct {
	payload *Payload
}

// NewRawValue returns a RawValue for the payload, which it keeps.
func NewRawValue(payload *Payload) RawValue { return RawValue{payload} }

// Payload returns the payload; nil for the zero RawValue.
func (v RawValue) Payload() *Payload { return v.payload }

var errRawJSON = errors.New("a converter.RawValue is a payload of its own and cannot be a part of a JSON value")

// MarshalJSON always fails: a RawValue inside another value would lose its metadata.
func (v RawValue) MarshalJSON() ([]byte, error) { return nil, errRawJSON }

// UnmarshalJSON always fails, as MarshalJSON does.
func (v *RawValue) UnmarshalJSON([]byte) error { return errRawJSON }

// EncodedValue is one value that has not been decoded yet.
type EncodedValue interface {
	// HasValue tells whether there is a value.
	HasValue() bool
	// Get decodes the value into what valuePtr points to. Do not give it a value that
	// was decoded into before: encoding/json merges.
	Get(valuePtr any) error
}

// EncodedValues is a list of values that have not been decoded yet.
type EncodedValues interface {
	// HasValues tells whether there is at least one.
	HasValues() bool
	// Get decodes the values, in their order, into what valuePtrs point to. Values
	// beyond the pointers are ignored, and pointers beyond the values left alone.
	Get(valuePtrs ...any) error
}

// ErrNoData means that there was nothing to decode. It is temporal.ErrNoData.
var ErrNoData = errors.New("no data available")

// NewValue returns the value in a payload. A nil payload means that there is none.
func NewValue(payload *Payload) EncodedValue { return value{payload} }

type value struct{ payload *Payload }

func (v value) HasValue() bool { return v.payload != nil }

func (v value) Get(valuePtr any) error {
	if v.payload == nil {
		return ErrNoData
	}
	return FromPayload(v.payload, valuePtr)
}

// NewValues returns the values in payloads.
func NewValues(payloads ...*Payload) EncodedValues { return values(payloads) }

type values []*Payload

func (v values) Payloads() []*Payload { return v }
func (v values) HasValues() bool      { return len(v) > 0 }

func (v values) Get(valuePtrs ...any) error {
	if len(v) == 0 {
		return ErrNoData
	}
	for i, ptr := range valuePtrs {
		if i == len(v) {
			break
		}
		if err := FromPayload(v[i], ptr); err != nil {
			return fmt.Errorf("payload item %d: %w", i, err)
		}
	}
	return nil
}

// ToPayload encodes a value as the package comment says. The payload keeps the
// bytes of a []byte and the payload of a RawValue: it copies neither.
func ToPayload(value any) (*Payload, error) {
	switch v := value.(type) {
	case RawValue:
		if v.payload != nil {
			return v.payload, nil
		}
		value = nil
	case *RawValue:
		if v != nil && v.payload != nil {
			return v.payload, nil
		}
		value = nil
	}
	encoding, data, err := codec.Encode(value)
	if err != nil {
		return nil, err
	}
	return &Payload{Metadata: map[string][]byte{MetadataEncoding: []byte(encoding)}, Data: data}, nil
}

// FromPayload decodes a payload into what valuePtr points to, as the package
// comment says. A nil payload changes nothing.
func FromPayload(payload *Payload, valuePtr any) error {
	if payload == nil {
		return nil
	}
	if raw, ok := valuePtr.(*RawValue); ok {
		*raw = NewRawValue(payload)
		return nil
	}
	return codec.Decode(payload.Encoding(), payload.Data, valuePtr)
}
