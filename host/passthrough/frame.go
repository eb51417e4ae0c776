package passthrough

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/wasmworker/wasmworker/abi"
)

// MaxHead is how many bytes of JSON the head of a request's frame may have.
const MaxHead = abi.MaxHeadSize

// EncodeFrame makes a frame, in which the built-in modules exchange data with guests. A
// frame is the length of the head in 4 bytes, little-endian, then the head as JSON, then
// the body as it is. Bulk data is thus not encoded as JSON.
func EncodeFrame(head any, body []byte) ([]byte, error) {
	text, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	frame := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(text)+len(body)), uint32(len(text)))
	return append(append(frame, text...), body...), nil
}

// SplitFrame returns a frame's head and body. Both are parts of the given slice. The
// error is EINVAL if the frame is malformed; its text holds nothing of the frame.
func SplitFrame(frame []byte) (head, body []byte, err error) {
	if len(frame) < 4 {
		return nil, nil, fmt.Errorf("%w: the request has no length of its head", abi.EINVAL)
	}
	size, rest := uint64(binary.LittleEndian.Uint32(frame)), frame[4:]
	if size > uint64(len(rest)) {
		return nil, nil, fmt.Errorf("%w: the request's head should have %d bytes, and %d are there", abi.EINVAL, size, len(rest))
	}
	return rest[:size], rest[size:], nil
}

// DecodeFrame decodes the head of a guest's request and returns the body, a part of the
// given slice. Its errors are those of [SplitFrame], EMSGSIZE if the head has more than
// [MaxHead] bytes or [abi.MaxHeadValues] values, and EINVAL if the head is not JSON of
// that type.
func DecodeFrame(frame []byte, head any) (body []byte, err error) {
	text, body, err := SplitFrame(frame)
	if err != nil {
		return nil, err
	}
	if len(text) > MaxHead {
		return nil, fmt.Errorf("%w: the request's head has %d bytes, and at most %d are allowed", abi.EMSGSIZE, len(text), MaxHead)
	}
	if n := abi.CountValues(text); n > abi.MaxHeadValues {
		return nil, fmt.Errorf("%w: the request's head has %d JSON values, and at most %d are allowed", abi.EMSGSIZE, n, abi.MaxHeadValues)
	}
	if err := json.Unmarshal(text, head); err != nil { // the text of err holds parts of the head
		return nil, fmt.Errorf("%w: the request's head is not the JSON object that abi/SPEC.md describes", abi.EINVAL)
	}
	return body, nil
}
