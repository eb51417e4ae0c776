package meter

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// reader reads a part of a binary, and can rewrite it on the way: what is not replaced is
// copied. Its positions are offsets in the binary, so that errors can name them.
//
// The first error sticks: from then on nothing is left to be read, and all values are
// zero. So the caller may read a number of values and then look for an error. No loop
// over what the binary counts goes on for longer than the binary has bytes.
type reader struct {
	data []byte // the binary up to the end of the part
	pos  int
	err  error

	out    code // the part rewritten, up to copied
	copied int
}

func newReader(data []byte, pos int) *reader {
	return &reader{data: data, pos: pos, copied: pos}
}

// replace returns where to write what replaces all that has been read since from.
func (r *reader) replace(from int) *code {
	if r.err == nil {
		r.out.op(r.data[r.copied:from]...)
		r.copied = r.pos
	}
	return &r.out
}

// insert returns where to write what is to stand at the current position.
func (r *reader) insert() *code { return r.replace(r.pos) }

// content returns the part as it was rewritten.
func (r *reader) content() []byte {
	if r.out.bytes == nil {
		return r.data[r.copied:]
	}
	r.pos = len(r.data)
	return r.insert().bytes
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.data, r.pos, r.copied = nil, 0, 0
}

func (r *reader) done() bool { return r.pos >= len(r.data) }

// rest returns what has not been read yet.
func (r *reader) rest() []byte { return r.data[r.pos:] }

func (r *reader) byte() byte {
	if r.done() {
		r.fail("unexpected end at offset %#x", r.pos)
		return 0
	}
	b := r.data[r.pos]
	r.pos++
	return b
}

// expect reads a byte that can have one value only.
func (r *reader) expect(want byte, what string) {
	at := r.pos
	if b := r.byte(); b != want && r.err == nil {
		r.fail("%s at offset %#x is %#x, not %#x", what, at, b, want)
	}
}

func (r *reader) skip(n int) {
	if n > len(r.rest()) {
		r.fail("unexpected end at offset %#x", len(r.data))
		return
	}
	r.pos += n
}

// u32 reads an unsigned LEB128 number (Core Specification 2.0, 5.2.2).
func (r *reader) u32() uint32 {
	start := r.pos
	v := uint64(0)
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 && v>>32 == 0 {
			return uint32(v)
		}
	}
	r.fail("number at offset %#x does not fit into 32 bits", start)
	return 0
}

// signed reads a signed LEB128 number of at most so many bits.
func (r *reader) signed(bits int) int64 {
	start := r.pos
	v := int64(0)
	for shift := 0; shift < bits; shift += 7 {
		b := r.byte()
		v |= int64(b&0x7f) << shift
		if b >= 0x80 {
			continue
		}
		if unused := 64 - 7 - shift; unused > 0 {
			v = v << unused >> unused // extend the sign
		} else if b != 0 && b != 0x7f { // the last of ten bytes: one bit, and six copies of it
			break
		}
		if sign := v >> (bits - 1); sign == 0 || sign == -1 {
			return v
		}
		break
	}
	r.fail("number at offset %#x does not fit into %d bits", start, bits)
	return 0
}

// count reads the length of a vector, each item of which takes a byte at least.
func (r *reader) count(what string) int {
	start := r.pos
	n := r.u32()
	if uint64(n) > uint64(len(r.rest())) {
		r.fail("%d %s at offset %#x do not fit into the %d bytes that are left", n, what, start, len(r.rest()))
		return 0
	}
	return int(n)
}

// part returns a reader of what stands behind its own size, and goes on behind it.
func (r *reader) part(what string) *reader {
	n := r.count("bytes of " + what)
	p := newReader(r.data[:r.pos+n], r.pos)
	p.err = r.err
	r.pos += n
	return p
}

func (r *reader) name() string {
	start := r.pos
	b := r.part("a name").rest()
	if !utf8.Valid(b) {
		r.fail("name at offset %#x is not UTF-8", start)
		return ""
	}
	return string(b)
}

// code is what is written: instructions, or something else of the binary format.
type code struct{ bytes []byte }

func (c *code) op(ops ...byte) *code {
	c.bytes = append(c.bytes, ops...)
	return c
}

// u32 writes the number of something: how many there are, or the index of one.
func (c *code) u32(v int) *code {
	c.bytes = binary.AppendUvarint(c.bytes, uint64(v))
	return c
}

func (c *code) signed(v int64) *code {
	for v < -64 || v >= 64 {
		c.op(byte(v) | 0x80)
		v >>= 7
	}
	return c.op(byte(v) & 0x7f)
}

func (c *code) name(s string) *code { return c.sized([]byte(s)) }

// sized writes something behind its own size.
func (c *code) sized(content []byte) *code { return c.u32(len(content)).op(content...) }

func (c *code) i32(v int) *code            { return c.op(opI32Const).signed(int64(v)) }
func (c *code) i64(v int64) *code          { return c.op(opI64Const).signed(v) }
func (c *code) get(local int) *code        { return c.op(opLocalGet).u32(local) }
func (c *code) set(local int) *code        { return c.op(opLocalSet).u32(local) }
func (c *code) globalGet(global int) *code { return c.op(opGlobalGet).u32(global) }
func (c *code) globalSet(global int) *code { return c.op(opGlobalSet).u32(global) }
func (c *code) call(function int) *code    { return c.op(opCall).u32(function) }
