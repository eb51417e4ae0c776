package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// nativeContract is that of abi/SPEC.md.
type nativeContract struct{}

func (nativeContract) link(ctx context.Context, p *program) error {
	functions := map[string]hostFunc{}
	for name, fn := range activityFuncs {
		functions[name] = func(c *call, mod api.Module, p []uint64) (int64, error) { return fn(c.guest.(*native), mod, p) }
	}
	types := passthrough.Builtin(abi.ModuleActivity)
	return build(ctx, p.runtime, abi.ModuleActivity, functions, func(name string) string { return types[name] })
}

func (nativeContract) begin(c *call) guest { return &native{call: c} }

func (nativeContract) calls(file *modules.File) []string { return slices.Clone(file.Exports) }

func (nativeContract) once() string { return "" }

func (nativeContract) heedsFlags() bool { return true }

// native is a call of a native guest.
type native struct {
	*call
	failure     *abi.Failure
	refused     error     // of a failure, and of none after it
	pending     []Payload // details of the next heartbeat
	pendingSize int
}

func (n *native) enter() (export string, err error) { return n.activity.Export, nil }

// end says what a status means.
func (n *native) end(result int32, err error, refused image.GrowFailure) (*Payload, error) {
	if err != nil {
		return nil, n.abnormalEnd(err, refused)
	}
	switch abi.Status(result) {
	case abi.StatusCompleted:
		if refused := n.outputRefused(); refused != nil {
			return nil, refused
		}
		return n.result(), nil
	case abi.StatusFailed:
		if n.failure != nil {
			return nil, n.failure
		}
		if refused := n.outputRefused(); refused != nil {
			return nil, refused
		}
		if n.refused != nil {
			return nil, &abi.Failure{Type: abi.TypeActivityFailed, Message: fmt.Sprintf("activity %s failed, and what it said of that was refused: %v", n.activity.Type, n.refused)}
		}
		return nil, &abi.Failure{Type: abi.TypeActivityFailed, Message: fmt.Sprintf("activity %s failed and did not say why", n.activity.Type)}
	case abi.StatusCanceled:
		if n.flags() == 0 {
			return nil, &abi.Failure{Type: abi.TypeUnexpectedCancel, Message: fmt.Sprintf("activity %s reported a cancellation that nobody requested", n.activity.Type)}
		}
		if n.outputRefused() != nil { // what there is may be a part of it, or under another encoding
			return nil, &CanceledError{}
		}
		return nil, &CanceledError{Details: n.result()}
	}
	return nil, &abi.Failure{
		Type:         abi.TypeProtocolError,
		Message:      fmt.Sprintf("export %s of module %s returned %d; a status is 0 (completed), 1 (failed) or 2 (canceled)", n.activity.Export, n.module.file.Name, result),
		NonRetryable: true,
	}
}

// dropDetails forgets the details of the next heartbeat.
func (n *native) dropDetails() {
	n.letGo(image.Details, n.pendingSize)
	n.pending, n.pendingSize = nil, 0
}

func (n *native) stdout(p []byte) error { return n.logStdout(p) }

func (*native) release() {}

// pick returns one of a list of payloads.
func pick(payloads []Payload, what string, index uint64) (Payload, error) {
	if i := uint64(uint32(index)); i < uint64(len(payloads)) {
		return payloads[i], nil
	}
	return Payload{}, fmt.Errorf("%w: there is no %s %d: there are %d", abi.EINVAL, what, uint32(index), len(payloads))
}

