package yamlnode_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/yamlnode"
)

type sample struct {
	Name  string            `yaml:"name"`
	Count int               `yaml:"count"`
	Big   uint64            `yaml:"big"`
	Ratio float64           `yaml:"ratio"`
	On    *bool             `yaml:"on"`
	Tags  []string          `yaml:"tags"`
	Rules []rule            `yaml:"rules"`
	Named map[string]rule   `yaml:"named"`
	Any   any               `yaml:"any"`
	Plain map[string]string `yaml:"plain"`
}

type rule struct {
	Origin string `yaml:"origin"`
	Max    int    `yaml:"max"`
}

// UnmarshalYAML reads a rule, or an origin.
func (r *rule) UnmarshalYAML(unmarshal func(any) error) error {
	if err := unmarshal(&r.Origin); err == nil {
		return nil
	}
	type fields rule
	return unmarshal((*fields)(r))
}

func TestDecode(t *testing.T) {
	n, err := yamlnode.Parse([]byte(`
base: &base {max: 3}
value:
  name: 1.50
  count: "0x10"
  big: 18446744073709551615
  ratio: 1e3
  on: true
  tags: [a, "5", 6]
  rules:
    - plain
    - {origin: o, <<: *base}
  named: {x: *base, y: {max: 2e1}}
  any: {when: 2026-01-01, n: -1, list: [null, 1.5]}
  plain:
`))
	if err != nil {
		t.Fatal(err)
	}
	on := true
	want := sample{
		Name: "1.50", Count: 16, Big: 1<<64 - 1, Ratio: 1000, On: &on, Tags: []string{"a", "5", "6"},
		Rules: []rule{{Origin: "plain"}, {"o", 3}}, Named: map[string]rule{"x": {Max: 3}, "y": {Max: 20}},
		Any: map[string]any{"when": "2026-01-01", "n": int64(-1), "list": []any{nil, 1.5}},
	}
	var got sample
	if err := n.Get("value").Decode(&got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	for path, where := range map[[3]any]string{
		{}:                             ":2:1",
		{"value"}:                      ":3:1",  // of the key, since it is a map
		{"value", "name"}:              ":4:9",  // of the value
		{"value", "tags", 1}:           ":9:13", // of an item
		{"value", "rules", 1}:          ":12:7",
		{"value", "rules", 7}:          ":10:3", // which is not there
		{"value", "nothing", "deeper"}: ":3:1",
	} {
		var steps []any
		for _, step := range path {
			if step != nil {
				steps = append(steps, step)
			}
		}
		if got := n.Where(steps...); got != where {
			t.Errorf("%v is at %s, want %s", steps, got, where)
		}
	}
}

// Where a map stands tells what is written after it: an anchor before it does not count.
func TestPlaceOfAnchored(t *testing.T) {
	n, err := yamlnode.Parse([]byte("a: &x\n  b: 1\nc: &y {d: 1}\ne:\n  *x\n"))
	if err != nil {
		t.Fatal(err)
	}
	a, c, e := n.Get("a"), n.Get("c"), n.Get("e")
	if a.Line != 2 || a.Column != 3 || a.Flow || a.Shared {
		t.Errorf("%+v", a)
	}
	if c.Line != 3 || c.Column != 4 || !c.Flow || c.Shared {
		t.Errorf("%+v", c)
	}
	if e.Line != 5 || e.Column != 3 || e.Flow || !e.Shared {
		t.Errorf("%+v", e)
	}
}

// Each mistake is told, with its place.
func TestMistakes(t *testing.T) {
	for text, want := range map[string][]string{
		"name: [a]\ntags: b\ncount: 1.5": {
			":1:7 name: sequence was used where string is expected", ":2:7 tags: string was used where sequence is expected",
			":3:8 count: 1.5 is not a whole number of 64 bits",
		},
		"on: maybe":                     {":1:5 on: string was used where true or false is expected"},
		"name: a\nnam: b":               {`:2:1 nam: there is no key "nam"`},
		"rules:\n  - {orign: x}":        {`:2:6 rules.0.orign: there is no key "orign"`},
		"named: {a: {max: many}}":       {":1:18 named.a.max: string was used where number is expected"},
		"name: a\nname: b":              {`:2:1 : the key "name" is there twice`},
		"name: !!binary aGVsbG8=":       {":1:7 : the tag !!binary is not understood here"},
		"name: !!int 5":                 {":1:7 : the tag !!int is not understood here; only !!str is, of a scalar"},
		"tags: !repeat [a]":             {":1:7 : the tag !repeat is not understood here; only !!str is, of a scalar"},
		"tags: !!str [a]":               {":1:7 : the tag !!str is not understood here"},
		"on: !!str true":                {":1:5 on: string was used"},
		"count: 1e999":                  {":1:8 count: 1e999 is not a whole number of 64 bits"},
		"any: &a [*a]":                  {`the anchor "a" contains itself`},
		"{a: b}: c":                     {":1:1 : a key has to be text"},
		"---\nname: a\n---\nname: b\n":  {"it has 2 YAML documents, and has to have one"},
		"name: é\ntags: [\n":            {":2:8 : while parsing a flow node"},
		"tags: [":                       {":1:8 : while parsing a flow node"},
		"name: a\n  count: 3\n":         {":2:8 : mapping values are not allowed"},
		"name: \"a\n\n":                 {":1:7 : while scanning a quoted scalar"},
		"name: *a\n":                    {":1:7 : unknown anchor"},
		"<<: 5":                         {"<< needs a map"},
		bomb():                          {"more than 1048576 values"},
		"count: 99999999999999999999\n": {":1:8 count: 99999999999999999999 is not a whole number"},
	} {
		n, err := yamlnode.Parse([]byte(text))
		if err == nil {
			err = n.Decode(new(sample))
		}
		got := texts(err)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%.60q: %s\nwant %s", text, got, w)
			}
		}
	}
}

func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x]\n")
	for i := range 12 {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 10))
	}
	return b.String()
}

func texts(err error) string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []string
		for _, e := range joined.Unwrap() {
			all = append(all, texts(e))
		}
		return strings.Join(all, "\n")
	}
	e, ok := errors.AsType[*yamlnode.Error](err)
	if !ok {
		return fmt.Sprint(err)
	}
	var path []string
	for _, step := range e.Path {
		path = append(path, fmt.Sprint(step))
	}
	return fmt.Sprintf("%s %s: %v", e.Place(), strings.Join(path, "."), e)
}

func TestEmpty(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n"} {
		if n, err := yamlnode.Parse([]byte(text)); n != nil || err != nil {
			t.Errorf("%q: %v, %v", text, n, err)
		}
	}
}

// No text makes it panic, run out of memory, or tell places outside of the text.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"a: b", "a: &x [*x]", "- {a: 1, <<: *b}", "? [a]\n: b", "a: |\n  b\n", "!!binary x", "\xff", "%YAML 1.1\n---\na: 1e999", "a: !!int x", bomb()} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := yamlnode.Parse([]byte(text))
		if n == nil || err != nil {
			return
		}
		n.Where("a", 0, "b")
		n.Decode(new(sample)) //nolint:errcheck // any outcome is right
		n.Decode(new(any))    //nolint:errcheck // any outcome is right
		if n.Line < 1 || n.Column < 1 || n.Line > len(text)+1 || n.Column > len(text)+1 {
			t.Errorf("it begins at%s", n.Where())
		}
	})
}
