package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// node is a value of a YAML file that can be JSON. The decoder of the YAML package is not
// used: values have to keep the order of their keys and the digits of their numbers,
// since a guest sees both, and each has to know its place.
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

// place is a line and a column, both from 1.
type place struct{ line, column int }

// mistake is an error with its place.
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

// maxNodes bounds what aliases of aliases can make of a small file.
const maxNodes = 1 << 20

// parse makes nodes of a file.
func parse(file string, data []byte) (root *node, err error) {
	defer func() { // fuzzing found texts that the YAML package does not cope with
		if p := recover(); p != nil {
			root, err = nil, &mistake{file: file, text: "this is not YAML that can be read"}
		}
	}()
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		if located, ok := errors.AsType[yaml.Error](err); ok && located.GetToken() != nil {
			at := located.GetToken().Position
			return nil, &mistake{file, place{at.Line, at.Column}, located.GetMessage()}
		}
		return nil, &mistake{file: file, text: err.Error()}
	}
	var bodies []ast.Node
	for _, doc := range parsed.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) != 1 {
		return nil, &mistake{file: file, text: fmt.Sprintf("it has %d YAML documents, and has to have one", len(bodies))}
	}
	r := &reader{file: file, anchors: map[string]ast.Node{}}
	root = r.node(bodies[0])
	return root, errors.Join(r.errs...)
}

type reader struct {
	file    string
	anchors map[string]ast.Node
	within  []string // names of the anchors that are being read
	count   int
	errs    []error
}

func (r *reader) fail(at place, format string, args ...any) {
	if len(r.errs) < 20 {
		r.errs = append(r.errs, &mistake{r.file, at, fmt.Sprintf(format, args...)})
	}
}

func placeOf(n ast.Node) place {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return place{t.Position.Line, t.Position.Column}
	}
	return place{}
}

// jsonNumber is how JSON writes numbers.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func (r *reader) node(n ast.Node) *node {
	at := placeOf(n)
	out := &node{kind: kindNull, text: "null", at: at}
	if r.count++; r.count > maxNodes {
		if r.count == maxNodes+1 {
			r.fail(at, "the file has more than %d values, with those of aliases", maxNodes)
		}
		return out
	}
	if number := n.GetToken(); number != nil && jsonNumber.MatchString(number.Value) {
		switch n.(type) {
		case *ast.IntegerNode, *ast.FloatNode:
			out.kind, out.text = kindNumber, number.Value
			return out
		case *ast.StringNode: // numbers that do not fit 64 bits, and 1e3
			if number.Type == token.StringType {
				out.kind, out.text = kindNumber, number.Value
				return out
			}
		}
	}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.BoolNode:
		out.kind, out.text = kindBool, strconv.FormatBool(n.Value)
	case *ast.IntegerNode:
		out.kind, out.text = kindNumber, fmt.Sprint(n.Value)
	case *ast.FloatNode:
		out.kind, out.text = kindNumber, strconv.FormatFloat(n.Value, 'g', -1, 64)
	case *ast.StringNode:
		out.kind, out.text = kindString, n.Value
	case *ast.LiteralNode:
		out.kind, out.text = kindString, n.Value.Value
	case *ast.AnchorNode:
		name := n.Name.GetToken().Value
		r.anchors[name] = n.Value
		r.within = append(r.within, name)
		out = r.node(n.Value)
		r.within = r.within[:len(r.within)-1]
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		value, ok := r.anchors[name]
		switch {
		case !ok:
			r.fail(at, "there is no anchor %q before this", name)
		case slices.Contains(r.within, name):
			r.fail(at, "the anchor %q contains itself", name)
		default:
			r.within = append(r.within, name)
			out = r.node(value)
			r.within = r.within[:len(r.within)-1]
			out.at, out.shared = at, true
		}
	case *ast.TagNode:
		value := r.node(n.Value)
		if n.GetToken().Value != "!!str" || value.kind == kindList || value.kind == kindMap {
			r.fail(at, "the tag %s is not understood here; only !!str is", n.GetToken().Value)
			return out
		}
		out.kind, out.text = kindString, n.Value.GetToken().Value
	case *ast.SequenceNode:
		out.kind = kindList
		for _, v := range n.Values {
			out.items = append(out.items, r.node(v))
		}
	case *ast.MappingValueNode:
		out.kind = kindMap
		r.entries(out, []*ast.MappingValueNode{n})
	case *ast.MappingNode:
		out.kind, out.flow = kindMap, n.IsFlowStyle
		r.entries(out, n.Values)
	default:
		r.fail(at, "%s has no counterpart in JSON", n.GetToken().Value)
	}
	return out
}

func (r *reader) entries(out *node, values []*ast.MappingValueNode) {
	var merged []*node
	for i, entry := range values {
		at := placeOf(entry.Key)
		if i == 0 && !out.flow {
			out.at = at // the map's own token is its first colon
		}
		if _, ok := entry.Key.(*ast.MergeKeyNode); ok {
			from := r.node(entry.Value)
			if from.kind != kindMap {
				r.fail(at, "<< needs a map")
				continue
			}
			merged, out.shared = append(merged, from), true
			continue
		}
		key := r.key(entry.Key)
		if slices.Contains(out.keys, key) {
			r.fail(at, "the key %q is there twice", key)
			continue
		}
		out.keys, out.keyAt, out.items = append(out.keys, key), append(out.keyAt, at), append(out.items, r.node(entry.Value))
	}
	for _, from := range merged {
		for i, key := range from.keys {
			if !slices.Contains(out.keys, key) {
				out.keys, out.keyAt, out.items = append(out.keys, key), append(out.keyAt, from.keyAt[i]), append(out.items, from.items[i])
			}
		}
	}
}

