package sqlite

import (
	"bytes"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Functions of SQLite's whose time is the product of two lengths are replaced by ones
// whose time is their sum, and those that tell what was done in the session tell it of
// its present owner alone.

type function struct {
	name  string
	args  int32
	flags int32
	call  call
}

type call = func(tls *libc.TLS, ctx uintptr, n int32, args uintptr)

const pure = sqlite3.SQLITE_UTF8 | sqlite3.SQLITE_DETERMINISTIC | sqlite3.SQLITE_INNOCUOUS

var functions = []function{
	{"instr", 2, pure, instr},
	{"replace", 3, pure, replace},
	{"trim", 2, pure, func(tls *libc.TLS, ctx uintptr, _ int32, args uintptr) { trim(tls, ctx, args, true, true) }},
	{"ltrim", 2, pure, func(tls *libc.TLS, ctx uintptr, _ int32, args uintptr) { trim(tls, ctx, args, true, false) }},
	{"rtrim", 2, pure, func(tls *libc.TLS, ctx uintptr, _ int32, args uintptr) { trim(tls, ctx, args, false, true) }},
	{"changes", 0, sqlite3.SQLITE_UTF8 | sqlite3.SQLITE_INNOCUOUS, changes},
	{"total_changes", 0, sqlite3.SQLITE_UTF8 | sqlite3.SQLITE_INNOCUOUS, totalChanges},
}

// addFunctions adds the functions to a connection.
func (c *conn) addFunctions() bool {
	for _, f := range functions {
		name, err := libc.CString(f.name)
		if err != nil {
			return false
		}
		code := sqlite3.Xsqlite3_create_function_v2(c.tls, c.db, name, f.args, f.flags, c.before, functionPointer(f.call), 0, 0, 0)
		libc.Xfree(c.tls, name)
		if code != sqlite3.SQLITE_OK {
			return false
		}
	}
	return true
}

// totalChanges is total_changes(), without those of who had the session before.
func totalChanges(tls *libc.TLS, ctx uintptr, _ int32, _ uintptr) {
	db, before := sqlite3.Xsqlite3_context_db_handle(tls, ctx), sqlite3.Xsqlite3_user_data(tls, ctx)
	sqlite3.Xsqlite3_result_int64(tls, ctx, sqlite3.Xsqlite3_total_changes64(tls, db)-*at[int64](before))
}

// changes is changes(), and 0 before the first change of the session's owner.
func changes(tls *libc.TLS, ctx uintptr, _ int32, _ uintptr) {
	db, before := sqlite3.Xsqlite3_context_db_handle(tls, ctx), sqlite3.Xsqlite3_user_data(tls, ctx)
	n := int64(0)
	if sqlite3.Xsqlite3_total_changes64(tls, db) != *at[int64](before) {
		n = sqlite3.Xsqlite3_changes64(tls, db)
	}
	sqlite3.Xsqlite3_result_int64(tls, ctx, n)
}

func argument(args uintptr, i int) uintptr {
	return *at[uintptr](args + uintptr(i)*unsafe.Sizeof(uintptr(0)))
}

// text is a value as text, in SQLite's memory. It is nil for NULL, and if there was no
// memory.
func text(tls *libc.TLS, value uintptr) []byte {
	p := sqlite3.Xsqlite3_value_text(tls, value)
	if p == 0 {
		return nil
	}
	return unsafe.Slice(at[byte](p), sqlite3.Xsqlite3_value_bytes(tls, value))
}

// texts are all arguments as text. If one is NULL, the function's result is.
func texts(tls *libc.TLS, ctx, args uintptr, n int) ([][]byte, bool) {
	if interrupted(tls, ctx) {
		return nil, false
	}
	all := make([][]byte, n)
	for i := range all {
		value := argument(args, i)
		if sqlite3.Xsqlite3_value_type(tls, value) == sqlite3.SQLITE_NULL {
			return nil, false
		}
		if all[i] = text(tls, value); all[i] == nil {
			sqlite3.Xsqlite3_result_error_nomem(tls, ctx)
			return nil, false
		}
	}
	return all, true
}

// finder finds a text in others.
type finder struct {
	what []byte
	back []int32 // for each beginning of what, the longest that is an end of it too (Knuth, Morris, Pratt)
}

func newFinder(what []byte) finder {
	f := finder{what: what}
	if len(what) <= 32 {
		return f // a comparison at each place is as fast
	}
	f.back = make([]int32, len(what)+1)
	f.back[0] = -1
	for i, k := 0, int32(-1); i < len(what); {
		for k >= 0 && what[i] != what[k] {
			k = f.back[k]
		}
		i, k = i+1, k+1
		f.back[i] = k
	}
	return f
}

// in is where the text begins in s, or negative.
func (f finder) in(s []byte) int {
	if f.back == nil {
		return bytes.Index(s, f.what)
	}
	k := int32(0)
	for i, b := range s {
		for k >= 0 && f.what[k] != b {
			k = f.back[k]
		}
		if k++; int(k) == len(f.what) {
			return i + 1 - len(f.what)
		}
	}
	return -1
}

func continues(b byte) bool { return b&0xc0 == 0x80 }

// instr is instr(): characters are counted in texts, and bytes where both are blobs.
func instr(tls *libc.TLS, ctx uintptr, _ int32, args uintptr) {
	if interrupted(tls, ctx) {
		return
	}
	var blobs int
	var parts [2][]byte
	for i := range parts {
		switch sqlite3.Xsqlite3_value_type(tls, argument(args, i)) {
		case sqlite3.SQLITE_NULL:
			return
		case sqlite3.SQLITE_BLOB:
			blobs++
		}
	}
	for i := range parts {
		value := argument(args, i)
		if blobs == 1 { // as text, and the argument stays what it is
			if value = sqlite3.Xsqlite3_value_dup(tls, value); value == 0 {
				sqlite3.Xsqlite3_result_error_nomem(tls, ctx)
				return
			}
			defer sqlite3.Xsqlite3_value_free(tls, value)
		}
		if blobs == 2 {
			n := sqlite3.Xsqlite3_value_bytes(tls, value)
			if p := sqlite3.Xsqlite3_value_blob(tls, value); p != 0 {
				parts[i] = unsafe.Slice(at[byte](p), n)
			}
		} else if parts[i] = text(tls, value); parts[i] == nil {
			sqlite3.Xsqlite3_result_error_nomem(tls, ctx)
			return
		}
	}
	sqlite3.Xsqlite3_result_int64(tls, ctx, position(parts[0], parts[1], blobs == 2))
}

// position is where what begins in s, counted from 1, or 0.
func position(s, what []byte, inBytes bool) int64 {
	switch {
	case len(what) == 0:
		return 1
	case !inBytes && continues(what[0]): // which begins no character but for the first
		if bytes.HasPrefix(s, what) {
			return 1
		}
		return 0
	}
	at := newFinder(what).in(s)
	if at < 0 {
		return 0
	}
	if inBytes {
		return int64(at) + 1
	}
	n := int64(1)
	for i := 1; i <= at; i++ {
		if !continues(s[i]) {
			n++
		}
	}
	return n
}

// replace is replace().
func replace(tls *libc.TLS, ctx uintptr, _ int32, args uintptr) {
	parts, ok := texts(tls, ctx, args, 2)
	if !ok {
		return
	}
	s, what := parts[0], parts[1]
	if len(what) == 0 || what[0] == 0 { // then the third may be NULL
		setText(tls, ctx, len(s), func(to []byte) { copy(to, s) })
		return
	}
	if parts, ok = texts(tls, ctx, args, 3); !ok {
		return
	}
	by := parts[2]
	find := newFinder(what)
	count := 0
	for rest := s; ; count++ {
		at := find.in(rest)
		if at < 0 {
			break
		}
		rest = rest[at+len(what):]
	}
	setText(tls, ctx, len(s)+count*(len(by)-len(what)), func(to []byte) {
		rest := s
		for range count {
			at := find.in(rest)
			to = to[copy(to, rest[:at]):]
			to = to[copy(to, by):]
			rest = rest[at+len(what):]
		}
		copy(to, rest)
	})
}

// setText makes a text of a size the function's result.
func setText(tls *libc.TLS, ctx uintptr, size int, fill func(to []byte)) {
	db := sqlite3.Xsqlite3_context_db_handle(tls, ctx)
	if size > int(sqlite3.Xsqlite3_limit(tls, db, sqlite3.SQLITE_LIMIT_LENGTH, -1)) {
		sqlite3.Xsqlite3_result_error_toobig(tls, ctx)
		return
	}
	p := sqlite3.Xsqlite3_malloc(tls, int32(size)+1)
	if p == 0 {
		sqlite3.Xsqlite3_result_error_nomem(tls, ctx)
		return
	}
	to := unsafe.Slice(at[byte](p), size+1)
	fill(to[:size])
	to[size] = 0
	sqlite3.Xsqlite3_result_text(tls, ctx, p, int32(size), functionPointer(sqlite3.Xsqlite3_free))
}

// characters are a set of characters. Where the text is no UTF-8 they are longer than that
// has them, and one may be the beginning of another.
type characters struct {
	order   map[string]int
	lengths [17]bool // longer ones are in no set
}

func newCharacters(text []byte) *characters {
	c := &characters{order: map[string]int{}}
	for len(text) > 0 {
		n := 1
		for text[0] >= 0xc0 && n < len(text) && continues(text[n]) {
			n++
		}
		if _, known := c.order[string(text[:n])]; !known && n < len(c.lengths) {
			c.order[string(text[:n])] = len(c.order)
			c.lengths[n] = true
		}
		text = text[n:]
	}
	return c
}

// match is the length of the first character of the set that part finds at a length, or 0.
func (c *characters) match(most int, part func(n int) []byte) (length int) {
	first := len(c.order)
	for n := 1; n < len(c.lengths) && n <= most; n++ {
		if !c.lengths[n] {
			continue
		}
		if i, ok := c.order[string(part(n))]; ok && i < first {
			first, length = i, n
		}
	}
	return length
}

// trim is trim(), ltrim() and rtrim() with the characters to take away.
func trim(tls *libc.TLS, ctx, args uintptr, left, right bool) {
	parts, ok := texts(tls, ctx, args, 2)
	if !ok {
		return
	}
	set, _, _ := bytes.Cut(parts[1], []byte{0}) // where SQLite takes its end for
	s, c := parts[0], newCharacters(set)
	for left {
		n := c.match(len(s), func(n int) []byte { return s[:n] })
		s, left = s[n:], n > 0
	}
	for right {
		n := c.match(len(s), func(n int) []byte { return s[len(s)-n:] })
		s, right = s[:len(s)-n], n > 0
	}
	setText(tls, ctx, len(s), func(to []byte) { copy(to, s) })
}
