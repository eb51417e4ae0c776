package flow

import (
	"fmt"
	"strconv"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/abi"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/codec"
)

// Payload is a value on its way between workflow and host. The zero Payload is none.
type Payload struct {
	Encoding string
	Data     []byte
	Metadata map[string][]byte // other than the encoding
}

// Present tells whether there is a payload.
func (p *Payload) Present() bool { return p.Encoding != "" }

// Encode makes a payload of a value.
func Encode(value any) (p Payload, err error) {
	switch v := value.(type) {
	case string:
		return Payload{Encoding: abi.EncodingJSON, Data: appendText(make([]byte, 0, len(v)+2), v)}, nil
	case converter.RawValue:
		if v.Payload() != nil {
			return FromConverter(v.Payload()), nil
		}
		value = nil
	case *converter.RawValue:
		if v != nil {
			return Encode(*v)
		}
	}
	p.Encoding, p.Data, err = codec.Encode(value)
	return p, err
}

// EncodeAll makes payloads of arguments.
func EncodeAll(values []any) ([]Payload, error) {
	if len(values) == 0 {
		return nil, nil
	}
	out := make([]Payload, len(values))
	for i, v := range values {
		p, err := Encode(v)
		if err != nil {
			return nil, argumentError(i, len(values), err)
		}
		out[i] = p
	}
	return out, nil
}

func argumentError(i, n int, err error) error {
	return fmt.Errorf("argument %d of %d: %w", i+1, n, err)
}

// args appends a member "args", if there are any, after others.
func (w *Writer) args(values []any) error {
	if len(values) == 0 {
		return nil
	}
	w.head = append(w.head, `,"args":[`...)
	for i, v := range values {
		if i > 0 {
			w.head = append(w.head, ',')
		}
		if err := w.value(v); err != nil {
			return argumentError(i, len(values), err)
		}
	}
	w.head = append(w.head, ']')
	return nil
}

// value appends the payload of a value. What is frequent does not make a payload first.
func (w *Writer) value(value any) error {
	before := len(w.body)
	switch v := value.(type) {
	case string:
		w.body = appendText(w.body, v)
	case int:
		w.body = strconv.AppendInt(w.body, int64(v), 10)
	default:
		p, err := Encode(value)
		if err != nil {
			return err
		}
		w.payload(&p)
		return nil
	}
	w.head = append(w.head, `{"bytes":[`...)
	w.head = strconv.AppendInt(w.head, int64(before), 10)
	w.head = append(w.head, ',')
	w.head = strconv.AppendInt(w.head, int64(len(w.body)-before), 10)
	w.head = append(w.head, ']', '}')
	return nil
}

// FromConverter takes a payload of package converter.
func FromConverter(p *converter.Payload) Payload {
	out := Payload{Encoding: p.Encoding(), Data: p.Data}
	if out.Encoding == "" {
		out.Encoding = abi.EncodingJSON
	}
	for name, value := range p.Metadata {
		if name != abi.MetadataEncoding {
			if out.Metadata == nil {
				out.Metadata = map[string][]byte{}
			}
			out.Metadata[name] = value
		}
	}
	return out
}

// Converter makes a payload of package converter; nil for none.
func (p *Payload) Converter() *converter.Payload {
	if !p.Present() {
		return nil
	}
	out := &converter.Payload{Data: p.Data, Metadata: make(map[string][]byte, 1+len(p.Metadata))}
	for name, value := range p.Metadata {
		out.Metadata[name] = value
	}
	out.Metadata[abi.MetadataEncoding] = []byte(p.Encoding)
	return out
}

// Decode stores the value into what ptr points to. A nil ptr is nothing to store into, and
// none has nothing to store.
func (p *Payload) Decode(ptr any) error {
	if ptr == nil || !p.Present() {
		return nil
	}
	switch dst := ptr.(type) {
	case *converter.RawValue:
		*dst = converter.NewRawValue(p.Converter())
		return nil
	case *string:
		if n := len(p.Data); p.Encoding == abi.EncodingJSON && n >= 2 && p.Data[0] == '"' && p.Data[n-1] == '"' && plain(p.Data[1:n-1]) {
			*dst = string(p.Data[1 : n-1])
			return nil
		}
	case *int:
		if n, ok := smallInt(p.Data); ok && p.Encoding == abi.EncodingJSON {
			*dst = n
			return nil
		}
	}
	return codec.Decode(p.Encoding, p.Data, ptr)
}

// smallInt reads a JSON number that is a whole number of at most 9 digits.
func smallInt(data []byte) (n int, ok bool) {
	if len(data) == 0 || len(data) > 9 || data[0] == '0' && len(data) > 1 {
		return 0, false
	}
	for _, c := range data {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// payload reads a payload of an activation with that body.
func (r *reader) payload(body []byte) (p Payload) {
	p.Encoding = abi.EncodingJSON
	for more := r.open('{', '}'); more; more = r.more('}') {
		switch string(r.key()) {
		case "bytes":
			r.expect('[')
			offset := r.int()
			n := r.int()
			r.expect(']')
			if offset < 0 || n < 0 || offset+n > int64(len(body)) {
				r.bad("a part of the body")
			}
			p.Data = body[offset : offset+n : offset+n]
		case "encoding":
			switch e := r.text(); string(e) {
			case abi.EncodingJSON:
			case abi.EncodingNull:
				p.Encoding = abi.EncodingNull
			case abi.EncodingBinary:
				p.Encoding = abi.EncodingBinary
			default:
				p.Encoding = string(e)
			}
		case "metadata":
			metadata, err := abi.UnmarshalMetadata(r.skip())
			if err != nil {
				r.bad("metadata")
			}
			p.Metadata = metadata
		default:
			r.skip()
		}
	}
	return p
}

func (r *reader) payloads(body []byte) (out []Payload) {
	if r.tokens[r.i].kind == 'v' { // null
		r.i++
		return nil
	}
	for more := r.open('[', ']'); more; more = r.more(']') {
		out = append(out, r.payload(body))
	}
	return out
}

// payload appends a payload, with its data in the body.
func (w *Writer) payload(p *Payload) {
	b := w.head
	b = append(b, '{')
	if len(p.Data) > 0 || p.Encoding != abi.EncodingNull {
		b = append(b, `"bytes":[`...)
		b = strconv.AppendInt(b, int64(len(w.body)), 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(len(p.Data)), 10)
		b = append(b, ']')
		w.body = append(w.body, p.Data...)
	}
	if p.Encoding != abi.EncodingJSON {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(b, `"encoding":`...)
		b = appendText(b, p.Encoding)
	}
	if len(p.Metadata) > 0 {
		b = append(b, `,"metadata":`...)
		b = append(b, abi.MarshalMetadata(p.Metadata)...)
	}
	w.head = append(b, '}')
}

func (w *Writer) payloads(list []Payload) {
	w.head = append(w.head, '[')
	for i := range list {
		if i > 0 {
			w.head = append(w.head, ',')
		}
		w.payload(&list[i])
	}
	w.head = append(w.head, ']')
}
