package sqlmod

import (
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"testing"
)

// FuzzRequest decodes requests as a hostile guest sends them. The arguments of a valid
// one must survive the way back.
func FuzzRequest(f *testing.F) {
	for _, head := range []string{
		`{}`, `{"args": [null, true, 1, -0, 1.5, 1e3, "x\u0000", {"bytes": [0, 2]}]}`, `{"args": [[1]]}`, `{"args": [{"bytes": [18446744073709551615, 1]}]}`,
		`{"args": [{"bytes": [1, 18446744073709551615]}]}`, `{"args": [{"bytes": null}]}`, `{"args": [99999999999999999999]}`, `{"sql": "\u0000"}`, `{"max_rows": -1}`, `[]`,
	} {
		f.Add([]byte(head), []byte("body"))
	}
	f.Fuzz(func(t *testing.T, head, body []byte) {
		frame := append([]byte{byte(len(head)), byte(len(head) >> 8), 0, 0}, append(head, body...)...)
		_, statement, err := decode(frame)
		if err != nil {
			return
		}
		b := newBatch()
		if err := b.add(statement.Args); err != nil {
			t.Fatal(err)
		}
		var rows [][]json.RawMessage
		if err := json.Unmarshal(b.json(), &rows); err != nil || len(rows) != 1 {
			t.Fatalf("%v: %s", err, b.json())
		}
		again, err := parseArgs(rows[0], b.body)
		if err != nil {
			t.Fatalf("%v: %s", err, b.json())
		}
		for i, value := range statement.Args {
			switch value := value.(type) {
			case []byte:
				if string(again[i].([]byte)) != string(value) {
					t.Errorf("%q became %q", value, again[i])
				}
			case float64: // of which those without a fraction come back as whole numbers
				if f, ok := again[i].(float64); ok && f != value {
					t.Errorf("%v became %v", value, f)
				}
			default:
				if again[i] != value {
					t.Errorf("%v became %v", value, again[i])
				}
			}
		}
	})
}

func TestNumbersThatJSONLacks(t *testing.T) {
	b := newBatch()
	if err := b.add([]any{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, 0.0}); err != nil {
		t.Fatal(err)
	}
	if text := string(b.json()); text != `[["NaN","Infinity","-Infinity",1.7976931348623157e+308,0]]` {
		t.Error(text)
	}
	if err := b.add([]any{struct{}{}}); err == nil {
		t.Error("any value is taken")
	}
}

func TestDrivers(t *testing.T) {
	fails := func(*url.URL, func() (string, error)) (*Database, error) { return nil, errors.New("never") }
	Register(fails, "test-scheme")
	defer delete(drivers.byScheme, "test-scheme")
	defer func() {
		if recover() == nil {
			t.Error("a scheme has two drivers")
		}
	}()
	if _, err := New(Options{Connections: map[string]Connection{"x": {URL: "test-scheme://h"}}}); err == nil || err.Error() != "x.url: never" {
		t.Error(err)
	}
	Register(fails, "test-scheme")
}
