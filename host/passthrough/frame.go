package passthrough

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/wasmworker/wasmworker/abi"
)

// MaxHead is the most bytes of JSON that the head of a request's frame may have.
const MaxHead = abi.MaxHeadSize

// EncodeFrame makes what the built-in modules exchange with guests: the length of the
// head in 4 bytes, little-endian, the head as JSON, and the body as it is. Bytes in bulk
// do not become JSON this way.
func EncodeFrame(head any, body []byte) ([]byte, error) {
	text, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	frame := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(text)+len(body)), uint32(len(text)))
	return append(append(frame, text...), body...), nil
}

// SplitFrame returns a frame's head and body, which are parts of it. EINVAL: it is no
// frame. The messages hold nothing of what is in the frame.
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

// DecodeFrame decodes the head of a guest's request and returns the body. Errors are
// those of [SplitFrame]; EMSGSIZE if the head has more than [MaxHead] bytes or
// [abi.MaxHeadValues] values, and EINVAL if it is not JSON of that type.
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
	if err := json.Unmarshal(text, head); err != nil { // whose text has parts of what it is about
		return nil, fmt.Errorf("%w: the request's head is not the JSON object that abi/SPEC.md describes", abi.EINVAL)
	}
	return body, nil
}
