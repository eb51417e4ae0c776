package wasm

import "fmt"

// Immediates of opcodes (Core Specification 2.0, 5.4), as far as the scan tells them
// apart. The metering decodes every instruction exactly, and refuses what it cannot; the
// scan only has to find the same instructions in a body that the metering accepts.
const (
	immUnknown      = iota
	immNone         //
	immBlock        // the type of a block
	immElse         //
	immEnd          //
	immBr           // a label
	immBrTable      // several
	immReturn       //
	immCall         // a function
	immCallIndirect // a type, and a table
	immSelect       // the types of the operands
	immNumber       // an index, or a number
	immNumbers      // two of them
	immByte         //
	imm4            // bytes
	imm8            //
	immMisc         // more of the opcode: 0xfc
	immVector       // more of the opcode: 0xfd
)

const opLoop = 0x03

var immediates = func() (t [256]byte) {
	fill := func(imm byte, first, last int) {
		for op := first; op <= last; op++ {
			t[op] = imm
		}
	}
	fill(immNone, 0x00, 0x01)
	fill(immBlock, 0x02, 0x04)
	t[0x05], t[0x0b] = immElse, immEnd
	fill(immBr, 0x0c, 0x0d)
	t[0x0e], t[0x0f], t[0x10], t[0x11] = immBrTable, immReturn, immCall, immCallIndirect
	fill(immNone, 0x1a, 0x1b)
	t[0x1c] = immSelect
	fill(immNumber, 0x20, 0x26) // variables, and entries of tables
	fill(immNumbers, 0x28, 0x3e)
	fill(immByte, 0x3f, 0x40) // memory.size, memory.grow
	fill(immNumber, 0x41, 0x42)
	t[0x43], t[0x44] = imm4, imm8
	fill(immNone, 0x45, 0xc4)
	t[0xd0], t[0xd1], t[0xd2] = immByte, immNone, immNumber
	t[0xfc], t[0xfd] = immMisc, immVector
	return t
}()

// immediatesMisc are how many numbers follow the opcodes with the prefix 0xfc.
var immediatesMisc = [18]byte{8: 2, 9: 1, 10: 2, 11: 1, 12: 2, 13: 1, 14: 2, 15: 1, 16: 1, 17: 1}

// vectorImmediate tells what follows an opcode with the prefix 0xfd: numbers, and bytes
// behind them.
func vectorImmediate(op uint32) (numbers, bytes int) {
	switch {
	case op <= 11, op == 92, op == 93: // loads and stores
		return 2, 0
	case op == 12, op == 13: // v128.const, i8x16.shuffle
		return 0, 16
	case op >= 21 && op <= 34: // lanes
		return 0, 1
	case op >= 84 && op <= 91: // lanes in memory
		return 2, 1
	}
	return 0, 0
}

// arity is how many parameters and results a type has.
type arity struct{ params, results uint32 }

func (a arity) both() uint64 { return uint64(a.params) + uint64(a.results) }

// scanner scans the bodies of the functions of a module, one after the other. Nearly all
// of the time that it takes to read a module goes by in there.
type scanner struct {
	types    []arity
	funcs    []arity // imported ones first
	imported int
	bodies   int // that were scanned
	labels   []label
}

// scanner makes one, once the types and functions are known.
func (m *Binary) newScanner() *scanner {
	s := &scanner{imported: len(m.imported), types: make([]arity, len(m.Types)), funcs: make([]arity, 0, len(m.imported)+len(m.Funcs))}
	for i, t := range m.Types {
		s.types[i] = arity{uint32(len(t.Params)), uint32(len(t.Results))}
	}
	for _, t := range m.imported {
		s.funcs = append(s.funcs, arity{uint32(len(t.Params)), uint32(len(t.Results))})
	}
	for _, t := range m.Funcs {
		s.funcs = append(s.funcs, at(s.types, t))
	}
	return s
}

// at returns an arity by its index, or none if there is no such thing: the metering
// refuses it.
func at(list []arity, i uint32) (a arity) {
	if uint64(i) < uint64(len(list)) {
		a = list[i]
	}
	return a
}

// label is a block around the current instruction.
type label struct {
	values uint32 // that a branch to it carries
	loop   bool
}

// function is what was found in the body of a function.
type function struct {
	blocks    uint64 // the body is one, too
	branches  uint64 // and the labels of br_table, and else
	values    uint64 // that calls, blocks and branches carry
	nesting   uint64 // of blocks
	labels    uint64 // of the longest br_table
	loopDepth uint64 // nesting of loops
	loops     uint64 // each as many times as it has loops around it, and itself
	unknown   int    // where an instruction is that the scan does not know; -1: there is none
}

