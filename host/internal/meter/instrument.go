package meter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
)

// The sections of a module (Core Specification 2.0, 5.5.2).
const (
	sectionCustom    = 0
	sectionType      = 1
	sectionImport    = 2
	sectionFunction  = 3
	sectionTable     = 4
	sectionMemory    = 5
	sectionGlobal    = 6
	sectionExport    = 7
	sectionStart     = 8
	sectionElement   = 9
	sectionCode      = 10
	sectionData      = 11
	sectionDataCount = 12
)

// sectionOrder is the order in which sections stand (5.5.16), each at most once.
var sectionOrder = [...]int{
	sectionType, sectionImport, sectionFunction, sectionTable, sectionMemory, sectionGlobal, sectionExport,
	sectionStart, sectionElement, sectionDataCount, sectionCode, sectionData,
}

// Limits are those of browsers (WebAssembly JavaScript Interface, Implementation-defined
// Limits).
const (
	maxLocals = 50_000
	maxArity  = 1000 // parameters of a type, and results
	// not of browsers; a section takes two bytes in the binary and a hundred in memory
	maxSections = 1000
)

// Instrument returns the binary with metering added. It does not validate the binary: the
// compiler does that with the result, which is valid if the binary is. It refuses what it
// cannot decode, naming it and its offset, and a binary that imports or exports names
// with [Prefix], such as one that has been instrumented before. It never panics, and
// takes time and memory in proportion to the size of the binary.
//
// It gives up with the context's cause once that has ended.
func Instrument(ctx context.Context, binary []byte, options ...Option) ([]byte, error) {
	sections, err := split(binary)
	if err != nil {
		return nil, err
	}
	m := &module{ctx: ctx, refs: map[uint32]int{}, grown: map[uint32]int{}}
	for _, option := range options {
		option(m)
	}
	var byID [sectionDataCount + 1]*section
	for _, s := range sections {
		if s.id == sectionCustom {
			continue // may stand before what has to be known for it
		}
		byID[s.id] = s
		m.section(s)
		if s.err == nil && !s.done() {
			s.fail("%d bytes too many at offset %#x", len(s.rest()), s.pos)
		}
		if s.err != nil {
			return nil, fmt.Errorf("section %d: %w", s.id, s.err)
		}
	}
	m.extend(&byID)
	out := &code{bytes: make([]byte, 0, len(binary)+len(binary)/8+1024)}
	out.op(binary[:8]...)
	for _, s := range sections {
		if s.id == sectionCustom {
			name := newReader(s.data, s.pos).name()
			if isObsolete(name) {
				continue
			}
			if name == "name" {
				m.names(s.reader)
			}
			if s.err != nil {
				return nil, fmt.Errorf("custom section %.80q: %w", name, s.err)
			}
		}
		out.op(byte(s.id)).sized(s.bytes())
	}
	return out.bytes, nil
}

// section is a section. Most of them are vectors.
type section struct {
	id int
	*reader
	vector bool
	n      int  // items of the vector
	added  code // further ones
}

// add returns where to write another item.
func (s *section) add() *code {
	s.n++
	return &s.added
}

// bytes returns the contents of the section as they are now.
func (s *section) bytes() []byte {
	if !s.vector {
		return s.content()
	}
	content := s.content()
	c := &code{bytes: make([]byte, 0, len(content)+len(s.added.bytes)+5)}
	return c.u32(s.n).op(content...).op(s.added.bytes...).bytes
}

