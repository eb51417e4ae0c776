package passthrough_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

type resource struct {
	closed *[]string
	name   string
}

func (r resource) Close() error {
	*r.closed = append(*r.closed, r.name)
	return fmt.Errorf("closing %s", r.name)
}

type other struct{ resource }

func TestResources(t *testing.T) {
	var closed []string
	resources := &passthrough.Resources{}
	call := &passthrough.Call{Resources: resources}
	handles := map[string]uint32{}
	for _, name := range []string{"a", "b", "c"} {
		handle, err := call.Open(resource{&closed, name})
		if err != nil || handle == 0 {
			t.Fatal(handle, err)
		}
		handles[name] = handle
	}
	if got, err := passthrough.Resource[resource](call, handles["b"]); err != nil || got.name != "b" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := passthrough.CloseResource[resource](call, handles["b"]); err == nil || err.Error() != "closing b" {
		t.Error(err)
	}
	// A handle is refused when it was closed, never existed, has another type, or belongs
	// to another activity.
	elsewhere := &passthrough.Call{Resources: &passthrough.Resources{}}
	_, err := passthrough.Resource[other](call, handles["a"])
	_, err2 := passthrough.Resource[resource](elsewhere, handles["a"])
	_, err3 := passthrough.Resource[resource](&passthrough.Call{}, handles["a"])
	for i, err := range []error{err, err2, err3, passthrough.CloseResource[resource](call, handles["b"]), passthrough.CloseResource[resource](call, 0), passthrough.CloseResource[other](call, handles["c"])} {
		if !errors.Is(err, abi.EBADF) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if err := resources.Close(); err == nil || !reflect.DeepEqual(closed, []string{"b", "c", "a"}) {
		t.Errorf("closed %v, %v", closed, err)
	}
	if err := resources.Close(); err != nil || len(closed) != 3 {
		t.Errorf("again: %v, %v", closed, err)
	}
	// A handle is never given out twice.
	if handle, err := call.Open(resource{&closed, "d"}); err != nil || handle <= handles["c"] {
		t.Error(handle, err)
	}
}

func TestTooManyResources(t *testing.T) {
	var closed []string
	resources := &passthrough.Resources{}
	call := &passthrough.Call{Resources: resources}
	for i := range 10_000 {
		if _, err := call.Open(resource{&closed, "x"}); (err == nil) != (i < abi.MaxHandles) || err != nil && !errors.Is(err, abi.EMFILE) {
			t.Fatal(i, err)
		}
	}
	if len(closed) != 10_000-abi.MaxHandles {
		t.Errorf("%d of those that were not kept have been closed", len(closed))
	}
	if resources.Close(); len(closed) != 10_000 {
		t.Errorf("%d have been closed", len(closed))
	}
}

func TestFrames(t *testing.T) {
	type head struct {
		Name string `json:"name"`
	}
	frame, err := passthrough.EncodeFrame(head{"x"}, []byte("body\x00"))
	if err != nil || string(frame) != "\x0c\x00\x00\x00{\"name\":\"x\"}body\x00" {
		t.Fatalf("%q, %v", frame, err)
	}
	var got head
	if body, err := passthrough.DecodeFrame(frame, &got); err != nil || got.Name != "x" || string(body) != "body\x00" {
		t.Errorf("%+v, %q, %v", got, body, err)
	}
	long, _ := json.Marshal(head{strings.Repeat("x", passthrough.MaxHead)})
	// Neither text is JSON. They are refused before they are decoded.
	many := strings.Repeat(",", abi.MaxHeadValues+1)
	allowed := strings.Repeat(",", abi.MaxHeadValues)
	framed := func(text string) string {
		return string(binary.LittleEndian.AppendUint32(nil, uint32(len(text)))) + text
	}
	for text, errno := range map[string]abi.Errno{
		"": abi.EINVAL, "\x00\x00\x00": abi.EINVAL, "\x01\x00\x00\x00": abi.EINVAL, "\xff\xff\xff\xff{}": abi.EINVAL, "\x00\x00\x00\x00": abi.EINVAL,
		"\x02\x00\x00\x00[]": abi.EINVAL, "\x0a\x00\x00\x00{\"name\":1}": abi.EINVAL, "\x0b\x00\x10\x00" + string(long): abi.EMSGSIZE,
		framed(many): abi.EMSGSIZE, framed(allowed): abi.EINVAL,
	} {
		if _, err := passthrough.DecodeFrame([]byte(text), &got); !errors.Is(err, errno) || strings.Contains(err.Error(), "name") {
			t.Errorf("%.20q: %v, want %s", text, err, errno)
		}
	}
}

func TestPlacesOfMistakes(t *testing.T) {
	inner := passthrough.At(errors.New("odd"), "origin")
	err := passthrough.At(errors.Join(inner, passthrough.At(errors.New("empty"), "paths", 2), errors.New("plain")), "allow", 1)
	if err.Error() != "allow[1].origin: odd\nallow[1].paths[2]: empty\nallow[1]: plain" {
		t.Error(err)
	}
	field, ok := errors.AsType[*passthrough.FieldError](err)
	if !ok || !reflect.DeepEqual(field.Path, []any{"allow", 1, "origin"}) {
		t.Errorf("%+v", field)
	}
	if err := passthrough.At(nil, "x"); err != nil {
		t.Error(err)
	}
}

func TestWrap(t *testing.T) {
	set := newSet(t)
	var calls []string
	wrapped := set.Wrap(func(m passthrough.Module, function string, f passthrough.Func) passthrough.Func {
		return func(ctx context.Context, call *passthrough.Call, req []byte) ([]byte, error) {
			calls = append(calls, m.ImportName()+" "+function)
			return f(ctx, call, req)
		}
	})
	for _, m := range wrapped.Modules() {
		if original, _ := set.Lookup(m.ImportName()); original.Functions["missing"] == nil && m.Functions["missing"] != nil {
			t.Error("a function without a body got one")
		}
	}
	greeter, _ := wrapped.Lookup("wasmworker:greeter/v3")
	got, err := greeter.Functions["hello"](t.Context(), &passthrough.Call{}, []byte("x"))
	if string(got) != "x" || err != nil || !reflect.DeepEqual(calls, []string{"wasmworker:greeter/v3 hello"}) {
		t.Errorf("%q, %v, %v", got, err, calls)
	}
	greeter, _ = set.Lookup("wasmworker:greeter/v3")
	if _, err := greeter.Functions["hello"](t.Context(), &passthrough.Call{}, nil); err != nil || len(calls) != 1 {
		t.Error("the set itself was changed")
	}
}

func TestSizesAndDurations(t *testing.T) {
	for text, want := range map[string]passthrough.Size{"1": 1, "1500000": 1_500_000, "8MiB": 8 << 20, "1.5KiB": 1536, "2 GB": 2_000_000_000, "0": 0, "-1": 0, "x": 0, "": 0, "16EiB": 0} {
		var got passthrough.Size
		if err := got.UnmarshalText([]byte(text)); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q is %d, %v", text, got, err)
		}
		if want != 0 {
			back, _ := got.MarshalText()
			if got = 0; got.UnmarshalText(back) != nil || got != want {
				t.Errorf("%q became %q", text, back)
			}
		}
	}
	for text, want := range map[string]time.Duration{"30": 30 * time.Second, "1.5": 1500 * time.Millisecond, "2m": 2 * time.Minute, "0": 0, "-1s": 0, "NaN": 0, "": 0, "soon": 0} {
		var got passthrough.Duration
		if err := got.UnmarshalText([]byte(text)); time.Duration(got) != want || (err == nil) != (want != 0) {
			t.Errorf("%q is %s, %v", text, time.Duration(got), err)
		}
	}
}
