package task

import (
	"context"
	"fmt"
	"reflect"
	"runtime"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/abi"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/codec"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"
)

var (
	typeContext  = reflect.TypeFor[context.Context]()
	typeError    = reflect.TypeFor[error]()
	typeRawValue = reflect.TypeFor[converter.RawValue]()
)

// activity is a function that can be an activity.
type activity struct {
	fn    reflect.Value
	typ   reflect.Type
	first int // index of the first parameter that takes an argument: 1 after a context
	// element type of the last parameter, if it takes all arguments that are left
	rest reflect.Type
}

// inspect checks that fn can be an activity.
func inspect(fn any) (a activity, err error) {
	a.fn = reflect.ValueOf(fn)
	if a.fn.Kind() != reflect.Func || a.fn.IsNil() {
		return a, fmt.Errorf("an activity is a function, this is of type %T", fn)
	}
	a.typ = a.fn.Type()
	in, out := a.typ.NumIn(), a.typ.NumOut()
	if out < 1 || out > 2 || a.typ.Out(out-1) != typeError {
		return a, fmt.Errorf("an activity returns error or (T, error), this is of type %T", fn)
	}
	if in > 0 && a.typ.In(0) == typeContext {
		a.first = 1
	}
	if in > a.first {
		if last := a.typ.In(in - 1); a.typ.IsVariadic() || last.Kind() == reflect.Slice && last.Elem() == typeRawValue {
			a.rest = last.Elem()
		}
	}
	return a, nil
}

// call fetches the arguments, calls the function and encodes what it returned.
func (t *Task) call(fn any) outcome {
	a, err := inspect(fn)
	if err != nil {
		return failed(&abi.Failure{Type: "InvalidActivity", Message: err.Error(), NonRetryable: true})
	}
	args, err := t.arguments(a)
	if err != nil {
		return failed(&abi.Failure{Type: abi.TypeInvalidInput, Message: err.Error(), NonRetryable: true})
	}
	var results []reflect.Value
	if a.typ.IsVariadic() {
		results = a.fn.CallSlice(args)
	} else {
		results = a.fn.Call(args)
	}
	if err, _ := results[len(results)-1].Interface().(error); err != nil {
		return t.outcomeOf(err)
	}
	if len(results) == 1 {
		return outcome{}
	}
	return completed(results[0].Interface())
}

// arguments fetches and decodes. An argument that was not given is the zero value
// of its type, and arguments beyond the parameters are ignored.
func (t *Task) arguments(a activity) ([]reflect.Value, error) {
	in := a.typ.NumIn()
	args := make([]reflect.Value, in)
	if a.first > 0 {
		args[0] = reflect.ValueOf(t.context())
	}
	if in == a.first {
		return args, nil
	}
	count := int(t.host.ArgCount())
	buf := make([]byte, 1024)
	for p := a.first; p < in; p++ {
		index := p - a.first
		if a.rest != nil && p == in-1 {
			rest := reflect.MakeSlice(a.typ.In(p), max(count-index, 0), max(count-index, 0))
			for i := range rest.Len() {
				if err := t.argument(index+i, buf, rest.Index(i)); err != nil {
					return nil, fmt.Errorf("argument %d of %d: %w", index+i+1, count, err)
				}
			}
			args[p] = rest
			break
		}
		args[p] = reflect.New(a.typ.In(p)).Elem()
		if index < count {
			if err := t.argument(index, buf, args[p]); err != nil {
				return nil, fmt.Errorf("argument %d of %d: %w", index+1, count, err)
			}
		}
	}
	return args, nil
}

// argument fetches one argument into dst. What it stores does not keep buf.
func (t *Task) argument(index int, buf []byte, dst reflect.Value) error {
	i := int32(index)
	read := func(b []byte) int64 { return t.host.ArgRead(i, b) }

	if dst.Type() == typeRawValue {
		text, err := t.read("arg_metadata", buf, func(b []byte) int64 { return t.host.ArgMetadata(i, b) })
		if err != nil {
			return err
		}
		metadata, err := abi.UnmarshalMetadata(text)
		if err != nil {
			return err
		}
		data, err := t.readOwned("arg_read", buf, read)
		if err != nil {
			return err
		}
		dst.Set(reflect.ValueOf(converter.NewRawValue(&converter.Payload{Metadata: metadata, Data: data})))
		return nil
	}

	text, err := t.read("arg_encoding", buf, func(b []byte) int64 { return t.host.ArgEncoding(i, b) })
	if err != nil {
		return err
	}
	encoding := abi.EncodingJSON
	if string(text) != encoding {
		encoding = string(text)
	}
	var data []byte
	switch encoding {
	case abi.EncodingNull:
	case abi.EncodingBinary:
		data, err = t.readOwned("arg_read", buf, read)
	default:
		data, err = t.read("arg_read", buf, read)
	}
	if err != nil {
		return err
	}
	return codec.Decode(encoding, data, dst.Addr().Interface())
}

