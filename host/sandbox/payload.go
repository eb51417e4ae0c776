package sandbox

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/wasmworker/wasmworker/abi"
)

// Payload is a value as Temporal carries it: bytes, and metadata that say what they are.
type Payload struct {
	Metadata map[string][]byte
	Data     []byte
}

// Size returns how many bytes Temporal counts a list of payloads as, against its limits:
// those of the protobuf message, which has the metadata in it too.
func Size(payloads ...Payload) (size int) {
	for _, p := range payloads {
		size += payloadSize(metadataSize(p.Metadata), len(p.Data))
	}
	return size
}

// fieldSize is the size of a field of bytes in a protobuf message, whose number is below
// 16.
func fieldSize(length int) int { return 1 + protowire.SizeBytes(length) }

func metadataSize(metadata map[string][]byte) (size int) {
	for name, value := range metadata {
		size += fieldSize(fieldSize(len(name)) + fieldSize(len(value)))
	}
	return size
}

// payloadSize is the size of a payload in a list of them, from those of its parts.
func payloadSize(metadata, data int) int {
	if data > 0 {
		metadata += fieldSize(data)
	}
	return fieldSize(metadata)
}

// NewPayload makes a payload of an encoding.
func NewPayload(encoding string, data []byte) Payload {
	return Payload{Metadata: map[string][]byte{abi.MetadataEncoding: []byte(encoding)}, Data: data}
}

// Encoding returns the payload's encoding, which may be empty.
func (p Payload) Encoding() string { return string(p.Metadata[abi.MetadataEncoding]) }
