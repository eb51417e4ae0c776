// Package codec turns Go values into the bytes and the encoding of a payload and
// back, the way Temporal's default data converter does for the encodings that need
// no protocol buffers.
package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/abi"
)

// Errors of this package, exported by package converter.
var (
	ErrEncodingIsNotSupported = errors.New("payload encoding is not supported")
	ErrUnableToEncode         = errors.New("unable to encode")
	ErrUnableToDecode         = errors.New("unable to decode")
	ErrTypeIsNotByteSlice     = errors.New("type is not a byte slice")
	ErrValuePtrIsNotPointer   = errors.New("not a pointer to a value")
)

// IsNil tells whether a value travels as binary/null.
func IsNil(value any) bool {
	if value == nil {
		return true
	}
	v := reflect.ValueOf(value)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// Encode returns a value's encoding and bytes.
func Encode(value any) (encoding string, data []byte, err error) {
	if b, ok := value.([]byte); ok {
		return abi.EncodingBinary, b, nil
	}
	if IsNil(value) {
		return abi.EncodingNull, nil, nil
	}
	data, err = json.Marshal(value)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", ErrUnableToEncode, err)
	}
	return abi.EncodingJSON, data, nil
}

// isMessage tells whether a value is what protoc generated. The names of its fields in
// the JSON of protocol buffers are not those that encoding/json knows, so that values
// would be left out unseen.
func isMessage(v reflect.Value) bool {
	message := reflect.TypeFor[interface{ ProtoMessage() }]()
	return v.Type().Implements(message) || v.CanAddr() && v.Addr().Type().Implements(message)
}

// Decode stores into the value that ptr points to. It may keep data when the
// encoding is binary/plain, and never otherwise.
func Decode(encoding string, data []byte, ptr any) error {
	v := reflect.ValueOf(ptr)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("%T: %w", ptr, ErrValuePtrIsNotPointer)
	}
	v = v.Elem()
	switch encoding {
	case abi.EncodingJSON, abi.EncodingProtoJSON, "":
		if encoding == abi.EncodingProtoJSON && isMessage(v) {
			return fmt.Errorf("%s into %s: %w (take a converter.RawValue for it, and decode its data by protojson)",
				encoding, v.Type(), ErrEncodingIsNotSupported)
		}
		if err := json.Unmarshal(data, ptr); err != nil {
			return fmt.Errorf("%w: %w", ErrUnableToDecode, err)
		}
	case abi.EncodingNull:
		v.SetZero()
	case abi.EncodingBinary:
		switch {
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
			v.SetBytes(data)
		case v.Kind() == reflect.Interface && v.NumMethod() == 0:
			v.Set(reflect.ValueOf(data))
		default:
			return fmt.Errorf("%s into %s: %w", encoding, v.Type(), ErrTypeIsNotByteSlice)
		}
	default:
		return fmt.Errorf("%s into %s: %w (take a converter.RawValue for it)", encoding, v.Type(), ErrEncodingIsNotSupported)
	}
	return nil
}
