// Package visible makes what others wrote safe to show to a person: what a terminal would
// obey, or a reader would not see, is shown escaped as Go writes it, such as \x1b and
// \u202e. Backslashes stay as they are: the result is for reading, and not to be parsed.
package visible

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// hidden are the characters that are escaped: control characters (C0, DEL, C1), those of
// format (bidirectional overrides and isolates, joiners, marks of zero width), separators
// of lines and paragraphs, and others that Unicode wants to be ignored when they are not
// understood. An emoji that is joined of several is shown as its parts.
var hidden = []*unicode.RangeTable{unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point}

// Hidden tells whether a character is one that is escaped.
func Hidden(r rune) bool { return unicode.In(r, hidden...) }

// Line returns a text on one line: line breaks and tabs are escaped too, as are bytes
// that are no UTF-8.
func Line(text string) string { return escape(text, Hidden) }

// Text returns a text with its line breaks and tabs, and all else escaped as in a Line.
func Text(text string) string {
	return escape(text, func(r rune) bool { return r != '\n' && r != '\t' && Hidden(r) })
}

func escape(text string, hidden func(rune) bool) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, hidden) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case hidden(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteString(text[:size])
		}
		text = text[size:]
	}
	return b.String()
}

// CheckName says whether a name can be shown as it is.
func CheckName(name string) error {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("name %q contains control characters", name)
	}
	if i := strings.IndexFunc(name, Hidden); i >= 0 {
		r, _ := utf8.DecodeRuneInString(name[i:])
		return fmt.Errorf("name %+q contains %U, which a reader does not see, and which may change what is seen around it; leave it out", name, r)
	}
	return nil
}

// Writer passes on what it is given as a Text. Each Write is to have whole characters.
type Writer struct {
	// Raw takes what is for programs, and bytes that are somebody's result.
	Raw io.Writer
}

// Write implements [io.Writer].
func (w Writer) Write(text []byte) (int, error) {
	if _, err := io.WriteString(w.Raw, Text(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}
