package meter

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

const header = "\x00asm\x01\x00\x00\x00"

// bin makes a binary from sections given in hexadecimal, their numbers first. Sizes are
// added.
func bin(t testing.TB, sections ...string) []byte {
	t.Helper()
	c := &code{}
	c.op([]byte(header)...)
	for _, s := range sections {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		c.op(b[0]).sized(b[1:])
	}
	return c.bytes
}

// withBody makes a binary with a function with this body, and all that an instruction may
// refer to: a memory, tables, segments, a variable and a local variable.
func withBody(body []byte) []byte {
	c := &code{}
	section := func(id byte, content ...byte) { c.op(id).sized(content) }
	c.op([]byte(header)...)
	section(sectionType, 1, 0x60, 0, 0)
	section(sectionFunction, 1, 0)
	section(sectionTable, 1, 0x70, 0, 1)
	section(sectionMemory, 1, 0, 1)
	section(sectionGlobal, 1, typeI32, 1, opI32Const, 0, opEnd)
	section(sectionElement, 1, 1, 0, 1, 0)
	section(sectionDataCount, 1)
	function := (&code{}).op(1, 1, typeI32).op(body...)
	section(sectionCode, (&code{}).u32(1).sized(function.bytes).bytes...)
	section(sectionData, 1, 1, 0)
	return c.bytes
}

// samples are all instructions of WebAssembly 2.0 (Core Specification, Appendix, Index of
// Instructions), and what follows their opcodes.
var samples = []struct{ first, last, immediates string }{
	{"00", "01", ""},                              // unreachable, nop
	{"02", "03", "40 0b"},                         // block, loop
	{"04", "04", "40 05 0b"},                      // if
	{"0c", "0d", "00"},                            // br, br_if
	{"0e", "0e", "02 00 00 00"},                   // br_table
	{"0f", "0f", ""},                              // return
	{"10", "10", "00"},                            // call
	{"11", "11", "00 00"},                         // call_indirect
	{"1a", "1b", ""},                              // drop, select
	{"1c", "1c", "01 7f"},                         // select t
	{"20", "22", "00"},                            // local.get, set, tee
	{"23", "24", "00"},                            // global.get, set
	{"25", "26", "00"},                            // table.get, set
	{"28", "3e", "00 e0 01"},                      // loads and stores
	{"3f", "40", "00"},                            // memory.size, grow
	{"41", "41", "e0 7e"},                         // i32.const
	{"42", "42", "ff ff ff ff ff ff ff ff ff 00"}, // i64.const
	{"43", "43", "e0 e1 e2 e3"},                   // f32.const
	{"44", "44", "e0 e1 e2 e3 e4 e5 e6 e7"},       // f64.const
	{"45", "c4", ""},                              // numbers
	{"d0", "d0", "70"},                            // ref.null
	{"d1", "d1", ""},                              // ref.is_null
	{"d2", "d2", "00"},                            // ref.func
	{"fc00", "fc07", ""},                          // i32.trunc_sat_f32_s to i64.trunc_sat_f64_u
	{"fc08", "fc08", "00 00"},                     // memory.init
	{"fc09", "fc09", "00"},                        // data.drop
	{"fc0a", "fc0a", "00 00"},                     // memory.copy
	{"fc0b", "fc0b", "00"},                        // memory.fill
	{"fc0c", "fc0c", "00 00"},                     // table.init
	{"fc0d", "fc0d", "00"},                        // elem.drop
	{"fc0e", "fc0e", "00 00"},                     // table.copy
	{"fc0f", "fc11", "00"},                        // table.grow, size, fill
	{"fd00", "fd0b", "00 e0 01"},                  // v128.load to v128.store
	{"fd0c", "fd0c", "e0 e1 e2 e3 e4 e5 e6 e7 e8 e9 ea eb ec ed ee ef"}, // v128.const
	{"fd0d", "fd0d", "00 01 02 03 04 05 06 07 08 09 0a 1e 1e 1f 1f 1f"}, // i8x16.shuffle
	{"fd0e", "fd14", ""},   // i8x16.swizzle, splats
	{"fd15", "fd22", "01"}, // lanes
	{"fd23", "fd53", ""},   // comparisons, logic
	// v128.load8_lane to v128.store64_lane
	{"fd54", "fd5b", "00 e0 01 01"},
	// v128.load32_zero, load64_zero
	{"fd5c", "fd5d", "00 e0 01"},
	{"fd5e", "fd99", ""}, {"fd9b", "fda1", ""}, {"fda3", "fda4", ""}, // numbers, with gaps
	{"fda7", "fdae", ""}, {"fdb1", "fdb1", ""}, {"fdb5", "fdba", ""}, //
	{"fdbc", "fdc1", ""}, {"fdc3", "fdc4", ""}, {"fdc7", "fdce", ""}, //
	{"fdd1", "fdd1", ""}, {"fdd5", "fde1", ""}, {"fde3", "fded", ""}, //
	{"fdef", "fdff", ""}, //
}

