package cases

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Each value has only one written form, so that a file that is written again does not
// change.

// plainText matches text that needs no quotes in YAML, whatever stands around it.
var plainText = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./-]*([ ][A-Za-z0-9_./-]+)*$`)

// unreadable matches characters that JSON leaves unescaped, and that YAML refuses or
// takes for the end of a line.
var unreadable = regexp.MustCompile(`[\x7f-\x{9f}\x{feff}\x{fffe}\x{ffff}]`)

// plain reports whether text can be written without quotes. Words that any version of
// YAML takes for something other than text cannot.
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
	return unreadable.ReplaceAllStringFunc(string(quote(text)), func(c string) string {
		return fmt.Sprintf(`\u%04x`, []rune(c)[0])
	})
}

// yaml returns text as YAML.
func (n *node) yaml() string {
	if n.source != "" {
		return n.source
	}
	return scalarText(n.text)
}

// write appends the node as YAML, with the given indentation. The caller has written the
// beginning of its first line.
func (n *node) write(b *bytes.Buffer, indent int) {
	switch {
	case n.kind == kindString:
		b.WriteString(" " + n.yaml() + "\n")
	case n.kind != kindList && n.kind != kindMap:
		b.WriteString(" " + n.text + "\n")
	case n.short(60):
		b.WriteByte(' ')
		n.writeFlow(b, (*node).yaml, " ")
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

// short reports whether a list or a map is written in one line.
func (n *node) short(limit int) bool {
	if len(n.items) == 0 {
		return true
	}
	if n.depth() > 2 {
		return false
	}
	var b bytes.Buffer
	n.writeFlow(&b, (*node).yaml, " ")
	return b.Len() <= limit
}

func (n *node) depth() int {
	deepest := 0
	for _, item := range n.items {
		deepest = max(deepest, item.depth()+1)
	}
	return deepest
}

// pretty returns the node as JSON for people: a line for each value, sorted keys, and
// short lists in one line.
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
