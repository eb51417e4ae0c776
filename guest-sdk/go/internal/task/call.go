package task

import (
	"context"
	"fmt"
	"reflect"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/abi"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/codec"
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
	first int          // index of the first parameter that takes an argument: 1 after a context
	rest  reflect.Type // element type of the last parameter, if it takes all arguments that are left
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
		return failed(&abi.Failure{Type: "InvalidInput", Message: err.Error(), NonRetryable: true})
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

// Prepare does ahead of time what the first calls of the functions would otherwise
// have to do: it checks them, lets encoding/json look at their types, and starts
// the goroutine that activities run in.
func Prepare(fns ...any) error {
	for _, fn := range fns {
		a, err := inspect(fn)
		if err != nil {
			return err
		}
		for i := a.first; i < a.typ.NumIn(); i++ {
			warm(a.typ.In(i))
		}
		if a.typ.NumOut() == 2 {
			warm(a.typ.Out(0))
		}
	}
	Run(nil, func(context.Context) error { return nil }) // asks nothing of its host
	return nil
}

// warm encodes and decodes the zero value of a type.
func warm(t reflect.Type) {
	defer func() { _ = recover() }() // a MarshalJSON that does not like its zero value
	encoding, data, err := codec.Encode(reflect.New(t).Elem().Interface())
	if err == nil {
		_ = codec.Decode(encoding, data, reflect.New(t).Interface())
	}
}