// opcode encodes an opcode like 0xfd80, a prefix and a number.
func opcode(op int) []byte {
	if op < 0x100 {
		return []byte{byte(op)}
	}
	return (&code{}).op(byte(op >> 8)).u32(op & 0xff).bytes
}

// TestOpcodes decodes every instruction there is, exactly, and asks wazero whether that
// is all: for each opcode, both accept it, or both refuse it, and then the error names it
// and its offset.
func TestOpcodes(t *testing.T) {
	known := map[int][]byte{}
	number := func(s string) (n int) {
		fmt.Sscanf(s, "%x", &n)
		return n
	}
	for _, s := range samples {
		imm, _ := hex.DecodeString(strings.ReplaceAll(s.immediates, " ", ""))
		for op := number(s.first); op <= number(s.last); op++ {
			known[op] = imm
		}
	}
	if len(known) != 181+18+236 { // else and end stand in the samples of others
		t.Errorf("the samples are %d", len(known))
	}
	rt := newRuntime(t, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	valid := func(binary []byte) bool {
		c, err := rt.CompileModule(context.Background(), binary)
		if err == nil {
			c.Close(context.Background())
		}
		return err == nil
	}
	var ops []int
	for op := range 0x100 {
		ops = append(ops, 0xfc00+op, 0xfd00+op)
		if op != opEnd && op != opElse && op != prefixMisc && op != prefixVector {
			ops = append(ops, op)
		}
	}
	for _, op := range ops {
		imm, ok := known[op]
		instr := append(opcode(op), imm...)

		// Alone: the decoder ends where the instruction ends.
		m := &module{types: make([]arity, 1), funcs: make([]uint32, 1), globals: 1}
		r := newReader(append(slices.Clone(instr), 0xff), 0)
		var in instruction
		m.next(r, &in)
		end := len(instr)
		if op >= opBlock && op <= opIf {
			end = 2 // the rest are other instructions
		}
		switch {
		case ok && (r.err != nil || r.pos != end || in.op != op):
			t.Errorf("% x is decoded as %#x up to %d: %v", instr, in.op, r.pos, r.err)
		case !ok && r.err == nil:
			t.Errorf("% x is decoded as %#x", instr, in.op)
		}

		// In code that cannot be reached, where operands have any type.
		binary := withBody(slices.Concat([]byte{opUnreachable}, instr, []byte{opUnreachable, opEnd}))
		if valid(binary) != ok {
			t.Errorf("the compiler does not agree that % x is valid: %v", instr, ok)
		}
		out, err := Instrument(t.Context(), binary)
		switch {
		case ok && err != nil:
			t.Errorf("% x: %v", instr, err)
		case ok && !valid(out):
			t.Errorf("% x is not valid afterwards", instr)
		case ok && !valid(canonical(binary)):
			t.Errorf("% x is not valid with canonical NaNs", instr)
		case !ok:
			want := fmt.Sprintf("opcode % x at offset %#x ", opcode(op), bytes.Index(binary, slices.Concat([]byte{opUnreachable}, instr, []byte{opUnreachable}))+1)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("% x is refused with %v, want %q", instr, err, want)
			}
		}
	}
}

