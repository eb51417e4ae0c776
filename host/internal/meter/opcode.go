package meter

// The instructions of WebAssembly 2.0 and what follows their opcodes: Core Specification
// 2.0, chapter 5.4, whose sections are named below.

// The instructions that the rewriter has to know. Those with a prefix are named by the
// prefix and the number behind it: 0xfc0a is 0xfc 10.
const (
	opUnreachable  = 0x00
	opNop          = 0x01
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opDrop         = 0x1a
	opSelect       = 0x1b
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI32Eqz       = 0x45
	opI32Ne        = 0x47
	opI32LtS       = 0x48
	opI32LtU       = 0x49
	opI32GtU       = 0x4b
	opI32LeU       = 0x4d
	opI32GeS       = 0x4e
	opI64LtS       = 0x53
	opI64GtU       = 0x56
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI32Or        = 0x72
	opI32Shl       = 0x74
	opI32ShrU      = 0x76
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64Shl       = 0x86
	opI32WrapI64   = 0xa7
	opI64ExtendS   = 0xac // i64.extend_i32_s
	opI64ExtendU   = 0xad // i64.extend_i32_u
	opRefNull      = 0xd0
	opRefFunc      = 0xd2
	opMemoryInit   = 0xfc08
	opDataDrop     = 0xfc09
	opMemoryCopy   = 0xfc0a
	opMemoryFill   = 0xfc0b
	opTableInit    = 0xfc0c
	opTableCopy    = 0xfc0e
	opTableGrow    = 0xfc0f
	opTableFill    = 0xfc11
	opV128Const    = 0xfd0c
)

// Types of values (5.3.1), of a block without any (5.4.1), and kinds of exports (5.5.10).
const (
	typeI32     = 0x7f
	typeI64     = 0x7e
	typeExtern  = 0x6f
	typeFuncRef = 0x70
	typeNone    = 0x40

	kindFunc   = 0
	kindTable  = 1
	kindMemory = 2
	kindGlobal = 3
)

const (
	prefixMisc   = 0xfc
	prefixVector = 0xfd
)

// immediates says what follows an opcode.
type immediates byte

const (
	unknown      immediates = iota // no such instruction
	none                           //
	blockType                      // the type of a block
	label                          // the number of an enclosing block
	labelTable                     // several of them
	funcIndex                      //
	callIndirect                   // the index of a type, and of a table
	localIndex                     //
	globalIndex                    //
	index                          // of something that the rewriter does not care about
	twoIndices                     //
	memArg                         // alignment and offset of an access to memory
	memArgLane                     // and the number of a lane
	memoryIndex                    // a byte that can be zero only
	memoryTwice                    // two of them
	dataMemory                     // the index of a data segment, and a zero
	i32                            // a number
	i64                            // a number
	bytes1                         //
	bytes4                         //
	bytes8                         //
	bytes16                        //
	selectTypes                    // the type of the operands, in a vector
)

// fill gives the opcodes from first to last the same immediates.
func fill(table []immediates, first, last int, imm immediates) {
	for op := first; op <= last; op++ {
		table[op] = imm
	}
}

// plain are the instructions without prefix: 5.4.1 to 5.4.7.
var plain = func() (t [256]immediates) {
	fill(t[:], opUnreachable, opNop, none)
	fill(t[:], opBlock, opIf, blockType)
	t[opElse], t[opEnd] = none, none
	fill(t[:], opBr, opBrIf, label)
	t[opBrTable] = labelTable
	t[opReturn] = none
	t[opCall] = funcIndex
	t[opCallIndirect] = callIndirect
	fill(t[:], opDrop, opSelect, none)
	t[0x1c] = selectTypes
	fill(t[:], opLocalGet, opLocalTee, localIndex)
	fill(t[:], opGlobalGet, opGlobalSet, globalIndex)
	fill(t[:], 0x25, 0x26, index)  // table.get, table.set
	fill(t[:], 0x28, 0x3e, memArg) // i32.load to i64.store32
	fill(t[:], opMemorySize, opMemoryGrow, memoryIndex)
	t[opI32Const], t[opI64Const] = i32, i64
	t[opF32Const], t[opF64Const] = bytes4, bytes8
	fill(t[:], 0x45, 0xc4, none)         // i32.eqz to i64.extend32_s
	t[opRefNull], t[0xd1] = bytes1, none // ref.is_null
	t[opRefFunc] = funcIndex
	return
}()

// misc are the instructions with the prefix 0xfc: 5.4.2, 5.4.5 to 5.4.7.
var misc = [...]immediates{
	// i32.trunc_sat_f32_s to i64.trunc_sat_f64_u
	0: none, 1: none, 2: none, 3: none, 4: none, 5: none, 6: none, 7: none,
	8:  dataMemory,  // memory.init
	9:  index,       // data.drop
	10: memoryTwice, // memory.copy
	11: memoryIndex, // memory.fill
	12: twoIndices,  // table.init
	13: index,       // elem.drop
	14: twoIndices,  // table.copy
	15: index,       // table.grow
	16: index,       // table.size
	17: index,       // table.fill
}

