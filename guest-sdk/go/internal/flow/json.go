package flow

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// token is a sign or a value in the head of an activation.
type token struct {
	kind       byte // '{', '}', '[', ']', a string '"' without or '\\' with escapes, or 'v': another value
	start, end int32
}

// scan takes JSON apart that the host has written, in one function: calls are what costs
// most in WebAssembly.
func scan(b []byte, tokens []token) []token {
	for i := 0; i < len(b); i++ {
		start, kind := i, b[i]
		switch kind {
		case ' ', '\t', '\n', '\r', ',', ':':
			continue
		case '{', '}', '[', ']':
		case '"':
			start++
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					kind = '\\'
					i++
				}
			}
			tokens = append(tokens, token{kind, int32(start), int32(i)})
			continue
		default:
			kind = 'v'
			for i+1 < len(b) && b[i+1] > ' ' && b[i+1] != ',' && b[i+1] != '}' && b[i+1] != ']' {
				i++
			}
		}
		tokens = append(tokens, token{kind, int32(start), int32(i + 1)})
	}
	return tokens
}

// reader reads what [scan] has found. What is not as agreed is a fault of the host, about
// which nothing can be done here: the readers panic.
type reader struct {
	b      []byte
	tokens []token
	i      int
}

func newReader(b []byte, tokens []token) reader {
	return reader{b: b, tokens: append(scan(b, tokens), token{})} // the last one is no value
}

func (r *reader) bad(want string) {
	panic(fmt.Sprintf("wasmworker: the head of an activation is not as agreed: %s expected at byte %d of %d", want, r.tokens[r.i].start, len(r.b)))
}

func (r *reader) next(kind byte) bool {
	if r.tokens[r.i].kind == kind {
		r.i++
		return true
	}
	return false
}

func (r *reader) expect(kind byte) {
	if !r.next(kind) {
		r.bad(string(kind))
	}
}

// open begins an object or a list and tells whether there is anything in it.
func (r *reader) open(begin, end byte) bool {
	r.expect(begin)
	return !r.next(end)
}

// more goes on with an object or a list and tells whether there is more in it.
func (r *reader) more(end byte) bool { return !r.next(end) }

// isObject tells whether an object comes next.
func (r *reader) isObject() bool { return r.tokens[r.i].kind == '{' }

func (r *reader) key() []byte { return r.text() }

// text reads a string, or null. What it returns belongs to the activation.
func (r *reader) text() []byte {
	t := &r.tokens[r.i]
	if t.kind != '"' {
		return r.otherText()
	}
	r.i++
	return r.b[t.start:t.end]
}

func (r *reader) otherText() []byte {
	t := &r.tokens[r.i]
	switch {
	case t.kind == '\\':
		var s string
		if err := json.Unmarshal(r.b[t.start-1:t.end+1], &s); err != nil {
			r.bad("a string")
		}
		r.i++
		return []byte(s)
	case t.kind == 'v' && string(r.b[t.start:t.end]) == "null":
		r.i++
		return nil
	}
	r.bad("a string")
	return nil
}

func (r *reader) string() string { return string(r.text()) }

// number returns the text of a number or another value.
func (r *reader) number() []byte {
	t := &r.tokens[r.i]
	if t.kind != 'v' {
		r.bad("a number")
	}
	r.i++
	return r.b[t.start:t.end]
}

func (r *reader) int() int64 {
	text := r.number()
	if len(text) > 18 {
		return r.wideInt(text)
	}
	var n int64
	for _, c := range text {
		if c -= '0'; c > 9 {
			return r.wideInt(text)
		}
		n = n*10 + int64(c)
	}
	return n
}

func (r *reader) wideInt(text []byte) int64 {
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		r.bad("a whole number")
	}
	return int64(f)
}

func (r *reader) float() float64 {
	f, err := strconv.ParseFloat(string(r.number()), 64)
	if err != nil {
		r.bad("a number")
	}
	return f
}

func (r *reader) bool() bool { return string(r.number()) == "true" }

// skip goes over a value of any kind, and returns its text.
func (r *reader) skip() []byte {
	first := r.tokens[r.i]
	depth := 0
	for {
		t := &r.tokens[r.i]
		switch t.kind {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case 0:
			r.bad("a value")
		}
		r.i++
		if depth <= 0 {
			return r.b[first.start:t.end]
		}
	}
}

// safe are the bytes that are themselves in a JSON string as encoding/json writes it.
var safe = func() (t [256]bool) {
	for c := byte(' '); c <= '~'; c++ {
		t[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return t
}()

// plain tells whether a text is a JSON string as it is, with quotes around it.
func plain(s []byte) bool {
	for _, c := range s {
		if !safe[c] {
			return false
		}
	}
	return true
}

// appendText appends a JSON string, as encoding/json writes it.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if !safe[s[i]] {
			data, err := json.Marshal(s)
			if err != nil { // strings always marshal
				panic(err)
			}
			return append(b, data...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
