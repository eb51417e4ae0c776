package visible_test

import (
	"bytes"
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/wasmworker/wasmworker/internal/visible"
)

func TestEscapes(t *testing.T) {
	for text, want := range map[string]string{
		"": "",
		"plain: é, 日本, 🙂, ✈️, \u00a0.": "plain: é, 日本, 🙂, ✈️, \u00a0.",
		"\x1b[2J\a\r\x00\x7f":          `\x1b[2J\a\r\x00\x7f`,
		"\u009b31m":                    `\u009b31m`,
		"a\u202eb\u2066c\u2069":        `a\u202eb\u2066c\u2069`,
		"\u200b\u200d\ufeff\u00ad":     `\u200b\u200d\ufeff\u00ad`,
		"\u2028\u2029\u3164":           `\u2028\u2029\u3164`,
		"\U000e0041":                   `\U000e0041`,
		"\xff\xc3":                     `\xff\xc3`,
		"\uFFFD \\x1b":                 "\uFFFD \\x1b",
	} {
		if got := visible.Line(text); got != want {
			t.Errorf("a line of %q is %q, want %q", text, got, want)
		}
	}
	if got := visible.Line("a\tb\nc"); got != `a\tb\nc` {
		t.Errorf("a line is %q", got)
	}
	if got := visible.Text("a\tb\n\rc\x1b"); got != "a\tb\n"+`\rc\x1b` {
		t.Errorf("a text is %q", got)
	}
	var b bytes.Buffer
	if n, err := fmt.Fprintf(visible.Writer{Raw: &b}, "%s\n", "\x1b[2J"); n != 5 || err != nil || b.String() != `\x1b[2J`+"\n" {
		t.Errorf("%d bytes written, %v: %q", n, err, &b)
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x1b\u202e\xff")
	f.Fuzz(func(t *testing.T, text string) {
		got := visible.Line(text)
		if !utf8.ValidString(got) || got != visible.Line(got) {
			t.Errorf("%q becomes %q", text, got)
		}
		if whole := visible.Text(text); visible.Line(whole) != got {
			t.Errorf("%q becomes %q as a text, and %q as a line", text, whole, got)
		}
	})
}