// readOwned is read into memory of the value's own.
func (t *Task) readOwned(name string, buf []byte, fn func(dst []byte) int64) ([]byte, error) {
	data, err := t.read(name, buf, fn)
	if err == nil && len(data) <= len(buf) {
		data = append(make([]byte, 0, len(data)), data...)
	}
	return data, err
}

// Prepare does ahead of time what the first calls of the functions would otherwise have
// to do, by rehearsing calls of their types: reflection and encoding/json look at the
// types once, the goroutine that activities run in is started, and the allocator gets
// what it needs at hand. A first call of a small activity then takes a fifth of the time.
func Prepare(fns ...any) error {
	var calls []rehearsal
	for _, fn := range fns {
		a, err := inspect(fn)
		if err != nil {
			return err
		}
		calls = append(calls, rehearse(a))
	}
	calls = append(calls, rehearsal{fn: func(context.Context) error { return nil }})
	run := func() {
		for _, c := range calls {
			Run(c, c.fn)
		}
	}
	run()
	// The garbage of all that would bring the first collection nearer. The collection
	// takes away what the allocator had at hand, and the second round gives it back.
	runtime.GC()
	run()
	return nil
}

// rehearsal is the host of a call that is only rehearsed, and what takes the function's
// place.
type rehearsal struct {
	host.Host // nil: what is missing below is not called
	fn        any
	args      [][]byte
	encodings []string
}

// rehearse makes a call with zero values for arguments. The function that takes it asks
// for information, logs a record, and returns zero values.
func rehearse(a activity) rehearsal {
	var r rehearsal
	for i := a.first; i < a.typ.NumIn(); i++ {
		encoding, data := encodeZero(a.typ.In(i))
		r.args = append(r.args, data)
		r.encodings = append(r.encodings, encoding)
	}
	r.fn = reflect.MakeFunc(a.typ, func(in []reflect.Value) []reflect.Value {
		if a.first == 1 {
			if t := FromContext(in[0].Interface().(context.Context)); t != nil {
				t.Info()
				t.Logger().Info("rehearsal", "number", 1, "text", "text")
			}
		}
		out := make([]reflect.Value, a.typ.NumOut())
		for i := range out {
			out[i] = reflect.Zero(a.typ.Out(i))
		}
		return out
	}).Interface()
	return r
}

// encodeZero encodes the zero value of a type, or nothing if it does not like that.
func encodeZero(t reflect.Type) (encoding string, data []byte) {
	defer func() {
		if recover() != nil { // a MarshalJSON, say
			encoding, data = abi.EncodingNull, nil
		}
	}()
	encoding, data, err := codec.Encode(reflect.New(t).Elem().Interface())
	if err != nil {
		return abi.EncodingNull, nil
	}
	return encoding, data
}

const rehearsedInfo = `{"activity_id":"1","activity_type":"A","attempt":1,"namespace":"n","task_queue":"q","workflow_type":"W","workflow_id":"w","workflow_run_id":"r",` +
	`"heartbeat_timeout_ms":1000,"scheduled_time":"2026-01-01T00:00:00.123Z","started_time":"2026-01-01T00:00:00Z","deadline":"2026-01-01T00:00:00Z",` +
	`"retry_policy":{"initial_interval_ms":1000,"backoff_coefficient":2,"maximum_interval_ms":1000,"non_retryable_error_types":["E"]},"priority":{"priority_key":1}}`

func (r rehearsal) ArgCount() int32                       { return int32(len(r.args)) }
func (r rehearsal) ArgRead(i int32, dst []byte) int64     { return give(dst, r.args[i]) }
func (r rehearsal) ArgEncoding(i int32, dst []byte) int64 { return give(dst, []byte(r.encodings[i])) }
func (r rehearsal) ArgMetadata(i int32, dst []byte) int64 { return give(dst, []byte("{}")) }
func (r rehearsal) OutputWrite(data []byte) int64         { return int64(len(data)) }
func (r rehearsal) OutputEncoding(string) int64           { return 0 }
func (r rehearsal) OutputMetadata([]byte) int64           { return 0 }
func (r rehearsal) Fail([]byte) int64                     { return 0 }
func (r rehearsal) Info(dst []byte) int64                 { return give(dst, []byte(rehearsedInfo)) }
func (r rehearsal) Status() uint32                        { return 0 }
func (r rehearsal) DetailCount() int32                    { return 0 }
func (r rehearsal) LastError([]byte) int64                { return 0 }
func (r rehearsal) Log(int32, string, []byte) int64       { return 0 }

// give is what the host's reading functions do.
func give(dst, value []byte) int64 {
	if len(value) <= len(dst) {
		copy(dst, value)
	}
	return int64(len(value))
}
