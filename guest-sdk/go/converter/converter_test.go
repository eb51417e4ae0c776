package converter_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
)

type point struct {
	X int `json:"x"`
}

// message is what protoc generates, as far as it can be told.
type message struct {
	X int `json:"x"`
}

func (*message) ProtoMessage() {}

func payload(encoding, data string) *converter.Payload {
	return &converter.Payload{Metadata: map[string][]byte{"encoding": []byte(encoding)}, Data: []byte(data)}
}

func TestToPayload(t *testing.T) {
	raw := &converter.Payload{Metadata: map[string][]byte{"encoding": []byte("x/y"), "z": {1}}, Data: []byte{2}}
	rawValue := converter.NewRawValue(raw)
	for _, test := range []struct {
		value any
		want  *converter.Payload
	}{
		{"a<b", payload("json/plain", `"a\u003cb"`)},
		{point{1}, payload("json/plain", `{"x":1}`)},
		{&point{1}, payload("json/plain", `{"x":1}`)},
		{json.RawMessage(`{}`), payload("json/plain", `{}`)},
		{map[string]int(nil), payload("json/plain", `null`)},
		{[]byte{1, 2}, payload("binary/plain", "\x01\x02")},
		{[]byte{}, payload("binary/plain", "")},
		{nil, payload("binary/null", "")},
		{(*point)(nil), payload("binary/null", "")},
		{rawValue, raw},
		{&rawValue, raw},
		{converter.RawValue{}, payload("binary/null", "")},
		{(*converter.RawValue)(nil), payload("binary/null", "")},
	} {
		got, err := converter.ToPayload(test.value)
		if err != nil || string(got.Data) != string(test.want.Data) || !reflect.DeepEqual(got.Metadata, test.want.Metadata) {
			t.Errorf("%#v became %s %q, %v", test.value, got.GetMetadata(), got.GetData(), err)
		}
	}
	for _, bad := range []any{math.NaN(), make(chan int), []converter.RawValue{rawValue}} {
		if p, err := converter.ToPayload(bad); !errors.Is(err, converter.ErrUnableToEncode) {
			t.Errorf("%T became %v, %v", bad, p, err)
		}
	}
}

func decode[T any](t *testing.T, p *converter.Payload, start, want T, wantErr error) {
	t.Helper()
	err := converter.FromPayload(p, &start)
	if !errors.Is(err, wantErr) {
		t.Errorf("%s into %T: error %v, want %v", p.Encoding(), start, err, wantErr)
	}
	if wantErr == nil && !reflect.DeepEqual(start, want) {
		t.Errorf("%s %q became %#v, want %#v", p.Encoding(), p.GetData(), start, want)
	}
}