// TestLongOpcodes has opcodes in other encodings than the shortest, which is what compilers
// get. A compiler that reads one byte would take 0xfc 0x80 for another instruction.
func TestLongOpcodes(t *testing.T) {
	const lanes = "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f"
	for long, short := range map[string]string{
		"fc 8b 00 00 0b":                         "fc 0b 00 0b",
		"fc 80 80 80 80 00 fc 0b 00 0b":          "fc 00 fc 0b 00 0b",
		"20 00 1a fd 8c 80 00" + lanes + "1a 0b": "20 00 1a fd 0c" + lanes + "1a 0b",
		"fd 81 81 00 1a fd 81 01 1a 0b":          "fd 81 01 1a fd 81 01 1a 0b",
	} {
		var out [2][]byte
		for i, text := range []string{long, short} {
			b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			if out[i], err = Instrument(t.Context(), withBody(b)); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		if !bytes.Equal(out[0], out[1]) {
			t.Errorf("%s becomes\n% x, and %s\n% x", long, out[0], short, out[1])
		}
	}
	if _, err := Instrument(t.Context(), bin(t, "06 01 7b 00 fd 8c 00"+lanes+"0b")); err == nil || !strings.Contains(err.Error(), "not in its shortest encoding") {
		t.Errorf("in a constant expression: error %v", err)
	}
}

// TestRefusals gives what cannot be instrumented, and looks for what the error says about
// it.
func TestRefusals(t *testing.T) {
	body := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return withBody(b)
	}
	const where = "0x36" // the first instruction of body
	name := hex.EncodeToString([]byte(Prefix + "x"))
	for _, c := range []struct {
		what   string
		binary []byte
		want   string
	}{
		{"nothing", nil, "not a WebAssembly binary"},
		{"a component", []byte("\x00asm\x0d\x00\x01\x00"), "not a WebAssembly binary"},
		{"a section without size", []byte(header + "\x01"), "section 1 at offset 0x8: unexpected end at offset 0x9"},
		{"a section that is too long", []byte(header + "\x01\x05\x00"), "section 1 at offset 0x8: 5 bytes of section at offset 0x9 do not fit into the 1 bytes"},
		{"an unknown section", bin(t, "0d 00"), "section 13 at offset 0x8 is unknown"},
		{"a repeated section", bin(t, "01 00", "01 00"), "section 1 at offset 0xb is unknown, repeated or out of order"},
		{"sections out of order", bin(t, "03 00", "01 00"), "section 1 at offset 0xb is unknown, repeated or out of order"},
		{"data count behind code", bin(t, "0a 00", "0c 00"), "section 12 at offset 0xb is unknown, repeated or out of order"},
		{"too many sections", bytes.Replace(bytes.Repeat([]byte("\x00\x01\x00"), 1001), nil, []byte(header), 1), "more than 1000 sections"},
		{"bytes too many", bin(t, "01 00 00"), "section 1: 1 bytes too many at offset 0xb"},
		{"a count that is too high", bin(t, "01 ff ff ff ff 0f"), "4294967295 items at offset 0xa do not fit into the 0 bytes"},
		{"a number that is too high", bin(t, "01 ff ff ff ff 1f"), "number at offset 0xa does not fit into 32 bits"},
		{"an endless number", bin(t, "01 80 80 80 80 80 00"), "number at offset 0xa does not fit into 32 bits"},
		{"another kind of type", bin(t, "01 01 5f 00"), "form of a type at offset 0xb is 0x5f, not 0x60"},
		{"too many parameters", bin(t, "01 01 60 e9 07"+strings.Repeat("7f", 1001)+"00"), "1001 parameters"},
		{"an import of our own", bin(t, "02 01 12"+name+"01 61 03 7f 01"), `import at offset 0xb is from "wasmworker:meter/x"`},
		{"an import of an unknown kind", bin(t, "02 01 01 61 01 62 04"), "kind 4 of an import at offset 0xf"},
		{"an import with an unknown type", bin(t, "02 01 01 61 01 62 00 00"), "type 0 at offset 0x10 does not exist"},
		{"a shared memory", bin(t, "02 01 01 61 01 62 02 03 01 01"), "limits 0x3 at offset 0x10"},
		{"an export of our own", bin(t, "06 01 7f 00 41 00 0b", "07 01 12"+name+"03 00"), `export at offset 0x13 has the name "wasmworker:meter/x"`},
		{"an export of our global", bin(t, "06 01 7f 00 41 00 0b", "07 01 01 61 03 01"), "global 1 at offset 0x16 does not exist"},
		{"an export of our function", bin(t, "01 01 60 00 00", "03 01 00", "07 01 01 61 00 01", "0a 01 02 00 0b"), "function 1 at offset 0x18 does not exist"},
		{"a start function that is ours", bin(t, "08 00"), "function 0 at offset 0xa does not exist"},
		{"a global that begins as ours", bin(t, "06 01 7f 00 23 01 0b"), "global 1 at offset 0xe does not exist"},
		{"a reference to our function", bin(t, "06 01 70 00 d2 00 0b"), "function 0 at offset 0xe does not exist"},
		{"a constant that is none", bin(t, "06 01 7f 00 10 00 0b"), "function 0 at offset 0xe does not exist"},
		{"another constant that is none", bin(t, "06 01 7f 00 6a 0b"), "opcode 0x6a at offset 0xd is not one of a constant expression"},
		{"an element that is our function", bin(t, "09 01 01 00 01 00"), "function 0 at offset 0xe does not exist"},
		{"an unknown kind of elements", bin(t, "09 01 08 00 00"), "flags 0x8 of an element segment at offset 0xb"},
		{"an unknown kind of data", bin(t, "0b 01 03 00 00"), "flags 0x3 of a data segment at offset 0xb"},
		{"no number of data segments", bin(t, "0c"), "section 12: unexpected end at offset 0xa"},
		{"no code", bin(t, "01 01 60 00 00", "03 01 00"), "there are 1 functions, but 0 bodies"},
		{"too much code", bin(t, "0a 01 02 00 0b"), "there are 0 functions, but 1 bodies"},
		{"a function that is too long", bin(t, "01 01 60 00 00", "03 01 00", "0a 01 04 00 0b"), "4 bytes of a function at offset 0x15 do not fit into the 2 bytes"},
		{"a function without end", body("01"), "unexpected end at offset 0x37"},
		{"code behind the end", body("0b 01"), "1 bytes too many at offset 0x37"},
		{"too many local variables", bin(t, "01 01 60 00 00", "03 01 00", "0a 01 06 01 d1 86 03 7f 0b"), "50001 local variables"},
		{"our global", body("23 01 1a 0b"), "function 0 at offset 0x32: global 1 at offset 0x37 does not exist"},
		{"our global, written", body("41 00 24 01 0b"), "global 1 at offset 0x39 does not exist"},
		{"our function", body("10 01 0b"), "function 1 at offset 0x37 does not exist"},
		{"a reference to our function in code", body("d2 01 1a 0b"), "function 1 at offset 0x37 does not exist"},
		{"our type", body("02 01 0b 0b"), "block type at offset 0x37"},
		{"our type, called", body("41 00 11 01 00 0b"), "type 1 at offset 0x39 does not exist"},
		{"a label that does not exist", body("0c 01 0b"), "label 1 at offset " + where},
		{"one of several labels that does not exist", body("41 00 0e 01 00 01 0b"), "label 1 at offset 0x38"},
		{"an else without if", body("02 40 05 0b 0b"), "else at offset 0x38 has no if"},
		{"two elses", body("41 00 04 40 05 05 0b 0b"), "else at offset 0x3b has no if"},
		{"an else of the function", body("05 0b"), "else at offset " + where},
		{"an unknown opcode", body("e0 0b"), "opcode e0 at offset " + where},
		{"an atomic instruction", body("fe 00 00 00 0b"), "opcode fe at offset " + where},
		{"an exception", body("06 40 0b 0b"), "opcode 06 at offset " + where},
		{"a tail call", body("12 00 0b"), "opcode 12 at offset " + where},
		{"a relaxed SIMD instruction", body("fd 80 02 0b"), "opcode fd 80 02 at offset " + where},
		{"another memory", body("3f 01 1a 0b"), "memory index at offset 0x37 is 0x1, not 0x0"},
		{"a long memory index", body("3f 80 00 1a 0b"), "memory index at offset 0x37 is 0x80, not 0x0"},
		{"two types of select", body("1c 02 7f 7f 0b"), "number of types of select at offset 0x37 is 0x2, not 0x1"},
		{"a long block type", body("02 c0 7f 0b 0b"), "block type at offset 0x37"},
		{"a constant that is too high", body("41 ff ff ff ff 0f 1a 0b"), "number at offset 0x37 does not fit into 32 bits"},
		{"a constant of 64 bits that is too high", body("42 ff ff ff ff ff ff ff ff ff 01 1a 0b"), "number at offset 0x37 does not fit into 64 bits"},
		{"names that are cut off", bin(t, "00 04 6e 61 6d 65 01 05 01"), `custom section "name": 5 bytes of names at offset 0x10`},
		{"names that are longer than their parts", bin(t, "00 04 6e 61 6d 65 00 03 01 61 00"), `custom section "name": 1 bytes too many at offset 0x13`},
		{"a name of something else", bin(t, "00 04 6e 61 6d 65 01 04 01 00 01 ff"), `custom section "name": name at offset 0x13 is not UTF-8`},
	} {
		out, err := Instrument(t.Context(), c.binary)
		if err == nil || !strings.Contains(err.Error(), c.want) || out != nil {
			t.Errorf("%s: %v\nwant %s", c.what, err, c.want)
		}
	}
	twice := instrument(t, body("0b"))
	if _, err := Instrument(t.Context(), twice); err == nil || !strings.Contains(err.Error(), Prefix) {
		t.Errorf("instrumented twice: %v", err)
	}
}

