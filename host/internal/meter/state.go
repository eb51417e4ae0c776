package meter

import (
	"fmt"
)

// StatePrefix begins the names under which [Expose] exports globals.
const StatePrefix = "wasmworker:state/"

// Exposed is a module whose state can be read and set back from outside.
type Exposed struct {
	// Binary is the module. It is to be instrumented yet.
	Binary []byte
	// Globals are the names under which the mutable globals are exported.
	Globals []string
	// Irreversible says which part of an instance's state the code can change and nobody
	// can set back, or "".
	Irreversible string
}

// Instructions that change what the API of a runtime does not reach: tables, and whether
// segments were dropped. memory.init changes memory alone.
var irreversible = map[int]string{
	0x26:   "table.set",
	0xfc09: "data.drop",
	0xfc0c: "table.init",
	0xfc0d: "elem.drop",
	0xfc0e: "table.copy",
	0xfc0f: "table.grow",
	0xfc11: "table.fill",
}

// Expose exports the mutable globals of a module, finds out whether the rest of its state
// can be set back, and caps the growth of its tables at maxTable elements each, which the
// runtime does not limit. It refuses what it cannot decode, as Instrument does.
func Expose(binary []byte, maxTable uint32) (*Exposed, error) {
	sections, err := split(binary)
	if err != nil {
		return nil, err
	}
	m := &module{refs: map[uint32]int{}}
	e := &Exposed{}
	var mutable []int
	out := &code{bytes: make([]byte, 0, len(binary)+1024)}
	out.op(binary[:8]...)
	for _, s := range sections {
		switch s.id {
		case sectionCustom:
		case sectionTable:
			for range s.n {
				s.skip(1) // type of the elements
				s.capLimits(maxTable)
			}
		case sectionGlobal:
			mutable = e.globals(m, s)
		case sectionExport:
			for i, index := range mutable {
				s.add().name(e.Globals[i]).op(kindGlobal).u32(index)
			}
		case sectionCode:
			e.code(m, newReader(s.data, s.pos), s.n)
		default:
			// Read for what the code refers to. What it is rewritten to is of no use here.
			read := &section{id: s.id, vector: s.vector, n: s.n, reader: newReader(s.data, s.pos)}
			if m.section(read); read.err != nil {
				return nil, fmt.Errorf("section %d: %w", s.id, read.err)
			}
		}
		if s.err != nil {
			return nil, fmt.Errorf("section %d: %w", s.id, s.err)
		}
		out.op(byte(s.id)).sized(s.bytes())
	}
	e.Binary = out.bytes
	return e, nil
}

// globals reads the global section and returns the indices of the mutable ones.
func (e *Exposed) globals(m *module, s *section) (mutable []int) {
	for i := range s.n {
		valueType, isMutable := s.byte(), s.byte() == 1
		for in := (instruction{}); in.op != opEnd && s.err == nil; {
			m.next(s.reader, &in)
		}
		if !isMutable {
			continue
		}
		switch valueType {
		case 0x7f, 0x7e, 0x7d, 0x7c: // the numbers
			mutable = append(mutable, m.globals+i)
			e.Globals = append(e.Globals, fmt.Sprintf("%s%d", StatePrefix, i))
		default: // wazero's API cannot set a v128 or a reference
			e.Irreversible = "it has a mutable global that is not a number"
		}
	}
	m.globals += s.n
	return mutable
}

// code looks for instructions whose effect cannot be set back.
func (e *Exposed) code(m *module, r *reader, n int) {
	for range n {
		body := r.part("the function")
		for range body.count("groups of local variables") {
			body.u32()
			body.byte()
		}
		for in := (instruction{}); !body.done(); {
			m.next(body, &in)
			if what, ok := irreversible[in.op]; ok && body.err == nil {
				e.Irreversible = "its code has the instruction " + what
				return
			}
		}
		if body.err != nil {
			return // Instrument says so
		}
	}
}

// capLimits lowers the maximum of limits, or adds one.
func (r *reader) capLimits(most uint32) {
	start := r.pos
	flags, lowest := r.byte(), r.u32()
	if flags > 1 {
		r.fail("limits %#x at offset %#x are not those of WebAssembly 2.0", flags, start)
		return
	}
	if flags == 1 {
		most = min(most, r.u32())
	}
	r.replace(start).op(1).u32(int(lowest)).u32(int(max(most, lowest)))
}
