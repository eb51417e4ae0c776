package conformance

import (
	"strings"
	"testing"
)

func TestSameJSON(t *testing.T) {
	for _, c := range []struct {
		got, want string
		same      bool
	}{
		{`42`, `42`, true},
		{`42.0`, `42`, true},
		{`4.2e1`, `42`, true},
		{`9007199254740993`, `9007199254740993`, true},
		{`9007199254740992`, `9007199254740993`, false},
		{`9007199254740993`, `9007199254740992`, false},
		{`9.007199254740992e15`, `9007199254740992`, true},
		{`0.10000000000000001`, `0.1`, true},
		{`0.11`, `0.1`, false},
		{`1E+300`, `1e300`, true},
		{`"42"`, `42`, false},
		{`42`, `"42"`, false},
		{`{"a": [1, null, {"b": "\u00f6"}]}`, `{"a": [1.0, null, {"b": "ö"}]}`, true},
		{`{"a": 1, "b": 2}`, `{"a": 1}`, false},
		{`{"a": 1}`, `{"a": 1, "b": null}`, false},
		{`[1]`, `[1, 2]`, false},
		{`null`, `false`, false},
		{`{} {}`, `{}`, false},
		{`{`, `{}`, false},
	} {
		if err := sameJSON([]byte(c.got), []byte(c.want)); (err == nil) != c.same {
			t.Errorf("%s and %s: %v", c.got, c.want, err)
		}
	}
}

func TestRepeat(t *testing.T) {
	value := Value{JSON: []byte(`{"a": [{"$repeat": ["xy", 3], "before": {"$repeat": ["<", 2]}, "after": ">"}], "n": 9007199254740993}`)}
	if got := string(value.payload().Data); strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(got) != `{"a":["<<xyxyxy>"],"n":9007199254740993}` {
		t.Error(got)
	}
}
