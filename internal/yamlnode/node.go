// Package yamlnode reads YAML files, and reports their mistakes with places. It keeps
// what a decoder loses: the line and column of each value, the order of keys, and numbers
// as they were written.
package yamlnode

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Kind is the kind of a value. Its text is used in messages.
type Kind string

// The kinds of values. A date is a string.
const (
	Null   Kind = "null"
	Bool   Kind = "true or false"
	Number Kind = "number"
	String Kind = "string"
	List   Kind = "sequence"
	Map    Kind = "mapping"
)

// Node is a value of a file.
type Node struct {
	Kind Kind
	Text string // of a scalar, as it was written, but without quotes
	// Line and Column are the place of the value, from 1. A map in several lines is at
	// its first key. An alias is at the place of the alias, not of its anchor.
	Line, Column int
	Keys         []Key   // of a map
	Items        []*Node // of a list, and the values of a map in the order of Keys
	Flow         bool    // written as [...] or {...}
	Tag          string  // of a list that has one that Parse was given, such as !repeat
	Shared       bool    // an alias or a map with <<, so parts of it are elsewhere
}

// Key is a key of a map.
type Key struct {
	Text         string
	Line, Column int
}

// Error is a mistake in a file.
type Error struct {
	Line, Column int   // from 1; 0 if not known
	Path         []any // to the value: keys of maps (string), indexes of lists (int)
	Err          error
}

// Error returns the text of the mistake without its place.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the mistake.
func (e *Error) Unwrap() error { return e.Err }

// Place returns ":line:column", or as much of it as is known.
func (e *Error) Place() string { return place(e.Line, e.Column) }

func place(line, column int) string {
	switch {
	case line == 0:
		return ""
	case column == 0:
		return fmt.Sprintf(":%d", line)
	}
	return fmt.Sprintf(":%d:%d", line, column)
}

const (
	maxNodes  = 1 << 20 // aliases of aliases make many nodes from a small file
	maxErrors = 20
)

// Parse parses a file with one YAML document. Lists may have the given tags; other tags
// but !!str are mistakes. The node is nil if the document is empty. The error is an
// [*Error], or joins several.
func Parse(data []byte, tags ...string) (root *Node, err error) {
	defer func() { // fuzzers have found texts on which YAML parsers panic
		if p := recover(); p != nil {
			root, err = nil, &Error{Err: errors.New("this is not YAML that can be read")}
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var documents []*yaml.Node
	for {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return only(documents, tags)
		case err != nil:
			return nil, syntaxError(err, data)
		case len(document.Content) == 1:
			documents = append(documents, document.Content[0])
		}
	}
}

func only(documents []*yaml.Node, tags []string) (*Node, error) {
	switch len(documents) {
	case 0:
		return nil, nil
	case 1:
		r := &reader{tags: tags}
		root := r.node(documents[0])
		return root, errors.Join(r.errs...)
	}
	return nil, &Error{Err: fmt.Errorf("it has %d YAML documents, and has to have one", len(documents))}
}

// syntaxError takes the place and the message from an error of the parser. If something
// is missing at the end of the text, the place is where the unfinished part begins, or
// the last line that is not empty.
func syntaxError(err error, data []byte) error {
	e, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		return &Error{Err: err}
	}
	message := e.Message
	if e.ContextMsg != "" {
		message = e.ContextMsg + ": " + message
	}
	at, end := e.Mark, utf8.RuneCount(data)
	if at.Line == 0 || at.Index >= end && e.ContextMark.Line > 0 {
		at = e.ContextMark
	}
	if at.Line > 0 && at.Index >= end {
		text := bytes.TrimRight(data, " \t\r\n")
		at.Line = bytes.Count(text, []byte("\n")) + 1
		at.Column = utf8.RuneCount(text[bytes.LastIndexByte(text, '\n')+1:]) + 1
	}
	return &Error{Line: at.Line, Column: at.Column, Err: errors.New(message)}
}

type reader struct {
	tags   []string     // that lists may have
	within []*yaml.Node // anchors that are being read
	count  int
	errs   []error
}

func (r *reader) fail(at *yaml.Node, format string, args ...any) {
	if len(r.errs) < maxErrors {
		r.errs = append(r.errs, &Error{Line: at.Line, Column: at.Column, Err: fmt.Errorf(format, args...)})
	}
}