func (r *reader) key(n ast.MapKeyNode) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.MappingKeyNode:
		if key, ok := n.Value.(ast.MapKeyNode); ok {
			return r.key(key)
		}
		r.fail(placeOf(n), "a key has to be text")
		return ""
	}
	return n.GetToken().Value
}

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

// Values in files are written in one way only, so that a file that is written again does
// not change.

// plainText is text that is itself in YAML without quotes, whatever stands around it.
var plainText = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./-]*([ ][A-Za-z0-9_./-]+)*$`)

// plain tells words that YAML, in one of its versions, takes for something other than
// text.
func plain(text string) bool {
	switch strings.ToLower(text) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity":
		return false
	}
	return plainText.MatchString(text) && len(text) <= 200
}

func scalarText(text string) string {
	if plain(text) {
		return text
	}
	return string(quote(text))
}

// write appends the node as YAML to lines of an indentation. The caller has written what
// comes before it on its line.
func (n *node) write(b *bytes.Buffer, indent int) {
	switch {
	case n.kind == kindString:
		b.WriteString(" " + scalarText(n.text) + "\n")
	case n.kind != kindList && n.kind != kindMap:
		b.WriteString(" " + n.text + "\n")
	case n.short(60):
		b.WriteByte(' ')
		n.writeFlow(b, scalarText, " ")
		b.WriteByte('\n')
	case n.kind == kindMap:
		b.WriteByte('\n')
		n.writeMap(b, indent)
	default:
		b.WriteByte('\n')
		for _, item := range n.items {
			b.WriteString(strings.Repeat(" ", indent) + "-")
			if item.kind == kindMap && !item.short(60) {
				var inner bytes.Buffer
				item.writeMap(&inner, indent+2)
				b.WriteByte(' ')
				b.Write(bytes.TrimLeft(inner.Bytes(), " "))
				continue
			}
			item.write(b, indent+2)
		}
	}
}

func (n *node) writeMap(b *bytes.Buffer, indent int) {
	for i, key := range n.keys {
		b.WriteString(strings.Repeat(" ", indent) + scalarText(key) + ":")
		n.items[i].write(b, indent+2)
	}
}

// short tells whether a list or a map is written in one line.
func (n *node) short(limit int) bool {
	if len(n.items) == 0 {
		return true
	}
	if n.depth() > 2 {
		return false
	}
	var b bytes.Buffer
	n.writeFlow(&b, scalarText, " ")
	return b.Len() <= limit
}

func (n *node) depth() int {
	deepest := 0
	for _, item := range n.items {
		deepest = max(deepest, item.depth()+1)
	}
	return deepest
}

// JSON is compared by its value: whole numbers exactly, others by their nearest float64,
// since languages write the same one in several ways.
func equal(got, want *node) bool {
	if got.kind != want.kind {
		return false
	}
	switch got.kind {
	case kindNumber:
		return got.text == want.text || sameNumber(got.text, want.text)
	case kindList:
		return slices.EqualFunc(got.items, want.items, equal)
	case kindMap:
		return len(got.keys) == len(want.keys) && contains(got, want, equal)
	}
	return got.text == want.text
}

// contains tells whether all of the keys that want has are those of got, by the
// comparison.
func contains(got, want *node, same func(got, want *node) bool) bool {
	for i, key := range want.keys {
		if value := got.get(key); value == nil || !same(value, want.items[i]) {
			return false
		}
	}
	return true
}

// subset tells whether want is a part of got: maps may have more keys; lists and scalars
// are equal, but for the maps in the lists.
func subset(got, want *node) bool {
	switch {
	case got.kind != want.kind:
		return false
	case got.kind == kindMap:
		return contains(got, want, subset)
	case got.kind == kindList:
		return slices.EqualFunc(got.items, want.items, subset)
	}
	return equal(got, want)
}

func sameNumber(a, b string) bool {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX != nil || errY != nil || x != y {
		return false
	}
	// 1e999999999 exactly would take all memory
	if len(a) > 40 || len(b) > 40 || strings.ContainsAny(a+b, "eE") {
		return true
	}
	p, okP := new(big.Rat).SetString(a)
	q, okQ := new(big.Rat).SetString(b)
	return okP && okQ && (p.Cmp(q) == 0 || !p.IsInt() && !q.IsInt())
}

// pretty is the node as JSON for people: a line for each value, keys sorted, and short
// lists in one line.
func (n *node) pretty() string {
	var b strings.Builder
	n.appendPretty(&b, "")
	return b.String()
}

func (n *node) appendPretty(b *strings.Builder, indent string) {
	if len(n.items) == 0 || n.kind == kindList && n.depth() == 1 && len(n.json()) <= 60 {
		b.Write(n.json())
		return
	}
	order := make([]int, len(n.items))
	for i := range order {
		order[i] = i
	}
	opening, closing := "[", "]"
	if n.kind == kindMap {
		opening, closing = "{", "}"
		slices.SortFunc(order, func(i, k int) int { return strings.Compare(n.keys[i], n.keys[k]) })
	}
	b.WriteString(opening + "\n")
	for count, i := range order {
		b.WriteString(indent + "  ")
		if n.kind == kindMap {
			b.Write(quote(n.keys[i]))
			b.WriteString(": ")
		}
		n.items[i].appendPretty(b, indent+"  ")
		if count < len(order)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString(indent + closing)
}