// TestEmpty instruments the module without anything.
func TestEmpty(t *testing.T) {
	rt := newRuntime(t, wazero.NewRuntimeConfigCompiler())
	for _, sections := range [][]string{nil, {"01 00", "02 00", "03 00", "04 00", "05 00", "06 00", "07 00", "09 00", "0c 00", "0a 00", "0b 00"}} {
		instantiate(t, rt, instrument(t, bin(t, sections...)))
	}
}

// TestGrowth bounds the output by the input, for the worst there is: nothing but loops.
func TestGrowth(t *testing.T) {
	var body []byte
	for range 100_000 {
		body = append(body, opLoop, typeNone)
	}
	body = append(body, bytes.Repeat([]byte{opEnd}, 100_001)...)
	original := withBody(body)
	if out := instrument(t, original); len(out) > 16*len(original) {
		t.Errorf("%d bytes become %d", len(original), len(out))
	}
}

// generator writes functions with random control flow: (i32) -> (i32). They come to an
// end: each function and each iteration takes one from a global variable, and returns at
// zero.
type generator struct {
	*rand.Rand
	code
	labels []target
	calls  int // functions that there are
}

type target struct {
	values int
	loop   bool
}

const (
	genLife  = 0 // the global variable
	genTrace = 1 // a global variable that all values go into
)