func (r *reader) node(n *yaml.Node) *Node {
	out := &Node{Kind: Null, Line: n.Line, Column: n.Column, Flow: n.Style&yaml.FlowStyle != 0}
	if r.count++; r.count > maxNodes {
		if r.count == maxNodes+1 {
			r.fail(n, "the file has more than %d values, with those of aliases", maxNodes)
		}
		return out
	}
	if n.Style&yaml.TaggedStyle != 0 {
		switch {
		case n.Tag == "!!str" && n.Kind == yaml.ScalarNode:
		case slices.Contains(r.tags, n.Tag) && n.Kind == yaml.SequenceNode:
			out.Tag = n.Tag
		default:
			r.fail(n, "the tag %s is not understood here; only !!str is, of a scalar%s", n.ShortTag(), r.further())
			return out
		}
	}
	switch n.Kind {
	case yaml.AliasNode:
		return r.alias(n, out)
	case yaml.SequenceNode:
		out.Kind = List
		for _, item := range n.Content {
			out.Items = append(out.Items, r.node(item))
		}
	case yaml.MappingNode:
		out.Kind = Map
		r.entries(n, out)
	default:
		out.Kind, out.Text = r.scalar(n), n.Value
	}
	return out
}

// further says which tags there are besides !!str.
func (r *reader) further() string {
	if len(r.tags) == 0 {
		return ""
	}
	return ", and " + strings.Join(r.tags, ", ") + ", of a list"
}

func (r *reader) alias(n *yaml.Node, out *Node) *Node {
	if slices.Contains(r.within, n.Alias) || n.Alias == nil {
		r.fail(n, "the anchor %q contains itself", n.Value)
		return out
	}
	r.within = append(r.within, n.Alias)
	out = r.node(n.Alias)
	r.within = r.within[:len(r.within)-1]
	out.Line, out.Column, out.Shared = n.Line, n.Column, true
	return out
}

func (r *reader) scalar(n *yaml.Node) Kind {
	switch n.ShortTag() {
	case "!!null":
		return Null
	case "!!bool":
		return Bool
	case "!!int", "!!float":
		return Number
	case "!!str":
		if n.Style == 0 && json.Valid([]byte(n.Value)) {
			return Number // a number beyond 64 bits, such as 1e999
		}
	}
	return String // a date and, as a value, << too
}

func (r *reader) entries(n *yaml.Node, out *Node) {
	var merged []*Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.AliasNode && key.Alias != nil {
			key = &yaml.Node{Kind: key.Alias.Kind, Value: key.Alias.Value, Tag: key.Alias.Tag, Line: key.Line, Column: key.Column}
		}
		if i == 0 && !out.Flow {
			out.Line, out.Column = key.Line, key.Column // not those of an anchor before it
		}
		switch {
		case key.Kind != yaml.ScalarNode:
			r.fail(key, "a key has to be text")
		case key.ShortTag() == "!!merge":
			from := r.node(value)
			sources := []*Node{from}
			if from.Kind == List {
				sources = from.Items
			}
			for _, source := range sources {
				if source.Kind != Map {
					r.fail(key, "<< needs a map")
					continue
				}
				merged, out.Shared = append(merged, source), true
			}
		case out.has(key.Value):
			r.fail(key, "the key %q is there twice", key.Value)
		default:
			out.Keys = append(out.Keys, Key{key.Value, key.Line, key.Column})
			out.Items = append(out.Items, r.node(value))
		}
	}
	for _, from := range merged {
		for i, key := range from.Keys {
			if !out.has(key.Text) {
				out.Keys, out.Items = append(out.Keys, key), append(out.Items, from.Items[i])
			}
		}
	}
}

func (n *Node) has(key string) bool {
	return slices.ContainsFunc(n.Keys, func(k Key) bool { return k.Text == key })
}

// Get returns the value of a key, or nil if there is none.
func (n *Node) Get(key string) *Node {
	value, _ := n.child(key)
	return value
}

// child returns the node to which a step of a path leads, and its key if the node is in a
// map.
func (n *Node) child(step any) (*Node, *Key) {
	switch step := step.(type) {
	case string:
		for i := range n.Keys {
			if n.Keys[i].Text == step {
				return n.Items[i], &n.Keys[i]
			}
		}
	case int:
		if n.Kind == List && step >= 0 && step < len(n.Items) {
			return n.Items[step], nil
		}
	}
	return nil, nil
}

// Where returns the place of a path, as ":line:column". It is the place of the value, or
// of the value's key if the value is a list or a map. If the file has only a part of the
// path, it is the place of the last node that the file has.
func (n *Node) Where(path ...any) string {
	line, column := n.Line, n.Column
	for _, step := range path {
		next, key := n.child(step)
		if next == nil {
			break
		}
		n, line, column = next, next.Line, next.Column
		if key != nil && (n.Kind == List || n.Kind == Map) {
			line, column = key.Line, key.Column
		}
	}
	return place(line, column)
}
