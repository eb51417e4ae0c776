//go:build unix

package main_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Attributes in groups, of which the text handler writes the names before each, make no
// record that is larger by orders of magnitude than what a guest has written. Beyond the
// limits there is the guest's text, as of attributes that are too long.
func TestNestedAttributesAreBounded(t *testing.T) {
	nested := func(depth int, inner string) string {
		return strings.Repeat(`{"g":`, depth) + inner + strings.Repeat("}", depth)
	}
	var many strings.Builder
	for i := range 500 {
		fmt.Fprintf(&many, `,"%d":%d`, i, i)
	}
	for name, test := range map[string]struct {
		attributes string
		cut        bool
		text       string // in the record as text, if it is whole
	}{
		"flat":                       {attributes: `{"a": {"b": [1, {"c": "d"}]}, "e": 2}`, text: `guest.a.b="[1 map[c:d]]" guest.e=2`},
		"a long name around much":    {attributes: `{"` + strings.Repeat("n", 16<<10) + `": {"a": 1` + many.String() + `}}`, cut: true},
		"a long name around little":  {attributes: `{"` + strings.Repeat("n", 16<<10) + `": {"a": 1}}`, text: "nnn.a=1"},
		"32 groups":                  {attributes: nested(31, `{"a": 1}`), text: "guest" + strings.Repeat(".g", 31) + ".a=1"},
		"33 groups":                  {attributes: nested(32, `{"a": 1}`), cut: true},
		"lists in lists":             {attributes: `{"a": ` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, cut: true},
		"a thousand groups of lists": {attributes: nested(1000, "[]"), cut: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, format := range []string{"text", "json"} {
				got := command{args: []string{"invoke", "--log-format", format, wat(t, "attributes"), "Log", "-"}, stdin: test.attributes}.run(t)
				if got.stdout != "0\n" || len(got.stderr) > 4<<16 || strings.Contains(got.stderr, "attributes_cut") != test.cut {
					t.Errorf("%s: result %q, %d bytes of log: %.300s", format, got.stdout, len(got.stderr), got.stderr)
				}
				if format == "text" && !strings.Contains(got.stderr, test.text) {
					t.Errorf("the log has no %q: %.300s", test.text, got.stderr)
				}
				var record struct {
					Guest struct {
						Cut string `json:"attributes_cut"`
					}
				}
				if format == "json" && (json.Unmarshal([]byte(got.stderr), &record) != nil || test.cut && record.Guest.Cut != test.attributes) {
					t.Errorf("the record is %.300s", got.stderr)
				}
			}
		})
	}
}
