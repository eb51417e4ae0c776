package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/wasmworker/wasmworker/internal/yamlnode"
)

// place is a line and a column, both from 1.
type place struct{ line, column int }

// mistake is an error with its place in the file.
type mistake struct {
	file string
	at   place
	text string
}

func (m *mistake) Error() string {
	if m.at.line == 0 {
		return m.file + ": " + m.text
	}
	return fmt.Sprintf("%s:%d:%d: %s", m.file, m.at.line, m.at.column, m.text)
}

// parse parses a file into nodes.
func parse(file string, data []byte) (*node, error) {
	d := &decoder{file: file}
	parsed, err := yamlnode.Parse(data, tagRepeat)
	d.misread(err)
	if parsed == nil {
		if err == nil {
			d.fail(place{}, "it has 0 YAML documents, and has to have one")
		}
		return nil, errors.Join(d.errs...)
	}
	root := d.node(parsed)
	return root, errors.Join(d.errs...)
}

// misread adds the mistakes that [yamlnode.Parse] found.
func (d *decoder) misread(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			d.misread(e)
		}
	} else if e, ok := err.(*yamlnode.Error); ok {
		d.fail(place{e.Line, e.Column}, "%v", e.Err)
	}
}

func (d *decoder) fail(at place, format string, args ...any) {
	if len(d.errs) < 20 {
		d.errs = append(d.errs, &mistake{d.file, at, fmt.Sprintf(format, args...)})
	}
}

var kinds = map[yamlnode.Kind]kind{
	yamlnode.Null: kindNull, yamlnode.Bool: kindBool, yamlnode.Number: kindNumber,
	yamlnode.String: kindString, yamlnode.List: kindList, yamlnode.Map: kindMap,
}

func (d *decoder) node(n *yamlnode.Node) *node {
	out := &node{kind: kinds[n.Kind], text: n.Text, flow: n.Flow, shared: n.Shared, at: place{n.Line, n.Column}}
	if scalar := out.kind == kindNull || out.kind == kindBool || out.kind == kindNumber; scalar && !json.Valid([]byte(n.Text)) {
		// 0x10, ~ and TRUE are written otherwise in JSON, .inf cannot be
		text, err := json.Marshal(n.Plain())
		if err != nil || n.Kind == yamlnode.Number && text[0] == '"' {
			d.fail(out.at, "%s has no counterpart in JSON", n.Text)
		}
		out.text = string(text)
	}
	for _, key := range n.Keys {
		out.keys, out.keyAt = append(out.keys, key.Text), append(out.keyAt, place{key.Line, key.Column})
	}
	for _, item := range n.Items {
		out.items = append(out.items, d.node(item))
	}
	if n.Tag == tagRepeat {
		return d.repeat(out)
	}
	return out
}

// tagRepeat is the tag of a list that stands for text: !repeat [text, times, …].
const tagRepeat = "!repeat"

// maxRepeat is how long such a text may be, in bytes.
const maxRepeat = 64 << 20

// repeat returns the text for which a list with the tag !repeat stands.
func (d *decoder) repeat(list *node) *node {
	var b strings.Builder
	for i := 0; i < len(list.items); i += 2 {
		part := list.items[i]
		if i+1 == len(list.items) || part.kind != kindString || list.items[i+1].kind != kindNumber {
			d.fail(part.at, "%s has texts, each followed by how often it comes: %[1]s [abc, 1000]", tagRepeat)
			break
		}
		times := d.whole(list.items[i+1], 0, maxRepeat)
		if int64(b.Len())+times*int64(max(1, len(part.text))) > maxRepeat {
			d.fail(part.at, "the text of %s would have more than %d bytes", tagRepeat, maxRepeat)
			break
		}
		b.WriteString(strings.Repeat(part.text, int(times)))
	}
	var source bytes.Buffer
	list.writeFlow(&source, (*node).yaml, " ")
	return &node{kind: kindString, text: b.String(), source: tagRepeat + " " + source.String(), shared: list.shared, at: list.at}
}
