package task

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/abi"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/bridge"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/codec"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// outcome is how an activity ended. The zero value is a completion without a result.
type outcome struct {
	status  int32
	output  output // the result, or a cancellation's details
	failure *abi.Failure
}

// output is a payload, of which the metadata are often the encoding alone. The
// zero value is none.
type output struct {
	encoding string
	metadata map[string][]byte
	data     []byte
}

func encode(value any) (o output, err error) {
	switch v := value.(type) {
	case converter.RawValue:
		if p := v.Payload(); p != nil {
			return rawOutput(p), nil
		}
		value = nil
	case *converter.RawValue:
		if v != nil {
			return encode(*v)
		}
	}
	o.encoding, o.data, err = codec.Encode(value)
	return o, err
}

func rawOutput(p *converter.Payload) output {
	o := output{metadata: p.Metadata, data: p.Data}
	if encoding := p.Encoding(); encoding != "" && len(p.Metadata) == 1 {
		o.encoding, o.metadata = encoding, nil
	} else if o.metadata == nil {
		o.metadata = map[string][]byte{} // nothing is something to say, too
	}
	return o
}

func failed(f *abi.Failure) outcome { return outcome{status: abi.StatusFailed, failure: f} }

func completed(result any) outcome {
	o, err := encode(result)
	if err != nil {
		return failed(&abi.Failure{Type: abi.TypeInvalidOutput, Message: "result: " + err.Error(), NonRetryable: true})
	}
	return outcome{output: o}
}

// outcomeOf decides what an activity's error means.
func (t *Task) outcomeOf(err error) outcome {
	var canceled *temporal.CanceledError
	isCanceled := errors.As(err, &canceled)
	stopped := isCanceled || errors.Is(err, context.Canceled) || errors.Is(err, ErrPaused) ||
		errors.Is(err, ErrReset) || errors.Is(err, ErrGone) || errors.Is(err, ErrWorkerShutdown)
	if !stopped {
		return failed(failureOf(err, 1))
	}
	flags := abi.Flags(t.host.Status())
	if flags&abi.FlagsEnd != 0 {
		return outcome{status: abi.StatusCanceled, output: canceledDetails(canceled)}
	}
	// An error that the activity itself has given a type to stays what it is.
	_, typed := err.(*temporal.ApplicationError)
	if flags&abi.FlagWorkerStopping != 0 && !typed {
		f := &abi.Failure{Type: abi.TypeWorkerShutdown, Message: ErrWorkerShutdown.Error(), Cause: failureOf(err, 2)}
		if isCanceled {
			f.Details = encodeDetails(canceled)
		}
		return failed(f)
	}
	if c, ok := err.(*temporal.CanceledError); ok { // nobody asked; the host says so
		return outcome{status: abi.StatusCanceled, output: canceledDetails(c)}
	}
	return failed(failureOf(err, 1))
}

// failureOf describes an error and its causes, of which it is the depth-th.
func failureOf(err error, depth int) *abi.Failure {
	room := maxListedAll
	return describe(err, depth, &room)
}

// describe is failureOf, with so much room for what [listed] adds.
func describe(err error, depth int, room *int) *abi.Failure {
	f := &abi.Failure{}
	switch e := err.(type) {
	case *temporal.ApplicationError:
		f.Type = e.Type()
		f.Message = e.Message()
		f.NonRetryable = e.NonRetryable()
		f.NextRetryDelay = abi.Milliseconds(max(e.NextRetryDelay(), 0))
		if e.Category() == temporal.ApplicationErrorCategoryBenign {
			f.Category = abi.CategoryBenign
		}
		f.Details = encodeDetails(e)
	case *temporal.PanicError:
		f.Type = "PanicError"
		f.Message = e.Error()
		f.StackTrace = e.StackTrace()
	default:
		f.Type = typeName(err)
		f.Message = err.Error()
	}
	others, cause := causesOf(err)
	f.Message = listed(f.Message, others, room)
	if cause != nil && depth < abi.MaxCauseDepth {
		f.Cause = describe(cause, depth+1, room)
	}
	return f
}

// typeName is the name of an error's Go type, empty for errors of errors.New.
func typeName(err error) string {
	t := reflect.TypeOf(err)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if name := t.Name(); name != "errorString" {
		return name
	}
	return ""
}

// encodeDetails renders an error's details as JSON. A detail that cannot be
// rendered is replaced by a text that says so: the failure itself must get through.
func encodeDetails(err error) []json.RawMessage {
	var out []json.RawMessage
	for _, detail := range bridge.Details(err) {
		out = append(out, encodeDetail(detail))
	}
	return out
}