func TestFromPayload(t *testing.T) {
	type blob []byte
	decode(t, payload("json/plain", `{"x":3}`), point{}, point{3}, nil)
	decode(t, payload("json/plain", `{"x":3}`), nil, &point{3}, nil)
	decode[any](t, payload("json/plain", `{"x":3}`), nil, map[string]any{"x": 3.0}, nil)
	decode(t, payload("json/plain", `"AQI="`), nil, []byte{1, 2}, nil)
	decode(t, payload("json/plain", `3`), "", "", converter.ErrUnableToDecode)
	decode(t, payload("binary/plain", "ab"), nil, []byte("ab"), nil)
	decode(t, payload("binary/plain", "ab"), nil, blob("ab"), nil)
	decode[any](t, payload("binary/plain", "ab"), nil, []byte("ab"), nil)
	decode(t, payload("binary/plain", "ab"), "", "", converter.ErrTypeIsNotByteSlice)
	decode[fmt.Stringer](t, payload("binary/plain", "ab"), nil, nil, converter.ErrTypeIsNotByteSlice)
	decode(t, payload("binary/null", ""), point{5}, point{}, nil)
	decode(t, payload("binary/null", ""), &point{5}, nil, nil)
	order := payload("json/protobuf", `{"x":3}`)
	order.Metadata["messageType"] = []byte("acme.Order")
	decode(t, order, point{}, point{3}, nil)
	decode(t, order, nil, &point{3}, nil)
	decode[any](t, order, nil, map[string]any{"x": 3.0}, nil)
	decode(t, payload("json/protobuf", `"AQI="`), nil, []byte{1, 2}, nil)
	decode(t, payload("json/protobuf", `3`), "", "", converter.ErrUnableToDecode)
	decode(t, order, message{}, message{}, converter.ErrEncodingIsNotSupported)
	decode(t, order, &message{}, nil, converter.ErrEncodingIsNotSupported)
	decode(t, payload("json/plain", `{"x":3}`), message{}, message{3}, nil)
	decode(t, payload("", `{"x":3}`), point{}, point{3}, nil)
	decode(t, &converter.Payload{Data: []byte(`{"x":3}`)}, point{}, point{3}, nil)
	decode(t, &converter.Payload{Metadata: map[string][]byte{"messageType": {0xff}}, Data: []byte("[]")}, nil, []int{}, nil)
	decode(t, &converter.Payload{}, point{}, point{}, converter.ErrUnableToDecode)
	for _, encoding := range []string{"binary/encrypted", "binary/protobuf", "json/plain+zlib", "JSON/plain", "json/", " json/plain"} {
		for _, ptr := range []any{new(point), new(any), new([]byte), new(string), new(json.RawMessage)} {
			err := converter.FromPayload(payload(encoding, "1"), ptr)
			if !errors.Is(err, converter.ErrEncodingIsNotSupported) || !strings.Contains(err.Error(), encoding) {
				t.Errorf("%s into %T: %v", encoding, ptr, err)
			}
		}
	}
	decode(t, nil, point{7}, point{7}, nil)
	p := payload("any/thing", "x")
	decode(t, p, converter.RawValue{}, converter.NewRawValue(p), nil)

	if err := converter.FromPayload(payload("json/plain", "1"), 1); !errors.Is(err, converter.ErrValuePtrIsNotPointer) {
		t.Error(err)
	}
	if err := json.Unmarshal([]byte("1"), new(converter.RawValue)); err == nil {
		t.Error("a RawValue was decoded from JSON")
	}
}

func TestValues(t *testing.T) {
	var a, b, c int
	c = 9
	values := converter.NewValues(payload("json/plain", "1"), payload("json/plain", "2"))
	if err := values.Get(&a, &b, &c); err != nil || !values.HasValues() || a != 1 || b != 2 || c != 9 {
		t.Error(a, b, c, err)
	}
	if err := values.Get(&a); err != nil {
		t.Error(err)
	}
	var s string
	if err := values.Get(&a, &s); !errors.Is(err, converter.ErrUnableToDecode) {
		t.Error(err)
	}
	if none := converter.NewValues(); none.HasValues() || none.Get(&a) != converter.ErrNoData {
		t.Error("there are values in none")
	}
	if none := converter.NewValue(nil); none.HasValue() || none.Get(&a) != converter.ErrNoData {
		t.Error("there is a value in none")
	}
	if one := converter.NewValue(payload("json/plain", `"x"`)); !one.HasValue() || one.Get(&s) != nil || s != "x" {
		t.Error(s)
	}
}

func ExampleRawValue() {
	// As an activity: passes its argument through, whatever its encoding.
	echo := func(value converter.RawValue) (converter.RawValue, error) { return value, nil }

	order := &converter.Payload{
		Metadata: map[string][]byte{"encoding": []byte("json/protobuf"), "messageType": []byte("acme.Order")},
		Data:     []byte(`{"id":"17"}`),
	}
	result, _ := echo(converter.NewRawValue(order))
	fmt.Printf("%s %s\n", result.Payload().Metadata["messageType"], result.Payload().Data)
	// Output: acme.Order {"id":"17"}
}