var activityFuncs = map[string]func(n *native, mod api.Module, p []uint64) (int64, error){
	"arg_count": func(n *native, _ api.Module, _ []uint64) (int64, error) {
		return int64(len(n.task.Args)), nil
	},
	"arg_read": func(n *native, mod api.Module, p []uint64) (int64, error) {
		arg, err := pick(n.task.Args, "argument", p[0])
		if err != nil {
			return 0, err
		}
		return n.give(mod, "arg_read", arg.Data, p[1], p[2])
	},
	"arg_encoding": func(n *native, mod api.Module, p []uint64) (int64, error) {
		arg, err := pick(n.task.Args, "argument", p[0])
		if err != nil {
			return 0, err
		}
		return n.give(mod, "arg_encoding", arg.Metadata[abi.MetadataEncoding], p[1], p[2])
	},
	"arg_metadata": func(n *native, mod api.Module, p []uint64) (int64, error) {
		arg, err := pick(n.task.Args, "argument", p[0])
		if err != nil {
			return 0, err
		}
		return n.give(mod, "arg_metadata", abi.MarshalMetadata(arg.Metadata), p[1], p[2])
	},
	"output_write": func(n *native, mod api.Module, p []uint64) (int64, error) {
		if err := n.write(n.view(mod, "output_write", p[0], p[1])); err != nil {
			return 0, err
		}
		return int64(len(n.output)), nil
	},
	"output_encoding": func(n *native, mod api.Module, p []uint64) (int64, error) {
		encoding, err := n.shortText(mod, "output_encoding", p[0], p[1])
		if err != nil {
			return 0, err
		}
		metadata := maps.Clone(n.metadata)
		if metadata == nil {
			metadata = map[string][]byte{}
		}
		metadata[abi.MetadataEncoding] = encoding
		return 0, n.describe(metadata)
	},
	"output_metadata": func(n *native, mod api.Module, p []uint64) (int64, error) {
		text, err := n.shortText(mod, "output_metadata", p[0], p[1])
		if err != nil {
			return 0, err
		}
		metadata, err := abi.UnmarshalMetadata(text)
		if err != nil {
			return 0, err
		}
		return 0, n.describe(metadata)
	},
	"fail": func(n *native, mod api.Module, p []uint64) (int64, error) {
		failure, err := abi.ParseFailure(n.view(mod, "fail", p[0], p[1]))
		if n.refused = err; err != nil {
			return 0, err
		}
		n.failure = failure
		return 0, nil
	},
	"info": func(n *native, mod api.Module, p []uint64) (int64, error) {
		data, err := json.Marshal(n.task.Info)
		if err != nil {
			return 0, err
		}
		return n.give(mod, "info", data, p[0], p[1])
	},
	"status": func(n *native, _ api.Module, _ []uint64) (int64, error) {
		return int64(n.flags()), nil
	},
	"heartbeat_detail": func(n *native, mod api.Module, p []uint64) (int64, error) {
		data := n.view(mod, "heartbeat_detail", p[0], p[1])
		encoding, err := n.shortText(mod, "heartbeat_detail", p[2], p[3])
		if err != nil {
			return 0, err
		}
		if len(encoding) == 0 {
			encoding = []byte(abi.EncodingJSON)
		}
		detail := NewPayload(string(encoding), data)
		// A payload costs the host more than its bytes.
		size := n.pendingSize + max(Size(detail), abi.MinDetailSize)
		if most, limit := n.limit(); size > most {
			n.dropDetails()
			return 0, fmt.Errorf("%w: the details of the heartbeat would be %d bytes with their metadata, and %s is %d", abi.EMSGSIZE, size, limit, most)
		}
		if err := n.hold(image.Details, size-n.pendingSize); err != nil {
			n.dropDetails()
			return 0, err
		}
		n.pendingSize = size
		detail.Data = bytes.Clone(data)
		n.pending = append(n.pending, detail)
		return int64(len(n.pending)), nil
	},
	"heartbeat": func(n *native, _ api.Module, _ []uint64) (int64, error) {
		details := n.pending
		n.dropDetails()
		if n.task.Heartbeat != nil {
			if err := n.task.Heartbeat(n.ctx, details); err != nil {
				return 0, err
			}
		}
		return int64(n.flags()), nil
	},
	"detail_count": func(n *native, _ api.Module, _ []uint64) (int64, error) {
		return int64(len(n.task.Details)), nil
	},
	"detail_read": func(n *native, mod api.Module, p []uint64) (int64, error) {
		detail, err := pick(n.task.Details, "heartbeat detail", p[0])
		if err != nil {
			return 0, err
		}
		return n.give(mod, "detail_read", detail.Data, p[1], p[2])
	},
	"detail_encoding": func(n *native, mod api.Module, p []uint64) (int64, error) {
		detail, err := pick(n.task.Details, "heartbeat detail", p[0])
		if err != nil {
			return 0, err
		}
		return n.give(mod, "detail_encoding", detail.Metadata[abi.MetadataEncoding], p[1], p[2])
	},
	"read": func(n *native, mod api.Module, p []uint64) (int64, error) {
		data, ok := n.handles[uint32(p[0])]
		if !ok {
			return 0, fmt.Errorf("%w: there is no handle %d", abi.EBADF, uint32(p[0]))
		}
		data = data[min(uint64(uint32(p[1])), uint64(len(data))):]
		length := min(uint64(uint32(p[3])), uint64(len(data)))
		copy(n.view(mod, "read", p[2], length), data)
		return int64(length), nil
	},
	"close": func(n *native, _ api.Module, p []uint64) (int64, error) {
		if _, ok := n.handles[uint32(p[0])]; !ok {
			return 0, fmt.Errorf("%w: there is no handle %d", abi.EBADF, uint32(p[0]))
		}
		n.letGo(image.Responses, len(n.handles[uint32(p[0])]))
		delete(n.handles, uint32(p[0]))
		return 0, nil
	},
	"last_error": func(n *native, mod api.Module, p []uint64) (int64, error) {
		return n.give(mod, "last_error", []byte(n.lastError), p[0], p[1])
	},
}