func encodeDetail(detail any) json.RawMessage {
	value := detail
	if raw, ok := detail.(converter.RawValue); ok {
		switch p := raw.Payload(); p.Encoding() {
		case abi.EncodingNull:
			value = nil
		case abi.EncodingBinary:
			value = p.GetData()
		default:
			value = json.RawMessage(p.GetData())
		}
	}
	data, err := json.Marshal(value)
	if err != nil {
		data, _ = json.Marshal("this detail could not be encoded: " + err.Error())
	}
	return data
}

// canceledDetails makes the one payload that a cancellation can carry: a single
// detail as it is, several as a JSON array.
func canceledDetails(err *temporal.CanceledError) output {
	if err == nil {
		return output{}
	}
	var value any = encodeDetails(err)
	switch details := bridge.Details(err); len(details) {
	case 0:
		return output{}
	case 1:
		if o, err := encode(details[0]); err == nil {
			return o
		}
		value = encodeDetail(details[0])
	}
	o, _ := encode(value) // it is JSON already
	return o
}

// report hands the outcome to the host and returns the status.
func (t *Task) report(o outcome) int32 {
	if err := t.push(o.output); err != nil && o.status == abi.StatusCompleted {
		// The host refuses only what is too large: the rest is well-formed here.
		o = failed(&abi.Failure{Type: abi.TypeOutputTooLarge, Message: "result: " + err.Error(), NonRetryable: true})
	}
	if o.failure != nil {
		t.fail(o.failure)
	}
	return o.status
}

func (t *Task) push(o output) error {
	if len(o.data) > 0 {
		if n := t.host.OutputWrite(o.data); n < 0 {
			return t.hostError("output_write", n)
		}
	}
	switch {
	case o.metadata != nil:
		if n := t.host.OutputMetadata(abi.MarshalMetadata(o.metadata)); n < 0 {
			return t.hostError("output_metadata", n)
		}
	case o.encoding == "", o.encoding == abi.EncodingJSON && len(o.data) > 0: // nothing, or the default
	default:
		if n := t.host.OutputEncoding(o.encoding); n < 0 {
			return t.hostError("output_encoding", n)
		}
	}
	return nil
}

// fail hands over a failure, shortened if the host finds it too long.
func (t *Task) fail(f *abi.Failure) {
	for {
		data, err := json.Marshal(f)
		if err == nil && len(data) <= abi.MaxFailureSize && t.host.Fail(data) >= 0 {
			return
		}
		if !shorten(f) {
			return
		}
	}
}

// shorten drops what is least needed of a failure. It returns false when nothing
// is left to drop. Type and retry behavior always stay, of a type at least its beginning.
func shorten(f *abi.Failure) bool {
	const most, mostType = 4 << 10, 256
	switch {
	case f.Cause != nil && f.Cause.Cause != nil:
		f.Cause.Cause = nil
	case f.Cause != nil:
		f.Cause = nil
	case f.Details != nil:
		f.Details = nil
		f.Message = cut(f.Message, most) + " (details were too long and are left out)"
	case f.StackTrace != "":
		f.StackTrace = ""
	case len(f.Message) > most+100:
		f.Message = cut(f.Message, most) + " …"
	case len(f.Type) > mostType:
		f.Type = cut(f.Type, mostType)
	default:
		return false
	}
	return true
}

// cut shortens a text to at most n bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// stackTrace returns the stack of a panic, without the frames of the panic itself.
func stackTrace() string {
	buf := make([]byte, 8<<10)
	stack := string(buf[:runtime.Stack(buf, false)])
	// A frame is two lines: the function, and its position after a tab.
	if i := strings.LastIndex(stack, "\npanic("); i >= 0 {
		rest := stack[i+1:]
		for range 2 {
			if j := strings.IndexByte(rest, '\n'); j >= 0 {
				rest = rest[j+1:]
			}
		}
		stack = rest
	}
	// What called the activity's function is not news either.
	if i := strings.LastIndex(stack, "\ncreated by "); i >= 0 {
		stack = stack[:i+1]
	}
	if i := strings.LastIndex(stack, "/internal/task.(*Task).call("); i >= 0 {
		if j := strings.LastIndex(stack[:i], "\nreflect.Value.call("); j >= 0 {
			stack = stack[:j+1]
		}
	}
	return cut(stack, 4<<10)
}