// split returns the sections of a binary, and empty ones in the place of those that are
// missing and to which something is to be added.
func split(binary []byte) (sections []*section, err error) {
	if len(binary) < 8 || string(binary[:8]) != "\x00asm\x01\x00\x00\x00" {
		return nil, errors.New("this is not a WebAssembly binary of version 1")
	}
	place := 0 // in the order
	upTo := func(id int) bool {
		for ; place < len(sectionOrder); place++ {
			switch missing := sectionOrder[place]; missing {
			case id:
				place++
				return true
			case sectionType, sectionImport, sectionFunction, sectionGlobal, sectionExport, sectionCode:
				sections = append(sections, &section{id: missing, vector: true, reader: newReader(nil, 0)})
			}
		}
		return false
	}
	for r := newReader(binary, 8); !r.done(); {
		at := r.pos
		id := int(r.byte())
		s := &section{id: id, reader: r.part("section")}
		switch id {
		case sectionCustom, sectionStart, sectionDataCount:
		default:
			s.vector = true
			s.n = s.count("items")
			s.copied = s.pos
		}
		if err := cmp.Or(r.err, s.err); err != nil {
			return nil, fmt.Errorf("section %d at offset %#x: %w", id, at, err)
		}
		if id != sectionCustom && !upTo(id) {
			return nil, fmt.Errorf("section %d at offset %#x is unknown, repeated or out of order", id, at)
		}
		if len(sections) == maxSections {
			return nil, fmt.Errorf("there are more than %d sections", maxSections)
		}
		sections = append(sections, s)
	}
	upTo(sectionCustom)
	return sections, nil
}

// isObsolete tells which custom sections the metering turns into nonsense because they
// refer to offsets in the code: debug information, relocations and hints for branches.
func isObsolete(name string) bool {
	return strings.HasPrefix(name, ".debug_") || strings.HasPrefix(name, "reloc.") || name == "linking" ||
		strings.HasPrefix(name, "metadata.code.") || name == "sourceMappingURL" || name == "external_debug_info"
}

// module is what is known of a module. All indices are those of the original.
type module struct {
	ctx      context.Context // of the rewriting
	types    []arity
	funcs    []uint32 // the types of the functions, imported ones first
	imported int      // how many functions are imported
	globals  int
	tables   []byte // the types of their elements
	memory   bool
	refs     map[uint32]int // the functions that ref.func is used with, numbered
	grown    map[uint32]int // the tables that table.grow is used with, numbered

	canonical bool // NaNs
}

// section rewrites a section that is not a custom one.
func (m *module) section(s *section) {
	r := s.reader
	switch s.id {
	case sectionTable:
		for range s.n {
			m.tables = append(m.tables, r.byte())
			r.limits()
		}
	case sectionMemory:
		m.memory = m.memory || s.n > 0
		r.skip(len(r.rest()))
	case sectionDataCount:
		r.u32()
	case sectionStart:
		m.function(r)
	case sectionType:
		for range s.n {
			r.expect(0x60, "form of a type")
			m.types = append(m.types, arity{params: r.valueTypes(), results: r.valueTypes()})
		}
	case sectionImport:
		for range s.n {
			m.importEntry(r)
		}
		m.imported = len(m.funcs)
	case sectionFunction:
		for range s.n {
			m.funcs = append(m.funcs, m.typeIndex(r))
		}
	case sectionGlobal:
		m.globals += s.n
		for range s.n {
			r.skip(2) // type and mutability
			m.constant(r)
		}
	case sectionExport:
		for range s.n {
			m.export(r)
		}
	case sectionElement:
		for range s.n {
			m.element(r)
		}
	case sectionCode:
		if defined := len(m.funcs) - m.imported; s.n != defined {
			r.fail("there are %d functions, but %d bodies", defined, s.n)
			return
		}
		m.bodies(r, s.n)
	case sectionData:
		for range s.n {
			m.data(r)
		}
	}
}

// valueTypes skips a vector of types of values and returns their number.
func (r *reader) valueTypes() int {
	n := r.count("types")
	if n > maxArity {
		r.fail("%d parameters or results at offset %#x are more than the %d that are supported", n, r.pos, maxArity)
		return 0
	}
	r.skip(n)
	return n
}

func (m *module) importEntry(r *reader) {
	start := r.pos
	module := r.name()
	r.name()
	if strings.HasPrefix(module, Prefix) {
		r.fail("import at offset %#x is from %.80q, which only the metering may use", start, module)
	}
	at := r.pos
	switch kind := r.byte(); kind {
	case kindFunc:
		m.funcs = append(m.funcs, m.typeIndex(r))
	case kindTable:
		m.tables = append(m.tables, r.byte())
		r.limits()
	case kindMemory:
		r.limits()
		m.memory = true
	case kindGlobal:
		r.skip(2) // type and mutability
		m.globals++
	default:
		r.fail("kind %d of an import at offset %#x is unknown", kind, at)
	}
}

