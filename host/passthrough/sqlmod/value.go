package sqlmod

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/wasmworker/wasmworker/abi"
)

// parseArgs converts a request's arguments to the values that drivers take. Bytes are
// parts of the request's body. Errors wrap EINVAL and name the argument's position, from
// 1.
func parseArgs(args []json.RawMessage, body []byte) ([]any, error) {
	values := make([]any, len(args))
	for i, arg := range args {
		value, err := parseArg(arg, body)
		if err != nil {
			return nil, fmt.Errorf("%w: argument %d %w", abi.EINVAL, i+1, err)
		}
		values[i] = value
	}
	return values, nil
}

func parseArg(arg json.RawMessage, body []byte) (any, error) {
	text := string(bytes.TrimSpace(arg))
	switch {
	case text == "" || text == "null": // as an element of a list, null is the empty RawMessage for some decoders
		return nil, nil
	case text == "true", text == "false":
		return text == "true", nil
	case text[0] == '"':
		var s string
		if err := json.Unmarshal(arg, &s); err != nil {
			return nil, fmt.Errorf("is no text")
		}
		return s, nil
	case text[0] == '{':
		var b struct {
			Bytes *[2]uint64 `json:"bytes"`
		}
		if err := json.Unmarshal(arg, &b); err != nil || b.Bytes == nil {
			return nil, fmt.Errorf(`is an object, and the only one that can be an argument is {"bytes": [offset, length]}`)
		}
		offset, length := b.Bytes[0], b.Bytes[1]
		if size := uint64(len(body)); offset > size || length > size-offset {
			return nil, fmt.Errorf("are bytes beyond the request's body, which has %d", size)
		}
		return body[offset : offset+length : offset+length], nil
	case text[0] == '[':
		return nil, fmt.Errorf("is a list; give it as text in the database's own notation")
	case strings.ContainsAny(text, ".eE"):
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("is beyond the range of 64-bit floating point")
		}
		return f, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("is a whole number that does not fit 64 bits; give it as text")
	}
	return n, nil
}

// batch collects rows for a guest.
type batch struct {
	rows bytes.Buffer // JSON without the outer brackets
	body []byte
	text *json.Encoder // writes to rows
}

func newBatch() *batch {
	b := &batch{}
	b.text = json.NewEncoder(&b.rows)
	return b
}

// size returns how many bytes the batch has.
func (b *batch) size() int { return b.rows.Len() + len(b.body) }

// rowSize returns the size of a row in bytes, as the policy's max_row_bytes counts it:
// the length of texts and bytes, and 8 for any other value.
func rowSize(row []any) (n int) {
	for _, value := range row {
		switch value := value.(type) {
		case string:
			n += len(value)
		case []byte:
			n += len(value)
		default:
			n += 8
		}
	}
	return n
}

func (b *batch) add(row []any) error {
	if b.rows.Len() > 0 {
		b.rows.WriteByte(',')
	}
	b.rows.WriteByte('[')
	for i, value := range row {
		if i > 0 {
			b.rows.WriteByte(',')
		}
		switch value := value.(type) {
		case nil:
			b.rows.WriteString("null")
		case bool:
			b.rows.Write(strconv.AppendBool(b.rows.AvailableBuffer(), value))
		case int64:
			b.rows.Write(strconv.AppendInt(b.rows.AvailableBuffer(), value, 10))
		case float64:
			b.addFloat(value)
		case string:
			if err := b.text.Encode(value); err != nil {
				return err
			}
			b.rows.Truncate(b.rows.Len() - 1) // the encoder's line break
		case []byte:
			fmt.Fprintf(&b.rows, `{"bytes":[%d,%d]}`, len(b.body), len(value))
			b.body = append(b.body, value...)
		default:
			return fmt.Errorf("the driver made a value of type %T", value)
		}
	}
	b.rows.WriteByte(']')
	return nil
}

func (b *batch) addFloat(f float64) {
	switch {
	case math.IsNaN(f):
		b.rows.WriteString(`"NaN"`)
	case math.IsInf(f, 1):
		b.rows.WriteString(`"Infinity"`)
	case math.IsInf(f, -1):
		b.rows.WriteString(`"-Infinity"`)
	default:
		b.rows.Write(strconv.AppendFloat(b.rows.AvailableBuffer(), f, 'g', -1, 64))
	}
}

// json returns the rows as a JSON list.
func (b *batch) json() json.RawMessage {
	list := make([]byte, 0, b.rows.Len()+2)
	list = append(list, '[')
	list = append(list, b.rows.Bytes()...)
	return append(list, ']')
}