func (g *generator) life() {
	g.globalGet(genLife).i32(1).op(opI32Sub).globalSet(genLife)
	g.globalGet(genLife).i32(0).op(opI32LtS, opIf, typeNone).i32(-1).op(opReturn, opEnd)
}

// value pushes a value.
func (g *generator) value(depth int) {
	switch n := g.IntN(12); {
	case n < 3:
		g.i32(g.IntN(100))
	case n < 6:
		g.get(g.IntN(3))
	case n < 7:
		g.globalGet(genTrace)
	case n < 9 || depth == 0:
		g.get(g.IntN(3)).i32(g.IntN(10)).op(opI32Add)
	case n < 10:
		g.value(0)
		g.call(1 + g.IntN(g.calls))
	default:
		g.block(depth-1, 1)
	}
}

// block writes a block, loop or if with so many results.
func (g *generator) block(depth, results int) {
	typ := byte(typeNone)
	if results > 0 {
		typ = typeI32
	}
	kind := g.IntN(3)
	switch kind {
	case 0:
		g.op(opBlock, typ)
		g.labels = append(g.labels, target{values: results})
	case 1:
		g.op(opLoop, typ)
		g.labels = append(g.labels, target{loop: true})
		g.life()
	case 2:
		g.value(0)
		g.op(opIf, typ)
		g.labels = append(g.labels, target{values: results})
	}
	g.body(depth, results)
	if kind == 2 && (results > 0 || g.IntN(2) == 0) {
		g.op(opElse)
		g.body(depth, results)
	}
	g.op(opEnd)
	g.labels = g.labels[:len(g.labels)-1]
}