// limits skips the limits of a table or memory (5.3.7).
func (r *reader) limits() {
	at := r.pos
	switch flags := r.byte(); flags {
	case 0:
		r.u32()
	case 1:
		r.u32()
		r.u32()
	default:
		r.fail("limits %#x at offset %#x are not those of WebAssembly 2.0", flags, at)
	}
}

func (m *module) export(r *reader) {
	start := r.pos
	if name := r.name(); strings.HasPrefix(name, Prefix) {
		r.fail("export at offset %#x has the name %.80q, which only the metering may use", start, name)
	}
	switch r.byte() {
	case kindFunc:
		m.function(r)
	case kindGlobal:
		m.global(r)
	default:
		r.u32()
	}
}

// element rewrites an element segment (5.5.12). The bits of its flags are: passive or
// declarative; with a table index, or declarative; with expressions instead of functions.
func (m *module) element(r *reader) {
	at := r.pos
	flags := r.u32()
	if flags > 7 {
		r.fail("flags %#x of an element segment at offset %#x are unknown", flags, at)
	}
	if flags&1 == 0 {
		if flags&2 != 0 {
			r.u32() // table
		}
		m.constant(r)
	}
	if flags&3 != 0 {
		r.byte() // kind of elements
	}
	for range r.count("elements") {
		if flags&4 != 0 {
			m.constant(r)
		} else {
			m.function(r)
		}
	}
}

// data reads a data segment (5.5.14).
func (m *module) data(r *reader) {
	at := r.pos
	flags := r.u32()
	if flags > 2 {
		r.fail("flags %#x of a data segment at offset %#x are unknown", flags, at)
	}
	if flags == 2 {
		r.u32() // memory
	}
	if flags != 1 { // not passive
		m.constant(r)
	}
	r.skip(r.count("bytes"))
}

// constant rewrites a constant expression (3.3.8).
func (m *module) constant(r *reader) {
	for in := (instruction{}); in.op != opEnd && r.err == nil; {
		m.next(r, &in)
		if in.long {
			r.fail("opcode at offset %#x is not in its shortest encoding, which is supported in functions alone", in.pos)
		}
		switch in.op {
		case opEnd, opI32Const, opI64Const, opF32Const, opF64Const, opV128Const, opGlobalGet, opRefNull:
		case opRefFunc:
			r.replace(in.pos).op(opRefFunc).u32(m.moved(in.index))
		default:
			r.fail("opcode %#x at offset %#x is not one of a constant expression", in.op, in.pos)
		}
	}
}

// names rewrites the section with names (7.4.1): some of them go by the index of a
// function. wazero trusts the numbers in there, and takes no notice of where its parts
// end: so each part has to be as long as it says.
func (m *module) names(r *reader) {
	r.name()
	for !r.done() {
		id := r.byte()
		start := r.pos
		p := r.part("names")
		switch id {
		case 0: // of the module
			p.name()
		case 1: // of functions
			for range p.count("names") {
				at := p.pos
				f := p.u32()
				p.replace(at).u32(m.moved(f))
				p.name()
			}
		case 2, 3: // of their local variables; of their labels
			// A runtime compares each function with each of these, and shows them nowhere.
			r.replace(start - 1)
			continue
		default:
			p.skip(len(p.rest()))
		}
		if p.err == nil && !p.done() {
			p.fail("%d bytes too many at offset %#x", len(p.rest()), p.pos)
		}
		if p.err != nil {
			r.fail("%w", p.err)
			return
		}
		r.replace(start).sized(p.content())
	}
}

// function rewrites the index of a function.
func (m *module) function(r *reader) {
	at := r.pos
	f := r.below(len(m.funcs), "function")
	r.replace(at).u32(m.moved(f))
}

func (m *module) global(r *reader)           { r.below(m.globals, "global") }
func (m *module) typeIndex(r *reader) uint32 { return r.below(len(m.types), "type") }

// below reads an index that is below the number of what there is. The compiler would
// check that as well, but it cannot tell what has been added.
func (r *reader) below(n int, what string) uint32 {
	at := r.pos
	i := r.u32()
	if uint64(i) >= uint64(n) {
		r.fail("%s %d at offset %#x does not exist", what, i, at)
		return 0
	}
	return i
}
