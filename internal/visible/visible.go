// Package visible makes text from others safe to show to a person. Characters that a
// terminal would obey, or that a reader would not see, are escaped as Go writes them,
// such as \x1b and \u202e. Backslashes stay as they are: the result is for reading and
// cannot be parsed.
package visible

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// hidden are the characters that are escaped: control characters (C0, DEL, C1), format
// characters (bidirectional overrides and isolates, joiners, marks of zero width), line
// and paragraph separators, and others that Unicode says to ignore if they are not
// understood. An emoji that is joined from several is shown as its parts.
var hidden = []*unicode.RangeTable{unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point}

// Hidden reports whether a character is escaped.
func Hidden(r rune) bool { return unicode.In(r, hidden...) }

// Line returns a text on one line. Line breaks, tabs and bytes that are not UTF-8 are
// escaped too.
func Line(text string) string { return escape(text, Hidden) }

// Text returns a text with its line breaks and tabs. Everything else is escaped as by
// [Line].
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

// CheckName returns an error if a name cannot be shown as it is: it is not UTF-8, or has
// a control or hidden character.
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

// Writer writes text to Raw as [Text] returns it. Each Write must have whole characters.
type Writer struct {
	// Raw is the writer behind it, for output that programs read, and for results in
	// bytes.
	Raw io.Writer
}

// Write implements [io.Writer].
func (w Writer) Write(text []byte) (int, error) {
	if _, err := io.WriteString(w.Raw, Text(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}