// body writes some statements and pushes the results.
func (g *generator) body(depth, results int) {
	for range g.IntN(4) {
		g.statement(depth)
	}
	if results > 0 {
		g.value(depth)
	}
	if g.IntN(8) == 0 { // what follows cannot be reached
		g.op(opUnreachable)
		g.statement(max(depth-1, 0))
		if results > 0 {
			g.value(0)
		}
	}
}

func (g *generator) statement(depth int) {
	l := g.IntN(len(g.labels))
	to := g.labels[len(g.labels)-1-l]
	switch n := g.IntN(12); {
	case n < 3:
		g.value(depth)
		g.set(g.IntN(3))
	case n < 5:
		g.globalGet(genTrace).i32(31).op(0x6c) // i32.mul
		g.value(0)
		g.op(opI32Add).globalSet(genTrace)
	case n < 8 && depth > 0:
		g.block(depth-1, 0)
	case n < 10: // br_if
		for range to.values {
			g.value(0)
		}
		g.value(0)
		g.i32(3).op(0x71).op(opBrIf).u32(l) // i32.and
		for range to.values {
			g.op(opDrop)
		}
	case n < 11: // br_table, to all labels with as many values
		g.op(opBlock, typeNone)
		g.labels = append(g.labels, target{})
		var same []int
		for i := range g.labels {
			if g.labels[len(g.labels)-1-i].values == 0 {
				same = append(same, i)
			}
		}
		g.value(0)
		g.op(opBrTable).u32(len(same) - 1)
		for _, l := range same {
			g.u32(l)
		}
		g.op(opEnd)
		g.labels = g.labels[:len(g.labels)-1]
	default:
		g.value(0)
		g.call(1 + g.IntN(g.calls)).op(opDrop)
	}
}

// module writes a module with a function "run" and some others that it may call.
func (g *generator) module() []byte {
	out := &code{}
	section := func(id byte, content ...byte) { out.op(id).sized(content) }
	out.op([]byte(header)...)
	g.calls = 1 + g.IntN(4)
	section(sectionType, 1, 0x60, 1, typeI32, 1, typeI32)
	section(sectionImport, (&code{}).u32(1).name("env").name("double").op(kindFunc, 0).bytes...)
	section(sectionFunction, append([]byte{byte(g.calls)}, make([]byte, g.calls)...)...)
	// 1000: the interpreter's stack is limited
	section(sectionGlobal, 2, typeI32, 1, opI32Const, 0xe8, 0x07, opEnd, typeI32, 1, opI32Const, 0, opEnd)
	section(sectionExport, (&code{}).u32(3).name("run").op(kindFunc, 1).
		name("life").op(kindGlobal, genLife).name("trace").op(kindGlobal, genTrace).bytes...)
	bodies := (&code{}).u32(g.calls)
	for range g.calls {
		g.bytes = nil
		g.labels = []target{{values: 1}}
		g.op(1, 2, typeI32)
		g.life()
		g.body(4, 1)
		g.op(opEnd)
		bodies.sized(g.bytes)
	}
	section(sectionCode, bodies.bytes...)
	return out.bytes
}

