package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/modules"
)

// contract is what a kind of guests expects of the host beyond what all have: WASI, the
// log, and what they were granted.
type contract interface {
	// link links the host module of the kind into the runtime, for a module that imports
	// it.
	link(ctx context.Context, p *program) error
	// begin gives a call what guests of the kind have, also while an instance is being
	// made.
	begin(c *call) guest
	// calls names the exports of a module that enter may name: the others are left out.
	calls(file *modules.File) []string
	// once is why an instance cannot serve a second call, as a predicate; empty: it can.
	once() string
	// heedsFlags tells whether a guest can learn of the flags of a [Task].
	heedsFlags() bool
}

// guest is a call as guests of its kind know it.
type guest interface {
	// enter gives the guest its input, and names the export to call.
	enter() (export string, err error)
	// end says what it means that the export returned a status, or did not return because
	// of err, after it was refused memory.
	end(status int32, err error, refused image.GrowFailure) (*Payload, error)
	// stdout takes what the guest writes to its standard output.
	stdout(p []byte) error
	// release gives back what the guest has beside its instance.
	release()
}

// contracts are those of all kinds. Nothing else depends on a module's kind.
var contracts = map[modules.Kind]contract{
	modules.KindNative:   nativeContract{},
	modules.KindExtism:   extismContract{},
	modules.KindCommand:  commandContract{},
	modules.KindWorkflow: workflowContract{},
}

func contractOf(file *modules.File) (contract, error) {
	if c := contracts[file.Kind]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("%s: there are no modules of the kind %q", file.Path, file.Kind)
}

// logStdout is guest.stdout for guests that have another way to return something.
func (c *call) logStdout(p []byte) error {
	c.stdoutEnd.write(p)
	c.streams.stdout.write(c, p)
	return nil
}

// oneInput makes one input of arguments, for guests that know no more than one, and not
// its encoding. So many arguments are before them.
func (c *call) oneInput(args []Payload, before int) ([]byte, error) {
	for i, arg := range args {
		switch arg.Encoding() {
		case abi.EncodingJSON, abi.EncodingProtoJSON, abi.EncodingBinary, abi.EncodingProto, abi.EncodingNull, "":
		default:
			return nil, c.unknownEncoding(before+i, arg.Encoding())
		}
	}
	if len(args) == 0 || len(args) == 1 && args[0].Encoding() == abi.EncodingNull {
		return nil, nil
	}
	if len(args) == 1 {
		return args[0].Data, nil
	}
	list := []byte{'['}
	for i, arg := range args {
		if i > 0 {
			list = append(list, ',')
		}
		switch arg.Encoding() {
		case abi.EncodingJSON, abi.EncodingProtoJSON, "":
			if !json.Valid(arg.Data) { // which could make two of it, or none
				return nil, c.notJSON(before+i, "is not JSON, though its encoding says so")
			}
			list = append(list, arg.Data...)
		case abi.EncodingNull:
			list = append(list, "null"...)
		default:
			return nil, c.notJSON(before+i, fmt.Sprintf("is %q; send %s arguments, or a single one", arg.Encoding(), abi.EncodingJSON))
		}
	}
	return append(list, ']'), nil
}

// notJSON is the failure for an argument that cannot be put into a JSON array.
func (c *call) notJSON(index int, what string) *abi.Failure {
	return &abi.Failure{
		Type:         abi.TypeInvalidInput,
		Message:      fmt.Sprintf("activity %s gets several arguments as one JSON array, and argument %d %s", c.activity.Type, index+1, what),
		NonRetryable: true,
	}
}

// unknownEncoding is the failure for an argument that would be nonsense to a guest that
// cannot see its encoding: what is encrypted or compressed, mostly. It is retried, since
// it is for the operator to correct.
func (c *call) unknownEncoding(index int, encoding string) *abi.Failure {
	return &abi.Failure{
		Type: abi.TypeUnknownEncoding,
		Message: fmt.Sprintf("argument %d of activity %s has the encoding %q, and module %s (%s) cannot tell it from others; if that is encryption or compression, configure the worker's payload codec, else send JSON or bytes, or build a native module",
			index+1, c.activity.Type, encoding, c.module.file.Name, c.module.file.Kind),
	}
}

// guessedOutput makes a payload of the output of a guest that cannot say what it is.
func (c *call) guessedOutput() (*Payload, error) {
	if len(c.output) == 0 {
		return nil, nil
	}
	p := NewPayload(abi.EncodingBinary, c.output)
	if trimmed := bytes.TrimSpace(c.output); json.Valid(trimmed) {
		p = NewPayload(abi.EncodingJSON, trimmed)
	}
	// binary/plain is longer than what was reckoned with
	if c.check(metadataSize(p.Metadata), len(p.Data)) != nil {
		return nil, c.outputTooLarge()
	}
	return &p, nil
}