// vector are the instructions with the prefix 0xfd: 5.4.8.
var vector = func() (t [256]immediates) {
	fill(t[:], 0, 255, none)
	fill(t[:], 0, 11, memArg)       // v128.load to v128.store
	t[12], t[13] = bytes16, bytes16 // v128.const, i8x16.shuffle
	fill(t[:], 21, 34, bytes1)      // i8x16.extract_lane_s to f64x2.replace_lane
	fill(t[:], 84, 91, memArgLane)  // v128.load8_lane to v128.store64_lane
	fill(t[:], 92, 93, memArg)      // v128.load32_zero, v128.load64_zero
	for _, op := range []int{154, 162, 165, 166, 175, 176, 178, 179, 180, 187, 194, 197, 198, 207, 208, 210, 211, 212, 226, 238} {
		t[op] = unknown // the gaps in the numbering
	}
	return
}()

// instruction is a decoded instruction.
type instruction struct {
	op     int      // with prefix, see the constants
	pos    int      // the offset of its first byte
	head   int      // the offset behind its opcode
	long   bool     // its opcode has another encoding than the shortest
	index  uint32   // of a label, local variable, function, type or table
	block  arity    // of the type of a block
	labels []uint32 // of br_table, the default last; valid until the next instruction
}

// arity is the number of parameters and results of a block or function.
type arity struct{ params, results int }

// next decodes an instruction.
//
// The compiler decodes it again later. The metering holds only if both see the same
// instructions, so where a compiler that takes a shortcut could see others, by reading
// one byte where the specification has a number of several, it gets the shortest encoding
// alone: see long. No toolchain produces another.
//
// Indices of functions, globals and types are checked, see below.
func (m *module) next(r *reader, in *instruction) {
	in.pos, in.long = r.pos, false
	in.op = int(r.byte())
	imm := plain[in.op]
	if in.op == prefixMisc || in.op == prefixVector {
		table := misc[:]
		if in.op == prefixVector {
			table = vector[:]
		}
		sub := r.u32()
		shortest := 1
		if sub >= 0x80 {
			shortest = 2
		}
		if sub < uint32(len(table)) {
			in.op = in.op<<8 | int(sub)
			imm = table[sub]
			in.long = r.pos != in.pos+1+shortest
		}
	}
	in.head = r.pos
	switch imm {
	case none:
	case unknown:
		if r.err == nil {
			r.fail("opcode % x at offset %#x is not one of WebAssembly 2.0", r.data[in.pos:r.pos], in.pos)
		}
	case blockType:
		in.block = m.blockType(r)
	case label:
		in.index = r.u32()
	case labelTable:
		in.labels = in.labels[:0]
		for range r.count("labels") + 1 {
			in.labels = append(in.labels, r.u32())
		}
	case funcIndex:
		in.index = r.below(len(m.funcs), "function")
	case callIndirect:
		in.index = m.typeIndex(r)
		r.u32()
	case localIndex:
		in.index = r.u32()
	case globalIndex:
		m.global(r)
	case index:
		in.index = r.u32()
	case twoIndices:
		r.u32()
		r.u32()
	case memArg, memArgLane:
		r.u32()
		r.u32()
		if imm == memArgLane {
			r.byte()
		}
	case dataMemory:
		r.u32()
		r.expect(0, "memory index")
	case memoryTwice:
		r.expect(0, "memory index")
		fallthrough
	case memoryIndex:
		r.expect(0, "memory index")
	case i32:
		r.signed(32)
	case i64:
		r.signed(64)
	case bytes1:
		r.byte()
	case bytes4:
		r.skip(4)
	case bytes8:
		r.skip(8)
	case bytes16:
		r.skip(16)
	case selectTypes:
		r.expect(1, "number of types of select")
		r.byte()
	}
}

// blockType reads the type of a block (5.4.1): one byte for none or one result, or the
// index of a type, as a positive number of 33 bits.
func (m *module) blockType(r *reader) arity {
	if r.done() {
		r.fail("unexpected end at offset %#x", r.pos)
		return arity{}
	}
	switch r.data[r.pos] {
	case 0x40:
		r.pos++
		return arity{}
	case 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f:
		r.pos++
		return arity{results: 1}
	}
	at := r.pos
	i := r.signed(33)
	if i < 0 || i >= int64(len(m.types)) {
		r.fail("block type at offset %#x is none", at)
		return arity{}
	}
	return m.types[i]
}
