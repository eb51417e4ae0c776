package sandbox

import (
	"bytes"
	"log/slog"
	"strings"

	"github.com/wasmworker/wasmworker/abi"
)

// streams are an instance's standard output and error on their way to the log.
type streams struct{ stdout, stderr lines }

func newStreams() *streams {
	return &streams{stdout: lines{stream: "stdout"}, stderr: lines{stream: "stderr"}}
}

// flush logs lines that did not end.
func (s *streams) flush(c *call) {
	s.stdout.flush(c)
	s.stderr.flush(c)
}

// lines turns what is written into log records, one for each line.
type lines struct {
	stream  string
	partial []byte
}

func (l *lines) write(c *call, p []byte) {
	if c.logsDropped {
		return
	}
	for len(p) > 0 {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		if room := abi.MaxLogText - len(l.partial); len(line) > room {
			line, rest, ended = p[:room], p[room:], true // a very long line is several
		}
		l.partial = append(l.partial, line...)
		p = rest
		if ended {
			l.log(c)
		}
	}
}

func (l *lines) log(c *call) {
	text := strings.ToValidUTF8(strings.TrimSuffix(string(l.partial), "\r"), "\uFFFD")
	l.partial = l.partial[:0]
	if text != "" {
		c.log(slog.LevelInfo, text, []slog.Attr{slog.String("stream", l.stream)}, len(text))
	}
}

func (l *lines) flush(c *call) {
	if len(l.partial) > 0 {
		l.log(c)
	}
}

// tail keeps the first line of what is written that is not empty, where a runtime names
// its fatal error, and the end.
type tail struct {
	first []byte
	ended bool // the first line
	data  []byte
}

const (
	tailSize  = 2 << 10
	firstSize = 200
)

func (t *tail) write(p []byte) {
	for rest := p; len(rest) > 0 && !t.ended; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		t.first = append(t.first, line[:min(len(line), firstSize-len(t.first))]...)
		rest = after
		text := bytes.TrimSpace(t.first)
		t.ended = len(t.first) == firstSize || ended && len(text) > 0 && text[len(text)-1] != ':'
		// Rust names the place in a line, and the reason in the next
		if ended && !t.ended && len(text) > 0 {
			t.first = append(text, ' ')
		}
	}
	t.data = append(t.data, p[max(0, len(p)-tailSize):]...)
	if extra := len(t.data) - tailSize; extra > 0 {
		t.data = append(t.data[:0], t.data[extra:]...)
	}
}

// firstLine returns the first line, shortened if it is long.
func (t *tail) firstLine() string {
	return strings.TrimSpace(strings.ToValidUTF8(string(t.first), "\uFFFD"))
}

// last returns the last n bytes at most.
func (t *tail) last(n int) string {
	return strings.ToValidUTF8(string(t.data[max(0, len(t.data)-n):]), "\uFFFD")
}

func (t *tail) String() string { return strings.ToValidUTF8(string(t.data), "\uFFFD") }