// leb reads a number of at most 32 bits, and returns the position behind it.
func leb(code []byte, pos int) (v uint32, after int) {
	for shift := 0; pos < len(code); shift += 7 {
		b := code[pos]
		pos++
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	return v, pos
}

// skipLEB returns the position behind a number. Most have one byte.
func skipLEB(code []byte, pos int) int {
	for pos < len(code) && code[pos] >= 0x80 {
		pos++
	}
	return pos + 1
}

// carried returns how many values a branch to a label carries.
func carried(labels []label, l uint32) uint64 {
	if uint64(l) >= uint64(len(labels)) {
		return 0 // the metering refuses it
	}
	return uint64(labels[len(labels)-1-int(l)].values)
}

// scan counts what costs a compiler time and memory in the body of a function, in one
// pass. It ends where it finds something that is no instruction: the metering names that.
func (s *scanner) scan(code []byte, of arity) (f function) {
	f = function{blocks: 1, values: of.both(), unknown: -1}
	labels := append(s.labels[:0], label{values: of.results})
	defer func() { s.labels = labels }()
	loopDepth := uint64(0)
	var v uint32
	for pos := 0; pos < len(code); {
		op := code[pos]
		pos++
		switch immediates[op] {
		case immNone:
		case immUnknown:
			f.unknown = pos - 1
			return f
		case immNumber:
			pos = skipLEB(code, pos)
		case immNumbers:
			pos = skipLEB(code, skipLEB(code, pos))
		case immBlock:
			var t arity
			if t, pos = s.blockType(code, pos); pos < 0 {
				return f
			}
			f.blocks++
			f.values += t.both()
			l := label{t.results, op == opLoop}
			if l.loop { // a branch to it leads to its beginning
				l.values = t.params
				loopDepth++
				f.loops += loopDepth
				f.loopDepth = max(f.loopDepth, loopDepth)
			}
			labels = append(labels, l)
			f.nesting = max(f.nesting, uint64(len(labels)-1))
		case immElse:
			f.branches++
		case immEnd:
			last := len(labels) - 1
			if labels[last].loop {
				loopDepth--
			}
			if labels = labels[:last]; last == 0 {
				return f
			}
		case immBr:
			v, pos = leb(code, pos)
			f.branches++
			f.values += carried(labels, v)
		case immBrTable:
			v, pos = leb(code, pos)
			f.labels = max(f.labels, uint64(v))
			for n := uint64(v) + 1; n > 0 && pos < len(code); n-- {
				v, pos = leb(code, pos)
				f.branches++
				f.values += carried(labels, v)
			}
		case immReturn:
			f.values += uint64(of.results)
		case immCall:
			v, pos = leb(code, pos)
			f.values += at(s.funcs, v).both()
		case immCallIndirect:
			v, pos = leb(code, pos)
			pos = skipLEB(code, pos)
			f.values += at(s.types, v).both()
		case immSelect:
			v, pos = leb(code, pos)
			pos += int(v)
		case immByte:
			pos++
		case imm4:
			pos += 4
		case imm8:
			pos += 8
		case immMisc:
			first := pos - 1
			if v, pos = leb(code, pos); v >= uint32(len(immediatesMisc)) {
				f.unknown = first
				return f
			}
			for range immediatesMisc[v] {
				pos = skipLEB(code, pos)
			}
		case immVector:
			first := pos - 1
			if v, pos = leb(code, pos); v >= 0x100 {
				f.unknown = first
				return f
			}
			numbers, bytes := vectorImmediate(v)
			for range numbers {
				pos = skipLEB(code, pos)
			}
			pos += bytes
		}
	}
	return f
}

// blockType reads the type of a block. The position is -1 if it is none.
func (s *scanner) blockType(code []byte, pos int) (t arity, after int) {
	if pos >= len(code) {
		return t, -1
	}
	switch code[pos] {
	case 0x40:
		return t, pos + 1
	case I32, I64, F32, F64, V128, FuncRef, ExternRef:
		return arity{results: 1}, pos + 1
	}
	v, pos := leb(code, pos)
	if uint64(v) >= uint64(len(s.types)) {
		return t, -1
	}
	return s.types[v], pos
}

// add adds what was found in a function, of which there may be so much.
func (s *Sizes) add(f function, variables uint64) {
	s.Blocks = max(s.Blocks, f.blocks)
	s.Nesting = max(s.Nesting, f.nesting)
	s.LoopNesting = max(s.LoopNesting, f.loopDepth)
	s.Labels = max(s.Labels, f.labels)
	s.Values += f.values
	s.BlocksSquared += f.blocks * f.blocks
	s.VariablesAndBranches += variables * (f.blocks + f.branches)
	s.VariablesInLoops += variables * f.loops
}

// within returns an error if one function alone has too much.
func (f function) within(index int) error {
	for _, l := range []struct {
		what       string
		has, limit uint64
	}{
		{"blocks", f.blocks, maxBlocks},
		{"blocks within each other", f.nesting, maxNesting},
		{"loops within each other", f.loopDepth, maxLoopNesting},
		{"labels in one br_table", f.labels, maxLabels},
	} {
		if l.has > l.limit {
			return fmt.Errorf("function %d has %d %s; at most %d are supported", index, l.has, l.what, l.limit)
		}
	}
	return nil
}
