package flow

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"strings"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/abi"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/bridge"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/task"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

var (
	typeContext  = reflect.TypeFor[context.Context]()
	typeError    = reflect.TypeFor[error]()
	typeRawValue = reflect.TypeFor[converter.RawValue]()
)

// function is a function that can be a workflow, or handle a query or an update.
type function struct {
	fn    reflect.Value
	typ   reflect.Type
	first int // index of the first parameter that takes an argument: 1 after a context
	// element type of the last parameter, if it takes all arguments that are left
	rest reflect.Type
}

// inspect checks that fn can be what is wanted: a function of an optional context and
// arguments that returns error or (T, error).
func inspect(what string, fn any) (f function, err error) {
	f.fn = reflect.ValueOf(fn)
	if f.fn.Kind() != reflect.Func || f.fn.IsNil() {
		return f, fmt.Errorf("%s is a function, this is of type %T", what, fn)
	}
	f.typ = f.fn.Type()
	in, out := f.typ.NumIn(), f.typ.NumOut()
	if out < 1 || out > 2 || f.typ.Out(out-1) != typeError {
		return f, fmt.Errorf("%s returns error or (T, error), this is of type %T", what, fn)
	}
	if in > 0 && f.typ.In(0) == typeContext {
		f.first = 1
	}
	if in > f.first {
		if last := f.typ.In(in - 1); f.typ.IsVariadic() || last.Kind() == reflect.Slice && last.Elem() == typeRawValue {
			f.rest = last.Elem()
		}
	}
	return f, nil
}

// arguments decodes. An argument that was not given is the zero value of its type, and
// arguments beyond the parameters are ignored.
func (f *function) arguments(ctx context.Context, given []Payload) ([]reflect.Value, error) {
	in := f.typ.NumIn()
	args := make([]reflect.Value, in)
	if f.first > 0 {
		args[0] = reflect.ValueOf(ctx)
	}
	decode := func(i int, dst reflect.Value) error {
		if err := given[i].Decode(dst.Addr().Interface()); err != nil {
			return invalidInput(fmt.Errorf("argument %d of %d: %w", i+1, len(given), err))
		}
		return nil
	}
	for p := f.first; p < in; p++ {
		index := p - f.first
		if f.rest != nil && p == in-1 {
			n := max(len(given)-index, 0)
			rest := reflect.MakeSlice(f.typ.In(p), n, n)
			for i := range n {
				if err := decode(index+i, rest.Index(i)); err != nil {
					return nil, err
				}
			}
			args[p] = rest
			break
		}
		args[p] = reflect.New(f.typ.In(p)).Elem()
		if index < len(given) {
			if err := decode(index, args[p]); err != nil {
				return nil, err
			}
		}
	}
	return args, nil
}

func invalidInput(err error) error {
	return temporal.NewNonRetryableApplicationError(err.Error(), abi.TypeInvalidInput, nil)
}

// call calls the function.
func (f *function) call(ctx context.Context, given []Payload) (result Payload, err error) {
	args, err := f.arguments(ctx, given)
	if err != nil {
		return result, err
	}
	var results []reflect.Value
	if f.typ.IsVariadic() {
		results = f.fn.CallSlice(args)
	} else {
		results = f.fn.Call(args)
	}
	if err, _ := results[len(results)-1].Interface().(error); err != nil {
		return result, err
	}
	if len(results) == 1 {
		return result, nil
	}
	result, err = Encode(results[0].Interface())
	if err != nil {
		return result, temporal.NewNonRetryableApplicationError("result: "+err.Error(), abi.TypeInvalidOutput, nil)
	}
	return result, nil
}

// FunctionName is the type under which a function is known if it has no other: its name.
func FunctionName(fn any) (string, error) {
	if name, ok := fn.(string); ok {
		if name == "" {
			return "", fmt.Errorf("the name of a type is empty")
		}
		return name, nil
	}
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func || v.IsNil() {
		return "", fmt.Errorf("a type is named by a string or a function, not by a %T", fn)
	}
	name := runtime.FuncForPC(v.Pointer()).Name()
	name = name[strings.LastIndexByte(name, '.')+1:]
	return strings.TrimSuffix(name, "-fm"), nil
}

// Is tells whether fn is the function of the run.
func (r *Run) Is(fn any) bool {
	v := reflect.ValueOf(fn)
	return v.Kind() == reflect.Func && r.fn.fn.IsValid() && v.Pointer() == r.fn.fn.Pointer()
}

// Assign stores a Go value into what ptr points to.
func Assign(value, ptr any) error {
	if ptr == nil {
		return nil
	}
	dst := reflect.ValueOf(ptr)
	if dst.Kind() != reflect.Pointer || dst.IsNil() {
		return fmt.Errorf("%T: %w", ptr, converter.ErrValuePtrIsNotPointer)
	}
	dst = dst.Elem()
	src := reflect.ValueOf(value)
	switch {
	case !src.IsValid():
		dst.SetZero()
	case src.Type().AssignableTo(dst.Type()):
		dst.Set(src)
	default: // as if it had traveled
		p, err := Encode(value)
		if err != nil {
			return err
		}
		return p.Decode(ptr)
	}
	return nil
}

// panicError describes a panic that is being recovered from.
func panicError(p any) error {
	buf := make([]byte, 16<<10)
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
	if i := strings.LastIndex(stack, "/internal/flow.(*function).call("); i >= 0 {
		if j := strings.LastIndex(stack[:i], "\nreflect.Value.call("); j >= 0 {
			stack = stack[:j+1]
		}
	}
	return bridge.NewPanicError(fmt.Sprint(p), task.Cut(stack, 4<<10))
}
