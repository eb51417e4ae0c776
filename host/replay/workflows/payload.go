package workflows

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

var failures = temporal.GetDefaultFailureConverter()

// payloadOf makes a payload of a value in one of the forms of [replay.Activity.Args].
func payloadOf(value any) *commonpb.Payload {
	p := replay.NewPayload(value)
	return &commonpb.Payload{Metadata: maps.Clone(p.Metadata), Data: p.Data}
}

func payloadsOf(values []any) *commonpb.Payloads {
	if len(values) == 0 {
		return nil
	}
	out := &commonpb.Payloads{}
	for _, v := range values {
		out.Payloads = append(out.Payloads, payloadOf(v))
	}
	return out
}

func guestPayload(p *commonpb.Payload) *sandbox.Payload {
	return &sandbox.Payload{Metadata: p.GetMetadata(), Data: p.GetData()}
}

func guestPayloads(p *commonpb.Payloads) (all []sandbox.Payload) {
	for _, payload := range p.GetPayloads() {
		all = append(all, *guestPayload(payload))
	}
	return all
}

func first(p *commonpb.Payloads) *commonpb.Payload {
	if list := p.GetPayloads(); len(list) > 0 {
		return list[0]
	}
	return nil
}

// failurepbOf makes an application failure.
func failurepbOf(f *abi.Failure) *failurepb.Failure {
	info := &failurepb.ApplicationFailureInfo{Type: f.Type, NonRetryable: f.NonRetryable}
	if f.NextRetryDelay > 0 {
		info.NextRetryDelay = durationpb.New(time.Duration(f.NextRetryDelay))
	}
	if f.Category == abi.CategoryBenign {
		info.Category = enumspb.APPLICATION_ERROR_CATEGORY_BENIGN
	}
	for _, detail := range f.Details {
		if info.Details == nil {
			info.Details = &commonpb.Payloads{}
		}
		info.Details.Payloads = append(info.Details.Payloads, payloadOf(sandbox.NewPayload(abi.EncodingJSON, detail)))
	}
	out := &failurepb.Failure{Message: f.Message, StackTrace: f.StackTrace, FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: info}}
	if f.Cause != nil {
		out.Cause = failurepbOf(f.Cause)
	}
	return out
}

// failureOf returns a failure of Temporal's in the form that failures of activities have.
// The type of one that is no application failure says what it is.
func failureOf(f *failurepb.Failure) *abi.Failure {
	if f == nil {
		return nil
	}
	out := &abi.Failure{Message: f.GetMessage(), Cause: failureOf(f.GetCause())}
	var details *commonpb.Payloads
	switch {
	case f.GetApplicationFailureInfo() != nil:
		info := f.GetApplicationFailureInfo()
		out.Type, out.NonRetryable, details = info.GetType(), info.GetNonRetryable(), info.GetDetails()
		out.NextRetryDelay = abi.Milliseconds(info.GetNextRetryDelay().AsDuration())
		if info.GetCategory() == enumspb.APPLICATION_ERROR_CATEGORY_BENIGN {
			out.Category = abi.CategoryBenign
		}
	case f.GetCanceledFailureInfo() != nil:
		out.Type, details = "CanceledError", f.GetCanceledFailureInfo().GetDetails()
	case f.GetTimeoutFailureInfo() != nil:
		out.Type = "TimeoutError"
	case f.GetActivityFailureInfo() != nil:
		out.Type = "ActivityError"
	case f.GetChildWorkflowExecutionFailureInfo() != nil:
		out.Type = "ChildWorkflowExecutionError"
	case f.GetTerminatedFailureInfo() != nil:
		out.Type = "TerminatedError"
	case f.GetServerFailureInfo() != nil:
		out.Type, out.NonRetryable = "ServerError", f.GetServerFailureInfo().GetNonRetryable()
	}
	for _, p := range details.GetPayloads() {
		out.Details = append(out.Details, payloadJSON(p))
	}
	return out
}

// payloadJSON returns a payload as it is written in a case file.
func payloadJSON(p *commonpb.Payload) json.RawMessage {
	encoding, known := p.GetMetadata()[abi.MetadataEncoding]
	switch {
	case string(encoding) == abi.EncodingJSON && json.Valid(p.GetData()):
		return p.GetData()
	case string(encoding) == abi.EncodingNull:
		return json.RawMessage("null")
	}
	out := object("", "")
	if known {
		out.add("$encoding", string(encoding))
	} else {
		out.raw("$encoding", json.RawMessage("null"))
	}
	if len(p.GetData()) > 0 && utf8.Valid(p.GetData()) && !slices.ContainsFunc(p.GetData(), func(b byte) bool { return b < ' ' && b != '\n' && b != '\t' && b != '\r' || b == 0x7f }) {
		out.add("$text", string(p.GetData()))
	} else if len(p.GetData()) > 0 {
		out.add("$base64", base64.StdEncoding.EncodeToString(p.GetData()))
	}
	return out.json()
}

// writer writes a JSON object, whose keys come in the order in which they are added.
type writer struct {
	keys   []string
	values map[string]json.RawMessage
}

// object begins an object with an entry, unless its key is empty.
func object(key, value string) *writer {
	w := &writer{values: map[string]json.RawMessage{}}
	if key != "" {
		w.raw(key, quote(value))
	}
	return w
}

func quote(text string) json.RawMessage {
	data, _ := json.Marshal(text) // a string can be JSON
	return data
}

// raw sets an entry.
func (w *writer) raw(key string, value json.RawMessage) *writer {
	if len(value) == 0 || string(value) == "{}" {
		return w
	}
	if w.values[key] == nil {
		w.keys = append(w.keys, key)
	}
	w.values[key] = value
	return w
}

// add sets an entry, unless the value is empty.
func (w *writer) add(key, value string) *writer {
	if value != "" {
		w.raw(key, quote(value))
	}
	return w
}

func (w *writer) number(key string, value any) *writer {
	data, _ := json.Marshal(value) // a number can be JSON
	return w.raw(key, data)
}

// ms sets an entry to milliseconds, unless they are 0.
func (w *writer) ms(key string, value time.Duration) *writer {
	if value > 0 {
		w.number(key, value.Milliseconds())
	}
	return w
}

func (w *writer) args(p *commonpb.Payloads) *writer {
	if len(p.GetPayloads()) == 0 {
		return w
	}
	var list []json.RawMessage
	for _, payload := range p.GetPayloads() {
		list = append(list, payloadJSON(payload))
	}
	data, _ := json.Marshal(list) // it is of JSON
	return w.raw("args", data)
}

func (w *writer) retry(p *commonpb.RetryPolicy) {
	if p == nil {
		return
	}
	inner := object("", "").ms("initial_interval_ms", p.GetInitialInterval().AsDuration()).ms("maximum_interval_ms", p.GetMaximumInterval().AsDuration())
	if p.GetBackoffCoefficient() != 0 {
		inner.number("backoff_coefficient", p.GetBackoffCoefficient())
	}
	if p.GetMaximumAttempts() != 0 {
		inner.number("maximum_attempts", p.GetMaximumAttempts())
	}
	if len(p.GetNonRetryableErrorTypes()) > 0 {
		data, _ := json.Marshal(p.GetNonRetryableErrorTypes()) // strings can be JSON
		inner.raw("non_retryable_error_types", data)
	}
	w.raw("retry_policy", inner.json())
}

func (w *writer) json() json.RawMessage {
	out := []byte{'{'}
	for i, key := range w.keys {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, quote(key)...), ':'), w.values[key]...)
	}
	return append(out, '}')
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
