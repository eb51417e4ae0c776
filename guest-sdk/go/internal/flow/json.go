package flow

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// reader reads JSON that the host has written. Anything else is a fault of the host,
// about which nothing can be done here: the readers panic.
type reader struct {
	b []byte
	i int
}

func (r *reader) bad(want string) {
	panic(fmt.Sprintf("wasmworker: the head of an activation is not as agreed: %s expected at byte %d of %d", want, r.i, len(r.b)))
}

// peek returns the byte that the next value or sign begins with. Small enough to be inlined:
// calls are what costs most in WebAssembly.
func (r *reader) peek() byte {
	if r.i < len(r.b) && r.b[r.i] > ' ' {
		return r.b[r.i]
	}
	return r.space()
}

func (r *reader) space() byte {
	for r.i < len(r.b) {
		if c := r.b[r.i]; c > ' ' {
			return c
		}
		r.i++
	}
	r.bad("more")
	return 0
}

func (r *reader) next(c byte) bool {
	if r.peek() == c {
		r.i++
		return true
	}
	return false
}

func (r *reader) expect(c byte) {
	if !r.next(c) {
		r.bad(string(c))
	}
}

// open begins an object or a list and tells whether there is anything in it.
func (r *reader) open(begin, end byte) bool {
	r.expect(begin)
	return !r.next(end)
}

// more goes on with an object or a list and tells whether there is more in it.
func (r *reader) more(end byte) bool {
	if r.next(',') {
		return true
	}
	r.expect(end)
	return false
}

func (r *reader) key() []byte {
	k := r.text()
	r.expect(':')
	return k
}

// text reads a string. What it returns belongs to the activation.
func (r *reader) text() []byte {
	r.peek()
	b, i := r.b, r.i
	if b[i] == 'n' { // null
		r.skip()
		return nil
	}
	if b[i] != '"' {
		r.bad("a string")
	}
	i++
	start := i
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' {
			r.i = i + 1
			return b[start:i]
		} else if c == '\\' {
			return r.escaped(start - 1)
		}
	}
	r.bad("the end of a string")
	return nil
}

// escaped reads a string, which begins at start, that has escapes.
func (r *reader) escaped(start int) []byte {
	r.i = start
	r.skip()
	var s string
	if err := json.Unmarshal(r.b[start:r.i], &s); err != nil {
		r.bad("a string")
	}
	return []byte(s)
}

func (r *reader) string() string { return string(r.text()) }

// number returns the text of a number.
func (r *reader) number() []byte {
	r.peek()
	start := r.i
	for r.i < len(r.b) {
		c := r.b[r.i]
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			break
		}
		r.i++
	}
	if r.i == start {
		r.bad("a number")
	}
	return r.b[start:r.i]
}

func (r *reader) int() int64 {
	r.peek()
	b, i := r.b, r.i
	var n int64
	for start := i; i < len(b) && i < start+18; i++ {
		c := b[i] - '0'
		if c > 9 {
			break
		}
		n = n*10 + int64(c)
	}
	if i == r.i || i == len(b) || !ends(b[i]) { // negative, too long, or not a whole number
		return r.wideInt(r.number())
	}
	r.i = i
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

func (r *reader) bool() bool {
	t := r.peek() == 't'
	r.skip()
	return t
}

// skip goes over a value of any kind.
func (r *reader) skip() {
	depth := 0
	r.peek()
	for {
		switch c := r.peek(); c {
		case '{', '[':
			depth++
			r.i++
		case '}', ']':
			depth--
			r.i++
		case ',', ':':
			r.i++
			continue
		case '"':
			r.i++
			for r.i < len(r.b) && r.b[r.i] != '"' {
				if r.b[r.i] == '\\' {
					r.i++
				}
				r.i++
			}
			r.i++
		default:
			for r.i < len(r.b) && !ends(r.b[r.i]) {
				r.i++
			}
		}
		if r.i > len(r.b) {
			r.bad("the end of a value")
		}
		if depth <= 0 {
			return
		}
	}
}

func ends(c byte) bool { return c <= ' ' || c == ',' || c == ':' || c == '}' || c == ']' }

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