// TestRandom compares random functions with and without metering.
func TestRandom(t *testing.T) {
	modules := 300
	if testing.Short() {
		modules = 30
	}
	ran := 0
	units := map[uint64]int64{}
	onEngines(t, func(t *testing.T, rt wazero.Runtime) {
		for seed := range uint64(modules) {
			g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
			binary := g.module()
			plain, metered := instantiate(t, rt, binary), instantiate(t, rt, instrument(t, binary))
			want, _, wantErr := plain.call(context.Background(), 0, "run", seed)
			got, used, err := metered.call(context.Background(), Unlimited, "run", seed)
			state := metered.state("life", "trace")
			if !slices.Equal(got, want) || reason(err) != reason(wantErr) || state != plain.state("life", "trace") {
				t.Fatalf("seed %d: %v, %v, %s\nwant %v, %v, %s", seed, got, err, state, want, wantErr, plain.state("life", "trace"))
			}
			if other, ok := units[seed]; ok && other != used {
				t.Fatalf("seed %d: %d units, and %d on the other engine", seed, used, other)
			}
			units[seed] = used
			if used > 2000 {
				ran++
			}
			plain.Close(context.Background())
			metered.Close(context.Background())
		}
	})
	if ran < modules/4 {
		t.Errorf("only %d of the functions did much", ran)
	}
}

// FuzzInstrument: no input makes it panic. What the compiler accepts before, it accepts
// afterwards, unless it is refused; and what it does not accept before, it does not
// accept afterwards, so that nobody gets anything past the compiler by way of the
// rewriter.
func FuzzInstrument(f *testing.F) {
	for _, b := range fixtures(f) {
		f.Add(b)
	}
	for seed := range uint64(5) {
		f.Add((&generator{Rand: rand.New(rand.NewPCG(seed, 1))}).module())
	}
	rt := newRuntime(f, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(1024))
	f.Fuzz(func(t *testing.T, binary []byte) {
		out, err := Instrument(t.Context(), binary)
		if err != nil {
			return
		}
		if (compile(rt, canonical(binary)) == nil) != (compile(rt, out) == nil) {
			t.Fatal("it is valid with canonical NaNs or without")
		}
		before, after := compile(rt, binary), compile(rt, out)
		if before == nil && after != nil {
			t.Fatalf("it is valid, but not afterwards: %v", after)
		}
		if before != nil && after == nil && !tolerated(before) {
			t.Fatalf("it is not valid, but afterwards it is: %v", before)
		}
	})
}

// canonical instruments what can be instrumented.
func canonical(binary []byte) []byte {
	out, err := Instrument(context.Background(), binary, CanonicalNaN)
	if err != nil {
		panic(err)
	}
	return out
}

func compile(rt wazero.Runtime, binary []byte) error {
	c, err := rt.CompileModule(context.Background(), binary)
	if err == nil {
		c.Close(context.Background())
	}
	return err
}

// tolerated are the errors of the original that do no harm.
func tolerated(err error) bool {
	for _, s := range []string{
		"undeclared function index", // of ref.func, which is declared now by a global
		"too many results",          // at the end of a function, where there is a return now
		// an empty one, which wazero refuses at the end of a binary only
		"failed to read custom section",
	} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

// Rewriting, which takes seconds for the largest modules, ends with its context.
func TestRewritingIsCanceled(t *testing.T) {
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	binary := withBody([]byte{opEnd})
	if _, err := Expose(ctx, binary, 1000); !errors.Is(err, stop) {
		t.Errorf("Expose: %v", err)
	}
	if _, err := Instrument(ctx, binary); !errors.Is(err, stop) {
		t.Errorf("Instrument: %v", err)
	}
}
