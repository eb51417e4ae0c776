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

// node is a value of a YAML file that can be JSON. It keeps the order of keys and the
// digits of numbers, since a guest sees both.
type node struct {
	kind   kind
	text   string // of a scalar: as JSON has it, or the string itself
	items  []*node
	keys   []string // of a map; items are the values
	keyAt  []place
	flow   bool // a map written as {…}
	shared bool // parts of it are elsewhere: it is an alias, or a map with <<
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

// get is the value of a key, or nil.
func (n *node) get(key string) *node {
	if i := slices.Index(n.keys, key); i >= 0 {
		return n.items[i]
	}
	return nil
}

// without is a map without a key.
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

// sortedMap is a map with its keys in order.
func sortedMap[V any](entries map[string]V, value func(V) *node) *node {
	n := &node{kind: kindMap}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		n.set(key, value(entries[key]))
	}
	return n
}

// set adds an entry to a map.
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

// json is the node as JSON without white space, keys in their order.
func (n *node) json() []byte {
	var b bytes.Buffer
	n.writeFlow(&b, func(text string) string { return string(quote(text)) }, "")
	return b.Bytes()
}

// writeFlow writes the node with brackets and braces: JSON, or YAML in its flow style.
// They differ in how text is written, and in the space after commas and colons.
func (n *node) writeFlow(b *bytes.Buffer, scalar func(text string) string, space string) {
	switch n.kind {
	case kindString:
		b.WriteString(scalar(n.text))
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
			b.WriteString(scalar(key) + ":" + space)
			n.items[i].writeFlow(b, scalar, space)
		}
		b.WriteByte('}')
	default:
		b.WriteString(n.text)
	}
}

// quote is text as JSON has it, and as YAML has it in double quotes.
func quote(text string) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.Encode(text) //nolint:errcheck // a string can be JSON
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// fromJSON makes a node of JSON, with the order of its keys and the digits of its
// numbers.
func fromJSON(data []byte) (*node, error) {
	if !json.Valid(data) { // this bounds the depth, too
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
