package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// node is a value of a YAML file that can be written as JSON. It keeps the order of keys
// and the digits of numbers, because a guest sees both.
type node struct {
	kind   kind
	text   string // of a scalar: its JSON, or the string itself
	items  []*node
	keys   []string // of a map; items are the values
	keyAt  []place
	flow   bool   // a map written as {…}
	source string // of text that is written in another way than as text
	shared bool   // an alias or a map with <<, so parts of it are elsewhere
	at     place
}

type kind string

const (
	kindNull   kind = "null"
	kindBool   kind = "true or false"
	kindNumber kind = "a number"
	kindString kind = "text"
	kindList   kind = "a list"
	kindMap    kind = "a map"
)

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	if i := slices.Index(n.keys, key); i >= 0 {
		return n.items[i]
	}
	return nil
}

// without returns a copy of a map without a key.
func (n *node) without(key string) *node {
	out := &node{kind: n.kind}
	for i, k := range n.keys {
		if k != key {
			out.set(k, n.items[i])
		}
	}
	return out
}

func str(text string) *node { return &node{kind: kindString, text: text} }

func number[N int | int64 | uint64](n N) *node {
	return &node{kind: kindNumber, text: fmt.Sprint(n)}
}

func mapOf(key string, value *node) *node {
	return (&node{kind: kindMap}).set(key, value)
}

// sortedMap returns a map with its keys sorted.
func sortedMap[V any](entries map[string]V, value func(V) *node) *node {
	n := &node{kind: kindMap}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		n.set(key, value(entries[key]))
	}
	return n
}

// set adds an entry to a map and returns the map.
func (n *node) set(key string, value *node) *node {
	n.keys, n.items = append(n.keys, key), append(n.items, value)
	return n
}

func listOf[T any](items []T, item func(T) *node) *node {
	n := &node{kind: kindList}
	for _, i := range items {
		n.items = append(n.items, item(i))
	}
	return n
}

// json returns the node as JSON without white space, with keys in their order.
func (n *node) json() []byte {
	var b bytes.Buffer
	n.writeFlow(&b, func(n *node) string { return string(quote(n.text)) }, "")
	return b.Bytes()
}

// writeFlow writes the node with brackets and braces, as JSON or as YAML in flow style.
// These differ in how text is written, and in the space after commas and colons.
func (n *node) writeFlow(b *bytes.Buffer, scalar func(text *node) string, space string) {
	switch n.kind {
	case kindString:
		b.WriteString(scalar(n))
	case kindList:
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteString("," + space)
			}
			item.writeFlow(b, scalar, space)
		}
		b.WriteByte(']')
	case kindMap:
		b.WriteByte('{')
		for i, key := range n.keys {
			if i > 0 {
				b.WriteString("," + space)
			}
			b.WriteString(scalar(str(key)) + ":" + space)
			n.items[i].writeFlow(b, scalar, space)
		}
		b.WriteByte('}')
	default:
		b.WriteString(n.text)
	}
}

// quote returns text as a JSON string, which is also a double-quoted string in YAML.
func quote(text string) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.Encode(text) //nolint:errcheck // a string can be JSON
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// fromJSON makes a node from JSON. It keeps the order of keys and the digits of numbers.
func fromJSON(data []byte) (*node, error) {
	if !json.Valid(data) { // Valid also bounds the depth
		return nil, errors.New("it is not JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value func() (*node, error)
	value = func() (*node, error) {
		t, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case bool:
			return &node{kind: kindBool, text: strconv.FormatBool(t)}, nil
		case json.Number:
			return &node{kind: kindNumber, text: t.String()}, nil
		case string:
			return &node{kind: kindString, text: t}, nil
		case json.Delim:
			n := &node{kind: kindList}
			if t == '{' {
				n.kind = kindMap
			}
			for decoder.More() {
				if n.kind == kindMap {
					key, err := decoder.Token()
					if err != nil {
						return nil, err
					}
					if slices.Contains(n.keys, key.(string)) {
						return nil, fmt.Errorf("the key %q is there twice", key)
					}
					n.keys = append(n.keys, key.(string))
				}
				item, err := value()
				if err != nil {
					return nil, err
				}
				n.items = append(n.items, item)
			}
			_, err := decoder.Token() // the end
			return n, err
		}
		return &node{kind: kindNull, text: "null"}, nil
	}
	return value()
}
